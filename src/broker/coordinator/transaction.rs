//! One transactional id's life, as a pure state machine.
//!
//! Every transaction has an epoch of its own, so sequence numbers begin at 0 in each partition and a late append of an
//! earlier try is fenced. Epochs are 16 bits: when they run out, and at every start of the process, the id takes a new
//! producer id.
//!
//! Invariants:
//!   * an epoch of a producer id is used by one transaction
//!   * nothing begins while markers of the one before are to be written
//!   * CompleteCommit is written lazily, with the transaction that follows

use std::collections::BTreeMap;

use super::transaction_record::COMMITTER_TIMEOUT_MS;
use super::transaction_record::Status;
use super::transaction_record::TransactionRecord;
use crate::broker::TransactionVersion;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::ControlMarker;

/// What happened.
#[derive(Debug, Clone)]
pub(in crate::broker) enum Event {
    /// A commit wants to append to these partitions.
    Begin { partitions: BTreeMap<String, Vec<i32>> },
    /// A producer id that nobody had was taken.
    ProducerId(ProducerId),
    /// All its appends are known; this is the last of them.
    Prepare,
    /// The log took nothing of it.
    Refused,
    /// All markers were appended.
    Marked,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) enum Effect {
    /// Take a producer id, tell `Event::ProducerId`, and begin again.
    TakeProducerId,
    /// Append this state.
    Write(TransactionRecord),
    /// Append this marker to every partition with an open transaction of the producer.
    Mark { marker: ControlMarker, id: ProducerId, epoch: ProducerEpoch },
}

/// A transactional id.
#[derive(Debug, Clone)]
pub(in crate::broker) struct Transaction {
    epoch_max: i16,
    /// The id in use and the epoch of its next transaction.
    producer: Option<(ProducerId, i16)>,
    /// What was written last; its markers are there unless `unmarked`.
    written: Option<TransactionRecord>,
    /// What was written before the transaction that is open.
    before: Option<TransactionRecord>,
    unmarked: bool,
    commit_number_first: u64,
    commit_number: u64,
}

impl Transaction {
    /// An id whose last commit had the number `commit_number`; epochs above `epoch_max` are not used.
    pub(in crate::broker) fn new(epoch_max: i16, commit_number: u64) -> Self {
        Self {
            epoch_max,
            producer: None,
            written: None,
            before: None,
            unmarked: false,
            commit_number_first: commit_number,
            commit_number,
        }
    }

    /// The number of the last commit.
    pub(in crate::broker) fn commit_number(&self) -> u64 {
        self.commit_number
    }

    /// The producer and epoch of the transaction that is open.
    pub(in crate::broker) fn producer(&self) -> Option<(ProducerId, ProducerEpoch)> {
        self.written.as_ref().map(|record| (record.producer_id, record.producer_epoch))
    }

    /// Whether its markers are to be written, or may not all be there.
    pub(in crate::broker) fn is_unmarked(&self) -> bool {
        self.unmarked
    }

    /// What follows from `event`.
    pub(in crate::broker) fn step(&mut self, now_ms: i64, event: Event) -> Vec<Effect> {
        match event {
            Event::ProducerId(id) => {
                self.producer = Some((id, 0));
                Vec::new()
            }
            Event::Begin { partitions } => self.begin(now_ms, partitions),
            Event::Prepare => self.prepare(now_ms),
            Event::Refused => {
                // As if it had not begun, but for its epoch: a part of it might stand somewhere.
                assert!(self.unmarked, "only a transaction that was begun can be refused");
                self.written = self.before.take();
                self.commit_number = self.written.as_ref().map_or(self.commit_number_first, |last| last.commit_number);
                self.unmarked = false;
                Vec::new()
            }
            Event::Marked => {
                assert!(self.unmarked, "markers end a transaction that was begun");
                self.unmarked = false;
                Vec::new()
            }
        }
    }

