//! The committer: one transaction for the outputs and positions of many queries.
//!
//! (0) Each query's generation is checked; a fenced, refused or failing query is left out before anything of it is
//! appended. Inputs that nobody flushed are flushed up to the committed positions.
//! (1) Ongoing, outputs and offsets, and (2) PrepareCommit as the last record, are one append of the log: one flush
//! group, which the log keeps whole or not at all. Its durability is **the commit point**.
//! (3) Markers. (4) The caller publishes. (5) CompleteCommit goes with the next commit.
//!
//! Invariants:
//!   * nothing is answered as committed before PrepareCommit is durable
//!   * a marker is appended only after that; a restart writes those that were lost
//!   * a refused append leaves nothing; the queries that go again do so under the next producer epoch

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::sync::Semaphore;

use super::Appended;
use super::Broker;
use super::BrokerError;
use super::CONSUMER_OFFSETS;
use super::CommitOutcome;
use super::Committed;
use super::LeftOutReason;
use super::PendingBatch;
use super::QueryCommit;
use super::TRANSACTION_STATE;
use super::compression::packed;
use super::coordinator::Effect;
use super::coordinator::Event;
use super::coordinator::GroupRecord;
use super::coordinator::OffsetValue;
use super::coordinator::Transaction;
use super::coordinator::TransactionRecord;
use super::coordinator::offset_key;
use super::core::check_name;
use super::groups::now;
use crate::cluster::FlushPolicy;
use crate::cluster::MetadataLog;
use crate::cluster::TopicRecord;
use crate::log;
use crate::log::Append;
use crate::log::LogError;
use crate::log::Origin;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::BatchBuilder;
use crate::protocol::ControlMarker;
use crate::protocol::ProducerStamp;
use crate::protocol::Transactional;
use crate::protocol::control_batch;
use crate::security::Operation;
use crate::security::Principal;
use crate::security::Resource;
use crate::security::authorize;

const MARKER_RETRY: Duration = Duration::from_millis(20);

/// One transactional id: the turn to commit under it, and who waits for the turn.
pub(super) struct Producer {
    /// Held over one commit, waits included: a queue in the order of arrival, not a guard of memory.
    turn: Arc<tokio::sync::Mutex<Transaction>>,
    waiting: Arc<Semaphore>,
}

impl Producer {
    pub(super) fn new(epoch_max: i16, waiting_max: usize, commit_number: u64) -> Self {
        let turn = Arc::new(tokio::sync::Mutex::new(Transaction::new(epoch_max, commit_number)));
        Self { turn, waiting: Arc::new(Semaphore::new(waiting_max)) }
    }
}

/// Producer ids that this process took from the metadata and did not use yet.
#[derive(Default)]
pub(super) struct ProducerIds(Mutex<Option<(ProducerId, u16)>>);

impl ProducerIds {
    pub(super) async fn take(&self, metadata: &MetadataLog, block: u16) -> Result<ProducerId, BrokerError> {
        if let Some((ProducerId(next), left)) = self.0.lock().as_mut().filter(|(_, left)| 0 < *left) {
            let taken = ProducerId(*next);
            *next += 1;
            *left -= 1;
            return Ok(taken);
        }
        let ProducerId(first) = metadata.take_producer_ids(block.max(1)).await?;
        *self.0.lock() = Some((ProducerId(first + 1), block.max(1) - 1));
        Ok(ProducerId(first))
    }
}

/// One commit while it runs.
struct Running {
    queries: Vec<QueryCommit>,
    outcomes: Vec<Option<CommitOutcome>>,
}

impl Running {
    fn ready(&self) -> Vec<usize> {
        (0..self.queries.len()).filter(|index| self.outcomes[*index].is_none()).collect()
    }

    fn leave_out(&mut self, index: usize, reason: LeftOutReason) {
        tracing::debug!(query = %self.queries[index].query, %reason, "left out of a commit");
        self.outcomes[index] = Some(CommitOutcome::LeftOut(reason));
    }
}

/// What one try appends.
#[derive(Default)]
struct Attempt {
    /// Output batches with the query and the place among its appends.
    outputs: Vec<(usize, usize, TopicPartition, Vec<BatchBuilder>)>,
    offsets: Vec<(TopicPartition, Vec<BatchBuilder>)>,
    /// Positions, each with the partition that it goes to.
    records: Vec<(TopicPartition, GroupRecord)>,
    topics: HashMap<TopicPartition, Arc<TopicRecord>>,
}

