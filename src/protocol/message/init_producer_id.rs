//! InitProducerId: an identity for an idempotent producer.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api InitProducerId = 22, versions 0..=5, flexible 2;
    Request {
        transactional_id: Option<String> [0..],
        transaction_timeout_ms: i32 [0..],
        producer_id: i64 [3..] = -1,
        producer_epoch: i16 [3..] = -1,
    }
    Response {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        producer_id: i64 [0..] = -1,
        producer_epoch: i16 [0..] = -1,
    }
}
