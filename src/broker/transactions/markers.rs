//! A marker that an administrator's tool asks for, to end what a producer left open in a partition.
//!
//! Of a transaction whose coordinator knows it, an abort ends all: in one partition alone it would be torn. Nobody but the
//! coordinator commits. What no coordinator knows, since its state is lost, gets the marker in the partition that is named.

use std::sync::Arc;

use super::TransactionError;
use super::ids::Turn;
use crate::broker::Broker;
use crate::broker::BrokerError;
use crate::broker::CONSUMER_OFFSETS;
use crate::broker::LocalBroker;
use crate::broker::coordinator::ClientEvent;
use crate::broker::coordinator::Stamp;
use crate::broker::coordinator::coordinator_partition;
use crate::broker::groups::now;
use crate::log::LogError;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::ControlMarker;
use crate::security::Operation;

/// What ends an open transaction of a producer.
#[derive(Debug, Clone, Copy)]
pub struct OutsideMarker {
    /// Whose.
    pub producer: Stamp,
    /// Whether its records are there.
    pub outcome: ControlMarker,
    /// Of who asks: not older than the coordinator that ended the producer's last transaction.
    pub coordinator_epoch: i32,
}

/// Why a marker is refused.
#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    /// A newer producer has written since.
    #[error("the producer has a newer epoch in the partition")]
    StaleEpoch,
    /// A newer coordinator has ended a transaction of the producer.
    #[error("a newer coordinator has ended a transaction of the producer")]
    CoordinatorFenced,
    /// Its coordinator commits it, or does not.
    #[error("the transaction's coordinator knows it: it is not committed from outside")]
    InUse,
    /// The coordinator could not end it.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The partition takes no marker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl LocalBroker {
    /// Ends what a producer left open in a partition, if anything; done to its end, whoever goes away.
    pub async fn end_from_outside(&self, partition: TopicPartition, marker: OutsideMarker) -> Result<(), MarkerError> {
        self.authorized(partition, Operation::Write).await?;
        let broker = Arc::clone(&self.broker);
        let task = tokio::spawn(async move { broker.end_from_outside(partition, marker).await });
        task.await.unwrap_or(Err(MarkerError::Broker(BrokerError::Unknown)))
    }
}

impl Broker {
    async fn end_from_outside(
        self: &Arc<Self>,
        partition: TopicPartition,
        marker: OutsideMarker,
    ) -> Result<(), MarkerError> {
        if self.open_from(partition, marker)?.is_none() {
            return Ok(());
        }
        // Nobody works on a transaction of the producer until the marker is there.
        let client = self.turn_of(marker).await?;
        if let Some(turn) = &client
            && self.end_at_coordinator(turn, partition, marker).await?
        {
            return Ok(());
        }
        let committer = self.idle_committer(marker.producer.0).await;
        if committer.as_ref().is_some_and(|transaction| transaction.is_unmarked()) {
            return Err(MarkerError::InUse);
        }
        match self.open_from(partition, marker)? {
            Some(first) => Ok(self.mark_from_outside(partition, first, marker).await?),
            None => Ok(()),
        }
    }

    /// Where the producer's open transaction begins in the partition, if the marker may end it.
    fn open_from(&self, partition: TopicPartition, marker: OutsideMarker) -> Result<Option<Offset>, MarkerError> {
        let (id, epoch) = marker.producer;
        let known = self.log.producers(partition).map_err(BrokerError::from)?;
        let Some(known) = known.into_iter().find(|known| known.id == id) else { return Ok(None) };
        match () {
            () if epoch < known.epoch => Err(MarkerError::StaleEpoch),
            () if marker.coordinator_epoch < known.coordinator_epoch => Err(MarkerError::CoordinatorFenced),
            () => Ok(known.open_from),
        }
    }

    /// The turn of the client's id that has the producer, with what it had decided done.
    async fn turn_of(self: &Arc<Self>, marker: OutsideMarker) -> Result<Option<Turn>, MarkerError> {
        let producer = marker.producer.0;
        let all = self.clients.all();
        let Some((id, _)) = all.into_iter().find(|(_, transaction)| transaction.has(producer)) else { return Ok(None) };
        let turn = self.clients.wait_for_turn(&id).await?;
        self.finish_prepared(&turn).await?;
        Ok(Some(turn))
    }

    /// Has the coordinator abort the transaction of a client that holds the partition; whether there is one.
    async fn end_at_coordinator(
        self: &Arc<Self>,
        turn: &Turn,
        partition: TopicPartition,
        marker: OutsideMarker,
    ) -> Result<bool, MarkerError> {
        let (id, epoch) = marker.producer;
        let open = turn.transaction().open();
        let holds = |((open_id, open_epoch), partitions): ((_, _), Vec<TopicPartition>)| {
            open_id == id && open_epoch <= epoch && partitions.contains(&partition)
        };
        match (open.is_some_and(holds), marker.outcome) {
            (false, _) => Ok(false),
            (true, ControlMarker::Commit) => Err(MarkerError::InUse),
            (true, ControlMarker::Abort) => {
                tracing::info!(transactional_id = turn.id(), %partition, "a transaction is aborted from outside");
                self.apply(turn, ClientEvent::Abort).await?;
                Ok(true)
            }
        }
    }

    /// Appends the marker, has readers see it when it is durable, and has the positions count or not.
    async fn mark_from_outside(
        self: &Arc<Self>,
        partition: TopicPartition,
        first: Offset,
        marker: OutsideMarker,
    ) -> Result<(), BrokerError> {
        let OutsideMarker { producer: (id, epoch), outcome, .. } = marker;
        tracing::info!(%partition, producer = id.0, ?outcome, "an open transaction is ended from outside");
        let marked = self.mark([partition].into(), outcome, id, epoch).await?;
        if marked.is_empty() {
            let offset = self.log.corrupt_from(partition).unwrap_or(first);
            return Err(LogError::Corrupt { partition, offset }.into());
        }
        // No state of a transaction says it: what is lost of it is not written again.
        self.log.durable_all(marked.iter().map(|(partition, it)| (*partition, it.next_offset)).collect()).await?;
        self.show_marked(marked).await?;
        let metadata = self.metadata.snapshot();
        if let Some(offsets) = metadata.topic(CONSUMER_OFFSETS).filter(|topic| topic.id == partition.topic) {
            self.tell_durable(partition);
            let is_its = |group: &str| coordinator_partition(group, offsets.partitions) == partition.partition.0;
            let (now, id_of) = (now(&*self.env.clock), |name: &str| metadata.topic(name).map(|topic| topic.id));
            self.groups.lock().groups.end_transaction_of(id, outcome, now, id_of, is_its);
        }
        self.forget_undecided(partition, first);
        Ok(())
    }
}