/// Groups whose offsets are unstable until this is dropped.
struct UnderWay {
    broker: Arc<Broker>,
    groups: Vec<String>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut coordinator = self.broker.groups.lock();
        self.groups.iter().for_each(|group| coordinator.groups.end_commit(group));
        drop(coordinator);
        self.broker.commits_ended.send_modify(|count| *count += 1);
    }
}

impl Broker {
    /// A producer id that was never handed out before.
    pub(super) async fn new_producer_id(&self) -> Result<ProducerId, BrokerError> {
        self.producer_ids.take(&self.metadata, self.config.producer_ids_block).await
    }

    /// The transactional id of the server that has the producer, between two commits; none begins until it is let go.
    pub(super) async fn idle_committer(&self, id: ProducerId) -> Option<OwnedMutexGuard<Transaction>> {
        let turns: Vec<_> = self.producers.lock().values().map(|producer| Arc::clone(&producer.turn)).collect();
        for turn in turns {
            let transaction = turn.lock_owned().await;
            if transaction.producer().is_some_and(|(current, _)| current == id) {
                return Some(transaction);
            }
        }
        None
    }

    /// See `Client::commit`. Runs as a task of its own, so that a caller who goes away leaves no half commit.
    pub(super) async fn commit_queries(
        self: Arc<Self>,
        principal: Principal,
        transactional_id: &str,
        queries: Vec<QueryCommit>,
    ) -> Result<Committed, BrokerError> {
        check_name("transactional id", transactional_id)?;
        self.check_coordinator(TRANSACTION_STATE, transactional_id)?;
        let limit = self.config.commits_waiting_max;
        let producer = {
            let mut producers = self.producers.lock();
            let fresh = || Arc::new(Producer::new(self.config.producer_epoch_max, limit, 0));
            Arc::clone(producers.entry(transactional_id.to_string()).or_insert_with(fresh))
        };
        let transactional_id = transactional_id.to_string();
        let place = Arc::clone(&producer.waiting).try_acquire_owned();
        let place =
            place.map_err(|_| BrokerError::TooManyCommits { transactional_id: transactional_id.clone(), limit })?;
        let task = tokio::spawn(async move {
            let mut transaction = producer.turn.lock().await;
            let committed = self.commit_in_turn(&principal, &transactional_id, &mut transaction, queries).await;
            drop(place);
            committed
        });
        // A panic in the middle of a commit leaves it open what is durable.
        task.await.unwrap_or(Err(BrokerError::Unknown))
    }

    async fn commit_in_turn(
        self: Arc<Self>,
        principal: &Principal,
        transactional_id: &str,
        transaction: &mut Transaction,
        queries: Vec<QueryCommit>,
    ) -> Result<Committed, BrokerError> {
        let outcomes = queries.iter().map(|_| None).collect();
        let mut running = Running { queries, outcomes };
        let under_way = self.fence(&mut running);
        for index in running.ready() {
            if let Err(reason) = self.check_query(principal, &running.queries[index]).await? {
                running.leave_out(index, reason);
            }
        }
        while !running.ready().is_empty() {
            self.attempt(transactional_id, transaction, &mut running).await?;
        }
        drop(under_way);
        let left_out = |outcome: Option<CommitOutcome>| outcome.expect("a query that is not ready has an outcome");
        let ids = running.queries.iter().map(|query| query.query);
        let outcomes = ids.zip(running.outcomes.into_iter().map(left_out)).collect();
        Ok(Committed { commit_number: transaction.commit_number(), outcomes })
    }

    /// Leaves out who was fenced; the others' groups are unstable from here on.
    fn fence(self: &Arc<Self>, running: &mut Running) -> UnderWay {
        let mut fenced = Vec::new();
        let mut under_way = Vec::new();
        {
            let mut coordinator = self.groups.lock();
            for (index, query) in running.queries.iter().enumerate() {
                match coordinator.groups.begin_commit(&query.group, &query.member, query.generation) {
                    Ok(()) => under_way.push(query.group.clone()),
                    Err(_) => fenced.push(index),
                }
            }
        }
        for index in fenced {
            let QueryCommit { group, member, generation, .. } = &running.queries[index];
            let (group, member) = (group.clone(), member.clone());
            let reason = LeftOutReason::Fenced { group, member, generation: *generation };
            running.leave_out(index, reason);
        }
        UnderWay { broker: Arc::clone(self), groups: under_way }
    }

