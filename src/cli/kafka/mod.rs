//! What the commands over the Kafka wire share: where the cluster is, how it is asked, how answers are shown.

mod client;
mod cluster;
mod listing;
mod offsets;
mod time;

use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::protocol::ErrorCode;

pub(super) use cluster::Cluster;
pub(super) use cluster::CoordinatorOf;
pub(super) use cluster::TopicPartitions;
pub(super) use listing::Format;
pub(super) use listing::Listing;
pub(super) use listing::say;
pub(super) use listing::show_all;
pub(super) use offsets::OffsetAt;
pub(super) use offsets::Place;
pub(super) use offsets::list_offsets;
pub(super) use time::parse_time;

/// How long a broker may take for what changes topics, in ms.
pub(super) const TIMEOUT_MS: i32 = 30_000;

/// Which cluster.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Where {
    /// A broker of the cluster
    #[arg(short = 'b', long = "broker", value_name = "HOST:PORT", env = "TIDEMILL_KAFKA")]
    #[arg(default_value = "127.0.0.1:9092")]
    broker: String,
}

impl Where {
    /// Connects.
    pub async fn connect<'e>(&self, env: &'e Env) -> Result<Cluster<'e>, Error> {
        Cluster::connect(env, &self.broker).await
    }
}

/// What a broker refused, as an error for people.
pub(super) fn refused(what: &str, code: ErrorCode, message: Option<&str>) -> Error {
    let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("{what}: {}", code.name()));
    match message {
        Some(message) => error.detail(message.to_string()),
        None => error,
    }
}

/// What was refused of several things, each of which was tried: the first, with what became of the others.
pub(super) fn all_refused(refusals: Vec<Error>) -> Result<(), Error> {
    let mut refusals = refusals.into_iter();
    let Some(first) = refusals.next() else { return Ok(()) };
    let others: Vec<_> = refusals.map(|other| other.message().to_string()).collect();
    let detail = first.detail_text().map(str::to_string).into_iter().chain(others).collect::<Vec<_>>().join("\n  ");
    Err(if detail.is_empty() { first } else { first.detail(detail) })
}

/// An argument that cannot be.
pub(super) fn wrong(message: String) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}
