//! `tidemill sql`: a prompt over the server's PostgreSQL door.
//!
//! It speaks the simple protocol only, as psql does; every row it shows proves the wire.

mod client;
mod command;
mod copy;
mod error;
mod parquet;
mod protocol;
mod run;
mod shell;
mod splitter;
mod table;

pub(super) use client::Client;
pub(super) use client::Target;
pub(super) use copy::begin_copy_in;
pub(super) use copy::send_batches;
pub(super) use copy::send_lines;
pub(super) use error::SqlError;
pub(super) use parquet::ParquetRows;
pub(super) use protocol::Event;
pub use run::SqlArguments;
pub use run::run;
pub(super) use splitter::statements;
pub(super) use table::Table;
pub(super) use table::column;
