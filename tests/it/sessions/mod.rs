//! `engine::Session` over a whole engine in memory: simulated disk and clock, queries driven by hand.

mod aligned;
mod altered;
mod by_key;
mod cursors;
mod errors;
mod harness;
mod pg_catalog;
mod pins;
mod progress;
mod reads;
mod standing;
mod turns;
mod watched;
