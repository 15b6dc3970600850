//! What a door can ask of transactions.
//!
//! Every call is cancel-safe: what was begun is done to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;

use super::TransactionError;
use super::TransactionVersion;
use super::ids::Turn;
use super::refused::reason;
use crate::broker::Broker;
use crate::broker::BrokerError;
use crate::broker::CONSUMER_OFFSETS;
use crate::broker::CommitOffsets;
use crate::broker::GroupError;
use crate::broker::LocalBroker;
use crate::broker::TRANSACTION_STATE;
use crate::broker::coordinator::ClientEffect;
use crate::broker::coordinator::ClientEvent;
use crate::broker::coordinator::ClientTransaction;
use crate::broker::coordinator::GroupEvent;
use crate::broker::coordinator::Stamp;
use crate::broker::core::check_name;
use crate::broker::groups::check_not_a_querys;
use crate::log::Append;
use crate::log::Appended;
use crate::log::LogError;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::ControlMarker;

/// Ids that begin so are the server's own.
const SERVER_PREFIX: &str = "tidemill.";

impl LocalBroker {
    /// A stamp for a producer: without a transactional id one that nobody had; with one, the id's next, which fences the
    /// stamps before and aborts what they left open. `expected` is the stamp of a producer that goes on after an error.
    pub async fn init_producer(
        &self,
        transactional_id: Option<&str>,
        timeout_ms: i32,
        expected: Option<Stamp>,
    ) -> Result<Stamp, TransactionError> {
        let Some(transactional_id) = transactional_id else {
            return Ok((self.broker.fresh_producer_id().await?, ProducerEpoch(0)));
        };
        self.broker.check_transactional_id(transactional_id)?;
        if !(1..=self.broker.config.transaction_timeout_max_ms).contains(&timeout_ms) {
            return Err(TransactionError::InvalidTimeout);
        }
        let (epoch_max, now_ms) = (self.broker.config.producer_epoch_max, self.broker.env.clock.wall_millis());
        let fresh = || ClientTransaction::new(epoch_max, now_ms);
        self.broker.clients.make_if_missing(transactional_id, self.broker.config.transactional_ids_max, fresh)?;
        let turn = self.broker.clients.turn(transactional_id)?;
        self.broker.in_turn(turn, move |broker, turn| broker.init(turn, timeout_ms, expected).boxed()).await
    }

    /// Why the principal may have no transaction hold `partition`.
    pub async fn check_transactional(&self, partition: TopicPartition) -> Result<(), BrokerError> {
        self.writable(partition).await.map(|_| ())
    }

    /// Has the transaction of a producer hold these partitions, each with its topic's name; begins it if none is open. Whether
    /// the principal may write to them, `check_transactional` says.
    pub async fn add_to_transaction(
        &self,
        transactional_id: &str,
        producer: Stamp,
        partitions: BTreeMap<TopicPartition, String>,
    ) -> Result<(), TransactionError> {
        self.broker.add(transactional_id, producer, partitions, TransactionVersion::One).await
    }

    /// Has the transaction of a producer hold what it is about to write to, but for what the principal may not write to; begins
    /// it if none is open (KIP-890).
    pub async fn hold_in_transaction(
        &self,
        transactional_id: &str,
        producer: Stamp,
        partitions: &[TopicPartition],
    ) -> Result<(), TransactionError> {
        let mut named = BTreeMap::new();
        for partition in partitions.iter().filter(|partition| !self.broker.is_held(producer, **partition)) {
            if let Ok(topic) = self.writable(*partition).await {
                named.insert(*partition, topic.name.clone());
            }
        }
        match named.is_empty() {
            true => Ok(()),
            false => self.broker.add(transactional_id, producer, named, TransactionVersion::Two).await,
        }
    }

    /// Has the transaction of a producer hold the positions of a group.
    pub async fn add_offsets_to_transaction(
        &self,
        transactional_id: &str,
        producer: Stamp,
        group: &str,
        version: TransactionVersion,
    ) -> Result<(), TransactionError> {
        check_name("group", group).map_err(|_| GroupError::InvalidGroup)?;
        let partition = self.broker.coordinator(CONSUMER_OFFSETS, group).await.map_err(|error| reason(&error))?;
        let partitions = BTreeMap::from([(partition, CONSUMER_OFFSETS.to_string())]);
        self.broker.add(transactional_id, producer, partitions, version).await
    }

    /// Writes positions into the transaction of a producer; they count once it is committed. One outcome each, in their
    /// order.
    pub async fn commit_offsets_in_transaction(
        &self,
        producer: Stamp,
        request: CommitOffsets,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let group = request.group.clone();
        check_not_a_querys(&group)?;
        self.broker.coordinate(&group, |reply| GroupEvent::CommitInTransaction(request, producer, reply)).await
    }

