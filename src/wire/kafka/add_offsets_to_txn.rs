//! AddOffsetsToTxn.

use super::context::Context;
use super::error_code::code_of_transaction;
use super::table::Answer;
use crate::broker::TransactionVersion;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::add_offsets_to_txn;

/// From here on a client understands PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;

impl Answer for add_offsets_to_txn::Request {
    async fn answer(self, context: &Context) -> add_offsets_to_txn::Response {
        let producer = (ProducerId(self.producer_id), ProducerEpoch(self.producer_epoch));
        let broker = context.broker();
        let (id, group, version) = (&self.transactional_id, &self.group_id, TransactionVersion::One);
        let added = broker.add_offsets_to_transaction(id, producer, group, version).await;
        let code = added.err().map(|error| code_of_transaction(&error, FENCED_FROM <= context.version));
        add_offsets_to_txn::Response { error_code: code.unwrap_or_default(), ..add_offsets_to_txn::Response::default() }
    }
}