    fn begin(&mut self, now_ms: i64, partitions: BTreeMap<String, Vec<i32>>) -> Vec<Effect> {
        assert!(!self.unmarked, "the transaction before must be marked first");
        let Some((id, epoch)) = self.producer.filter(|(_, epoch)| *epoch <= self.epoch_max) else {
            return vec![Effect::TakeProducerId];
        };
        self.producer = Some((id, epoch.saturating_add(1)));
        let complete = self.completed(now_ms).map(Effect::Write);
        let ongoing = TransactionRecord {
            producer_id: id,
            producer_epoch: ProducerEpoch(epoch),
            timeout_ms: COMMITTER_TIMEOUT_MS,
            status: Status::Ongoing,
            partitions,
            commit_number: self.commit_number,
            updated_ms: now_ms,
            started_ms: now_ms,
            ended: None,
            next_producer_id: None,
            version: TransactionVersion::One,
        };
        self.before = self.written.replace(ongoing.clone());
        self.unmarked = true;
        complete.into_iter().chain([Effect::Write(ongoing)]).collect()
    }

    /// The record that says that the transaction before is over, if that was not said yet.
    pub(in crate::broker) fn completed(&self, now_ms: i64) -> Option<TransactionRecord> {
        let record = self.written.as_ref()?;
        let status = match record.status {
            Status::PrepareCommit => Status::CompleteCommit,
            Status::PrepareAbort => Status::CompleteAbort,
            Status::Empty | Status::Ongoing | Status::CompleteCommit | Status::CompleteAbort => return None,
        };
        Some(record.completed(status, now_ms))
    }

    fn prepare(&mut self, now_ms: i64) -> Vec<Effect> {
        self.commit_number += 1;
        let record = self.written.as_mut().expect("a transaction that is prepared was begun");
        assert_eq!(record.status, Status::Ongoing, "only an ongoing transaction can be prepared");
        record.status = Status::PrepareCommit;
        record.commit_number = self.commit_number;
        record.updated_ms = now_ms;
        let (id, epoch) = (record.producer_id, record.producer_epoch);
        vec![Effect::Write(record.clone()), Effect::Mark { marker: ControlMarker::Commit, id, epoch }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(transaction: &mut Transaction) -> Vec<Effect> {
        transaction.step(1, Event::Begin { partitions: BTreeMap::new() })
    }

    fn statuses(effects: &[Effect]) -> Vec<Status> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Write(record) => Some(record.status),
                Effect::TakeProducerId | Effect::Mark { .. } => None,
            })
            .collect()
    }

    #[test]
    fn complete_commit_is_written_with_the_next_transaction() {
        let mut transaction = Transaction::new(100, 7);
        assert_eq!(begin(&mut transaction), [Effect::TakeProducerId]);
        transaction.step(1, Event::ProducerId(ProducerId(5)));
        assert_eq!(statuses(&begin(&mut transaction)), [Status::Ongoing]);
        assert_eq!(statuses(&transaction.step(1, Event::Prepare)), [Status::PrepareCommit]);
        assert_eq!(transaction.commit_number(), 8);
        transaction.step(1, Event::Marked);
        assert_eq!(statuses(&begin(&mut transaction)), [Status::CompleteCommit, Status::Ongoing]);
        let refused = transaction.producer();
        transaction.step(1, Event::Prepare);
        assert!(transaction.step(1, Event::Refused).is_empty());
        assert_eq!(transaction.commit_number(), 8);
        assert_eq!(statuses(&begin(&mut transaction)), [Status::CompleteCommit, Status::Ongoing]);
        assert_ne!(transaction.producer(), refused);
    }

    #[test]
    fn every_transaction_has_its_own_epoch_and_exhaustion_takes_a_new_producer_id() {
        let mut transaction = Transaction::new(2, 0);
        let mut used = Vec::new();
        let mut next = 10;
        for _ in 0..20 {
            let mut effects = begin(&mut transaction);
            if effects == [Effect::TakeProducerId] {
                transaction.step(1, Event::ProducerId(ProducerId(next)));
                next += 1;
                effects = begin(&mut transaction);
            }
            assert!(effects.iter().all(|effect| matches!(effect, Effect::Write(_))));
            used.push(transaction.producer().expect("begun"));
            transaction.step(1, Event::Prepare);
            transaction.step(1, Event::Marked);
        }
        let expected: Vec<_> =
            (0..20).map(|index| (ProducerId(10 + index / 3), ProducerEpoch((index % 3) as i16))).collect();
        assert_eq!(used, expected);
    }
}
