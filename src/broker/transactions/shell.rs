//! One transactional id at a time: what a step wants done, in order.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::TransactionError;
use super::ids::After;
use super::ids::Turn;
use super::refused::reason;
use crate::broker::Broker;
use crate::broker::BrokerError;
use crate::broker::CONSUMER_OFFSETS;
use crate::broker::TRANSACTION_STATE;
use crate::broker::coordinator::ClientEffect;
use crate::broker::coordinator::ClientEvent;
use crate::broker::coordinator::TransactionRecord;
use crate::broker::groups::now;
use crate::log::Appended;
use crate::log::LogError;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::ControlMarker;

impl Broker {
    /// Has `work` done by the holder of a turn, to its end, whoever goes away.
    pub(super) async fn in_turn<T: Send + 'static>(
        self: &Arc<Self>,
        turn: Turn,
        work: impl for<'a> FnOnce(&'a Arc<Self>, &'a Turn) -> BoxFuture<'a, Result<T, TransactionError>> + Send + 'static,
    ) -> Result<T, TransactionError> {
        let broker = Arc::clone(self);
        let task = tokio::spawn(async move { work(&broker, &turn).await });
        // A panic in the middle leaves it open what is durable.
        task.await.unwrap_or(Err(TransactionError::Unknown))
    }

    /// Finishes what is prepared.
    pub(super) async fn finish_prepared(self: &Arc<Self>, turn: &Turn) -> Result<(), TransactionError> {
        match turn.transaction().is_prepared() {
            true => self.take(turn, ClientEvent::Resume).await,
            false => Ok(()),
        }
    }

    /// Has the holder of the turn do what follows from `event`, after what was left to be done.
    pub(super) async fn apply(self: &Arc<Self>, turn: &Turn, event: ClientEvent) -> Result<(), TransactionError> {
        self.finish_prepared(turn).await?;
        self.take(turn, event).await
    }

    async fn take(self: &Arc<Self>, turn: &Turn, event: ClientEvent) -> Result<(), TransactionError> {
        let before = turn.transaction();
        let effects = turn.step(self.env.clock.wall_millis(), event)?;
        match self.perform(turn, effects).await {
            Ok(()) => {}
            Err(Failure::NotDone(error)) => {
                // It is as open as it was.
                turn.put_back(before);
                self.clients.producers.write().set(&turn.transaction());
                return Err(error);
            }
            // What is decided stays decided: the next one who comes goes on, or the next start.
            Err(Failure::Begun(error)) => return Err(error),
        }
        if turn.transaction().is_prepared() {
            let effects = turn.step(self.env.clock.wall_millis(), ClientEvent::Marked)?;
            self.perform(turn, effects).await.map_err(Failure::reason)?;
        }
        self.clients.producers.write().replace(&before, &turn.transaction());
        Ok(())
    }

    /// Does what a step wants, in its order.
    async fn perform(self: &Arc<Self>, turn: &Turn, effects: Vec<ClientEffect>) -> Result<(), Failure> {
        for effect in effects {
            match effect {
                ClientEffect::Write(record) => self.write_state(turn, &record).await?,
                ClientEffect::Close { id } => self.clients.producers.write().close(id),
                ClientEffect::Settle { partitions } => self.settle(&partitions).await.map_err(Failure::not_done)?,
                ClientEffect::Mark { marker, id, epoch, partitions } => {
                    // It is decided and durable: who asks again has it finished.
                    let marked = self.mark_client(partitions, marker, id, epoch).await;
                    let marked = marked.map_err(|_| Failure::Begun(TransactionError::Concurrent))?;
                    turn.after().marked = marked;
                }
                ClientEffect::WriteLater(record) => turn.after().completed = Some(record),
                ClientEffect::TakeProducerId | ClientEffect::AbortFirst => {
                    return Err(Failure::NotDone(TransactionError::InvalidState));
                }
            }
        }
        Ok(())
    }

    /// Appends a state, after that which says that the transaction before is over, and makes it durable.
    async fn write_state(&self, turn: &Turn, record: &TransactionRecord) -> Result<(), Failure> {
        let (state, appended) = self.append_states(turn, Some(record)).await.map_err(Failure::not_done)?;
        // What was appended may become durable, whatever is said here.
        self.log.durable(state, appended.next_offset).await.map_err(|error| {
            tracing::error!(transactional_id = turn.id(), %error, "a transaction's flush did not answer");
            Failure::Begun(TransactionError::Unknown)
        })
    }

    /// Says that the last transaction is over, if that was not said yet.
    pub(super) async fn write_completed(&self, turn: &Turn) -> Result<(), BrokerError> {
        let is_due = turn.after().completed.is_some();
        match is_due {
            true => self.append_states(turn, None).await.map(|_| ()),
            false => Ok(()),
        }
    }

    async fn append_states(
        &self,
        turn: &Turn,
        record: Option<&TransactionRecord>,
    ) -> Result<(TopicPartition, Appended), BrokerError> {
        let state = self.coordinator(TRANSACTION_STATE, turn.id()).await?;
        let marked = turn.after().marked.clone();
        for (partition, end) in marked {
            match self.log.durable(partition, end).await {
                // A topic that was dropped meanwhile has no readers.
                Ok(()) | Err(LogError::UnknownPartition { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let completed = turn.after().completed.clone();
        let append = self.records_append(turn.id(), state, completed.iter().chain(record));
        let appended = self.log.append_in_reserve(vec![append])?;
        *turn.after() = After::default();
        Ok((state, appended[0]))
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

    /// Appends the markers, has readers see them, and has the positions count or not. Tells where the markers end.
    async fn mark_client(
        self: &Arc<Self>,
        partitions: Vec<TopicPartition>,
        marker: ControlMarker,
        id: ProducerId,
        epoch: ProducerEpoch,
    ) -> Result<Vec<(TopicPartition, Offset)>, BrokerError> {
        let offsets = self.metadata.snapshot().topic(CONSUMER_OFFSETS).map(|topic| topic.id);
        let of_groups: Vec<_> = partitions.iter().copied().filter(|it| Some(it.topic) == offsets).collect();
        let marked = self.mark(partitions.into_iter().collect(), marker, id, epoch).await?;
        let ends = marked.iter().map(|(partition, appended)| (*partition, appended.next_offset)).collect();
        self.show_marked(marked).await?;
        for partition in of_groups {
            self.tell_durable(partition);
        }
        let metadata = self.metadata.snapshot();
        let now = now(&*self.env.clock);
        let groups = &mut self.groups.lock().groups;
        groups.end_transaction(id, marker, now, |name| metadata.topic(name).map(|topic| topic.id));
        Ok(ends)
    }
}

/// How far it came.
enum Failure {
    /// The log took nothing.
    NotDone(TransactionError),
    /// What is durable of it is not known, or it is durable and not finished.
    Begun(TransactionError),
}

impl Failure {
    fn not_done(error: BrokerError) -> Self {
        match reason(&error) {
            TransactionError::Unknown => Failure::Begun(TransactionError::Unknown),
            error => Failure::NotDone(error),
        }
    }

    fn reason(self) -> TransactionError {
        match self {
            Failure::NotDone(error) | Failure::Begun(error) => error,
        }
    }
}
