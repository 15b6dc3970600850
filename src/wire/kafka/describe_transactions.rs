//! DescribeTransactions.

use std::collections::BTreeMap;

use super::context::Context;
use super::error_code::code_of_transaction;
use super::table::Answer;
use crate::broker::TransactionDescription;
use crate::protocol::ErrorCode;
use crate::protocol::describe_transactions as message;
use message::Request;
use message::Response;
use message::Topic;
use message::TransactionState;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let describe = |id: String| match context.broker().describe_transaction(&id) {
            Ok(Some(transaction)) => told(transaction),
            Ok(None) => refused(id, ErrorCode::TRANSACTIONAL_ID_NOT_FOUND),
            Err(error) => refused(id, code_of_transaction(&error, true)),
        };
        Response {
            transaction_states: self.transactional_ids.into_iter().map(describe).collect(),
            ..Response::default()
        }
    }
}

fn refused(transactional_id: String, error_code: ErrorCode) -> TransactionState {
    TransactionState { transactional_id, error_code, ..TransactionState::default() }
}

fn told(transaction: TransactionDescription) -> TransactionState {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (partition, topic) in transaction.partitions {
        topics.entry(topic).or_default().push(partition.partition.0);
    }
    TransactionState {
        transactional_id: transaction.transactional_id,
        transaction_state: transaction.state.to_string(),
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_start_time_ms: transaction.started_ms.unwrap_or(-1),
        producer_id: transaction.producer.0.0,
        producer_epoch: transaction.producer.1.0,
        topics: topics.into_iter().map(|(topic, partitions)| Topic { topic, partitions }).collect(),
        ..TransactionState::default()
    }
}
