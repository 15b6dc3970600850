//! The commands of the binary.

pub mod datagen;
mod demo;
mod group;
mod kafka;
mod log_check;
mod log_dump;
mod server;
mod sql;
pub mod test;
mod topic;
mod transaction;

pub use datagen::DatagenCommand;
pub use datagen::run as run_datagen;
pub use demo::FraudArguments;
pub use demo::run_flights as run_demo_flights;
pub use demo::run_fraud as run_demo_fraud;
pub use group::GroupCommand;
pub use group::run as run_group;
pub use log_check::LogRepairArguments;
pub use log_check::LogVerifyArguments;
pub use log_check::repair as run_log_repair;
pub use log_check::verify as run_log_verify;
pub use log_dump::LogDumpArguments;
pub use log_dump::run as run_log_dump;
pub use server::run as run_server;
pub use sql::SqlArguments;
pub use sql::run as run_sql;
pub use test::TestArguments;
pub use test::run_files as run_test;
pub use topic::TopicCommand;
pub use topic::run as run_topic;
pub use transaction::TransactionCommand;
pub use transaction::run as run_transaction;
