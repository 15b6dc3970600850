//! Metadata: the brokers and the topics. A topic that is asked for and not there is made, where the settings say so.

use std::collections::HashSet;

use super::context::Context;
use super::error_code::code_of;
use super::table::Answer;
use crate::broker::ClusterMetadata;
use crate::broker::NewTopic;
use crate::broker::TopicConfig;
use crate::broker::TopicRecord;
use crate::model::TopicId;
use crate::protocol::ErrorCode;
use crate::protocol::OPERATIONS_NOT_ASKED;
use crate::protocol::metadata as message;
use crate::security::Operation;
use message::Broker;
use message::Partition;
use message::Request;
use message::RequestedTopic;
use message::Response;
use message::Topic;

/// The version in which no topics mean all of them; later ones have null for it.
const NONE_IS_ALL: i16 = 0;
/// From here on a topic that is asked for by an id has no name if it is not known.
const NULL_NAMES_FROM: i16 = 12;
/// The bits of the operations on a topic that the principal may do, by what it needs for them.
const OPERATION_BITS: [(Operation, i32); 4] = [
    // Read, describe, describe configs.
    (Operation::Read, 1 << 3 | 1 << 8 | 1 << 10),
    (Operation::Write, 1 << 4),
    (Operation::Create, 1 << 5),
    // Delete, alter, alter configs.
    (Operation::Drop, 1 << 6 | 1 << 7 | 1 << 11),
];
/// The bits of what may be done to the cluster: create, alter, describe, cluster action, configs, idempotent write.
pub(super) const CLUSTER_BITS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;

/// In place of an id: the topic is asked for by its name.
const NO_ID: [u8; 16] = [0; 16];
/// The bits of what may be done to a group: read, delete, describe, configs.
pub(super) const GROUP_BITS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let with_operations = self.include_topic_authorized_operations;
        let asked = self.topics.filter(|topics| context.version != NONE_IS_ALL || !topics.is_empty());
        let topics = match asked {
            None => all(context, with_operations),
            Some(asked) => {
                let mut topics = Vec::with_capacity(asked.len());
                // A topic that is asked for again and again is answered once: else a small request had a huge answer.
                let mut seen = HashSet::with_capacity(asked.len());
                for topic in asked.into_iter().filter(|topic| seen.insert((topic.name.clone(), topic.topic_id))) {
                    topics.push(one(context, topic, self.allow_auto_topic_creation, with_operations).await);
                }
                topics
            }
        };
        let door = context.door();
        let broker = Broker { node_id: context.node_id(), host: door.host.clone(), port: door.port, rack: None };
        Response {
            brokers: vec![broker],
            cluster_id: Some(door.config.cluster_id.clone()),
            controller_id: context.node_id(),
            topics,
            cluster_authorized_operations: match self.include_cluster_authorized_operations {
                true => CLUSTER_BITS,
                false => OPERATIONS_NOT_ASKED,
            },
            ..Response::default()
        }
    }
}

fn all(context: &Context, with_operations: bool) -> Vec<Topic> {
    let metadata = context.broker().metadata();
    let mut topics: Vec<_> =
        metadata.topics().filter(|topic| context.broker().may(Operation::Read, &topic.name)).collect();
    topics.sort_by(|left, right| left.name.cmp(&right.name));
    topics.into_iter().map(|topic| found(context, &metadata, topic, with_operations)).collect()
}

async fn one(context: &Context, asked: RequestedTopic, may_create: bool, with_operations: bool) -> Topic {
    let metadata = context.broker().metadata();
    // Java's clients send an empty name beside an id.
    let name = asked.name.filter(|_| asked.topic_id == NO_ID);
    let Some(name) = name else {
        return match metadata.topic_by_id(TopicId(asked.topic_id)) {
            Some(topic) => found(context, &metadata, topic, with_operations),
            None => Topic {
                error_code: ErrorCode::UNKNOWN_TOPIC_ID,
                name: (context.version < NULL_NAMES_FROM).then(String::new),
                topic_id: asked.topic_id,
                ..Topic::default()
            },
        };
    };
    if let Some(topic) = metadata.topic(&name) {
        return found(context, &metadata, topic, with_operations);
    }
    let error_code = match may_create && context.door().config.auto_create_topics {
        false => context.unknown_topic(&name),
        true => match create(context, &name).await {
            Ok(topic) => return found(context, &context.broker().metadata(), &topic, with_operations),
            Err(code) => code,
        },
    };
    Topic { error_code, name: Some(name), ..Topic::default() }
}

/// The bits of what the principal may do to a topic.
pub(super) fn topic_operations(context: &Context, topic: &str) -> i32 {
    let may = |(operation, bits): (Operation, i32)| if context.broker().may(operation, topic) { bits } else { 0 };
    OPERATION_BITS.into_iter().map(may).sum()
}

async fn create(context: &Context, name: &str) -> Result<TopicRecord, ErrorCode> {
    let topic = NewTopic {
        name: name.to_string(),
        partitions: context.door().config.default_partitions,
        config: TopicConfig::default(),
    };
    match context.broker().create_topic(topic, false).await.map_err(|error| code_of(&error)) {
        // Somebody else made it at the same time.
        Err(ErrorCode::TOPIC_ALREADY_EXISTS) => {
            context.broker().metadata().topic(name).cloned().ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        }
        made => made,
    }
}

fn found(context: &Context, metadata: &ClusterMetadata, topic: &TopicRecord, with_operations: bool) -> Topic {
    let node = context.node_id();
    if !context.broker().may(Operation::Read, &topic.name) {
        let error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        return Topic { error_code, name: Some(topic.name.clone()), ..Topic::default() };
    }
    let partition = |partition_index| Partition {
        partition_index,
        leader_id: node,
        leader_epoch: metadata.leader_epoch().0,
        replica_nodes: vec![node],
        isr_nodes: vec![node],
        ..Partition::default()
    };
    Topic {
        name: Some(topic.name.clone()),
        topic_id: topic.id.0,
        is_internal: topic.config.internal,
        partitions: (0..topic.partitions).map(partition).collect(),
        topic_authorized_operations: match with_operations {
            true => topic_operations(context, &topic.name),
            false => OPERATIONS_NOT_ASKED,
        },
        ..Topic::default()
    }
}
