//! `tidemill.group_members`: who is in each consumer group, and what it reads.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::optional;
use super::text;
use crate::broker::ClusterMetadata;
use crate::broker::GroupMember;
use crate::broker::MemberAssignment;
use crate::engine::core::Engine;
use crate::error::Result;
use crate::protocol::assigned_partitions;
use crate::security::Principal;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "group_members",
    columns: &[
        ("group", Kind::Text),
        ("member", Kind::Text),
        ("generation", Kind::Int),
        ("instance", Kind::Text),
        ("client_id", Kind::Text),
        ("host", Kind::Text),
        ("partitions", Kind::Text),
    ],
    rows: |engine| rows(engine).boxed(),
};

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let client = engine.client(&Principal::server());
    let (groups, metadata) = (client.groups().await?, client.metadata());
    let row = |group: &str, GroupMember { member, generation, client }: GroupMember| {
        let client = client.as_ref();
        vec![
            text(group),
            text(member),
            Cell::Int(generation.0),
            optional(client.and_then(|client| client.instance.as_deref()), text),
            optional(client.map(|client| client.client_id.as_str()), text),
            optional(client.map(|client| client.client_host.as_str()), text),
            optional(client.and_then(|client| share(&client.assignment, &metadata)), text),
        ]
    };
    let members = |group: crate::broker::GroupDescription| {
        let members = group.members.into_iter();
        members.map(|member| row(&group.group, member)).collect::<Vec<_>>()
    };
    Ok(groups.into_iter().flat_map(members).collect())
}

/// Topics with their partitions; `None` for what is not in the consumers' own protocol.
fn share(assignment: &MemberAssignment, metadata: &ClusterMetadata) -> Option<String> {
    let topics = match assignment {
        MemberAssignment::Classic(bytes) => assigned_partitions(bytes).ok()?,
        MemberAssignment::Consumer(partitions) => {
            let mut topics: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
            for partition in partitions {
                if let Some(topic) = metadata.topic_by_id(partition.topic) {
                    topics.entry(topic.name.clone()).or_default().insert(partition.partition.0);
                }
            }
            topics
        }
    };
    let topic = |(topic, partitions): (String, BTreeSet<i32>)| {
        format!("{topic}:{}", partitions.iter().map(i32::to_string).collect::<Vec<_>>().join(","))
    };
    Some(topics.into_iter().map(topic).collect::<Vec<_>>().join(" "))
}