    /// Whether the query may write where it wants to and stands where it says; flushes its inputs up to there.
    async fn check_query(
        &self,
        principal: &Principal,
        query: &QueryCommit,
    ) -> Result<Result<(), LeftOutReason>, BrokerError> {
        if let Err(error) = self.check_group(&query.group) {
            return Ok(Err(LeftOutReason::Offset(Arc::new(error))));
        }
        for (partition, _) in &query.appends {
            let allowed = match self.ensure(*partition).await {
                Ok(topic) => authorize(principal, Operation::Write, Resource::Topic(&topic.name))
                    .map_err(BrokerError::NotAuthorized),
                Err(error) => Err(error),
            };
            match allowed {
                Ok(()) => {}
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => return Ok(Err(LeftOutReason::Append(Arc::new(error)))),
            }
        }
        for (partition, committed) in &query.offsets {
            match self.flush_input(*partition, committed.offset).await {
                Ok(()) => {}
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => return Ok(Err(LeftOutReason::Offset(Arc::new(error)))),
            }
        }
        Ok(Ok(()))
    }

    /// Outputs never outlive their inputs: what was read is durable before what was made of it.
    async fn flush_input(&self, partition: TopicPartition, offset: Offset) -> Result<(), BrokerError> {
        let topic = self.ensure(partition).await?;
        let ends = self.log.ends(partition)?;
        if ends.log_end_offset < offset {
            let (start, end) = (ends.log_start_offset, ends.log_end_offset);
            return Err(BrokerError::OffsetOutOfRange { partition, offset, start, end });
        }
        match topic.config.flush {
            FlushPolicy::Ack => Ok(()),
            FlushPolicy::Interval(_) | FlushPolicy::Os => Ok(self.log.durable(partition, offset).await?),
        }
    }

    /// Tries to commit all that are ready: afterwards they have an outcome, or some were left out and it goes again.
    async fn attempt(
        &self,
        transactional_id: &str,
        transaction: &mut Transaction,
        running: &mut Running,
    ) -> Result<(), BrokerError> {
        let attempt = self.gather(running).await?;
        if running.ready().is_empty() {
            return Ok(());
        }
        let state = self.coordinator(TRANSACTION_STATE, transactional_id).await?;
        let begun = self.begin(transaction, attempt.partitions()).await?;
        let now = self.env.clock.wall_millis();
        let (id, epoch) = transaction.producer().expect("a transaction that was begun has a producer");
        let prepared = transaction.step(now, Event::Prepare);
        let mut appends = vec![self.state_append(transactional_id, state, &begun)];
        appends.extend(self.data_appends(&attempt, id, epoch));
        appends.push(self.state_append(transactional_id, state, &prepared));
        let ends: Vec<_> = appends.iter().map(|append| append.partition).collect();
        match self.log.append(appends) {
            Ok(appended) => {
                let ends = ends.into_iter().zip(&appended).map(|(partition, to)| (partition, to.next_offset));
                self.finish(transaction, &attempt, ends.collect(), prepared).await?;
                self.answer(running, attempt, &appended);
                Ok(())
            }
            Err(LogError::Unknown) => Err(BrokerError::Unknown),
            Err(error) => {
                transaction.step(now, Event::Refused);
                blame(running, &attempt, error);
                Ok(())
            }
        }
    }