    /// Ends the transaction of a producer: its records are readable, or never will be, when this answers. Tells the stamp that
    /// the producer has from then on: in version 2 another one.
    pub async fn end_transaction(
        &self,
        transactional_id: &str,
        producer: Stamp,
        outcome: ControlMarker,
        version: TransactionVersion,
    ) -> Result<Stamp, TransactionError> {
        self.broker.check_known_id(transactional_id)?;
        let turn = self.broker.clients.turn(transactional_id)?;
        self.broker.in_turn(turn, move |broker, turn| broker.end(turn, producer, outcome, version).boxed()).await
    }
}

impl Broker {
    async fn init(
        self: &Arc<Self>,
        turn: &Turn,
        timeout_ms: i32,
        expected: Option<Stamp>,
    ) -> Result<Stamp, TransactionError> {
        let mut fresh = None;
        self.finish_prepared(turn).await?;
        loop {
            let event = ClientEvent::Init { timeout_ms, expected, fresh };
            // What it would lead to; it may have to wait for something else.
            match turn.transaction().step(self.env.clock.wall_millis(), event.clone()).as_deref() {
                Ok([ClientEffect::TakeProducerId]) => fresh = Some(self.fresh_producer_id().await?),
                Ok([ClientEffect::AbortFirst]) => self.apply(turn, ClientEvent::Abort).await?,
                _ => {
                    self.apply(turn, event).await?;
                    return turn.transaction().producer().ok_or(TransactionError::InvalidState);
                }
            }
        }
    }

    async fn end(
        self: &Arc<Self>,
        turn: &Turn,
        producer: Stamp,
        outcome: ControlMarker,
        version: TransactionVersion,
    ) -> Result<Stamp, TransactionError> {
        self.finish_prepared(turn).await?;
        let event = |fresh| ClientEvent::End { producer, outcome, version, fresh };
        let mut fresh = None;
        let effects = turn.transaction().step(self.env.clock.wall_millis(), event(None));
        if matches!(effects.as_deref(), Ok([ClientEffect::TakeProducerId])) {
            fresh = Some(self.fresh_producer_id().await?);
        }
        self.apply(turn, event(fresh)).await?;
        turn.transaction().producer().ok_or(TransactionError::InvalidState)
    }

    async fn add(
        self: &Arc<Self>,
        transactional_id: &str,
        producer: Stamp,
        partitions: BTreeMap<TopicPartition, String>,
        version: TransactionVersion,
    ) -> Result<(), TransactionError> {
        self.check_known_id(transactional_id)?;
        let turn = match version {
            TransactionVersion::One => self.clients.turn(transactional_id)?,
            TransactionVersion::Two if partitions.keys().all(|it| self.is_held(producer, *it)) => return Ok(()),
            // The records wait behind it: that they are sent again later would put them out of order.
            TransactionVersion::Two => self.clients.wait_for_turn(transactional_id).await?,
        };
        let event = ClientEvent::Add { producer, partitions, version };
        self.in_turn(turn, move |broker, turn| broker.apply(turn, event).boxed()).await
    }

    /// Whether an open transaction of the producer holds the partition.
    fn is_held(&self, producer: Stamp, partition: TopicPartition) -> bool {
        self.clients.producers.read().check(producer, partition).is_ok()
    }

    /// Appends batches of an open transaction that holds their partitions. Who closes the transaction waits for the append, or
    /// the append finds it closed (KIP-890).
    pub(in crate::broker) fn append_in_transaction(
        &self,
        producer: Stamp,
        appends: Vec<Append>,
    ) -> Result<Vec<Appended>, BrokerError> {
        let producers = self.clients.producers.read();
        for append in &appends {
            let partition = append.partition;
            producers.check(producer, partition).map_err(|error| match (error, producers.epoch(producer.0)) {
                (TransactionError::Fenced, Some(current)) => {
                    let (producer, found) = producer;
                    BrokerError::from(LogError::StaleProducerEpoch { partition, producer, current, found })
                }
                _ => BrokerError::NotInTransaction { partition, producer: producer.0 },
            })?;
        }
        Ok(self.log.append(appends)?)
    }

    async fn fresh_producer_id(&self) -> Result<ProducerId, TransactionError> {
        self.new_producer_id().await.map_err(|error| reason(&error))
    }

    /// Refuses an id that no record can hold, or whose state is damaged.
    fn check_known_id(&self, transactional_id: &str) -> Result<(), TransactionError> {
        let known = check_name("transactional id", transactional_id);
        known.and_then(|()| self.check_coordinator(TRANSACTION_STATE, transactional_id)).map_err(|it| reason(&it))
    }

    /// Refuses an id that is not to be known, or that is the server's own.
    fn check_transactional_id(&self, transactional_id: &str) -> Result<(), TransactionError> {
        self.check_known_id(transactional_id)?;
        match transactional_id.starts_with(SERVER_PREFIX) {
            true => Err(TransactionError::InvalidId),
            false => Ok(()),
        }
    }
}
