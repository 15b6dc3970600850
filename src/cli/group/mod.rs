//! `tidemill group`: consumer groups of any Kafka cluster, over the Kafka wire.

mod delete;
mod describe;
mod list;
mod positions;
mod reset;

use crate::env::Env;
use crate::error::Error;

/// What is done with groups.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum GroupCommand {
    /// Lists groups.
    List(list::Arguments),
    /// Shows where a group stands, how far that is from the end, and who reads what.
    Describe(describe::Arguments),
    /// Moves a group that has no members.
    Reset(reset::Arguments),
    /// Forgets groups that have no members, and where they stood.
    Delete(delete::Arguments),
}

/// Runs a command to its end.
pub async fn run(env: &Env, command: GroupCommand) -> Result<(), Error> {
    match command {
        GroupCommand::List(arguments) => list::run(env, arguments).await,
        GroupCommand::Describe(arguments) => describe::run(env, arguments).await,
        GroupCommand::Reset(arguments) => reset::run(env, arguments).await,
        GroupCommand::Delete(arguments) => delete::run(env, arguments).await,
    }
}
