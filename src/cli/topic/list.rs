//! `tidemill topic list`

use serde_json::json;

use crate::cli::kafka::Format;
use crate::cli::kafka::Where;
use crate::cli::kafka::show_all;
use crate::env::Env;
use crate::error::Error;

/// What is listed.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Lists the server's own topics too
    #[arg(long)]
    all: bool,
}

/// Lists topics by name.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut topics = arguments.at.connect(env).await?.metadata(None).await?.topics;
    topics.retain(|topic| arguments.all || !topic.is_internal);
    topics.sort_by(|left, right| left.name.cmp(&right.name));
    let row = |topic: crate::protocol::metadata::Topic| {
        let replicas = topic.partitions.first().map(|partition| partition.replica_nodes.len());
        vec![json!(topic.name), json!(topic.partitions.len()), json!(replicas)]
    };
    show_all(arguments.format, &["topic", "partitions", "replicas"], topics.into_iter().map(row).collect())
}
