//! ListPartitionReassignments: partitions that are on their way to other replicas.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api ListPartitionReassignments = 46, versions 0..=0, flexible 0;
    Request {
        timeout_ms: i32 [0..] = 60_000,
        topics: Option<Vec<Topic>> [0..],
    }
    Topic {
        name: String [0..],
        partition_indexes: Vec<i32> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        topics: Vec<OngoingTopicReassignment> [0..],
    }
    OngoingTopicReassignment {
        name: String [0..],
        partitions: Vec<OngoingPartitionReassignment> [0..],
    }
    OngoingPartitionReassignment {
        partition_index: i32 [0..],
        replicas: Vec<i32> [0..],
        adding_replicas: Vec<i32> [0..],
        removing_replicas: Vec<i32> [0..],
    }
}
