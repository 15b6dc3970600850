//! DescribeQuorum: who keeps the metadata, and how far each has come.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DescribeQuorum = 55, versions 0..=2, flexible 0;
    Request {
        topics: Vec<Topic> [0..],
    }
    Topic {
        topic_name: String [0..],
        partitions: Vec<Partition> [0..],
    }
    Partition {
        partition_index: i32 [0..],
    }
    Response {
        error_code: ErrorCode [0..],
        error_message: Option<String> [2..],
        topics: Vec<TopicResponse> [0..],
        nodes: Vec<Node> [2..],
    }
    TopicResponse {
        topic_name: String [0..],
        partitions: Vec<PartitionResponse> [0..],
    }
    PartitionResponse {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [2..],
        leader_id: i32 [0..],
        leader_epoch: i32 [0..],
        high_watermark: i64 [0..],
        current_voters: Vec<ReplicaState> [0..],
        observers: Vec<ReplicaState> [0..],
    }
    ReplicaState {
        replica_id: i32 [0..],
        replica_directory_id: [u8; 16] [2..],
        log_end_offset: i64 [0..],
        last_fetch_timestamp: i64 [1..] = -1,
        last_caught_up_timestamp: i64 [1..] = -1,
    }
    Node {
        node_id: i32 [0..],
        listeners: Vec<Listener> [0..],
    }
    Listener {
        name: String [0..],
        host: String [0..],
        port: u16 [0..],
    }
}
