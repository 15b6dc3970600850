//! `tidemill topic`: topics of any Kafka cluster, over the Kafka wire.

mod change;
mod client;
mod describe;
mod list;

use std::io::Write;

use self::client::KafkaClient;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::protocol::ErrorCode;

/// Which cluster.
#[derive(Debug, Clone, clap::Args)]
struct Where {
    /// A broker of the cluster
    #[arg(short = 'b', long = "broker", value_name = "HOST:PORT", env = "TIDEMILL_KAFKA", default_value = "127.0.0.1:9092")]
    broker: String,
}

/// What is done with topics.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum TopicCommand {
    /// Lists topics.
    List(list::Arguments),
    /// Shows a topic's partitions and what it is told.
    Describe(describe::Arguments),
    /// Makes a topic.
    Create(change::CreateArguments),
    /// Drops topics with their records.
    Delete(change::DeleteArguments),
}

/// Runs a command to its end.
pub async fn run(env: &Env, command: TopicCommand) -> Result<(), Error> {
    match command {
        TopicCommand::List(arguments) => list::run(env, arguments).await,
        TopicCommand::Describe(arguments) => describe::run(env, arguments).await,
        TopicCommand::Create(arguments) => change::create(env, arguments).await,
        TopicCommand::Delete(arguments) => change::delete(env, arguments).await,
    }
}

impl Where {
    async fn connect(&self, env: &Env) -> Result<KafkaClient, Error> {
        KafkaClient::connect(env, &self.broker).await
    }
}

/// What a broker refused, as an error for people.
fn refused(what: &str, code: ErrorCode, message: Option<&str>) -> Error {
    let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("{what}: {}", code.name()));
    match message {
        Some(message) => error.detail(message.to_string()),
        None => error,
    }
}

/// Writes lines; `false` if nobody reads them any more.
fn say(text: &str) -> Result<bool, Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::new(SqlState::IO_ERROR, format!("could not write: {error}")).caused_by(error)),
    }
}
