//! Opening the broker: partitions as the metadata says, then transactions, then groups.
//!
//! A transaction whose PrepareCommit is in the log is committed, every other one is aborted: one sweep over all
//! partitions ends what is open, but for what may have been prepared in a part that cannot be read. Only then are the offsets replayed, so that they see the markers.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::Broker;
use super::BrokerConfig;
use super::BrokerError;
use super::CONSUMER_OFFSETS;
use super::TRANSACTION_STATE;
use super::commit::Producer;
use super::commit::ProducerIds;
use super::coordinator::ClientTransaction;
use super::coordinator::Groups;
use super::coordinator::Status;
use super::coordinator::TransactionRecord;
use super::damage::Damage;
use super::damage::is_damage;
use super::groups::Coordinator;
use super::groups::now;
use super::outcomes::Outcome;
use super::outcomes::Outcomes;
use super::partitions;
use super::partitions::FollowMetadata;
use super::transactions::ClientTransactions;
use crate::cluster::MetadataLog;
use crate::env::Env;
use crate::log::Append;
use crate::log::LogDir;
use crate::log::Origin;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
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
            groups: Mutex::new(Coordinator::new(config.groups)),
            groups_deadline: watch::channel(None).0,
            commits_ended: watch::channel(0).0,
            compaction_errors: Mutex::default(),
            producers: Mutex::new(HashMap::new()),
            producer_ids: ProducerIds::default(),
            clients: ClientTransactions::default(),
            damage: RwLock::new(Damage::default()),
            topic_users: RwLock::default(),
        });
        broker.settle_ends().await?;
        broker.recover_transactions().await?;
        broker.replay_groups()?;
        broker.keep_groups();
        broker.keep_transactions();
        broker.metadata.register(Arc::new(FollowMetadata { log: Arc::clone(&broker.log) }));
        Ok(broker)
    }

    /// Makes durable what recovery kept, before anything is decided on it; then all of it is below the high watermark.
    async fn settle_ends(&self) -> Result<(), BrokerError> {
        let mut ends = Vec::new();
        for partition in self.sound_partitions() {
            ends.push((partition, self.log.ends(partition)?.log_end_offset));
        }
        self.log.durable_all(ends).await?;
        // Of a damaged one, too: who comes to the damage is told of it.
        for partition in self.log.partitions() {
            self.log.set_high_watermark(partition, self.log.ends(partition)?.log_end_offset)?;
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
        let open = self.open_transactions()?;
        let mut found: Found = BTreeMap::new();
        let mut outcomes = Outcomes::new(open.iter().filter_map(|open| Some((open.id, open.epoch?))));
        for partition in self.partitions_named(TRANSACTION_STATE) {
            self.replay_coordinator(partition, |batch| {
                replay_transactions(partition, batch, &mut |transactional_id, state| {
                    outcomes.note(state.as_ref());
                    match state {
                        Some(state) => drop(found.insert(transactional_id, (partition, state))),
                        None => drop(found.remove(&transactional_id)),
                    }
                })
            })?;
        }
        let damage = self.damage.read().coordinators.clone();
        let read = found.values().filter(|(partition, _)| !damage.contains_key(partition));
        outcomes.end(read.map(|(_, record)| record.producer_id).collect(), damage.is_empty());
        self.restore_clients(&mut found, &mut outcomes);
        self.end_open_transactions(open, &outcomes).await?;
        let now = self.env.clock.wall_millis();
        let mut completed = Vec::new();
        for (transactional_id, (partition, record)) in &found {
            let is_damaged = self.damage.read().coordinators.contains_key(partition);
            let Some(status) = completion(record.status).filter(|_| !is_damaged) else { continue };
            tracing::info!(transactional_id, ?status, "ended the transaction of an earlier process");
            let record = record.completed(status, now);
            completed.push(self.records_append(transactional_id, *partition, [&record].into_iter()));
        }
        self.append_durably(completed).await?;
        let mut producers = self.producers.lock();
        for (transactional_id, (_, record)) in found.into_iter().filter(|(_, (_, record))| !record.is_clients()) {
            let (epoch_max, waiting_max) = (self.config.producer_epoch_max, self.config.commits_waiting_max);
            let producer = Producer::new(epoch_max, waiting_max, record.commit_number);
            producers.insert(transactional_id, Arc::new(producer));
        }
        tracing::info!(producers = producers.len(), "transactions recovered");
        Ok(())
    }

    /// Takes in the transactional ids of clients. An open transaction of one goes on: what it holds is in its record, which
    /// was durable before anything of it was appended, so it can end it, or its timeout will. Of those that are to be
    /// completed, the records stay in `found`.
    fn restore_clients(&self, found: &mut Found, outcomes: &mut Outcomes) {
        let (metadata, damage) = (self.metadata.snapshot(), self.damage.read());
        let find = |topic: &str, number: i32| metadata.topic(topic).map(|topic| TopicPartition::new(topic.id, number));
        found.retain(|transactional_id, (partition, record)| {
            if !record.is_clients() || damage.coordinators.contains_key(partition) {
                return true;
            }
            let transaction = ClientTransaction::restored(record, self.config.producer_epoch_max, find);
            outcomes.last_of_client(record, find);
            self.clients.restore(transactional_id.clone(), transaction);
            matches!(record.status, Status::PrepareCommit | Status::PrepareAbort)
        });
    }

    /// The transactions without a marker, of all partitions that take one. Without an epoch if its batch cannot be read.
    fn open_transactions(&self) -> Result<Vec<OpenTransaction>, BrokerError> {
        let mut open = Vec::new();
        for partition in self.sound_partitions() {
            for (id, first) in self.log.open_transactions(partition) {
                let epoch = match self.epoch_at(partition, first) {
                    Ok(epoch) => Some(epoch),
                    Err(error) if is_damage(&error) => None,
                    Err(error) => return Err(error),
                };
                open.push(OpenTransaction { partition, first, id, epoch });
            }
        }
        Ok(open)
    }

    /// Writes the marker that each open transaction lacks, if it is known which.
    async fn end_open_transactions(&self, open: Vec<OpenTransaction>, outcomes: &Outcomes) -> Result<(), BrokerError> {
        let (now, leader_epoch) = (self.env.clock.wall_millis(), self.leader_epoch());
        let mut appends = Vec::new();
        for OpenTransaction { partition, first, id, epoch } in open {
            let outcome = epoch.map_or(Outcome::Lost, |epoch| outcomes.of(partition, id, epoch));
            let (Outcome::Ended(marker), Some(epoch)) = (outcome, epoch) else {
                if outcome == Outcome::GoesOn {
                    continue;
                }
                tracing::error!(%partition, offset = %first, producer = id.0, "the outcome of a transaction is lost");
                self.damage.write().undecided.entry(partition).or_default().insert(first);
                continue;
            };
            let batches = vec![control_batch(marker, id, epoch, leader_epoch.0, now)];
            appends.push(Append { partition, leader_epoch, batches, origin: Origin::Coordinator });
        }
        self.append_durably(appends).await
    }

    /// The producer epoch of the batch at `offset`.
    fn epoch_at(&self, partition: TopicPartition, offset: Offset) -> Result<ProducerEpoch, BrokerError> {
        let batches = self.log.read(partition, offset, offset.plus(1), 1)?;
        let epoch = batches.first().and_then(|tail| tail.batch.producer()).map(|(_, epoch)| epoch);
        epoch.ok_or(BrokerError::CoordinatorRecord { partition, offset })
    }

    /// Appends as one group, waits for the flush, and lets readers see it.
    async fn append_durably(&self, appends: Vec<Append>) -> Result<(), BrokerError> {
        let partitions: Vec<_> = appends.iter().map(|append| append.partition).collect();
        let appended = self.log.append_in_reserve(appends)?;
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
        let (config, now) = (self.config.groups, now(&*self.env.clock));
        let mut all = Groups::new(config);
        for partition in self.partitions_named(CONSUMER_OFFSETS) {
            let mut groups = Groups::new(config);
            let whole = self.replay_coordinator(partition, |batch| {
                groups.replay(batch, now, id_of).map_err(|source| BrokerError::Batch { partition, source })
            })?;
            let mut damage = self.damage.write();
            if let Some(offset) = damage.first_undecided(partition) {
                damage.groups.extend(groups.undecided().into_iter().map(|group| (group, (partition, offset))));
            }
            if whole {
                all.merge(groups);
            }
        }
        all.replayed();
        self.groups_deadline.send_replace(all.deadline());
        self.groups.lock().groups = all;
        Ok(())
    }

    /// The partitions of a coordinators' topic that were made, whether or not they can be read.
    fn partitions_named(&self, topic: &str) -> Vec<TopicPartition> {
        let metadata = self.metadata.snapshot();
        let id = metadata.topic(topic).map(|topic| topic.id);
        let known = self.log.partitions().into_iter().chain(self.log.unreadable());
        known.filter(|partition| Some(partition.topic) == id).collect()
    }

    /// Reads a coordinator's partition as far as it can be read; whether that was to its end. Damage is noted.
    fn replay_coordinator(
        &self,
        partition: TopicPartition,
        mut each: impl FnMut(&Batch) -> Result<(), BrokerError>,
    ) -> Result<bool, BrokerError> {
        let mut next = Offset::ZERO;
        let mut read = || {
            let ends = self.log.ends(partition)?;
            next = ends.log_start_offset;
            while next < ends.log_end_offset {
                let before = next;
                for tail in self.log.read(partition, next, ends.log_end_offset, READ_BYTES)? {
                    each(&tail.batch)?;
                    next = tail.batch.next_offset();
                }
                if next <= before {
                    return Err(BrokerError::CoordinatorRecord { partition, offset: next });
                }
            }
            Ok(())
        };
        match read() {
            Ok(()) => Ok(true),
            Err(error) if is_damage(&error) => {
                tracing::error!(%partition, offset = %next, %error, "a coordinator's partition is damaged; what it holds is refused");
                self.damage.write().coordinators.insert(partition, next);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// The newest state of each transactional id, and the partition that holds it.
type Found = BTreeMap<String, (TopicPartition, TransactionRecord)>;

/// A transaction without a marker in one partition.
struct OpenTransaction {
    partition: TopicPartition,
    first: Offset,
    id: ProducerId,
    epoch: Option<ProducerEpoch>,
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
    each: &mut dyn FnMut(String, Option<TransactionRecord>),
) -> Result<(), BrokerError> {
    let malformed = |source| BrokerError::Batch { partition, source };
    for record in batch.payload().map_err(malformed)?.records() {
        let record = record.map_err(malformed)?;
        let Some(key) = record.key else { continue };
        let unreadable = |_| BrokerError::CoordinatorRecord { partition, offset: record.offset };
        if let Some((transactional_id, state)) = TransactionRecord::decode(key, record.value).map_err(unreadable)? {
            each(transactional_id, state);
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
