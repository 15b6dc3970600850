//! A client's transactional id, as a pure state machine: who may write under it, what its transaction holds, how it ends.
//!
//! One event is worked on at a time, by who holds the id's turn; `step` says what is to be written and marked. If nothing of
//! that was written, the state before is put back. The records are those of the committer's own transactions.
//!
//! Invariants:
//!   * of the producers that were given an id, only the last one's epoch begins or ends a transaction
//!   * an epoch whose transaction was ended in version 2 (KIP-890) begins and ends no other; who asks again to end it is told the
//!     same, until the next transaction begins
//!   * a transaction that was prepared ends as it was prepared, whatever fails: it is prepared until its markers are there, and
//!     whoever comes next has it finished first
//!   * whoever is fenced has its transaction aborted under an epoch that it does not have

use std::collections::BTreeMap;

use super::transaction_record::Status;
use super::transaction_record::TransactionRecord;
use crate::broker::TransactionError;
use crate::broker::TransactionVersion;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::ControlMarker;

/// Who writes, as a client says it.
pub(in crate::broker) type Stamp = (ProducerId, ProducerEpoch);

/// What happened.
#[derive(Debug, Clone)]
pub(in crate::broker) enum ClientEvent {
    /// A producer begins, or goes on after an error with the stamp it had.
    Init { timeout_ms: i32, expected: Option<Stamp>, fresh: Option<ProducerId> },
    /// The transaction is to hold these.
    Add { producer: Stamp, partitions: BTreeMap<TopicPartition, String>, version: TransactionVersion },
    /// The producer ends its transaction.
    End { producer: Stamp, outcome: ControlMarker, version: TransactionVersion, fresh: Option<ProducerId> },
    /// Somebody ends it from outside: it took too long, or an administrator wants it.
    Abort,
    /// It is prepared, and that it is finished is not known: go on.
    Resume,
    /// All its markers were appended.
    Marked,
}

/// What is to be done, in this order; a record is durable before what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) enum ClientEffect {
    /// Take a producer id, and begin again with it.
    TakeProducerId,
    /// Abort what is open, and begin again.
    AbortFirst,
    /// Append this state.
    Write(TransactionRecord),
    /// From here on nothing is taken into the transaction.
    Close { id: ProducerId },
    /// Make durable what stands in these partitions.
    Settle { partitions: Vec<TopicPartition> },
    /// Append this marker to the partitions of the transaction.
    Mark { marker: ControlMarker, id: ProducerId, epoch: ProducerEpoch, partitions: Vec<TopicPartition> },
    /// Append this state, before the next one or when there is time, once the markers are durable.
    WriteLater(TransactionRecord),
}

/// A client's transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct ClientTransaction {
    /// The epoch that is given to no producer: it fences the one before.
    epoch_max: i16,
    producer: Option<(ProducerId, i16)>,
    /// The stamp that an abort from outside or `Init` replaced last: who comes with it again was aborted (KIP-588), or did not
    /// get its answer (KIP-360).
    before: Option<(ProducerId, i16)>,
    /// The stamp of the transaction that is prepared, or ended last; none once another begins.
    ended: Option<Stamp>,
    /// The producer id that follows once what is prepared is over, if the epochs of this one are used up.
    next_producer_id: Option<ProducerId>,
    /// How the transaction is made that is open, or how the one was ended that was last.
    version: TransactionVersion,
    timeout_ms: i32,
    status: Status,
    partitions: BTreeMap<TopicPartition, String>,
    started_ms: i64,
    updated_ms: i64,
}

impl ClientTransaction {
    /// An id that nobody had.
    pub(in crate::broker) fn new(epoch_max: i16, now_ms: i64) -> Self {
        Self {
            epoch_max,
            producer: None,
            before: None,
            ended: None,
            next_producer_id: None,
            version: TransactionVersion::One,
            timeout_ms: 0,
            status: Status::Empty,
            partitions: BTreeMap::new(),
            started_ms: -1,
            updated_ms: now_ms,
        }
    }

