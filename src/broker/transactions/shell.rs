//! One transactional id at a time: what a step wants done, in order.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use parking_lot::RwLock;
use tokio::sync::OwnedMutexGuard;

use super::TransactionError;
use super::refused::reason;
use crate::broker::Broker;
use crate::broker::BrokerError;
use crate::broker::CONSUMER_OFFSETS;
use crate::broker::TRANSACTION_STATE;
use crate::broker::coordinator::ClientEffect;
use crate::broker::coordinator::ClientEvent;
use crate::broker::coordinator::ClientTransaction;
use crate::broker::coordinator::Stamp;
use crate::broker::coordinator::TransactionRecord;
use crate::broker::groups::now;
use crate::log::LogError;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::ControlMarker;

/// A transactional id; who holds it works on it.
pub(super) type Turn = Arc<tokio::sync::Mutex<ClientTransaction>>;

/// The transactional ids of clients.
#[derive(Default)]
pub(in crate::broker) struct ClientTransactions {
    pub(super) ids: Mutex<HashMap<String, Turn>>,
    /// Read while a batch is checked and appended, written when a transaction opens or closes.
    pub(in crate::broker) open: RwLock<OpenTransactions>,
}

/// The partitions of open transactions, by producer.
#[derive(Default)]
pub(in crate::broker) struct OpenTransactions(HashMap<ProducerId, (ProducerEpoch, BTreeSet<TopicPartition>)>);

impl OpenTransactions {
    /// Refuses who has no transaction open that holds the partition.
    pub(in crate::broker) fn check(
        &self,
        (id, epoch): Stamp,
        partition: TopicPartition,
    ) -> Result<(), TransactionError> {
        match self.0.get(&id) {
            Some((open, partitions)) if *open == epoch && partitions.contains(&partition) => Ok(()),
            Some((open, _)) if epoch < *open => Err(TransactionError::Fenced),
            Some(_) | None => Err(TransactionError::InvalidState),
        }
    }

    /// The epoch of a producer's open transaction.
    pub(in crate::broker) fn epoch(&self, id: ProducerId) -> Option<ProducerEpoch> {
        self.0.get(&id).map(|(epoch, _)| *epoch)
    }

    fn set(&mut self, transaction: &ClientTransaction) {
        if let Some(((id, epoch), partitions)) = transaction.open() {
            self.0.insert(id, (epoch, partitions.into_iter().collect()));
        }
    }
}

impl ClientTransactions {
    /// Takes in an id that was read from the log.
    pub(in crate::broker) fn restore(&self, transactional_id: String, transaction: ClientTransaction) {
        self.open.write().set(&transaction);
        self.ids.lock().insert(transactional_id, Arc::new(tokio::sync::Mutex::new(transaction)));
    }

    /// Takes the turn of an id that is there.
    pub(super) fn turn(&self, transactional_id: &str) -> Result<OwnedMutexGuard<ClientTransaction>, TransactionError> {
        let find = || self.ids.lock().get(transactional_id).cloned();
        let found = find().ok_or(TransactionError::InvalidProducerIdMapping)?;
        let turn = Arc::clone(&found).try_lock_owned().map_err(|_| TransactionError::Concurrent)?;
        // It may have been forgotten before the turn came.
        match find().is_some_and(|current| Arc::ptr_eq(&current, &found)) {
            true => Ok(turn),
            false => Err(TransactionError::Concurrent),
        }
    }
}

impl Broker {
    /// Works on an id that is there: what `event` leads to is done, and then counts.
    pub(super) async fn transact(
        self: &Arc<Self>,
        transactional_id: &str,
        event: ClientEvent,
    ) -> Result<(), TransactionError> {
        self.check_coordinator(TRANSACTION_STATE, transactional_id).map_err(|error| reason(&error))?;
        let mut transaction = self.clients.turn(transactional_id)?;
        let (broker, transactional_id) = (Arc::clone(self), transactional_id.to_string());
        let task = tokio::spawn(async move { broker.apply(&transactional_id, &mut transaction, event).await });
        // A panic in the middle leaves it open what is durable.
        task.await.unwrap_or(Err(TransactionError::Unknown))
    }

