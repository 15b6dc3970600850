//! Produce: each partition's batch by itself, appended at once and answered when it is as safe as was asked for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::LocalBroker;
use crate::broker::Acks;
use crate::broker::BrokerError;
use crate::broker::compression::packed;
use crate::cluster::CleanupPolicy;
use crate::cluster::FlushPolicy;
use crate::cluster::TopicRecord;
use crate::log::Append;
use crate::log::Origin;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::BatchError;
use crate::protocol::BatchLimits;
use crate::security::Operation;
use crate::security::Principal;

/// A producer's batch whose bytes are what was sent, for a partition that it may be written to.
#[derive(Debug, Clone)]
pub struct CheckedBatch {
    partition: TopicPartition,
    topic: Arc<TopicRecord>,
    batch: Batch,
}

impl CheckedBatch {
    /// Where to.
    pub fn partition(&self) -> TopicPartition {
        self.partition
    }

    /// Whose transaction it belongs to; `None` if it belongs to none.
    pub fn transactional_producer(&self) -> Option<(ProducerId, ProducerEpoch)> {
        self.batch.producer().filter(|_| self.batch.is_transactional())
    }
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The partition.
    pub partition: TopicPartition,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// The offset after its last.
    pub next_offset: Offset,
    /// The time that the broker gave its records, in ms since 1970-01-01 UTC; `None` if they have the producer's.
    pub append_time_ms: Option<i64>,
    /// The first offset still kept.
    pub log_start: Offset,
    /// The answer must wait for a flush.
    flushes: bool,
}

impl LocalBroker {
    /// Checks one record batch for a partition, as far as it can be judged without the partition's state. What its header says
    /// is of no account before that.
    pub async fn check_batch(&self, partition: TopicPartition, bytes: Bytes) -> Result<CheckedBatch, BrokerError> {
        let topic = self.writable(partition).await?;
        // What it says would be seen after the next restart, and then only by readers of the view, not by its query.
        if let Some(user) = self.user_of(topic.id).filter(|user| user.is_table && user.is_of_query) {
            return Err(user.uses(&topic));
        }
        let batch = check(&topic, partition, bytes)?;
        Ok(CheckedBatch { partition, topic, batch })
    }

    /// Appends a batch; where it went is known, how safe it is is not. `wait` tells when it is.
    pub fn produce(&self, checked: CheckedBatch, acks: Acks) -> Result<Placed, BrokerError> {
        let producer = checked.transactional_producer();
        let CheckedBatch { partition, topic, batch } = checked;
        // What the sender wrote there is not looked at: the leader gives both.
        let batch = batch.stamped(Offset::ZERO, LeaderEpoch(0));
        let broker = &self.broker;
        let append =
            Append { partition, leader_epoch: broker.leader_epoch(), batches: vec![batch], origin: Origin::Client };
        let appended = match producer {
            Some(producer) => broker.append_in_transaction(producer, vec![append])?,
            None => broker.log.append(vec![append])?,
        };
        let appended = appended.first().expect("one append has one answer");
        broker.raise_high_watermark(&topic, partition, appended.next_offset)?;
        Ok(Placed {
            partition,
            base_offset: appended.base_offset,
            next_offset: appended.next_offset,
            append_time_ms: appended.append_time_ms,
            log_start: broker.log.ends(partition)?.log_start_offset,
            // What waits for its flush is in memory only: even the leader's word must not be broken by the end of its process.
            flushes: topic.config.flush == FlushPolicy::Ack && acks != Acks::None,
        })
    }

    /// The topic of `partition`, which the principal may write to and whose directory is there.
    pub(in crate::broker) async fn writable(&self, partition: TopicPartition) -> Result<Arc<TopicRecord>, BrokerError> {
        let topic = self.authorized(partition, Operation::Write).await?;
        if topic.config.internal && self.principal != Principal::server() {
            return Err(BrokerError::InternalTopic { topic: topic.name.clone() });
        }
        Ok(topic)
    }

    /// Resolves when what was placed is as durable as its topic and the acks asked for say, and visible. After `timeout`
    /// it is an error, and goes on all the same.
    pub async fn wait(&self, placed: Placed, timeout: Duration) -> Result<(), BrokerError> {
        let Placed { partition, next_offset, flushes, .. } = placed;
        if !flushes {
            return Ok(());
        }
        let log = &self.broker.log;
        let flushed = async {
            log.durable(partition, next_offset).await?;
            log.visible_all(vec![(partition, next_offset)]).await
        };
        tokio::select! {
            flushed = flushed => Ok(flushed?),
            () = self.env().clock.sleep(timeout) => Err(BrokerError::TimedOut),
        }
    }
}

fn check(topic: &TopicRecord, partition: TopicPartition, bytes: Bytes) -> Result<Batch, BrokerError> {
    let limits = BatchLimits { batch_bytes_max: topic.config.batch_bytes_max as usize };
    let wrong = |source: BatchError| match source {
        BatchError::TooLarge { size, limit } => BrokerError::MessageTooLarge { partition, size, limit },
        source => BrokerError::Batch { partition, source },
    };
    let batch = Batch::check(bytes, &limits).map_err(wrong)?;
    let header = batch.header();
    let invalid = |reason| Err(BrokerError::InvalidRecord { partition, index: None, reason });
    if batch.is_control() {
        return invalid("clients may not write control batches");
    }
    if header.record_count == 0 {
        return invalid("the batch has no records");
    }
    if batch.producer().is_some() && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return invalid("a batch with a producer id needs an epoch and a sequence number");
    }
    if batch.producer().is_none() && batch.is_transactional() {
        return invalid("a transactional batch needs a producer id");
    }
    if topic.config.cleanup_policy != CleanupPolicy::Delete {
        check_keys(partition, &batch)?;
    }
    packed(&topic.config, batch).map_err(wrong)
}

/// What has no key can never be compacted.
fn check_keys(partition: TopicPartition, batch: &Batch) -> Result<(), BrokerError> {
    let payload = batch.payload().map_err(|source| BrokerError::Batch { partition, source })?;
    for (index, record) in (0..).zip(payload.records()) {
        let record = record.map_err(|source| BrokerError::Batch { partition, source })?;
        if record.key.is_none() {
            let reason = "a record of a compacted topic needs a key";
            return Err(BrokerError::InvalidRecord { partition, index: Some(index), reason });
        }
    }
    Ok(())
}