    /// The id that a record tells of; recovery writes the markers of one that was prepared. `find` knows partitions.
    pub(in crate::broker) fn restored(
        record: &TransactionRecord,
        epoch_max: i16,
        find: impl Fn(&str, i32) -> Option<TopicPartition>,
    ) -> Self {
        let mut partitions = BTreeMap::new();
        for (topic, numbers) in record.partitions.iter().filter(|_| record.status == Status::Ongoing) {
            let found = numbers.iter().filter_map(|number| find(topic, *number));
            partitions.extend(found.map(|partition| (partition, topic.clone())));
        }
        let over = match record.status {
            Status::PrepareCommit => record.completed(Status::CompleteCommit, record.updated_ms),
            Status::PrepareAbort => record.completed(Status::CompleteAbort, record.updated_ms),
            _ => record.clone(),
        };
        Self {
            epoch_max,
            producer: Some((over.producer_id, over.producer_epoch.0)),
            before: None,
            ended: over.ended,
            next_producer_id: over.next_producer_id,
            version: over.version,
            timeout_ms: over.timeout_ms,
            status: over.status,
            partitions,
            started_ms: over.started_ms,
            updated_ms: over.updated_ms,
        }
    }

    /// Who may write under the id.
    pub(in crate::broker) fn producer(&self) -> Option<Stamp> {
        self.producer.map(|(id, epoch)| (id, ProducerEpoch(epoch)))
    }

    /// Whether the producer id is the one that it has, had last, or has next.
    pub(in crate::broker) fn has(&self, id: ProducerId) -> bool {
        let others = [self.before.map(|(id, _)| id), self.ended.map(|(id, _)| id), self.next_producer_id];
        self.producer.is_some_and(|(current, _)| current == id) || others.contains(&Some(id))
    }

    /// What an open transaction holds; `None` if none is open.
    pub(in crate::broker) fn open(&self) -> Option<(Stamp, Vec<TopicPartition>)> {
        let producer = self.producer().filter(|_| self.status == Status::Ongoing)?;
        Some((producer, self.partitions.keys().copied().collect()))
    }

    /// Whether its outcome is decided and its markers are not known to be there.
    pub(in crate::broker) fn is_prepared(&self) -> bool {
        matches!(self.status, Status::PrepareCommit | Status::PrepareAbort)
    }

    /// How far it is.
    pub(in crate::broker) fn status(&self) -> Status {
        self.status
    }

    /// How long its transactions may take, in ms.
    pub(in crate::broker) fn timeout_ms(&self) -> i32 {
        self.timeout_ms
    }

    /// When the transaction began that is open or prepared, in ms since 1970-01-01 UTC.
    pub(in crate::broker) fn started_ms(&self) -> Option<i64> {
        (self.status == Status::Ongoing || self.is_prepared()).then_some(self.started_ms)
    }

    /// What a transaction holds that is open or prepared, each with its topic's name.
    pub(in crate::broker) fn partitions(&self) -> &BTreeMap<TopicPartition, String> {
        &self.partitions
    }

    /// Whether its transaction took longer than its producer said.
    pub(in crate::broker) fn is_overdue(&self, now_ms: i64) -> bool {
        self.status == Status::Ongoing && self.started_ms.saturating_add(i64::from(self.timeout_ms)) <= now_ms
    }

    /// Since when nothing happened, if no transaction is open or to be finished.
    pub(in crate::broker) fn idle_since_ms(&self) -> Option<i64> {
        (self.status != Status::Ongoing && !self.is_prepared()).then_some(self.updated_ms)
    }

    /// What follows from `event`.
    pub(in crate::broker) fn step(
        &mut self,
        now_ms: i64,
        event: ClientEvent,
    ) -> Result<Vec<ClientEffect>, TransactionError> {
        match event {
            ClientEvent::Init { timeout_ms, expected, fresh } => self.init(now_ms, timeout_ms, expected, fresh),
            ClientEvent::Add { producer, partitions, version } => self.add(now_ms, producer, partitions, version),
            ClientEvent::End { producer, outcome, version, fresh } => {
                self.end(now_ms, producer, outcome, version, fresh)
            }
            ClientEvent::Abort => Ok(self.abort(now_ms)),
            ClientEvent::Resume => Ok(self.resume(now_ms)),
            ClientEvent::Marked => Ok(self.marked(now_ms)),
        }
    }

