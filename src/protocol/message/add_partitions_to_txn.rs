//! AddPartitionsToTxn: a transaction is to hold partitions.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api AddPartitionsToTxn = 24, versions 0..=3, flexible 3;
    Request {
        transactional_id: String [0..],
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        topics: Vec<Topic> [0..],
    }
    Topic {
        name: String [0..],
        partitions: Vec<i32> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        results_by_topic: Vec<TopicResult> [0..],
    }
    TopicResult {
        name: String [0..],
        results_by_partition: Vec<PartitionResult> [0..],
    }
    PartitionResult {
        partition_index: i32 [0..],
        partition_error_code: ErrorCode [0..],
    }
}
