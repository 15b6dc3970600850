//! AlterPartitionReassignments: other replicas for partitions.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api AlterPartitionReassignments = 45, versions 0..=1, flexible 0;
    Request {
        timeout_ms: i32 [0..] = 60_000,
        allow_replication_factor_change: bool [1..] = true,
        topics: Vec<ReassignableTopic> [0..],
    }
    ReassignableTopic {
        name: String [0..],
        partitions: Vec<ReassignablePartition> [0..],
    }
    ReassignablePartition {
        partition_index: i32 [0..],
        replicas: Option<Vec<i32>> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        allow_replication_factor_change: bool [1..] = true,
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        responses: Vec<ReassignableTopicResponse> [0..],
    }
    ReassignableTopicResponse {
        name: String [0..],
        partitions: Vec<ReassignablePartitionResponse> [0..],
    }
    ReassignablePartitionResponse {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
    }
}
