//! One transactional id at a time: what a step wants done, in order.

use std::sync::Arc;

use super::TransactionError;
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
use crate::log::LogError;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::ControlMarker;

impl Broker {
    /// Works on an id that is there: what `event` leads to is done, and then counts.
    pub(super) async fn transact(
        self: &Arc<Self>,
        transactional_id: &str,
        event: ClientEvent,
    ) -> Result<(), TransactionError> {
        self.check_coordinator(TRANSACTION_STATE, transactional_id).map_err(|error| reason(&error))?;
        let turn = self.clients.turn(transactional_id)?;
        let broker = Arc::clone(self);
        let task = tokio::spawn(async move { broker.apply(&turn, event).await });
        // A panic in the middle leaves it open what is durable.
        task.await.unwrap_or(Err(TransactionError::Unknown))
    }

    /// Has the holder of the turn do what follows from `event`, after what was left to be done.
    pub(super) async fn apply(self: &Arc<Self>, turn: &Turn, event: ClientEvent) -> Result<(), TransactionError> {
        if turn.transaction().is_prepared() {
            self.take(turn, ClientEvent::Resume).await?;
        }
        self.take(turn, event).await
    }

    async fn take(self: &Arc<Self>, turn: &Turn, event: ClientEvent) -> Result<(), TransactionError> {
        let before = turn.transaction();
        let effects = turn.step(self.env.clock.wall_millis(), event)?;
        match self.perform(turn.id(), effects).await {
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
            self.perform(turn.id(), effects).await.map_err(Failure::reason)?;
        }
        self.clients.producers.write().set(&turn.transaction());
        Ok(())
    }

    /// Does what a step wants, in its order.
    async fn perform(self: &Arc<Self>, id: &str, effects: Vec<ClientEffect>) -> Result<(), Failure> {
        for effect in effects {
            match effect {
                ClientEffect::Write(record) => self.write_state(id, &record).await?,
                ClientEffect::Close { id } => self.clients.producers.write().close(id),
                ClientEffect::Settle { partitions } => self.settle(&partitions).await.map_err(Failure::not_done)?,
                ClientEffect::Mark { marker, id, epoch, partitions } => {
                    // It is decided and durable: who asks again has it finished.
                    let marked = self.mark_client(partitions, marker, id, epoch).await;
                    marked.map_err(|_| Failure::Begun(TransactionError::Concurrent))?;
                }
                ClientEffect::WriteLater(record) => self.write_later(id, &record).await,
                ClientEffect::TakeProducerId | ClientEffect::AbortFirst => {
                    return Err(Failure::NotDone(TransactionError::InvalidState));
                }
            }
        }
        Ok(())
    }

    async fn write_state(&self, id: &str, record: &TransactionRecord) -> Result<(), Failure> {
        let state = self.coordinator(TRANSACTION_STATE, id).await.map_err(Failure::not_done)?;
        let append = self.records_append(id, state, [record].into_iter());
        let appended = self.log.append_in_reserve(vec![append]).map_err(|error| Failure::not_done(error.into()))?;
        // What was appended may become durable, whatever is said here.
        self.log.durable(state, appended[0].next_offset).await.map_err(|error| {
            tracing::error!(transactional_id = id, %error, "a transaction's flush did not answer");
            Failure::Begun(TransactionError::Unknown)
        })
    }

    /// Who needs this state next has it written again, so it is no failure if it cannot be written.
    async fn write_later(&self, id: &str, record: &TransactionRecord) {
        let written = async {
            let state = self.coordinator(TRANSACTION_STATE, id).await?;
            let append = self.records_append(id, state, [record].into_iter());
            Ok::<_, BrokerError>(self.log.append_in_reserve(vec![append])?)
        };
        if let Err(error) = written.await {
            tracing::warn!(transactional_id = id, %error, "the end of a transaction will be written by a restart");
        }
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

    /// Appends the markers, has readers see them, and has the positions count or not.
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
