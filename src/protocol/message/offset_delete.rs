//! OffsetDelete: where a group stands in some topics is forgotten.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api OffsetDelete = 47, versions 0..=0, flexible none;
    Request {
        group_id: String [0..],
        topics: Vec<Topic> [0..],
    }
    Topic {
        name: String [0..],
        partitions: Vec<Partition> [0..],
    }
    Partition {
        partition_index: i32 [0..],
    }
    Response {
        error_code: ErrorCode [0..],
        throttle_time_ms: i32 [0..],
        topics: Vec<DeletedTopic> [0..],
    }
    DeletedTopic {
        name: String [0..],
        partitions: Vec<DeletedPartition> [0..],
    }
    DeletedPartition {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
