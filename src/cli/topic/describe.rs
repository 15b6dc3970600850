//! `tidemill topic describe`

use serde_json::json;

use crate::cli::kafka::Cluster;
use crate::cli::kafka::Format;
use crate::cli::kafka::Place;
use crate::cli::kafka::Where;
use crate::cli::kafka::list_offsets;
use crate::cli::kafka::refused;
use crate::cli::kafka::show_all;
use crate::env::Env;
use crate::error::Error;
use crate::model::TopicId;
use crate::protocol::ErrorCode;
use crate::protocol::describe_configs;

const TOPIC: i8 = 2;
const DESCRIBE_CONFIGS: i16 = 4;
/// The source of a setting that the topic itself was given.
const OF_TOPIC: i8 = 1;

/// What is described.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The topic
    topic: String,
    /// Shows the settings that the topic was given, in place of its partitions
    #[arg(long)]
    settings: bool,
    /// Shows all settings, those with their default too
    #[arg(long)]
    all_settings: bool,
}

/// Shows partitions with their offsets, or settings.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut cluster = arguments.at.connect(env).await?;
    match arguments.settings || arguments.all_settings {
        true => settings(&mut cluster, &arguments).await,
        false => partitions(&mut cluster, &arguments).await,
    }
}

async fn partitions(cluster: &mut Cluster<'_>, arguments: &Arguments) -> Result<(), Error> {
    let topic = cluster.topic(&arguments.topic).await?;
    let led = topic.partitions.iter();
    let led = led.map(|it| (arguments.topic.clone(), it.partition_index, it.leader_id)).collect();
    let starts = list_offsets(cluster, &led, Place::Start).await?;
    let ends = list_offsets(cluster, &led, Place::End).await?;
    let id = TopicId(topic.topic_id).to_string();
    let row = |partition: &crate::protocol::metadata::Partition| {
        let place = (arguments.topic.clone(), partition.partition_index);
        let nodes = |nodes: &[i32]| match arguments.format {
            Format::Json => json!(nodes),
            Format::Table => json!(nodes.iter().map(i32::to_string).collect::<Vec<_>>().join(",")),
        };
        vec![
            json!(arguments.topic),
            json!(id),
            json!(partition.partition_index),
            json!(partition.leader_id),
            nodes(&partition.replica_nodes),
            nodes(&partition.isr_nodes),
            json!(starts.get(&place)),
            json!(ends.get(&place)),
        ]
    };
    let columns = &["topic", "topic_id", "partition", "leader", "replicas", "in_sync", "start_offset", "end_offset"];
    show_all(arguments.format, columns, topic.partitions.iter().map(row).collect())
}

async fn settings(cluster: &mut Cluster<'_>, arguments: &Arguments) -> Result<(), Error> {
    let topic = &arguments.topic;
    let resource =
        describe_configs::Resource { resource_type: TOPIC, resource_name: topic.clone(), configuration_keys: None };
    let request = describe_configs::Request { resources: vec![resource], ..Default::default() };
    let mut rows = Vec::new();
    for result in cluster.ask(DESCRIBE_CONFIGS, &request).await?.results {
        if result.error_code != ErrorCode::NONE {
            return Err(refused(&format!("topic \"{topic}\""), result.error_code, result.error_message.as_deref()));
        }
        for config in result.configs {
            let is_own = config.config_source == OF_TOPIC;
            if arguments.all_settings || is_own {
                let source = if is_own { "topic" } else { "default" };
                rows.push(vec![json!(config.name), json!(config.value), json!(source)]);
            }
        }
    }
    show_all(arguments.format, &["setting", "value", "source"], rows)
}
