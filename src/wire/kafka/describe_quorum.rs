//! DescribeQuorum: this node keeps the metadata alone, so it leads, and nobody is behind it.

use super::context::Context;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::describe_quorum as message;
use message::Listener;
use message::Node;
use message::PartitionResponse;
use message::ReplicaState;
use message::Request;
use message::Response;
use message::TopicResponse;

/// Kafka's name of the log of the metadata; it is no topic.
const METADATA: &str = "__cluster_metadata";

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let partition = |topic: &str, partition_index: i32| match (topic, partition_index) {
            (METADATA, 0) => quorum(context),
            _ => PartitionResponse {
                partition_index,
                error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                ..PartitionResponse::default()
            },
        };
        let topic = |topic: message::Topic| TopicResponse {
            partitions: topic.partitions.iter().map(|it| partition(&topic.topic_name, it.partition_index)).collect(),
            topic_name: topic.topic_name,
        };
        let topics = self.topics.into_iter().map(topic).collect();
        Response { topics, nodes: vec![this_node(context)], ..Response::default() }
    }
}

/// A change is an entry of the log: as many as there were, so far it is.
fn quorum(context: &Context) -> PartitionResponse {
    let metadata = context.broker().metadata();
    let end = i64::try_from(metadata.version).unwrap_or(i64::MAX);
    let now_ms = context.door().env.clock.wall_millis();
    let voter = ReplicaState {
        replica_id: context.node_id(),
        log_end_offset: end,
        last_fetch_timestamp: now_ms,
        last_caught_up_timestamp: now_ms,
        ..ReplicaState::default()
    };
    PartitionResponse {
        leader_id: context.node_id(),
        leader_epoch: metadata.leader_epoch().0,
        high_watermark: end,
        current_voters: vec![voter],
        ..PartitionResponse::default()
    }
}

fn this_node(context: &Context) -> Node {
    let door = context.door();
    let port = u16::try_from(door.port).unwrap_or_default();
    let listener = Listener { name: "PLAINTEXT".to_string(), host: door.host.clone(), port };
    Node { node_id: context.node_id(), listeners: vec![listener] }
}
