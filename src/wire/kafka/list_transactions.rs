//! ListTransactions, by state, producer, age and pattern of ids where the client says which.

use super::context::Context;
use super::table::Answer;
use crate::broker::NamePattern;
use crate::broker::TransactionDescription;
use crate::broker::TransactionState;
use crate::protocol::ErrorCode;
use crate::protocol::list_transactions as message;
use message::Request;
use message::Response;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let now_ms = context.door().env.clock.wall_millis();
        let pattern = self.transactional_id_pattern.as_deref().filter(|text| !text.is_empty());
        let Ok(pattern) = pattern.map(NamePattern::compile).transpose() else {
            return Response { error_code: ErrorCode::INVALID_REGULAR_EXPRESSION, ..Response::default() };
        };
        let states: Vec<TransactionState> = self.state_filters.iter().filter_map(|name| name.parse().ok()).collect();
        let is_wanted = |transaction: &TransactionDescription| {
            let of_state = self.state_filters.is_empty() || states.contains(&transaction.state);
            let of_producer =
                self.producer_id_filters.is_empty() || self.producer_id_filters.contains(&transaction.producer.0.0);
            let age_ms = transaction.started_ms.map_or(0, |started| now_ms.saturating_sub(started));
            let of_pattern = pattern.as_ref().is_none_or(|pattern| pattern.fits(&transaction.transactional_id));
            of_state && of_producer && of_pattern && (self.duration_filter < 0 || self.duration_filter < age_ms)
        };
        let listed = |transaction: TransactionDescription| message::TransactionState {
            transactional_id: transaction.transactional_id,
            producer_id: transaction.producer.0.0,
            transaction_state: transaction.state.to_string(),
        };
        let transactions = context.broker().list_transactions().into_iter().filter(is_wanted);
        let is_unknown = |name: &&String| name.parse::<TransactionState>().is_err();
        Response {
            transaction_states: transactions.map(listed).collect(),
            unknown_state_filters: self.state_filters.iter().filter(is_unknown).cloned().collect(),
            ..Response::default()
        }
    }
}
