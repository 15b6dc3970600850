//! OffsetForLeaderEpoch: where the reign of a leader ended.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api OffsetForLeaderEpoch = 23, versions 2..=4, flexible 4;
    Request {
        replica_id: i32 [3..] = -2,
        topics: Vec<Topic> [0..],
    }
    Topic {
        topic: String [0..],
        partitions: Vec<Partition> [0..],
    }
    Partition {
        partition: i32 [0..],
        current_leader_epoch: i32 [2..] = -1,
        leader_epoch: i32 [0..],
    }
    Response {
        throttle_time_ms: i32 [2..],
        topics: Vec<TopicResponse> [0..],
    }
    TopicResponse {
        topic: String [0..],
        partitions: Vec<PartitionResponse> [0..],
    }
    PartitionResponse {
        error_code: ErrorCode [0..],
        partition: i32 [0..],
        leader_epoch: i32 [1..] = -1,
        end_offset: i64 [0..] = -1,
    }
}
