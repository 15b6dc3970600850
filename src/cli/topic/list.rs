//! `tidemill topic list`

use super::Where;
use super::say;
use crate::env::Env;
use crate::error::Error;

/// What is listed.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// Lists the server's own topics too
    #[arg(long)]
    all: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Lists topics by name.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut topics = arguments.at.connect(env).await?.metadata(None).await?.topics;
    topics.retain(|topic| arguments.all || !topic.is_internal);
    topics.sort_by(|left, right| left.name.cmp(&right.name));
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_deref().unwrap_or_default()).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (topic, name) in topics.iter().zip(names) {
        let partitions = topic.partitions.len();
        text += &match arguments.json {
            true => format!("{}\n", serde_json::json!({"name": name, "partitions": partitions})),
            false => format!("{name:widest$}  {partitions} partition{}\n", if partitions == 1 { "" } else { "s" }),
        };
    }
    say(&text).map(drop)
}