    /// The batches of all that are ready; leaves out who has a record over a topic's limit.
    async fn gather(&self, running: &mut Running) -> Result<Attempt, BrokerError> {
        let metadata = self.metadata.snapshot();
        let name_of = |id| metadata.topic_by_id(id).map(|topic| topic.name.clone());
        let now = self.env.clock.wall_millis();
        let mut attempt = Attempt::default();
        let mut positions: BTreeMap<TopicPartition, PendingBatch> = BTreeMap::new();
        for index in running.ready() {
            let query = &running.queries[index];
            let mut outputs = Vec::new();
            let mut refused = None;
            for (place, (partition, pending)) in query.appends.iter().enumerate().filter(|(_, (_, p))| !p.is_empty()) {
                let topic = self.ensure(*partition).await?;
                let limit = topic.config.batch_bytes_max as usize;
                match pending.batches(limit, now) {
                    Ok(batches) => outputs.push((index, place, *partition, batches)),
                    Err(over) => {
                        let error = BrokerError::MessageTooLarge { partition: *partition, size: over.size, limit };
                        refused = Some(LeftOutReason::Append(Arc::new(error)));
                    }
                }
                attempt.topics.insert(*partition, topic);
            }
            if let Some(reason) = refused {
                running.leave_out(index, reason);
                continue;
            }
            attempt.outputs.append(&mut outputs);
            if query.offsets.is_empty() {
                continue;
            }
            let coordinator = self.coordinator(CONSUMER_OFFSETS, &query.group).await?;
            let pending = positions.entry(coordinator).or_default();
            for (partition, committed) in &query.offsets {
                let key = offset_key(&query.group, *partition, name_of);
                let (topic, committed) = (Some(partition.topic), committed.clone());
                let value = Some(OffsetValue { topic, committed, committed_ms: now, expires_ms: None });
                let record = GroupRecord::Offset { key, value };
                let bytes = record.encode();
                pending.append(now, Some(&bytes.key), bytes.value.as_deref(), &[]);
                attempt.records.push((coordinator, record));
            }
        }
        for (partition, pending) in positions {
            let topic = self.ensure(partition).await?;
            let limit = topic.config.batch_bytes_max as usize;
            let batches = pending.batches(limit, now).map_err(|over| over.refused(partition, limit))?;
            attempt.topics.insert(partition, topic);
            attempt.offsets.push((partition, batches));
        }
        Ok(attempt)
    }

    async fn begin(
        &self,
        transaction: &mut Transaction,
        partitions: BTreeMap<String, Vec<i32>>,
    ) -> Result<Vec<Effect>, BrokerError> {
        let now = self.env.clock.wall_millis();
        let effects = transaction.step(now, Event::Begin { partitions: partitions.clone() });
        if effects != [Effect::TakeProducerId] {
            return Ok(effects);
        }
        let id = self.producer_ids.take(&self.metadata, self.config.producer_ids_block).await?;
        transaction.step(now, Event::ProducerId(id));
        Ok(transaction.step(now, Event::Begin { partitions }))
    }

    pub(super) fn state_append(&self, transactional_id: &str, partition: TopicPartition, effects: &[Effect]) -> Append {
        let writes = effects.iter().filter_map(|effect| match effect {
            Effect::Write(record) => Some(record),
            Effect::TakeProducerId | Effect::Mark { .. } => None,
        });
        self.records_append(transactional_id, partition, writes)
    }

