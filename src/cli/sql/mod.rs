//! `tidemill sql`: a prompt over the server's PostgreSQL door.
//!
//! It speaks the simple protocol only, as psql does; every row it shows proves the wire.
//!
//! `run` is the way from arguments to an exit code, `shell` runs statements, `backslash` commands. `layout` and `table` make
//! rows into text, `live` and `plot` into pictures, `output` brings them out. `terminal` reads what is typed, `assistant` helps.

mod arguments;
mod assistant;
mod backslash;
mod chart;
mod client;
mod command;
mod completion;
mod copy;
mod describe;
mod edit;
mod error;
mod highlight;
mod input;
mod interrupt;
mod keywords;
mod layout;
mod lexer;
mod live;
mod names;
mod options;
mod output;
mod parquet;
mod picture;
mod plot;
mod progress;
mod protocol;
mod report;
mod run;
mod screen;
mod shell;
mod showing;
mod splitter;
mod table;
mod terminal;
mod width;

pub use arguments::SqlArguments;
pub(super) use client::Client;
pub(super) use client::Target;
pub(super) use copy::begin_copy_in;
pub(super) use copy::send_batches;
pub(super) use copy::send_lines;
pub(super) use error::SqlError;
pub(super) use parquet::ParquetRows;
pub(super) use protocol::Event;
pub use run::run;
pub(super) use splitter::statements;
pub(super) use table::Table;
pub(super) use table::column;
