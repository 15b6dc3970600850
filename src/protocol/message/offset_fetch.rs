//! OffsetFetch: where groups stand.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api OffsetFetch = 9, versions 1..=10, flexible 6;
    Request {
        group_id: String [0..=7],
        topics: Option<Vec<Topic>> [0..=7],
        groups: Vec<Group> [8..],
        require_stable: bool [7..],
    }
    Group {
        group_id: String [8..],
        member_id: Option<String> [9..],
        member_epoch: i32 [9..] = -1,
        topics: Option<Vec<Topic>> [8..],
    }
    Topic {
        name: String [0..=9],
        topic_id: [u8; 16] [10..],
        partition_indexes: Vec<i32> [0..],
    }
    Response {
        throttle_time_ms: i32 [3..],
        topics: Vec<FetchedTopic> [0..=7],
        error_code: ErrorCode [2..=7],
        groups: Vec<FetchedGroup> [8..],
    }
    FetchedGroup {
        group_id: String [8..],
        topics: Vec<FetchedTopic> [8..],
        error_code: ErrorCode [8..],
    }
    FetchedTopic {
        name: String [0..=9],
        topic_id: [u8; 16] [10..],
        partitions: Vec<FetchedPartition> [0..],
    }
    FetchedPartition {
        partition_index: i32 [0..],
        committed_offset: i64 [0..] = -1,
        committed_leader_epoch: i32 [5..] = -1,
        metadata: Option<String> [0..],
        error_code: ErrorCode [0..],
    }
}
