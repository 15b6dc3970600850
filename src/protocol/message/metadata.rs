//! Metadata: brokers, topics, leaders.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::OPERATIONS_NOT_ASKED;
use super::declare::messages;

messages! {
    api Metadata = 3, versions 0..=13, flexible 9;
    Request {
        topics: Option<Vec<RequestedTopic>> [0..],
        allow_auto_topic_creation: bool [4..] = true,
        include_cluster_authorized_operations: bool [8..=10],
        include_topic_authorized_operations: bool [8..],
    }
    RequestedTopic {
        topic_id: [u8; 16] [10..],
        name: Option<String> [0..],
    }
    Response {
        throttle_time_ms: i32 [3..],
        brokers: Vec<Broker> [0..],
        cluster_id: Option<String> [2..],
        controller_id: i32 [1..] = -1,
        topics: Vec<Topic> [0..],
        cluster_authorized_operations: i32 [8..=10] = OPERATIONS_NOT_ASKED,
        error_code: ErrorCode [13..],
    }
    Broker {
        node_id: i32 [0..],
        host: String [0..],
        port: i32 [0..],
        rack: Option<String> [1..],
    }
    Topic {
        error_code: ErrorCode [0..],
        name: Option<String> [0..],
        topic_id: [u8; 16] [10..],
        is_internal: bool [1..],
        partitions: Vec<Partition> [0..],
        topic_authorized_operations: i32 [8..] = OPERATIONS_NOT_ASKED,
    }
    Partition {
        error_code: ErrorCode [0..],
        partition_index: i32 [0..],
        leader_id: i32 [0..],
        leader_epoch: i32 [7..] = -1,
        replica_nodes: Vec<i32> [0..],
        isr_nodes: Vec<i32> [0..],
        offline_replicas: Vec<i32> [5..],
    }
}
