//! Transactions that take longer than their producer said are aborted; ids that nobody uses are forgotten.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::ids::Turn;
use crate::broker::Broker;
use crate::broker::BrokerError;
use crate::broker::TRANSACTION_STATE;
use crate::broker::coordinator::ClientEvent;
use crate::broker::coordinator::TransactionRecord;
use crate::protocol::BatchBuilder;

/// How often it is looked for them.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl Broker {
    /// Aborts what takes too long, until the broker is gone.
    pub(in crate::broker) fn keep_transactions(self: &Arc<Self>) {
        self.every(CHECK_INTERVAL, |broker| async move { broker.end_overdue_transactions().await }.boxed());
    }

    /// Aborts every transaction that took too long, finishes what is prepared, and forgets the ids that were idle for too long.
    pub(in crate::broker) async fn end_overdue_transactions(self: &Arc<Self>) -> Result<(), BrokerError> {
        let now_ms = self.env.clock.wall_millis();
        let kept_ms = i64::try_from(self.config.transactional_id_retention.as_millis()).unwrap_or(i64::MAX);
        for id in self.clients.names() {
            // Somebody works on it: the next time will do.
            let Ok(turn) = self.clients.turn(&id) else { continue };
            let transaction = turn.transaction();
            let event = match (transaction.is_overdue(now_ms), transaction.is_prepared()) {
                (true, _) => ClientEvent::Abort,
                (false, true) => ClientEvent::Resume,
                (false, false) => {
                    self.write_completed(&turn).await?;
                    if transaction.idle_since_ms().is_some_and(|since| since.saturating_add(kept_ms) <= now_ms) {
                        self.forget_transactional_id(turn).await?;
                    }
                    continue;
                }
            };
            tracing::info!(transactional_id = id, ?event, "ends a transaction that took too long or was not finished");
            if let Err(error) = self.apply(&turn, event).await {
                tracing::warn!(transactional_id = id, %error, "a transaction could not be ended; it will be tried again");
            }
        }
        Ok(())
    }

    async fn forget_transactional_id(&self, turn: Turn) -> Result<(), BrokerError> {
        let state = self.coordinator(TRANSACTION_STATE, turn.id()).await?;
        let mut builder = BatchBuilder::new();
        let key = TransactionRecord::key(turn.id());
        builder.append(self.env.clock.wall_millis(), Some(&key), None, &[]);
        self.log.append_in_reserve(vec![self.coordinator_append(state, vec![builder.finish()])])?;
        self.clients.remove(turn);
        Ok(())
    }
}
