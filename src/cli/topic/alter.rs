//! `tidemill topic alter`

use crate::cli::kafka::Cluster;
use crate::cli::kafka::TIMEOUT_MS;
use crate::cli::kafka::Where;
use crate::cli::kafka::refused;
use crate::cli::kafka::say;
use crate::cli::kafka::wrong;
use crate::env::Env;
use crate::error::Error;
use crate::protocol::ErrorCode;
use crate::protocol::create_partitions;
use crate::protocol::incremental_alter_configs as message;

use super::change::setting;

const ALTER_CONFIGS: i16 = 1;
const CREATE_PARTITIONS: i16 = 2;
const TOPIC: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;

/// What is changed.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// The topic
    topic: String,
    /// A setting, as often as there are any: retention.ms=3600000
    #[arg(short = 'c', long = "config", value_name = "NAME=VALUE")]
    configs: Vec<String>,
    /// A setting that gets its default again, as often as there are any
    #[arg(long = "reset", value_name = "NAME")]
    resets: Vec<String>,
    /// How many partitions the topic is to have: more than it has
    #[arg(long, value_name = "N")]
    partitions: Option<i32>,
}

/// Changes settings, then adds partitions.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let Arguments { at, topic, configs, resets, partitions } = arguments;
    if configs.is_empty() && resets.is_empty() && partitions.is_none() {
        return Err(wrong("nothing is to be changed".to_string()).hint("--config, --reset or --partitions say what."));
    }
    let mut changes = Vec::new();
    for text in &configs {
        let (name, value) = setting(text)?;
        changes.push(message::Config { name, config_operation: SET, value: Some(value) });
    }
    changes.extend(resets.into_iter().map(|name| message::Config { name, config_operation: DELETE, value: None }));
    let mut cluster = at.connect(env).await?;
    if !changes.is_empty() {
        configure(&mut cluster, &topic, changes).await?;
    }
    match partitions {
        Some(count) => add_partitions(&mut cluster, &topic, count).await,
        None => Ok(()),
    }
}

async fn configure(cluster: &mut Cluster<'_>, topic: &str, configs: Vec<message::Config>) -> Result<(), Error> {
    let count = configs.len();
    let resource = message::Resource { resource_type: TOPIC, resource_name: topic.to_string(), configs };
    let request = message::Request { resources: vec![resource], ..Default::default() };
    for result in cluster.ask(ALTER_CONFIGS, &request).await?.responses {
        if result.error_code != ErrorCode::NONE {
            let what = format!("topic \"{topic}\" was not changed");
            return Err(refused(&what, result.error_code, result.error_message.as_deref()));
        }
    }
    say(&format!("changed {count} setting{} of {topic}\n", if count == 1 { "" } else { "s" })).map(drop)
}

async fn add_partitions(cluster: &mut Cluster<'_>, topic: &str, count: i32) -> Result<(), Error> {
    let wanted = create_partitions::Topic { name: topic.to_string(), count, assignments: None };
    let request = create_partitions::Request { topics: vec![wanted], timeout_ms: TIMEOUT_MS, ..Default::default() };
    for result in cluster.ask(CREATE_PARTITIONS, &request).await?.results {
        if result.error_code != ErrorCode::NONE {
            let what = format!("topic \"{topic}\" got no partitions");
            return Err(refused(&what, result.error_code, result.error_message.as_deref()));
        }
    }
    say(&format!("{topic} has {count} partitions\n")).map(drop)
}
