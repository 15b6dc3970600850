//! InitProducerId: an identity for an idempotent producer. Transactional ones are refused: nothing would end their transactions.

use super::context::Context;
use super::error_code::code_of;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::init_producer_id as message;
use message::Request;
use message::Response;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let refused = |error_code| Response { error_code, producer_epoch: -1, ..Response::default() };
        if self.transactional_id.is_some() {
            return refused(ErrorCode::UNSUPPORTED_VERSION);
        }
        // Without a transactional id there is nothing to go on from: also who had an id gets a new one.
        match context.broker().new_producer_id().await {
            Ok(id) => Response { producer_id: id.0, ..Response::default() },
            Err(error) => refused(code_of(&error)),
        }
    }
}
