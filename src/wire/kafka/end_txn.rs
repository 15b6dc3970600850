//! EndTxn: the markers stand in the log when it answers.

use super::context::Context;
use super::error_code::code_of_transaction;
use super::table::Answer;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::ControlMarker;
use crate::protocol::end_txn;

/// From here on a client understands PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;

impl Answer for end_txn::Request {
    async fn answer(self, context: &Context) -> end_txn::Response {
        let producer = (ProducerId(self.producer_id), ProducerEpoch(self.producer_epoch));
        let outcome = if self.committed { ControlMarker::Commit } else { ControlMarker::Abort };
        let ended = context.broker().end_transaction(&self.transactional_id, producer, outcome).await;
        let code = ended.err().map(|error| code_of_transaction(&error, FENCED_FROM <= context.version));
        end_txn::Response { error_code: code.unwrap_or_default(), ..end_txn::Response::default() }
    }
}
