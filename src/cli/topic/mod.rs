//! `tidemill topic`: topics of any Kafka cluster, over the Kafka wire.

mod alter;
mod change;
mod consume;
mod describe;
mod list;
mod produce;

use crate::env::Env;
use crate::error::Error;

/// What is done with topics.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum TopicCommand {
    /// Lists topics.
    List(list::Arguments),
    /// Shows a topic's partitions, or its settings.
    Describe(describe::Arguments),
    /// Makes a topic.
    Create(change::CreateArguments),
    /// Changes a topic's settings, or gives it more partitions.
    Alter(alter::Arguments),
    /// Drops topics with their records.
    Delete(change::DeleteArguments),
    /// Writes the lines of standard input as records.
    Produce(produce::Arguments),
    /// Shows records.
    Consume(consume::Arguments),
}

/// Runs a command to its end.
pub async fn run(env: &Env, command: TopicCommand) -> Result<(), Error> {
    match command {
        TopicCommand::List(arguments) => list::run(env, arguments).await,
        TopicCommand::Describe(arguments) => describe::run(env, arguments).await,
        TopicCommand::Create(arguments) => change::create(env, arguments).await,
        TopicCommand::Alter(arguments) => alter::run(env, arguments).await,
        TopicCommand::Delete(arguments) => change::delete(env, arguments).await,
        TopicCommand::Produce(arguments) => produce::run(env, arguments).await,
        TopicCommand::Consume(arguments) => consume::run(env, arguments).await,
    }
}
