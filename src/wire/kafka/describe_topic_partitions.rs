//! DescribeTopicPartitions: topics in the order of their names, a page of partitions at a time (KIP-966).

use std::collections::BTreeSet;

use super::context::Context;
use super::metadata::topic_operations;
use super::table::Answer;
use crate::broker::ClusterMetadata;
use crate::broker::TopicRecord;
use crate::protocol::ErrorCode;
use crate::protocol::describe_topic_partitions as message;
use crate::security::Operation;
use message::Cursor;
use message::Partition;
use message::Request;
use message::Response;
use message::Topic;

/// Partitions of one answer, however many are asked for.
const PARTITIONS_MAX: i32 = 2000;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let metadata = context.broker().metadata();
        let names: BTreeSet<String> = match self.topics.is_empty() {
            true => {
                let names = metadata.topics().map(|topic| topic.name.clone());
                names.filter(|name| context.broker().may(Operation::Read, name)).collect()
            }
            false => self.topics.iter().map(|topic| topic.name.clone()).collect(),
        };
        let is_valid = |cursor: &Cursor| {
            0 <= cursor.partition_index && (self.topics.is_empty() || names.contains(&cursor.topic_name))
        };
        if self.cursor.as_ref().is_some_and(|cursor| !is_valid(cursor)) {
            let topics = names.into_iter().map(|name| refused(name, ErrorCode::INVALID_REQUEST));
            return Response { topics: topics.collect(), ..Response::default() };
        }
        page(context, &metadata, names, self.response_partition_limit.clamp(1, PARTITIONS_MAX), self.cursor)
    }
}

/// What comes from `cursor` on, until `left` partitions are told.
fn page(
    context: &Context,
    metadata: &ClusterMetadata,
    names: BTreeSet<String>,
    mut left: i32,
    cursor: Option<Cursor>,
) -> Response {
    let begin = cursor.unwrap_or_default();
    let mut topics = Vec::new();
    for name in names.range(begin.topic_name.clone()..) {
        let Some(topic) = metadata.topic(name) else {
            topics.push(refused(name.clone(), context.unknown_topic(name)));
            continue;
        };
        if !context.broker().may(Operation::Read, name) {
            topics.push(refused(name.clone(), ErrorCode::TOPIC_AUTHORIZATION_FAILED));
            continue;
        }
        let from = if *name == begin.topic_name { begin.partition_index } else { 0 };
        let upto = topic.partitions.min(from.saturating_add(left));
        if from < topic.partitions && upto == from {
            let next_cursor = Some(Cursor { topic_name: name.clone(), partition_index: from });
            return Response { topics, next_cursor, ..Response::default() };
        }
        topics.push(described(context, metadata, topic, from..upto));
        left -= (upto - from).max(0);
        if upto < topic.partitions {
            let next_cursor = Some(Cursor { topic_name: name.clone(), partition_index: upto });
            return Response { topics, next_cursor, ..Response::default() };
        }
    }
    Response { topics, ..Response::default() }
}

fn described(
    context: &Context,
    metadata: &ClusterMetadata,
    topic: &TopicRecord,
    partitions: std::ops::Range<i32>,
) -> Topic {
    let node = context.node_id();
    let partition = |partition_index| Partition {
        partition_index,
        leader_id: node,
        leader_epoch: metadata.leader_epoch().0,
        replica_nodes: vec![node],
        isr_nodes: vec![node],
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..Partition::default()
    };
    Topic {
        name: Some(topic.name.clone()),
        topic_id: topic.id.0,
        is_internal: topic.config.internal,
        partitions: partitions.map(partition).collect(),
        topic_authorized_operations: topic_operations(context, &topic.name),
        ..Topic::default()
    }
}

fn refused(name: String, error_code: ErrorCode) -> Topic {
    Topic { name: Some(name), error_code, ..Topic::default() }
}