    /// Has the holder of the turn do what follows from `event`.
    pub(super) async fn apply(
        self: &Arc<Self>,
        transactional_id: &str,
        transaction: &mut ClientTransaction,
        event: ClientEvent,
    ) -> Result<(), TransactionError> {
        let mut next = transaction.clone();
        let effects = next.step(self.env.clock.wall_millis(), event)?;
        let done = self.perform(transactional_id, effects).await;
        match done {
            Ok(()) => *transaction = next,
            // What is durable of its end, a restart will tell: until then nothing is taken into it.
            Err(TransactionError::Unknown) => return done,
            // It is as open as it was.
            Err(_) => {}
        }
        self.clients.open.write().set(transaction);
        done
    }

    /// Does what a step wants, in its order.
    pub(super) async fn perform(
        self: &Arc<Self>,
        transactional_id: &str,
        effects: Vec<ClientEffect>,
    ) -> Result<(), TransactionError> {
        let told = |error: BrokerError| reason(&error);
        for effect in effects {
            match effect {
                ClientEffect::Write(record) => self.write_state(transactional_id, &record).await.map_err(told)?,
                ClientEffect::Close { id, partitions } => {
                    self.clients.open.write().0.remove(&id);
                    self.settle(&partitions).await.map_err(told)?;
                }
                ClientEffect::Mark { marker, id, epoch, partitions } => {
                    // It is prepared: whatever fails now, a restart goes on.
                    let marked = self.mark_client(partitions, marker, id, epoch).await;
                    marked.map_err(|_| TransactionError::Unknown)?;
                }
                ClientEffect::WriteLater(record) => {
                    let state = self.coordinator(TRANSACTION_STATE, transactional_id).await.map_err(told)?;
                    let append = self.records_append(transactional_id, state, [&record].into_iter());
                    if let Err(error) = self.log.append_in_reserve(vec![append]) {
                        tracing::warn!(transactional_id, %error, "the end of a transaction will be written by a restart");
                    }
                }
                ClientEffect::TakeProducerId | ClientEffect::AbortFirst => {
                    return Err(TransactionError::InvalidState);
                }
            }
        }
        Ok(())
    }

    async fn write_state(&self, transactional_id: &str, record: &TransactionRecord) -> Result<(), BrokerError> {
        let state = self.coordinator(TRANSACTION_STATE, transactional_id).await?;
        let append = self.records_append(transactional_id, state, [record].into_iter());
        let appended = self.log.append_in_reserve(vec![append])?;
        // What was appended may become durable, whatever is said here.
        self.log.durable(state, appended[0].next_offset).await.map_err(|error| {
            tracing::error!(%error, "a transaction's flush did not answer");
            BrokerError::Unknown
        })
    }

    /// Makes durable what stands in partitions that are still there, whatever their flush policy.
    async fn settle(&self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        for partition in partitions {
            match self.log.ends(*partition) {
                Ok(ends) => self.log.durable(*partition, ends.log_end_offset).await?,
                Err(LogError::UnknownPartition { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn mark_client(
        self: &Arc<Self>,
        partitions: Vec<TopicPartition>,
        marker: ControlMarker,
        id: ProducerId,
        epoch: ProducerEpoch,
    ) -> Result<(), BrokerError> {
        let offsets = self.metadata.snapshot().topic(CONSUMER_OFFSETS).map(|topic| topic.id);
        let of_groups: Vec<_> = partitions.iter().copied().filter(|it| Some(it.topic) == offsets).collect();
        let marked = self.mark(partitions.into_iter().collect(), marker, id, epoch).await?;
        self.show_marked(marked).await?;
        for partition in of_groups {
            self.tell_durable(partition);
        }
        let metadata = self.metadata.snapshot();
        let now = now(&*self.env.clock);
        let groups = &mut self.groups.lock().groups;
        groups.end_transaction(id, marker, now, |name| metadata.topic(name).map(|topic| topic.id));
        Ok(())
    }
}
