//! InitProducerId: of an idempotent producer, or of one with transactions.

use super::context::Context;
use super::error_code::code_of_transaction;
use super::table::Answer;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::ErrorCode;
use crate::protocol::init_producer_id;

/// From here on a client understands PRODUCER_FENCED.
const FENCED_FROM: i16 = 4;

impl Answer for init_producer_id::Request {
    async fn answer(self, context: &Context) -> init_producer_id::Response {
        // Both or neither.
        if (self.producer_id < 0) != (self.producer_epoch < 0) {
            return init_producer_id::Response { error_code: ErrorCode::INVALID_REQUEST, ..Default::default() };
        }
        let expected = (ProducerId(self.producer_id), ProducerEpoch(self.producer_epoch));
        let expected = (0 <= self.producer_id).then_some(expected);
        let id = self.transactional_id.as_deref();
        let given = context.broker().init_producer(id, self.transaction_timeout_ms, expected).await;
        match given {
            Ok((ProducerId(producer_id), ProducerEpoch(producer_epoch))) => {
                init_producer_id::Response { producer_id, producer_epoch, ..init_producer_id::Response::default() }
            }
            Err(error) => {
                let error_code = code_of_transaction(&error, FENCED_FROM <= context.version);
                init_producer_id::Response { error_code, ..init_producer_id::Response::default() }
            }
        }
    }
}
