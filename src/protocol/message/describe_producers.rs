//! DescribeProducers: who writes to partitions, and which transactions are open.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DescribeProducers = 61, versions 0..=0, flexible 0;
    Request {
        topics: Vec<Topic> [0..],
    }
    Topic {
        name: String [0..],
        partition_indexes: Vec<i32> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        topics: Vec<TopicResponse> [0..],
    }
    TopicResponse {
        name: String [0..],
        partitions: Vec<PartitionResponse> [0..],
    }
    PartitionResponse {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        active_producers: Vec<Producer> [0..],
    }
    Producer {
        producer_id: i64 [0..],
        producer_epoch: i32 [0..],
        last_sequence: i32 [0..] = -1,
        last_timestamp: i64 [0..] = -1,
        coordinator_epoch: i32 [0..],
        current_txn_start_offset: i64 [0..] = -1,
    }
}