    fn init(
        &mut self,
        now_ms: i64,
        timeout_ms: i32,
        expected: Option<Stamp>,
        fresh: Option<ProducerId>,
    ) -> Result<Vec<ClientEffect>, TransactionError> {
        let is_of_the_one_before = expected.is_some() && expected == self.ended;
        let expected = expected.map(|(id, epoch)| (id, epoch.0));
        // Of an id that was forgotten nobody can be fenced.
        if expected.is_some() && self.producer.is_some() && expected != self.producer {
            match self.status {
                // Its last call was done, and its answer was lost.
                Status::Empty if expected == self.before => return Ok(Vec::new()),
                // Its transaction was aborted from outside, and nobody came since.
                Status::CompleteAbort if expected == self.before => {}
                // The answer to its end was lost.
                Status::CompleteCommit | Status::CompleteAbort
                    if is_of_the_one_before && self.version == TransactionVersion::Two => {}
                _ => return Err(TransactionError::Fenced),
            }
        }
        match self.status {
            Status::Ongoing => return Ok(vec![ClientEffect::AbortFirst]),
            Status::PrepareCommit | Status::PrepareAbort => return Err(TransactionError::Concurrent),
            Status::Empty | Status::CompleteCommit | Status::CompleteAbort => {}
        }
        let is_exhausted = self.is_exhausted();
        if is_exhausted && fresh.is_none() {
            return Ok(vec![ClientEffect::TakeProducerId]);
        }
        self.producer = match (fresh.filter(|_| is_exhausted), self.producer) {
            (Some(id), _) => Some((id, 0)),
            (None, Some((id, epoch))) => Some((id, epoch + 1)),
            (None, None) => None,
        };
        (self.before, self.ended, self.version) = (expected, None, TransactionVersion::One);
        (self.timeout_ms, self.status, self.started_ms) = (timeout_ms, Status::Empty, -1);
        Ok(vec![ClientEffect::Write(self.record(now_ms, Status::Empty))])
    }

    fn add(
        &mut self,
        now_ms: i64,
        producer: Stamp,
        partitions: BTreeMap<TopicPartition, String>,
        version: TransactionVersion,
    ) -> Result<Vec<ClientEffect>, TransactionError> {
        self.check(producer)?;
        if self.is_prepared() {
            return Err(TransactionError::Concurrent);
        }
        let is_open = self.status == Status::Ongoing;
        if is_open && partitions.keys().all(|partition| self.partitions.contains_key(partition)) {
            return Ok(Vec::new());
        }
        if !is_open {
            (self.started_ms, self.ended) = (now_ms, None);
        }
        (self.status, self.version) = (Status::Ongoing, version);
        self.partitions.extend(partitions);
        Ok(vec![ClientEffect::Write(self.record(now_ms, Status::Ongoing))])
    }

    fn end(
        &mut self,
        now_ms: i64,
        producer: Stamp,
        outcome: ControlMarker,
        version: TransactionVersion,
        fresh: Option<ProducerId>,
    ) -> Result<Vec<ClientEffect>, TransactionError> {
        if self.is_prepared() && self.ended == Some(producer) {
            return Err(TransactionError::Concurrent);
        }
        if self.was_ended_by(producer) {
            return match self.outcome() == Some(outcome) {
                true => Ok(self.tell_again(now_ms, fresh)),
                false => Err(TransactionError::InvalidState),
            };
        }
        self.check(producer)?;
        let of_version_1 = self.version == TransactionVersion::One;
        match (self.status, outcome, version) {
            (Status::PrepareCommit | Status::PrepareAbort, ..) => Err(TransactionError::Concurrent),
            (Status::Ongoing, ..) => Ok(self.end_by_producer(now_ms, outcome, version, fresh)),
            // Its answer was lost.
            (Status::CompleteCommit, ControlMarker::Commit, _) if of_version_1 => Ok(Vec::new()),
            (Status::CompleteAbort, ControlMarker::Abort, TransactionVersion::One) if of_version_1 => Ok(Vec::new()),
            // Nothing of it has come yet, and from here on nothing of it is taken.
            (_, ControlMarker::Abort, TransactionVersion::Two) => {
                self.started_ms = now_ms;
                Ok(self.end_by_producer(now_ms, outcome, version, fresh))
            }
            (Status::CompleteCommit | Status::CompleteAbort | Status::Empty, ..) => Err(TransactionError::InvalidState),
        }
    }

    /// Whether this producer's transaction ended, in version 2, and none began since.
    fn was_ended_by(&self, producer: Stamp) -> bool {
        self.version == TransactionVersion::Two && self.ended == Some(producer)
    }

    /// Has the producer told what it goes on with: its answer was lost, or it was aborted from outside. If that took the last
    /// epoch, which nobody is given, a new producer id follows.
    fn tell_again(&mut self, now_ms: i64, fresh: Option<ProducerId>) -> Vec<ClientEffect> {
        let is_used_up = self.producer.is_none_or(|(_, epoch)| self.epoch_max <= epoch);
        match (is_used_up, fresh) {
            (false, _) => Vec::new(),
            (true, None) => vec![ClientEffect::TakeProducerId],
            (true, Some(id)) => {
                self.producer = Some((id, 0));
                vec![ClientEffect::Write(self.record(now_ms, self.status))]
            }
        }
    }

