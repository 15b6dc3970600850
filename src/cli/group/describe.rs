//! `tidemill group describe`

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use super::positions;
use crate::cli::kafka::Cluster;
use crate::cli::kafka::CoordinatorOf;
use crate::cli::kafka::Format;
use crate::cli::kafka::OffsetAt;
use crate::cli::kafka::Place;
use crate::cli::kafka::TopicPartitions;
use crate::cli::kafka::Where;
use crate::cli::kafka::list_offsets;
use crate::cli::kafka::refused;
use crate::cli::kafka::show_all;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::protocol::ErrorCode;
use crate::protocol::assigned_partitions;
use crate::protocol::describe_groups as message;

const DESCRIBE_GROUPS: i16 = 5;
/// The protocol type of groups whose members' shares can be read.
const CONSUMER: &str = "consumer";
/// What Kafka calls a group that is not there.
const DEAD: &str = "Dead";

/// What is described.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The group
    group: String,
    /// Shows the members, in place of the positions
    #[arg(long)]
    members: bool,
}

/// Shows positions with their lag, or members.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut cluster = arguments.at.connect(env).await?;
    let node = cluster.coordinator(CoordinatorOf::Group, &arguments.group).await?;
    let group = describe(&mut cluster, node, &arguments.group).await?;
    match arguments.members {
        true => members(&arguments, &group),
        false => lags(&mut cluster, node, &arguments, &group).await,
    }
}

/// A group that is there.
async fn describe(cluster: &mut Cluster<'_>, node: i32, name: &str) -> Result<message::Group, Error> {
    let request = message::Request { groups: vec![name.to_string()], ..Default::default() };
    let mut answered = cluster.ask_at(node, DESCRIBE_GROUPS, &request).await?.groups;
    let missing = || {
        let error = Error::new(SqlState::UNDEFINED_OBJECT, format!("group \"{name}\" does not exist"));
        error.hint("`tidemill group list` lists them.")
    };
    let group = answered.pop().ok_or_else(missing)?;
    match group.error_code {
        ErrorCode::NONE if group.group_state != DEAD => Ok(group),
        ErrorCode::NONE | ErrorCode::GROUP_ID_NOT_FOUND => Err(missing()),
        code => Err(refused(&format!("group \"{name}\""), code, group.error_message.as_deref())),
    }
}

/// What a member has; `None` where the share is in a protocol that is not the consumers'.
fn share(group: &message::Group, member: &message::Member) -> Option<BTreeSet<(String, i32)>> {
    let is_consumer = group.protocol_type == CONSUMER;
    is_consumer.then(|| assigned_partitions(&member.member_assignment).ok()).flatten()
}

fn members(arguments: &Arguments, group: &message::Group) -> Result<(), Error> {
    let row = |member: &message::Member| {
        let share = share(group, member).map(|share| {
            let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
            share.into_iter().for_each(|(topic, index)| topics.entry(topic).or_default().push(index));
            topics
        });
        let share = match (share, arguments.format) {
            (None, _) => Value::Null,
            (Some(topics), Format::Json) => json!(topics),
            (Some(topics), Format::Table) => {
                let of_topic = |(topic, numbers): (String, Vec<i32>)| {
                    format!("{topic}:{}", numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(","))
                };
                json!(topics.into_iter().map(of_topic).collect::<Vec<_>>().join(" "))
            }
        };
        vec![
            json!(group.group_id),
            json!(group.group_state),
            json!(group.protocol_data),
            json!(member.member_id),
            json!(member.group_instance_id),
            json!(member.client_id),
            json!(member.client_host),
            share,
        ]
    };
    let columns = &["group", "state", "assignor", "member", "instance", "client_id", "host", "partitions"];
    show_all(arguments.format, columns, group.members.iter().map(row).collect())
}

async fn lags(
    cluster: &mut Cluster<'_>,
    node: i32,
    arguments: &Arguments,
    group: &message::Group,
) -> Result<(), Error> {
    let positions = positions::fetch(cluster, node, &arguments.group).await?;
    let mut owners: BTreeMap<(String, i32), &message::Member> = BTreeMap::new();
    for member in &group.members {
        owners.extend(share(group, member).unwrap_or_default().into_iter().map(|place| (place, member)));
    }
    let places: BTreeSet<(String, i32)> = positions.keys().chain(owners.keys()).cloned().collect();
    let ends = ends(cluster, &places).await?;
    let rows = places.into_iter().map(|place| {
        let (position, end, owner) = (positions.get(&place), ends.get(&place), owners.get(&place));
        let lag = position.zip(end).map(|(position, end)| (end - position).max(0));
        vec![
            json!(group.group_id),
            json!(place.0),
            json!(place.1),
            json!(position),
            json!(end),
            json!(lag),
            json!(owner.map(|member| &member.member_id)),
            json!(owner.map(|member| &member.client_host)),
        ]
    });
    let columns = &["group", "topic", "partition", "position", "end_offset", "lag", "member", "host"];
    show_all(arguments.format, columns, rows.collect())
}

/// Where partitions end; without those of topics that are gone.
async fn ends(cluster: &mut Cluster<'_>, places: &BTreeSet<(String, i32)>) -> Result<OffsetAt, Error> {
    let names: BTreeSet<&String> = places.iter().map(|(topic, _)| topic).collect();
    let names: Vec<String> = names.into_iter().cloned().collect();
    let mut led = TopicPartitions::new();
    for topic in cluster.metadata(Some(&names)).await?.topics {
        let name = topic.name.unwrap_or_default();
        for partition in topic.partitions {
            let place = (name.clone(), partition.partition_index);
            if places.contains(&place) {
                led.push((place.0, place.1, partition.leader_id));
            }
        }
    }
    list_offsets(cluster, &led, Place::End).await
}
