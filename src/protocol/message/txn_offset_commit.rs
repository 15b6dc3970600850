//! TxnOffsetCommit: positions of a group that count once the transaction is committed.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api TxnOffsetCommit = 28, versions 0..=5, flexible 3;
    Request {
        transactional_id: String [0..],
        group_id: String [0..],
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        generation_id: i32 [3..] = -1,
        member_id: String [3..],
        group_instance_id: Option<String> [3..],
        topics: Vec<Topic> [0..],
    }
    Topic {
        name: String [0..],
        partitions: Vec<Partition> [0..],
    }
    Partition {
        partition_index: i32 [0..],
        committed_offset: i64 [0..],
        committed_leader_epoch: i32 [2..] = -1,
        committed_metadata: Option<String> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        topics: Vec<CommittedTopic> [0..],
    }
    CommittedTopic {
        name: String [0..],
        partitions: Vec<CommittedPartition> [0..],
    }
    CommittedPartition {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
