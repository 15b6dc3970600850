//! Opening the broker: partitions as the metadata says, then transactions, then groups.
//!
//! A transaction whose PrepareCommit is in the log is committed, every other one is aborted: one sweep over all
//! partitions ends what is open. Only then are the offsets replayed, so that they see the markers.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Broker;
use super::BrokerConfig;
use super::BrokerError;
use super::CONSUMER_OFFSETS;
use super::TRANSACTION_STATE;
use super::commit::Producer;
use super::commit::ProducerIds;
use super::coordinator::Groups;
use super::coordinator::Status;
use super::coordinator::TransactionRecord;
use super::partitions;
use super::partitions::FollowMetadata;
use crate::cluster::MetadataLog;
use crate::env::Env;
use crate::log::Append;
use crate::log::LogDir;
use crate::log::Origin;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::ControlMarker;
use crate::protocol::control_batch;

const READ_BYTES: usize = 1 << 20;

impl Broker {
    /// Takes over an opened log and metadata. Afterwards no transaction is open, and clients may come.
    pub async fn open(
        env: Env,
        log: Arc<LogDir>,
        metadata: Arc<MetadataLog>,
        config: BrokerConfig,
    ) -> Result<Arc<Self>, BrokerError> {
        let known = metadata.snapshot();
        let reconciled = Arc::clone(&log);
        env.threads.blocking(move || partitions::reconcile(&reconciled, &known)).await?;
        follow_durable_ends(&log);
        let broker = Arc::new(Self {
            env,
            log,
            metadata,
            config,
            groups: Mutex::new(Groups::default()),
            commits_ended: watch::channel(0).0,
            compaction_errors: Mutex::default(),
            producers: Mutex::new(HashMap::new()),
            producer_ids: ProducerIds::default(),
        });
        broker.settle_ends().await?;
        broker.recover_transactions().await?;
        broker.replay_groups()?;
        broker.metadata.register(Arc::new(FollowMetadata { log: Arc::clone(&broker.log) }));
        Ok(broker)
    }

    /// Makes durable what recovery kept, before anything is decided on it; then all of it is below the high watermark.
    async fn settle_ends(&self) -> Result<(), BrokerError> {
        let mut ends = Vec::new();
        for partition in self.sound_partitions() {
            ends.push((partition, self.log.ends(partition)?.log_end_offset));
        }
        self.log.durable_all(ends.clone()).await?;
        for (partition, end) in ends {
            self.log.set_high_watermark(partition, end)?;
        }
        Ok(())
    }

    /// The partitions in which nothing durable is damaged. The others are read up to the damage and take nothing; they
    /// must not keep the rest from being served.
    fn sound_partitions(&self) -> Vec<TopicPartition> {
        let mut partitions = self.log.partitions();
        partitions.retain(|partition| match self.log.corrupt_from(*partition) {
            None => true,
            Some(offset) => {
                tracing::warn!(%partition, %offset, "a damaged partition is left as it is");
                false
            }
        });
        partitions
    }

    async fn recover_transactions(&self) -> Result<(), BrokerError> {
        let mut found: BTreeMap<String, (TopicPartition, TransactionRecord)> = BTreeMap::new();
        for partition in self.partitions_named(TRANSACTION_STATE) {
            self.for_each_batch(partition, |batch| replay_transactions(partition, batch, &mut found))?;
        }
        let prepared: HashSet<_> = found
            .values()
            .filter(|(_, record)| record.status == Status::PrepareCommit)
            .map(|(_, record)| (record.producer_id, record.producer_epoch))
            .collect();
        self.end_open_transactions(&prepared).await?;
        let now = self.env.clock.wall_millis();
        let mut completed = Vec::new();
        for (transactional_id, (partition, record)) in &found {
            let Some(status) = completion(record.status) else { continue };
            tracing::info!(transactional_id, ?status, "ended the transaction of an earlier process");
            let partitions = BTreeMap::new();
            let record = TransactionRecord { status, partitions, updated_ms: now, ..record.clone() };
            completed.push(self.records_append(transactional_id, *partition, [&record].into_iter()));
        }
        self.append_durably(completed).await?;
        let mut producers = self.producers.lock();
        for (transactional_id, (_, record)) in found {
            let (epoch_max, waiting_max) = (self.config.producer_epoch_max, self.config.commits_waiting_max);
            let producer = Producer::new(epoch_max, waiting_max, record.commit_number);
            producers.insert(transactional_id, Arc::new(producer));
        }
        tracing::info!(producers = producers.len(), "transactions recovered");
        Ok(())
    }

