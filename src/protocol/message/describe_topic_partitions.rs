//! DescribeTopicPartitions: partitions of topics, page by page.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::OPERATIONS_NOT_ASKED;
use super::declare::messages;

messages! {
    api DescribeTopicPartitions = 75, versions 0..=0, flexible 0;
    Request {
        topics: Vec<RequestedTopic> [0..],
        response_partition_limit: i32 [0..] = 2000,
        cursor: Option<Cursor> [0..],
    }
    RequestedTopic {
        name: String [0..],
    }
    Cursor {
        topic_name: String [0..],
        partition_index: i32 [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        topics: Vec<Topic> [0..],
        next_cursor: Option<Cursor> [0..],
    }
    Topic {
        error_code: ErrorCode [0..],
        name: Option<String> [0..],
        topic_id: [u8; 16] [0..],
        is_internal: bool [0..],
        partitions: Vec<Partition> [0..],
        topic_authorized_operations: i32 [0..] = OPERATIONS_NOT_ASKED,
    }
    Partition {
        error_code: ErrorCode [0..],
        partition_index: i32 [0..],
        leader_id: i32 [0..],
        leader_epoch: i32 [0..] = -1,
        replica_nodes: Vec<i32> [0..],
        isr_nodes: Vec<i32> [0..],
        eligible_leader_replicas: Option<Vec<i32>> [0..],
        last_known_elr: Option<Vec<i32>> [0..],
        offline_replicas: Vec<i32> [0..],
    }
}
