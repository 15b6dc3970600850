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
use crate::protocol::consumer_group_describe as consumer;
use crate::protocol::describe_groups as message;

const DESCRIBE_GROUPS: i16 = 5;
const CONSUMER_GROUP_DESCRIBE: i16 = 0;
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

/// A group of either protocol.
struct Group {
    name: String,
    state: String,
    assignor: String,
    members: Vec<Member>,
}

struct Member {
    name: String,
    instance: Option<String>,
    client_id: String,
    host: String,
    /// What it reads; `None` where the share is in a protocol that is not the consumers'.
    share: Option<BTreeMap<String, BTreeSet<i32>>>,
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
async fn describe(cluster: &mut Cluster<'_>, node: i32, name: &str) -> Result<Group, Error> {
    if let Some(group) = describe_consumers(cluster, node, name).await? {
        return Ok(group);
    }
    let request = message::Request { groups: vec![name.to_string()], ..Default::default() };
    let mut answered = cluster.ask_at(node, DESCRIBE_GROUPS, &request).await?.groups;
    let missing = || {
        let error = Error::new(SqlState::UNDEFINED_OBJECT, format!("group \"{name}\" does not exist"));
        error.hint("`tidemill group list` lists them.")
    };
    let group = answered.pop().ok_or_else(missing)?;
    match group.error_code {
        ErrorCode::NONE if group.group_state != DEAD => Ok(of_classic(group)),
        ErrorCode::NONE | ErrorCode::GROUP_ID_NOT_FOUND => Err(missing()),
        code => Err(refused(&format!("group \"{name}\""), code, group.error_message.as_deref())),
    }
}

/// The group, if it is one of the consumer protocol, and the cluster knows that.
async fn describe_consumers(cluster: &mut Cluster<'_>, node: i32, name: &str) -> Result<Option<Group>, Error> {
    if !cluster.takes::<consumer::Request>(node, CONSUMER_GROUP_DESCRIBE).await? {
        return Ok(None);
    }
    let request = consumer::Request { group_ids: vec![name.to_string()], ..Default::default() };
    let group = cluster.ask_at(node, CONSUMER_GROUP_DESCRIBE, &request).await?.groups.pop();
    Ok(group.filter(|group| group.error_code == ErrorCode::NONE).map(of_consumers))
}

fn of_classic(group: message::Group) -> Group {
    let is_consumer = group.protocol_type == CONSUMER;
    let member = |member: message::Member| Member {
        name: member.member_id,
        instance: member.group_instance_id,
        client_id: member.client_id,
        host: member.client_host,
        share: is_consumer.then(|| assigned_partitions(&member.member_assignment).ok()).flatten(),
    };
    Group {
        name: group.group_id,
        state: group.group_state,
        assignor: group.protocol_data,
        members: group.members.into_iter().map(member).collect(),
    }
}

fn of_consumers(group: consumer::Group) -> Group {
    let share = |assignment: consumer::Assignment| {
        let topics = assignment.topic_partitions.into_iter().filter(|topic| !topic.partitions.is_empty());
        topics.map(|topic| (topic.topic_name, topic.partitions.into_iter().collect())).collect()
    };
    let member = |member: consumer::Member| Member {
        name: member.member_id,
        instance: member.instance_id,
        client_id: member.client_id,
        host: member.client_host,
        share: Some(share(member.assignment)),
    };
    Group {
        name: group.group_id,
        state: group.group_state,
        assignor: group.assignor_name,
        members: group.members.into_iter().map(member).collect(),
    }
}

fn members(arguments: &Arguments, group: &Group) -> Result<(), Error> {
    let row = |member: &Member| {
        let share = match (&member.share, arguments.format) {
            (None, _) => Value::Null,
            (Some(topics), Format::Json) => json!(topics),
            (Some(topics), Format::Table) => {
                let of_topic = |(topic, numbers): (&String, &BTreeSet<i32>)| {
                    format!("{topic}:{}", numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(","))
                };
                json!(topics.iter().map(of_topic).collect::<Vec<_>>().join(" "))
            }
        };
        vec![
            json!(group.name),
            json!(group.state),
            json!(group.assignor),
            json!(member.name),
            json!(member.instance),
            json!(member.client_id),
            json!(member.host),
            share,
        ]
    };
    let columns = &["group", "state", "assignor", "member", "instance", "client_id", "host", "partitions"];
    show_all(arguments.format, columns, group.members.iter().map(row).collect())
}

async fn lags(cluster: &mut Cluster<'_>, node: i32, arguments: &Arguments, group: &Group) -> Result<(), Error> {
    let positions = positions::fetch(cluster, node, &arguments.group).await?;
    let mut owners: BTreeMap<(String, i32), &Member> = BTreeMap::new();
    for member in &group.members {
        for (topic, partitions) in member.share.iter().flatten() {
            owners.extend(partitions.iter().map(|partition| ((topic.clone(), *partition), member)));
        }
    }
    let places: BTreeSet<(String, i32)> = positions.keys().chain(owners.keys()).cloned().collect();
    let ends = ends(cluster, &places).await?;
    let rows = places.into_iter().map(|place| {
        let (position, end, owner) = (positions.get(&place), ends.get(&place), owners.get(&place));
        let lag = position.zip(end).map(|(position, end)| (end - position).max(0));
        vec![
            json!(group.name),
            json!(place.0),
            json!(place.1),
            json!(position),
            json!(end),
            json!(lag),
            json!(owner.map(|member| &member.name)),
            json!(owner.map(|member| &member.host)),
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