    /// Writes the marker that each open transaction of each partition lacks.
    async fn end_open_transactions(&self, prepared: &HashSet<(ProducerId, ProducerEpoch)>) -> Result<(), BrokerError> {
        let (now, leader_epoch) = (self.env.clock.wall_millis(), self.leader_epoch());
        let mut appends = Vec::new();
        for partition in self.sound_partitions() {
            for (id, first) in self.log.open_transactions(partition) {
                let end = self.log.ends(partition)?.log_end_offset;
                let batches = self.log.read(partition, first, end, 1)?;
                let epoch = batches.first().and_then(|tail| tail.batch.producer()).map(|(_, epoch)| epoch);
                let epoch = epoch.ok_or(BrokerError::CoordinatorRecord { partition, offset: first })?;
                let marker = if prepared.contains(&(id, epoch)) { ControlMarker::Commit } else { ControlMarker::Abort };
                let batches = vec![control_batch(marker, id, epoch, leader_epoch.0, now)];
                appends.push(Append { partition, leader_epoch, batches, origin: Origin::Coordinator });
            }
        }
        self.append_durably(appends).await
    }

    /// Appends as one group, waits for the flush, and lets readers see it.
    async fn append_durably(&self, appends: Vec<Append>) -> Result<(), BrokerError> {
        let partitions: Vec<_> = appends.iter().map(|append| append.partition).collect();
        let appended = self.log.append(appends)?;
        let ends: Vec<_> = partitions.into_iter().zip(appended.iter().map(|appended| appended.next_offset)).collect();
        self.log.durable_all(ends.clone()).await?;
        for (partition, end) in ends {
            self.log.set_high_watermark(partition, end)?;
        }
        Ok(())
    }

    fn replay_groups(&self) -> Result<(), BrokerError> {
        let metadata = self.metadata.snapshot();
        let id_of = |name: &str| -> Option<TopicId> { metadata.topic(name).map(|topic| topic.id) };
        let mut groups = Groups::default();
        for partition in self.partitions_named(CONSUMER_OFFSETS) {
            self.for_each_batch(partition, |batch| {
                groups.replay(batch, id_of).map_err(|source| BrokerError::Batch { partition, source })
            })?;
        }
        *self.groups.lock() = groups;
        Ok(())
    }

    fn partitions_named(&self, topic: &str) -> Vec<TopicPartition> {
        let metadata = self.metadata.snapshot();
        let id = metadata.topic(topic).map(|topic| topic.id);
        self.log.partitions().into_iter().filter(|partition| Some(partition.topic) == id).collect()
    }

    fn for_each_batch(
        &self,
        partition: TopicPartition,
        mut each: impl FnMut(&Batch) -> Result<(), BrokerError>,
    ) -> Result<(), BrokerError> {
        let ends = self.log.ends(partition)?;
        let mut next = ends.log_start_offset;
        while next < ends.log_end_offset {
            let batches = self.log.read(partition, next, ends.log_end_offset, READ_BYTES)?;
            let Some(last) = batches.last() else { break };
            next = last.batch.next_offset();
            batches.iter().try_for_each(|tail| each(&tail.batch))?;
        }
        Ok(())
    }
}

/// What a finished transaction's state says after `status`; `None` if it says so already.
fn completion(status: Status) -> Option<Status> {
    match status {
        Status::PrepareCommit => Some(Status::CompleteCommit),
        Status::Ongoing | Status::PrepareAbort => Some(Status::CompleteAbort),
        Status::Empty | Status::CompleteCommit | Status::CompleteAbort => None,
    }
}

fn replay_transactions(
    partition: TopicPartition,
    batch: &Batch,
    found: &mut BTreeMap<String, (TopicPartition, TransactionRecord)>,
) -> Result<(), BrokerError> {
    let malformed = |source| BrokerError::Batch { partition, source };
    for record in batch.payload().map_err(malformed)?.records() {
        let record = record.map_err(malformed)?;
        let Some(key) = record.key else { continue };
        let unreadable = |_| BrokerError::CoordinatorRecord { partition, offset: record.offset };
        match TransactionRecord::decode(key, record.value).map_err(unreadable)? {
            Some((transactional_id, Some(state))) => {
                found.insert(transactional_id, (partition, state));
            }
            Some((transactional_id, None)) => {
                found.remove(&transactional_id);
            }
            None => {}
        }
    }
    Ok(())
}

/// The only in-sync replica is this one: what it has flushed, all have.
fn follow_durable_ends(log: &Arc<LogDir>) {
    // The log owns the callback; a strong reference would keep it for ever.
    let weak = Arc::downgrade(log);
    log.on_durable(Arc::new(move |partition, ends| {
        if let Some(log) = weak.upgrade()
            && let Err(error) = log.set_high_watermark(partition, ends.durable_offset)
        {
            tracing::debug!(%partition, %error, "a partition went away while it was flushed");
        }
    }));
}
