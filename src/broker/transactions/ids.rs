//! The transactional ids of clients, each with its turn, and the producers that may write into a transaction.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use parking_lot::MutexGuard;
use parking_lot::RwLock;
use tokio::sync::OwnedMutexGuard;

use super::TransactionError;
use crate::broker::coordinator::ClientEffect;
use crate::broker::coordinator::ClientEvent;
use crate::broker::coordinator::ClientTransaction;
use crate::broker::coordinator::Stamp;
use crate::broker::coordinator::TransactionRecord;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;

/// The transactional ids of clients.
#[derive(Default)]
pub(in crate::broker) struct ClientTransactions {
    ids: Mutex<HashMap<String, Arc<Known>>>,
    /// Read while a batch is checked and appended, written when a transaction opens or closes.
    pub(in crate::broker) producers: RwLock<TransactionalProducers>,
}

/// A transactional id. Whoever has its turn changes it; anybody may look at it.
struct Known {
    transaction: Mutex<ClientTransaction>,
    after: Mutex<After>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What is left of the transaction that ended last.
#[derive(Default)]
pub(super) struct After {
    /// The ends of its markers. They are durable before the log takes another state of the id: what is not flushed may be lost in
    /// one partition and kept in another, and a start must find no state that follows markers that are gone.
    pub marked: Vec<(TopicPartition, Offset)>,
    /// The state that says that it is over.
    pub completed: Option<TransactionRecord>,
}

/// The right to work on a transactional id, until it is dropped.
pub(super) struct Turn {
    id: String,
    known: Arc<Known>,
    _turn: OwnedMutexGuard<()>,
}

impl Turn {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn transaction(&self) -> ClientTransaction {
        self.known.transaction.lock().clone()
    }

    pub(super) fn step(&self, now_ms: i64, event: ClientEvent) -> Result<Vec<ClientEffect>, TransactionError> {
        self.known.transaction.lock().step(now_ms, event)
    }

    /// What is left of the transaction that ended last.
    pub(super) fn after(&self) -> MutexGuard<'_, After> {
        self.known.after.lock()
    }

    /// Undoes a step of which nothing was written.
    pub(super) fn put_back(&self, before: ClientTransaction) {
        *self.known.transaction.lock() = before;
    }
}

impl ClientTransactions {
    /// Takes in an id that was read from the log.
    pub(in crate::broker) fn restore(&self, id: String, transaction: ClientTransaction) {
        self.producers.write().set(&transaction);
        self.ids.lock().insert(id, Known::new(transaction));
    }

    /// Takes in an id that nobody had, if it is not there and there is room.
    pub(super) fn make_if_missing(
        &self,
        id: &str,
        ids_max: usize,
        make: impl FnOnce() -> ClientTransaction,
    ) -> Result<(), TransactionError> {
        let mut ids = self.ids.lock();
        if ids.contains_key(id) {
            return Ok(());
        }
        if ids_max <= ids.len() {
            return Err(TransactionError::TooMany);
        }
        ids.insert(id.to_string(), Known::new(make()));
        Ok(())
    }

    /// Takes the turn of an id that is there.
    pub(super) fn turn(&self, id: &str) -> Result<Turn, TransactionError> {
        let known = self.ids.lock().get(id).cloned().ok_or(TransactionError::InvalidProducerIdMapping)?;
        let turn = Arc::clone(&known.turn).try_lock_owned().map_err(|_| TransactionError::Concurrent)?;
        self.taken(id, known, turn)
    }

    /// Takes the turn of an id that is there, when whoever has it is done.
    pub(super) async fn wait_for_turn(&self, id: &str) -> Result<Turn, TransactionError> {
        let known = self.ids.lock().get(id).cloned().ok_or(TransactionError::InvalidProducerIdMapping)?;
        let turn = Arc::clone(&known.turn).lock_owned().await;
        self.taken(id, known, turn)
    }