    pub(super) fn records_append<'a>(
        &self,
        transactional_id: &str,
        partition: TopicPartition,
        records: impl Iterator<Item = &'a TransactionRecord>,
    ) -> Append {
        let mut builder = BatchBuilder::new();
        for record in records {
            let bytes = record.encode(transactional_id);
            builder.append(record.updated_ms, Some(&bytes.key), bytes.value.as_deref(), &[]);
        }
        self.coordinator_append(partition, vec![builder.finish()])
    }

    pub(super) fn coordinator_append(&self, partition: TopicPartition, batches: Vec<Batch>) -> Append {
        Append { partition, leader_epoch: self.leader_epoch(), batches, origin: Origin::Coordinator }
    }

    /// Outputs, then offsets, stamped: in each partition the sequence begins at 0, since the epoch is new.
    fn data_appends(&self, attempt: &Attempt, id: ProducerId, epoch: ProducerEpoch) -> Vec<Append> {
        let mut sequences: HashMap<TopicPartition, i32> = HashMap::new();
        let mut stamp = |partition: TopicPartition, builders: &[BatchBuilder]| {
            let sequence = sequences.entry(partition).or_default();
            let mut batches = Vec::with_capacity(builders.len());
            for builder in builders {
                // A mark is none of the records that sequence numbers count.
                let base_sequence = if builder.is_control() { -1 } else { *sequence };
                if !builder.is_control() {
                    *sequence += i32::try_from(builder.len()).expect("a batch has fewer than 2^31 records");
                }
                let stamp = ProducerStamp { id, epoch, base_sequence };
                let batch = builder.clone().producer(stamp, Transactional::Yes).finish();
                let config = &attempt.topics[&partition].config;
                batches.push(packed(config, batch).expect("what was built here is whole"));
            }
            self.coordinator_append(partition, batches)
        };
        let outputs = attempt.outputs.iter().map(|(_, _, partition, batches)| (*partition, batches));
        let offsets = attempt.offsets.iter().map(|(partition, batches)| (*partition, batches));
        outputs.chain(offsets).map(|(partition, batches)| stamp(partition, batches)).collect()
    }

    /// From the append to the markers.
    async fn finish(
        &self,
        transaction: &mut Transaction,
        attempt: &Attempt,
        ends: Vec<(TopicPartition, Offset)>,
        prepared: Vec<Effect>,
    ) -> Result<(), BrokerError> {
        // Whatever fails here fails as unknown: the commit is in the log, and may become durable.
        let unknown = |error: LogError| {
            tracing::error!(%error, "a commit's flush did not answer");
            BrokerError::Unknown
        };
        self.log.durable_all(ends).await.map_err(unknown)?;
        let mut marked = Vec::new();
        for effect in prepared {
            if let Effect::Mark { marker, id, epoch } = effect {
                marked.extend(self.mark(attempt.topics.keys().copied().collect(), marker, id, epoch).await?);
            }
        }
        self.show_marked(marked).await.map_err(unknown)?;
        transaction.step(self.env.clock.wall_millis(), Event::Marked);
        Ok(())
    }

    /// Has readers see what markers end.
    pub(super) async fn show_marked(&self, marked: Vec<(TopicPartition, log::Appended)>) -> Result<(), LogError> {
        let metadata = self.metadata.snapshot();
        let mut later = Vec::new();
        for (partition, appended) in marked {
            let is_lazy = metadata.topic_of(partition).is_some_and(|topic| topic.config.flush != FlushPolicy::Ack);
            // All before the marker is durable, and the marker itself follows from PrepareCommit: a restart that misses it
            // writes it again, at the same offset. So readers may see it now.
            // A topic that was dropped meanwhile has no readers.
            let Ok(ends) = self.log.ends(partition) else { continue };
            if is_lazy || appended.base_offset <= ends.durable_offset {
                self.log.set_high_watermark(partition, appended.next_offset).or_else(unless_dropped)?;
            } else {
                later.push((partition, appended.next_offset));
            }
        }
        // One by one, so that a topic that goes away ends the wait for itself alone; one flush covers them all.
        for (partition, end) in later {
            self.log.durable(partition, end).await.or_else(unless_dropped)?;
            self.log.visible_all(vec![(partition, end)]).await.or_else(unless_dropped)?;
        }
        Ok(())
    }

    /// Appends a marker to each partition and tells where. A full disk may hold it up, not stop it: the commit is durable
    /// already.
    pub(super) async fn mark(
        &self,
        partitions: BTreeSet<TopicPartition>,
        marker: ControlMarker,
        id: ProducerId,
        epoch: ProducerEpoch,
    ) -> Result<Vec<(TopicPartition, log::Appended)>, BrokerError> {
        let coordinator_epoch = self.leader_epoch().0;
        let mut partitions: Vec<_> = partitions.into_iter().collect();
        for tried in 0..self.config.marker_tries_max.max(1) {
            // One failed write says little; a disk that stays full needs time.
            if 1 < tried {
                self.env.clock.sleep(MARKER_RETRY).await;
            }
            let now = self.env.clock.wall_millis();
            // A topic that was dropped meanwhile needs no marker. A damaged partition takes none, and must not keep the others
            // from being read: a start with its bytes back decides.
            partitions.retain(|it| self.log.ends(*it).is_ok() && self.log.corrupt_from(*it).is_none());
            let batch = control_batch(marker, id, epoch, coordinator_epoch, now);
            let of = |partition: &TopicPartition| self.coordinator_append(*partition, vec![batch.clone()]);
            match self.log.append_in_reserve(partitions.iter().map(of).collect()) {
                Ok(appended) => return Ok(partitions.into_iter().zip(appended).collect()),
                Err(LogError::Unknown) => return Err(BrokerError::Unknown),
                Err(error) => tracing::warn!(%error, "could not append the markers of a commit; trying again"),
            }
        }
        Err(BrokerError::Unknown)
    }

    fn answer(&self, running: &mut Running, attempt: Attempt, appended: &[log::Appended]) {
        let leader_epoch = self.leader_epoch();
        let mut places: HashMap<(usize, usize), Appended> = HashMap::new();
        // The first append is the transaction's state.
        for ((index, place, _, _), to) in attempt.outputs.iter().zip(&appended[1..]) {
            assert!(!to.duplicate, "an epoch that was never used cannot have duplicates");
            let told = Appended { base_offset: to.base_offset, next_offset: to.next_offset, leader_epoch };
            places.insert((*index, *place), told);
        }
        for index in running.ready() {
            let partitions = running.queries[index].appends.iter().enumerate();
            let appended =
                partitions.map(|(place, (partition, _))| (*partition, places.get(&(index, place)).copied())).collect();
            running.outcomes[index] = Some(CommitOutcome::Committed { appended });
        }
        // The appends of offsets follow those of outputs.
        let of_offsets = appended[1..].iter().skip(attempt.outputs.len());
        let partitions = attempt.offsets.iter().map(|(partition, _)| *partition);
        let at: HashMap<_, _> = partitions.zip(of_offsets.map(|to| to.base_offset)).collect();
        let metadata = self.metadata.snapshot();
        let id_of = |name: &str| metadata.topic(name).map(|topic| topic.id);
        let now = now(&*self.env.clock);
        let groups = &mut self.groups.lock().groups;
        for (partition, record) in attempt.records {
            groups.apply(record, at[&partition], now, id_of);
        }
    }
}

