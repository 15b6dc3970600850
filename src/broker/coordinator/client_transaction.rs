//! A client's transactional id, as a pure state machine: who may write under it, what its transaction holds, how it ends.
//!
//! One event is worked on at a time, by who holds the id's turn; `step` says what is to be written and marked. If nothing of
//! that was written, the state before is put back. The records are those of the committer's own transactions.
//!
//! Invariants:
//!   * of the producers that were given an id, only the last one's epoch begins or ends a transaction
//!   * a transaction that was prepared ends as it was prepared, whatever fails: it is prepared until its markers are there, and
//!     whoever comes next has it finished first
//!   * whoever is fenced has its transaction aborted under an epoch that it does not have

use std::collections::BTreeMap;

use super::transaction_record::Status;
use super::transaction_record::TransactionRecord;
use crate::broker::TransactionError;
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
    Add { producer: Stamp, partitions: BTreeMap<TopicPartition, String> },
    /// The producer ends its transaction.
    End { producer: Stamp, outcome: ControlMarker },
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
    /// The greatest epoch that is given to a producer; one more fences it.
    epoch_max: i16,
    producer: Option<(ProducerId, i16)>,
    /// The stamp that an abort from outside or `Init` replaced last: who comes with it again was aborted (KIP-588), or did not
    /// get its answer (KIP-360).
    before: Option<(ProducerId, i16)>,
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
        let status = match record.status {
            Status::PrepareCommit => Status::CompleteCommit,
            Status::PrepareAbort => Status::CompleteAbort,
            status => status,
        };
        Self {
            epoch_max,
            producer: Some((record.producer_id, record.producer_epoch.0)),
            before: None,
            timeout_ms: record.timeout_ms,
            status,
            partitions,
            started_ms: record.started_ms,
            updated_ms: record.updated_ms,
        }
    }

    /// Who may write under the id.
    pub(in crate::broker) fn producer(&self) -> Option<Stamp> {
        self.producer.map(|(id, epoch)| (id, ProducerEpoch(epoch)))
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
            ClientEvent::Add { producer, partitions } => self.add(now_ms, producer, partitions),
            ClientEvent::End { producer, outcome } => self.end(now_ms, producer, outcome),
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
        let expected = expected.map(|(id, epoch)| (id, epoch.0));
        // Of an id that was forgotten nobody can be fenced.
        if expected.is_some() && self.producer.is_some() && expected != self.producer {
            match self.status {
                // Its last call was done, and its answer was lost.
                Status::Empty if expected == self.before => return Ok(Vec::new()),
                // Its transaction was aborted from outside, and nobody came since.
                Status::CompleteAbort if expected == self.before => {}
                _ => return Err(TransactionError::Fenced),
            }
        }
        match self.status {
            Status::Ongoing => return Ok(vec![ClientEffect::AbortFirst]),
            Status::PrepareCommit | Status::PrepareAbort => return Err(TransactionError::Concurrent),
            Status::Empty | Status::CompleteCommit | Status::CompleteAbort => {}
        }
        let is_exhausted = self.producer.is_none_or(|(_, epoch)| self.epoch_max <= epoch.saturating_add(1));
        if is_exhausted && fresh.is_none() {
            return Ok(vec![ClientEffect::TakeProducerId]);
        }
        self.producer = match (fresh.filter(|_| is_exhausted), self.producer) {
            (Some(id), _) => Some((id, 0)),
            (None, Some((id, epoch))) => Some((id, epoch + 1)),
            (None, None) => None,
        };
        self.before = expected;
        (self.timeout_ms, self.status, self.started_ms) = (timeout_ms, Status::Empty, -1);
        Ok(vec![ClientEffect::Write(self.record(now_ms, Status::Empty))])
    }

    fn add(
        &mut self,
        now_ms: i64,
        producer: Stamp,
        partitions: BTreeMap<TopicPartition, String>,
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
            self.started_ms = now_ms;
        }
        self.status = Status::Ongoing;
        self.partitions.extend(partitions);
        Ok(vec![ClientEffect::Write(self.record(now_ms, Status::Ongoing))])
    }

    fn end(
        &mut self,
        now_ms: i64,
        producer: Stamp,
        outcome: ControlMarker,
    ) -> Result<Vec<ClientEffect>, TransactionError> {
        self.check(producer)?;
        match (self.status, outcome) {
            (Status::Ongoing, _) => Ok(self.finish(now_ms, outcome)),
            // Its answer was lost.
            (Status::CompleteCommit, ControlMarker::Commit) | (Status::CompleteAbort, ControlMarker::Abort) => {
                Ok(Vec::new())
            }
            (Status::CompleteCommit | Status::CompleteAbort | Status::Empty, _) => Err(TransactionError::InvalidState),
            (Status::PrepareCommit | Status::PrepareAbort, _) => Err(TransactionError::Concurrent),
        }
    }

    /// Aborts what is open, under the next epoch: whoever wrote it is fenced.
    fn abort(&mut self, now_ms: i64) -> Vec<ClientEffect> {
        if self.status != Status::Ongoing {
            return Vec::new();
        }
        self.before = self.producer;
        self.producer = self.producer.map(|(id, epoch)| (id, epoch.saturating_add(1)));
        self.finish(now_ms, ControlMarker::Abort)
    }

    fn finish(&mut self, now_ms: i64, marker: ControlMarker) -> Vec<ClientEffect> {
        self.status = match marker {
            ControlMarker::Commit => Status::PrepareCommit,
            ControlMarker::Abort => Status::PrepareAbort,
        };
        let (id, _) = self.producer().expect("an open transaction has a producer");
        let close = ClientEffect::Close { id };
        [close].into_iter().chain(self.resume(now_ms)).collect()
    }

    /// From the decision to the markers. The decision is written again if it is not known whether it is durable.
    fn resume(&mut self, now_ms: i64) -> Vec<ClientEffect> {
        let (Some((id, epoch)), Some(marker)) = (self.producer(), self.decided()) else { return Vec::new() };
        let partitions: Vec<_> = self.partitions.keys().copied().collect();
        // What is aborted need not be there.
        let settle = (marker == ControlMarker::Commit).then(|| ClientEffect::Settle { partitions: partitions.clone() });
        let write = ClientEffect::Write(self.record(now_ms, self.status));
        let mark = ClientEffect::Mark { marker, id, epoch, partitions };
        settle.into_iter().chain([write, mark]).collect()
    }

    fn marked(&mut self, now_ms: i64) -> Vec<ClientEffect> {
        let Some(marker) = self.decided() else { return Vec::new() };
        self.status = match marker {
            ControlMarker::Commit => Status::CompleteCommit,
            ControlMarker::Abort => Status::CompleteAbort,
        };
        self.partitions.clear();
        vec![ClientEffect::WriteLater(self.record(now_ms, self.status))]
    }

    /// How the transaction ends that is prepared.
    fn decided(&self) -> Option<ControlMarker> {
        match self.status {
            Status::PrepareCommit => Some(ControlMarker::Commit),
            Status::PrepareAbort => Some(ControlMarker::Abort),
            Status::Empty | Status::Ongoing | Status::CompleteCommit | Status::CompleteAbort => None,
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    const ID: ProducerId = ProducerId(7);

    fn stamp(epoch: i16) -> Stamp {
        (ID, ProducerEpoch(epoch))
    }

    fn init(transaction: &mut ClientTransaction, expected: Option<Stamp>) -> Result<Vec<Status>, TransactionError> {
        let event = |fresh| ClientEvent::Init { timeout_ms: 1000, expected, fresh };
        let mut written = Vec::new();
        loop {
            let fresh = transaction.producer().is_none().then_some(ID);
            let effects = transaction.step(0, event(fresh))?;
            if effects != [ClientEffect::AbortFirst] {
                written.extend(statuses(&effects));
                return Ok(written);
            }
            written.extend(statuses(&transaction.step(0, ClientEvent::Abort)?));
            written.extend(statuses(&transaction.step(0, ClientEvent::Marked)?));
        }
    }

    fn add(
        transaction: &mut ClientTransaction,
        producer: Stamp,
        partition: i32,
    ) -> Result<Vec<Status>, TransactionError> {
        let partitions = BTreeMap::from([(TopicPartition::new(TopicId([1; 16]), partition), "t".to_string())]);
        transaction.step(0, ClientEvent::Add { producer, partitions }).map(|effects| statuses(&effects))
    }

    fn end(
        transaction: &mut ClientTransaction,
        producer: Stamp,
        outcome: ControlMarker,
    ) -> Result<Vec<Status>, TransactionError> {
        let mut written = statuses(&transaction.step(0, ClientEvent::End { producer, outcome })?);
        written.extend(statuses(&transaction.step(0, ClientEvent::Marked)?));
        Ok(written)
    }

    fn statuses(effects: &[ClientEffect]) -> Vec<Status> {
        let status = |effect: &ClientEffect| match effect {
            ClientEffect::Write(record) | ClientEffect::WriteLater(record) => Some(record.status),
            ClientEffect::TakeProducerId
            | ClientEffect::AbortFirst
            | ClientEffect::Close { .. }
            | ClientEffect::Settle { .. }
            | ClientEffect::Mark { .. } => None,
        };
        effects.iter().filter_map(status).collect()
    }

    #[test]
    fn a_transaction_begins_with_its_first_partition_and_ends_as_it_is_told_once() {
        let mut transaction = ClientTransaction::new(100, 0);
        assert_eq!(init(&mut transaction, None), Ok(vec![Status::Empty]));
        assert_eq!(end(&mut transaction, stamp(0), ControlMarker::Commit), Err(TransactionError::InvalidState));
        assert_eq!(add(&mut transaction, stamp(0), 1), Ok(vec![Status::Ongoing]));
        assert_eq!(add(&mut transaction, stamp(0), 1), Ok(vec![]), "it is in already");
        assert_eq!(add(&mut transaction, stamp(0), 2), Ok(vec![Status::Ongoing]));
        assert_eq!(transaction.open().map(|(_, partitions)| partitions.len()), Some(2));
        let ended = vec![Status::PrepareCommit, Status::CompleteCommit];
        assert_eq!(end(&mut transaction, stamp(0), ControlMarker::Commit), Ok(ended));
        assert_eq!(end(&mut transaction, stamp(0), ControlMarker::Commit), Ok(vec![]), "asked again");
        assert_eq!(end(&mut transaction, stamp(0), ControlMarker::Abort), Err(TransactionError::InvalidState));
        assert_eq!(transaction.open(), None);
    }

    #[test]
    fn a_new_producer_fences_the_one_before_and_aborts_what_it_left() {
        let mut transaction = ClientTransaction::new(100, 0);
        init(&mut transaction, None).expect("begun");
        add(&mut transaction, stamp(0), 1).expect("added");
        let mut aborting = transaction.clone();
        let effects = aborting.step(0, ClientEvent::Abort).expect("aborted");
        let marked = effects.iter().find_map(|effect| match effect {
            ClientEffect::Mark { marker, epoch, .. } => Some((*marker, *epoch)),
            _ => None,
        });
        assert_eq!(marked, Some((ControlMarker::Abort, ProducerEpoch(1))), "under an epoch that nobody was given");
        let ended = vec![Status::PrepareAbort, Status::CompleteAbort, Status::Empty];
        assert_eq!(init(&mut transaction, None), Ok(ended));
        assert_eq!(transaction.producer(), Some(stamp(2)));
        assert_eq!(add(&mut transaction, stamp(0), 1), Err(TransactionError::Fenced));
        let other = (ProducerId(8), ProducerEpoch(0));
        assert_eq!(add(&mut transaction, other, 1), Err(TransactionError::InvalidProducerIdMapping));
    }

    #[test]
    fn a_producer_goes_on_with_its_stamp_and_asks_again_when_the_answer_was_lost() {
        let mut transaction = ClientTransaction::new(100, 0);
        init(&mut transaction, None).expect("begun");
        assert_eq!(init(&mut transaction, Some(stamp(0))), Ok(vec![Status::Empty]));
        assert_eq!(transaction.producer(), Some(stamp(1)));
        assert_eq!(init(&mut transaction, Some(stamp(0))), Ok(vec![]), "the same answer");
        assert_eq!(transaction.producer(), Some(stamp(1)));
        init(&mut transaction, None).expect("another producer");
        assert_eq!(init(&mut transaction, Some(stamp(1))), Err(TransactionError::Fenced));
    }

    #[test]
    fn after_the_last_epoch_comes_a_new_producer_id() {
        let mut transaction = ClientTransaction::new(3, 0);
        let mut given = Vec::new();
        for fresh in 10..16 {
            let event = |fresh| ClientEvent::Init { timeout_ms: 1, expected: None, fresh };
            let mut effects = transaction.step(0, event(None)).expect("begun");
            if effects == [ClientEffect::TakeProducerId] {
                effects = transaction.step(0, event(Some(ProducerId(fresh)))).expect("begun");
            }
            assert_eq!(statuses(&effects), [Status::Empty]);
            given.push(transaction.producer().map(|(id, epoch)| (id.0, epoch.0)).expect("given"));
        }
        assert_eq!(given, [(10, 0), (10, 1), (10, 2), (13, 0), (13, 1), (13, 2)]);
    }

    #[test]
    fn what_took_too_long_is_aborted_and_its_producer_is_fenced() {
        let mut transaction = ClientTransaction::new(100, 0);
        init(&mut transaction, None).expect("begun");
        add(&mut transaction, stamp(0), 1).expect("added");
        assert!(!transaction.is_overdue(999));
        assert!(transaction.is_overdue(1000));
        let effects = transaction.step(1000, ClientEvent::Abort).expect("aborted");
        assert_eq!(statuses(&effects), [Status::PrepareAbort]);
        let effects = transaction.step(1000, ClientEvent::Marked).expect("marked");
        assert_eq!(statuses(&effects), [Status::CompleteAbort]);
        assert_eq!(end(&mut transaction, stamp(0), ControlMarker::Commit), Err(TransactionError::Fenced));
        // It was slow, and nobody took its place: it may go on (KIP-588).
        assert_eq!(init(&mut transaction, Some(stamp(0))), Ok(vec![Status::Empty]));
        assert_eq!(transaction.producer(), Some(stamp(2)));
    }

    #[test]
    fn a_transaction_that_is_prepared_takes_nothing_and_ends_only_as_it_was_decided() {
        let mut transaction = ClientTransaction::new(100, 0);
        init(&mut transaction, None).expect("begun");
        add(&mut transaction, stamp(0), 1).expect("added");
        let commit = ClientEvent::End { producer: stamp(0), outcome: ControlMarker::Commit };
        let effects = transaction.step(0, commit).expect("prepared");
        assert!(matches!(
            effects[..],
            [
                ClientEffect::Close { .. },
                ClientEffect::Settle { .. },
                ClientEffect::Write(_),
                ClientEffect::Mark { marker: ControlMarker::Commit, .. }
            ]
        ));
        // The markers could not be written. It takes long, another producer comes, the first one tries what it can.
        assert!(transaction.is_prepared());
        assert!(!transaction.is_overdue(i64::MAX));
        assert_eq!(transaction.idle_since_ms(), None);
        assert_eq!(transaction.step(0, ClientEvent::Abort), Ok(vec![]));
        assert_eq!(init(&mut transaction, None), Err(TransactionError::Concurrent));
        assert_eq!(add(&mut transaction, stamp(0), 2), Err(TransactionError::Concurrent));
        let abort = ClientEvent::End { producer: stamp(0), outcome: ControlMarker::Abort };
        assert_eq!(transaction.step(0, abort), Err(TransactionError::Concurrent));
        let resumed = transaction.step(0, ClientEvent::Resume).expect("it goes on");
        assert_eq!(statuses(&resumed), [Status::PrepareCommit]);
        let of = |effects: &[ClientEffect]| effects.last().cloned();
        assert_eq!(of(&resumed), of(&effects), "the same markers");
        let marked = transaction.step(0, ClientEvent::Marked).expect("marked");
        assert_eq!(statuses(&marked), [Status::CompleteCommit]);
        assert!(transaction.partitions().is_empty());
    }

    #[test]
    fn who_comes_with_a_stamp_to_an_id_that_was_forgotten_gets_a_new_one() {
        let mut transaction = ClientTransaction::new(100, 0);
        let event = |fresh| ClientEvent::Init { timeout_ms: 1, expected: Some(stamp(5)), fresh };
        assert_eq!(transaction.step(0, event(None)), Ok(vec![ClientEffect::TakeProducerId]));
        transaction.step(0, event(Some(ProducerId(9)))).expect("begun");
        assert_eq!(transaction.producer(), Some((ProducerId(9), ProducerEpoch(0))));
    }
}