    fn taken(&self, id: &str, known: Arc<Known>, turn: OwnedMutexGuard<()>) -> Result<Turn, TransactionError> {
        // It may have been forgotten before the turn came.
        let is_there = self.ids.lock().get(id).is_some_and(|current| Arc::ptr_eq(current, &known));
        if !is_there {
            return Err(TransactionError::Concurrent);
        }
        Ok(Turn { id: id.to_string(), known, _turn: turn })
    }

    /// All ids.
    pub(super) fn names(&self) -> Vec<String> {
        self.ids.lock().keys().cloned().collect()
    }

    /// All ids as they are now, in their order.
    pub(super) fn all(&self) -> Vec<(String, ClientTransaction)> {
        let known: Vec<_> = self.ids.lock().iter().map(|(id, known)| (id.clone(), Arc::clone(known))).collect();
        let mut all: Vec<_> = known.into_iter().map(|(id, known)| (id, known.transaction.lock().clone())).collect();
        all.sort_by(|(left, _), (right, _)| left.cmp(right));
        all
    }

    /// One id as it is now.
    pub(super) fn get(&self, id: &str) -> Option<ClientTransaction> {
        let known = self.ids.lock().get(id).cloned()?;
        let transaction = known.transaction.lock().clone();
        Some(transaction)
    }

    /// Forgets an id.
    pub(super) fn remove(&self, turn: Turn) {
        if let Some((id, _)) = turn.transaction().producer() {
            self.producers.write().remove(id);
        }
        self.ids.lock().remove(turn.id());
    }
}

impl Known {
    fn new(transaction: ClientTransaction) -> Arc<Self> {
        Arc::new(Self { transaction: Mutex::new(transaction), after: Mutex::default(), turn: Arc::default() })
    }
}

/// The producers of transactional ids: the newest epoch of each, and the partitions of its open transaction.
#[derive(Default)]
pub(in crate::broker) struct TransactionalProducers(HashMap<ProducerId, Producer>);

struct Producer {
    epoch: ProducerEpoch,
    open: Option<BTreeSet<TopicPartition>>,
}

impl TransactionalProducers {
    /// Refuses who has no transaction open that holds the partition.
    pub(in crate::broker) fn check(
        &self,
        (id, epoch): Stamp,
        partition: TopicPartition,
    ) -> Result<(), TransactionError> {
        match self.0.get(&id) {
            Some(Producer { epoch: current, .. }) if epoch < *current => Err(TransactionError::Fenced),
            Some(Producer { epoch: current, open: Some(open) }) if epoch == *current && open.contains(&partition) => {
                Ok(())
            }
            Some(_) | None => Err(TransactionError::InvalidState),
        }
    }

    /// The newest epoch of a producer.
    pub(in crate::broker) fn epoch(&self, id: ProducerId) -> Option<ProducerEpoch> {
        self.0.get(&id).map(|producer| producer.epoch)
    }

    /// Takes over what a transactional id says now.
    pub(super) fn set(&mut self, transaction: &ClientTransaction) {
        let Some((id, epoch)) = transaction.producer() else { return };
        let open = transaction.open().map(|(_, partitions)| partitions.into_iter().collect());
        self.0.insert(id, Producer { epoch, open });
    }

    /// Takes over what a transactional id says now; the producer id that it had `before` may be another.
    pub(super) fn replace(&mut self, before: &ClientTransaction, now: &ClientTransaction) {
        if let Some((id, _)) = before.producer()
            && now.producer().is_none_or(|(current, _)| current != id)
        {
            self.0.remove(&id);
        }
        self.set(now);
    }

    /// Takes nothing more into the open transaction of a producer.
    pub(super) fn close(&mut self, id: ProducerId) {
        if let Some(producer) = self.0.get_mut(&id) {
            producer.open = None;
        }
    }

    /// Forgets a producer that nobody has any more.
    pub(super) fn remove(&mut self, id: ProducerId) {
        self.0.remove(&id);
    }
}
