//! ListOffsets: offsets by time, and the ends.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api ListOffsets = 2, versions 0..=10, flexible 6;
    Request {
        replica_id: i32 [0..] = -1,
        isolation_level: i8 [2..],
        topics: Vec<Topic> [0..],
        timeout_ms: i32 [10..],
    }
    Topic {
        name: String [0..],
        partitions: Vec<Partition> [0..],
    }
    Partition {
        partition_index: i32 [0..],
        current_leader_epoch: i32 [4..] = -1,
        timestamp: i64 [0..],
        max_num_offsets: i32 [0..=0] = 1,
    }
    Response {
        throttle_time_ms: i32 [2..],
        topics: Vec<TopicResponse> [0..],
    }
    TopicResponse {
        name: String [0..],
        partitions: Vec<PartitionResponse> [0..],
    }
    PartitionResponse {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        old_style_offsets: Vec<i64> [0..=0],
        timestamp: i64 [1..] = -1,
        offset: i64 [1..] = -1,
        leader_epoch: i32 [4..] = -1,
    }
}
