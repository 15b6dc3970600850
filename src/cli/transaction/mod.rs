//! `tidemill transaction`: transactional ids of any Kafka cluster, over the Kafka wire.

mod abort;
mod describe;
mod list;

use crate::env::Env;
use crate::error::Error;

/// What is done with transactional ids.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum TransactionCommand {
    /// Lists transactional ids.
    List(list::Arguments),
    /// Shows what a transaction holds and how long it has been open.
    Describe(describe::Arguments),
    /// Aborts what a transactional id has open, and fences its producer.
    Abort(abort::Arguments),
}

/// Runs a command to its end.
pub async fn run(env: &Env, command: TransactionCommand) -> Result<(), Error> {
    match command {
        TransactionCommand::List(arguments) => list::run(env, arguments).await,
        TransactionCommand::Describe(arguments) => describe::run(env, arguments).await,
        TransactionCommand::Abort(arguments) => abort::run(env, arguments).await,
    }
}
