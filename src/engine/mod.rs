//! Sessions and statements: where the log side and the SQL side meet.
//!
//! A `Session` is one client's: its settings, transaction status, cursors and notices. Statements stand one per file
//! in `statement/`, system tables one per file in `system/`. Doors (`wire`, `cli`) call nothing else of the engine.
//!
//! Invariants:
//!   * a statement reads one catalog and one `Published`: what one commit wrote is seen whole or not at all
//!   * one DDL is one proposal to the metadata log; a stale one is bound again and tried again
//!   * dropping a future or a row stream at any await cancels it and leaves the session usable
//!   * every access is asked of `security::authorize` here, never at a door

mod advisory;
mod apart;
mod append;
mod codec;
mod copy_in;
mod copy_text;
mod core;
mod cursor;
mod defaults;
mod lock_timeout;
mod measures;
mod numbers;
mod one_row;
mod outcome;
mod prepared;
mod queries;
mod read;
mod recent;
mod records;
mod row_keys;
mod row_time;
mod session;
mod settings;
mod shape;
mod statement;
mod system;
mod table_write;
mod tables;
mod temporary;
mod text;
mod topic;
mod variables;

pub use copy_in::CopyInSink;
pub use core::Engine;
pub use core::EngineParts;
pub use outcome::CopyOut;
pub use outcome::CopyOutRows;
pub use outcome::Description;
pub use outcome::Notice;
pub use outcome::Origin;
pub use outcome::Outcome;
pub use outcome::OutputField;
pub use outcome::RowStream;
pub use outcome::TransactionStatus;
pub use outcome::Value;
pub use prepared::Deallocated;
pub use prepared::Prepared;
pub use read::type_modifier;
pub use read::type_question;
pub use session::Session;
pub use session::SessionOptions;
pub use settings::SERVER_VERSION;
pub use text::interval_text;
pub use text::read_text;
pub use text::write_text;

pub use crate::catalog::TextKind;
pub use crate::format::canonical_uuid;
pub use crate::format::uuid_bytes;
pub use crate::format::uuid_text;
