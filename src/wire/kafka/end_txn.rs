//! EndTxn: the markers stand in the log when it answers.

use super::context::Context;
use super::error_code::code_of_transaction;
use super::table::Answer;
use crate::broker::TransactionVersion;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::ControlMarker;
use crate::protocol::end_txn;

/// From here on a client understands PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;
/// From here on a client gets another epoch with every end (KIP-890).
const EPOCHS_FROM: i16 = 5;

impl Answer for end_txn::Request {
    async fn answer(self, context: &Context) -> end_txn::Response {
        let producer = (ProducerId(self.producer_id), ProducerEpoch(self.producer_epoch));
        let outcome = if self.committed { ControlMarker::Commit } else { ControlMarker::Abort };
        let version = if EPOCHS_FROM <= context.version { TransactionVersion::Two } else { TransactionVersion::One };
        match context.broker().end_transaction(&self.transactional_id, producer, outcome, version).await {
            Ok((ProducerId(producer_id), ProducerEpoch(producer_epoch))) => {
                end_txn::Response { producer_id, producer_epoch, ..end_txn::Response::default() }
            }
            Err(error) => {
                let error_code = code_of_transaction(&error, FENCED_FROM <= context.version);
                end_txn::Response { error_code, ..end_txn::Response::default() }
            }
        }
    }
}
