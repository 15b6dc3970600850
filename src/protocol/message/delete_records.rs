//! DeleteRecords: moves log starts forward.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DeleteRecords = 21, versions 0..=2, flexible 2;
    Request {
        topics: Vec<Topic> [0..],
        timeout_ms: i32 [0..],
    }
    Topic {
        name: String [0..],
        partitions: Vec<Partition> [0..],
    }
    Partition {
        partition_index: i32 [0..],
        offset: i64 [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        topics: Vec<TopicResult> [0..],
    }
    TopicResult {
        name: String [0..],
        partitions: Vec<PartitionResult> [0..],
    }
    PartitionResult {
        partition_index: i32 [0..],
        low_watermark: i64 [0..] = -1,
        error_code: ErrorCode [0..],
    }
}
