//! The commands of the binary.

mod log_dump;
mod sql;
pub mod test;

pub use log_dump::LogDumpArguments;
pub use log_dump::run as run_log_dump;
pub use sql::SqlArguments;
pub use sql::run as run_sql;
pub use test::TestArguments;
pub use test::run_files as run_test;