impl Attempt {
    fn partitions(&self) -> BTreeMap<String, Vec<i32>> {
        let mut partitions: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for (partition, topic) in &self.topics {
            partitions.entry(topic.name.clone()).or_default().push(partition.partition.0);
        }
        partitions.values_mut().for_each(|numbers| numbers.sort_unstable());
        partitions
    }
}

fn unless_dropped(error: LogError) -> Result<(), LogError> {
    match error {
        LogError::UnknownPartition { .. } => Ok(()),
        error => Err(error),
    }
}

/// Leaves out the queries that an append's failure is about; all, if it cannot be told.
fn blame(running: &mut Running, attempt: &Attempt, error: LogError) {
    let culprits: BTreeSet<usize> = attempt
        .outputs
        .iter()
        .filter(|(_, _, partition, _)| is_about(&error, *partition))
        .map(|(index, _, _, _)| *index)
        .collect();
    let error = Arc::new(BrokerError::from(error));
    for index in running.ready() {
        if culprits.is_empty() || culprits.contains(&index) {
            running.leave_out(index, LeftOutReason::Append(Arc::clone(&error)));
        }
    }
}

fn is_about(error: &LogError, partition: TopicPartition) -> bool {
    match error {
        LogError::UnknownPartition { partition: about }
        | LogError::OutOfRange { partition: about, .. }
        | LogError::Corrupt { partition: about, .. }
        | LogError::Unreadable { partition: about, .. }
        | LogError::BatchTooLarge { partition: about, .. }
        | LogError::Batch { partition: about, .. }
        | LogError::NotAtEnd { partition: about, .. }
        | LogError::OutOfOrderSequence { partition: about, .. }
        | LogError::StaleProducerEpoch { partition: about, .. }
        | LogError::InvalidTransactionState { partition: about, .. }
        | LogError::FencedLeaderEpoch { partition: about, .. }
        | LogError::InvalidTimestamp { partition: about, .. } => *about == partition,
        // A partition's files lie in a directory that is called as it is.
        LogError::DiskFull { path } | LogError::Io { path, .. } | LogError::Format { path, .. } => {
            let directory = partition.to_string();
            path.iter().any(|part| part.to_str() == Some(&directory))
        }
        LogError::Unknown | LogError::Closed => false,
    }
}
