//! `tidemill topic describe`

use super::Where;
use super::client::KafkaClient;
use super::refused;
use super::say;
use crate::env::Env;
use crate::error::Error;
use crate::protocol::ErrorCode;
use crate::protocol::describe_configs;
use crate::protocol::list_offsets;

const TOPIC: i8 = 2;
const DESCRIBE_CONFIGS: i16 = 4;
const LIST_OFFSETS: i16 = 7;
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
/// The source of a setting that the topic itself was given.
const OF_TOPIC: i8 = 1;

/// What is described.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// The topic
    topic: String,
    /// Shows all settings, not only those that the topic was given
    #[arg(long)]
    all: bool,
}

/// Shows partitions with their offsets, and settings.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut client = arguments.at.connect(env).await?;
    let topic = client.topic(&arguments.topic).await?;
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let starts = offsets(&mut client, &arguments.topic, count, EARLIEST).await?;
    let ends = offsets(&mut client, &arguments.topic, count, LATEST).await?;
    let id = crate::model::TopicId(topic.topic_id);
    let mut text = format!("{}  id {id}  {count} partitions\n", arguments.topic);
    for ((partition, start), end) in topic.partitions.iter().zip(starts).zip(ends) {
        text += &format!(
            "  partition {}  leader {}  in sync {:?}  offsets {start}..{end}\n",
            partition.partition_index, partition.leader_id, partition.isr_nodes
        );
    }
    for config in settings(&mut client, &arguments.topic).await? {
        if arguments.all || config.config_source == OF_TOPIC {
            text += &format!("  {} = {}\n", config.name, config.value.unwrap_or_default());
        }
    }
    say(&text).map(drop)
}

/// The offset of each partition that `timestamp` stands for.
pub(super) async fn offsets(
    client: &mut KafkaClient,
    topic: &str,
    partitions: i32,
    timestamp: i64,
) -> Result<Vec<i64>, Error> {
    let partition =
        |partition_index| list_offsets::Partition { partition_index, timestamp, ..Default::default() };
    let asked = list_offsets::Topic { name: topic.to_string(), partitions: (0..partitions).map(partition).collect() };
    let request = list_offsets::Request { topics: vec![asked], ..Default::default() };
    let answered = client.ask(LIST_OFFSETS, &request).await?;
    let mut found = Vec::new();
    for partition in answered.topics.into_iter().flat_map(|topic| topic.partitions) {
        if partition.error_code != ErrorCode::NONE {
            let what = format!("partition {} of topic \"{topic}\"", partition.partition_index);
            return Err(refused(&what, partition.error_code, None));
        }
        found.push(partition.offset);
    }
    Ok(found)
}

async fn settings(client: &mut KafkaClient, topic: &str) -> Result<Vec<describe_configs::Config>, Error> {
    let resource = describe_configs::Resource {
        resource_type: TOPIC,
        resource_name: topic.to_string(),
        configuration_keys: None,
    };
    let request = describe_configs::Request { resources: vec![resource], ..Default::default() };
    let mut configs = Vec::new();
    for result in client.ask(DESCRIBE_CONFIGS, &request).await?.results {
        if result.error_code != ErrorCode::NONE {
            return Err(refused(&format!("topic \"{topic}\""), result.error_code, result.error_message.as_deref()));
        }
        configs.extend(result.configs);
    }
    Ok(configs)
}
