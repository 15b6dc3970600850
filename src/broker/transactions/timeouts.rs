//! Transactions that take longer than their producer said are aborted; ids that nobody uses are forgotten.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

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

    /// Aborts every transaction that took too long, and forgets the ids that were idle for too long.
    pub(in crate::broker) async fn end_overdue_transactions(self: &Arc<Self>) -> Result<(), BrokerError> {
        let ids: Vec<_> = self.clients.ids.lock().iter().map(|(id, turn)| (id.clone(), Arc::clone(turn))).collect();
        let now_ms = self.env.clock.wall_millis();
        let kept_ms = i64::try_from(self.config.transactional_id_retention.as_millis()).unwrap_or(i64::MAX);
        for (transactional_id, turn) in ids {
            // Somebody works on it: the next time will do.
            let Ok(mut transaction) = turn.try_lock() else { continue };
            if transaction.is_overdue(now_ms) {
                tracing::info!(transactional_id, "a transaction took too long and is aborted");
                if let Err(error) = self.apply(&transactional_id, &mut transaction, ClientEvent::Abort).await {
                    tracing::warn!(transactional_id, %error, "a transaction could not be aborted; it will be tried again");
                }
            } else if transaction.idle_since_ms().is_some_and(|since| since.saturating_add(kept_ms) <= now_ms) {
                self.forget_transactional_id(&transactional_id).await?;
            }
        }
        Ok(())
    }

    /// The caller has the id's turn.
    async fn forget_transactional_id(&self, transactional_id: &str) -> Result<(), BrokerError> {
        let state = self.coordinator(TRANSACTION_STATE, transactional_id).await?;
        let mut builder = BatchBuilder::new();
        let key = TransactionRecord::key(transactional_id);
        builder.append(self.env.clock.wall_millis(), Some(&key), None, &[]);
        self.log.append_in_reserve(vec![self.coordinator_append(state, vec![builder.finish()])])?;
        self.clients.ids.lock().remove(transactional_id);
        Ok(())
    }
}