    fn end_by_producer(
        &mut self,
        now_ms: i64,
        outcome: ControlMarker,
        version: TransactionVersion,
        fresh: Option<ProducerId>,
    ) -> Vec<ClientEffect> {
        if version == TransactionVersion::Two && self.is_exhausted() && fresh.is_none() {
            return vec![ClientEffect::TakeProducerId];
        }
        self.ended = self.producer();
        self.version = version;
        if version == TransactionVersion::Two {
            self.next_producer_id = fresh.filter(|_| self.is_exhausted());
            self.take_next_epoch();
        }
        self.finish(now_ms, outcome)
    }

    /// Aborts what is open, under the next epoch: whoever wrote it is fenced. In version 2 its own abort tells it how to go on.
    fn abort(&mut self, now_ms: i64) -> Vec<ClientEffect> {
        if self.status != Status::Ongoing {
            return Vec::new();
        }
        (self.before, self.ended) = (self.producer, self.producer());
        self.take_next_epoch();
        self.finish(now_ms, ControlMarker::Abort)
    }

    /// Whether there is no next epoch that could be given to a producer.
    fn is_exhausted(&self) -> bool {
        self.producer.is_none_or(|(_, epoch)| self.epoch_max <= epoch.saturating_add(1))
    }

    fn take_next_epoch(&mut self) {
        self.producer = self.producer.map(|(id, epoch)| (id, epoch.saturating_add(1)));
    }

    fn finish(&mut self, now_ms: i64, marker: ControlMarker) -> Vec<ClientEffect> {
        self.status = match marker {
            ControlMarker::Commit => Status::PrepareCommit,
            ControlMarker::Abort => Status::PrepareAbort,
        };
        let (id, _) = self.producer().expect("what ends has a producer");
        let close = ClientEffect::Close { id };
        [close].into_iter().chain(self.resume(now_ms)).collect()
    }

    /// From the decision to the markers. The decision is written again if it is not known whether it is durable.
    fn resume(&mut self, now_ms: i64) -> Vec<ClientEffect> {
        let (Some((id, epoch)), Some(marker), true) = (self.producer(), self.outcome(), self.is_prepared()) else {
            return Vec::new();
        };
        let partitions: Vec<_> = self.partitions.keys().copied().collect();
        // What is aborted need not be there.
        let settle = (marker == ControlMarker::Commit).then(|| ClientEffect::Settle { partitions: partitions.clone() });
        let write = ClientEffect::Write(self.record(now_ms, self.status));
        let mark = ClientEffect::Mark { marker, id, epoch, partitions };
        settle.into_iter().chain([write, mark]).collect()
    }

    fn marked(&mut self, now_ms: i64) -> Vec<ClientEffect> {
        self.status = match self.status {
            Status::PrepareCommit => Status::CompleteCommit,
            Status::PrepareAbort => Status::CompleteAbort,
            Status::Empty | Status::Ongoing | Status::CompleteCommit | Status::CompleteAbort => return Vec::new(),
        };
        self.partitions.clear();
        if let Some(id) = self.next_producer_id.take() {
            self.producer = Some((id, 0));
        }
        vec![ClientEffect::WriteLater(self.record(now_ms, self.status))]
    }

    /// How the transaction ends that is prepared, or ended that was last.
    fn outcome(&self) -> Option<ControlMarker> {
        match self.status {
            Status::PrepareCommit | Status::CompleteCommit => Some(ControlMarker::Commit),
            Status::PrepareAbort | Status::CompleteAbort => Some(ControlMarker::Abort),
            Status::Empty | Status::Ongoing => None,
        }
    }

    fn check(&self, (id, epoch): Stamp) -> Result<(), TransactionError> {
        match self.producer {
            Some((known, current)) if known == id && current == epoch.0 => Ok(()),
            Some((known, _)) if known == id => Err(TransactionError::Fenced),
            Some(_) | None => Err(TransactionError::InvalidProducerIdMapping),
        }
    }

    fn record(&mut self, now_ms: i64, status: Status) -> TransactionRecord {
        self.updated_ms = now_ms;
        let mut partitions: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for (partition, topic) in &self.partitions {
            partitions.entry(topic.clone()).or_default().push(partition.partition.0);
        }
        let (producer_id, producer_epoch) = self.producer().expect("a state that is written has a producer");
        TransactionRecord {
            producer_id,
            producer_epoch,
            timeout_ms: self.timeout_ms,
            status,
            partitions,
            commit_number: 0,
            updated_ms: now_ms,
            started_ms: self.started_ms,
            ended: self.ended,
            next_producer_id: self.next_producer_id,
            version: self.version,
        }
    }
}

#[cfg(test)]
mod tests;
