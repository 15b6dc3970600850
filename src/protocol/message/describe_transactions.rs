//! DescribeTransactions: how far transactions are and what they hold.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DescribeTransactions = 65, versions 0..=0, flexible 0;
    Request {
        transactional_ids: Vec<String> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        transaction_states: Vec<TransactionState> [0..],
    }
    TransactionState {
        error_code: ErrorCode [0..],
        transactional_id: String [0..],
        transaction_state: String [0..],
        transaction_timeout_ms: i32 [0..],
        transaction_start_time_ms: i64 [0..] = -1,
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        topics: Vec<Topic> [0..],
    }
    Topic {
        topic: String [0..],
        partitions: Vec<i32> [0..],
    }
}
