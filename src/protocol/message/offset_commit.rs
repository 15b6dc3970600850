//! OffsetCommit: a group keeps where it stands.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api OffsetCommit = 8, versions 2..=10, flexible 8;
    Request {
        group_id: String [0..],
        generation_id_or_member_epoch: i32 [1..] = -1,
        member_id: String [1..],
        group_instance_id: Option<String> [7..],
        retention_time_ms: i64 [2..=4] = -1,
        topics: Vec<Topic> [0..],
    }
    Topic {
        name: String [0..=9],
        topic_id: [u8; 16] [10..],
        partitions: Vec<Partition> [0..],
    }
    Partition {
        partition_index: i32 [0..],
        committed_offset: i64 [0..],
        committed_leader_epoch: i32 [6..] = -1,
        committed_metadata: Option<String> [0..],
    }
    Response {
        throttle_time_ms: i32 [3..],
        topics: Vec<CommittedTopic> [0..],
    }
    CommittedTopic {
        name: String [0..=9],
        topic_id: [u8; 16] [10..],
        partitions: Vec<CommittedPartition> [0..],
    }
    CommittedPartition {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
