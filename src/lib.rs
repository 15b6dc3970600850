//! Tidemill: a SQL streaming database in one binary.
//!
//! `docs/architecture.md` is the map of these rooms; `tests/tidy.rs` holds who may use whom.

pub mod config;
pub mod error;
pub mod memory;
pub mod metrics;
mod nearest;

pub mod model;

pub mod env;
pub mod protocol;
pub mod security;

pub mod format;
pub mod functions;

pub mod broker;
pub mod cluster;
pub mod log;

pub mod catalog;
pub mod sql;

pub mod plan;
pub mod state;

pub mod exec;

pub mod engine;
pub mod wire;

pub mod node;
mod probe;

pub mod cli;
