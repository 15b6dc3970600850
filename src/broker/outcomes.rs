//! How the transactions ended that a start finds without a marker.
//!
//! What the last record of a client's id says counts for the partitions that it names. Everything else is looked up in all of
//! the state's history: a partition that could not be read for a while may lack the marker of a transaction that is long over.
//! An outcome is never invented: where the history says both, or may lack what it said, it is lost.

use std::collections::HashMap;
use std::collections::HashSet;

use super::coordinator::Status;
use super::coordinator::TransactionRecord;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::ControlMarker;

/// What becomes of an open transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It gets this marker.
    Ended(ControlMarker),
    /// Its client goes on with it.
    GoesOn,
    /// It is not known.
    Lost,
}

/// Outcomes of open transactions.
pub(super) struct Outcomes {
    open: HashSet<(ProducerId, ProducerEpoch)>,
    history: HashMap<(ProducerId, ProducerEpoch), Ends>,
    last: HashMap<ProducerId, Last>,
    /// Producers whose state was read to its end.
    known: HashSet<ProducerId>,
    /// All state was read to its end: who was not prepared in it was not prepared.
    all_known: bool,
}

/// How transactions of one epoch ended: one of the committer, several of a client.
#[derive(Default)]
struct Ends {
    committed: bool,
    aborted: bool,
}

/// The last record of a client's id, if its transaction is open or prepared.
struct Last {
    epoch: ProducerEpoch,
    /// The epoch of the transaction that is prepared, if the record says it.
    ended: Option<ProducerEpoch>,
    /// `None` if it is open.
    marker: Option<ControlMarker>,
    partitions: HashSet<TopicPartition>,
}

impl Outcomes {
    /// None is known of these.
    pub(super) fn new(open: impl Iterator<Item = (ProducerId, ProducerEpoch)>) -> Self {
        Self {
            open: open.collect(),
            history: HashMap::new(),
            last: HashMap::new(),
            known: HashSet::new(),
            all_known: false,
        }
    }

    /// Takes in a record of the state. Prepared is final: whatever may follow in what cannot be read, so it ended.
    pub(super) fn note(&mut self, record: Option<&TransactionRecord>) {
        let Some(record) = record else { return };
        let transaction = record.ended.unwrap_or((record.producer_id, record.producer_epoch));
        match record.status {
            Status::PrepareCommit | Status::CompleteCommit if self.open.contains(&transaction) => {
                self.history.entry(transaction).or_default().committed = true;
            }
            Status::PrepareAbort | Status::CompleteAbort => {
                // Where it is not said which one was aborted: whoever was fenced, under the epoch after its own.
                let before = (record.producer_id, ProducerEpoch(record.producer_epoch.0.saturating_sub(1)));
                let before = Some(before).filter(|_| record.ended.is_none());
                for aborted in [Some(transaction), before].into_iter().flatten().filter(|it| self.open.contains(it)) {
                    self.history.entry(aborted).or_default().aborted = true;
                }
            }
            Status::PrepareCommit | Status::CompleteCommit | Status::Empty | Status::Ongoing => {}
        }
    }

    /// All that could be read was noted: the state of the producers `known` to its end, or of all.
    pub(super) fn end(&mut self, known: HashSet<ProducerId>, all_known: bool) {
        (self.known, self.all_known) = (known, all_known);
    }

    /// Takes in the last record of a client's id. `find` knows partitions.
    pub(super) fn last_of_client(
        &mut self,
        record: &TransactionRecord,
        find: impl Fn(&str, i32) -> Option<TopicPartition>,
    ) {
        let marker = match record.status {
            Status::Ongoing => None,
            Status::PrepareCommit => Some(ControlMarker::Commit),
            Status::PrepareAbort => Some(ControlMarker::Abort),
            Status::Empty | Status::CompleteCommit | Status::CompleteAbort => return,
        };
        let of_topic = |(topic, numbers): (&String, &Vec<i32>)| {
            numbers.iter().filter_map(|number| find(topic, *number)).collect::<Vec<_>>()
        };
        let partitions = record.partitions.iter().flat_map(of_topic).collect();
        let (epoch, ended) = (record.producer_epoch, record.ended.map(|(_, epoch)| epoch));
        self.last.insert(record.producer_id, Last { epoch, ended, marker, partitions });
    }

    /// What becomes of the transaction that a producer has open in `partition`.
    pub(super) fn of(&self, partition: TopicPartition, id: ProducerId, epoch: ProducerEpoch) -> Outcome {
        if let Some(last) = self.last.get(&id).filter(|last| last.partitions.contains(&partition)) {
            match last.marker {
                None if epoch == last.epoch => return Outcome::GoesOn,
                Some(marker) if last.ended == Some(epoch) => return Outcome::Ended(marker),
                Some(_) if last.ended.is_some() => {}
                Some(ControlMarker::Commit) if epoch == last.epoch => return Outcome::Ended(ControlMarker::Commit),
                Some(ControlMarker::Abort) if epoch <= last.epoch => return Outcome::Ended(ControlMarker::Abort),
                None | Some(_) => {}
            }
        }
        match self.history.get(&(id, epoch)) {
            Some(Ends { committed: true, aborted: true }) => Outcome::Lost,
            Some(Ends { committed: true, .. }) => Outcome::Ended(ControlMarker::Commit),
            _ if self.all_known || self.known.contains(&id) => Outcome::Ended(ControlMarker::Abort),
            _ => Outcome::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::broker::TransactionVersion;
    use crate::model::TopicId;

    const ID: ProducerId = ProducerId(7);

    fn at(number: i32) -> TopicPartition {
        TopicPartition::new(TopicId([1; 16]), number)
    }

    fn record(epoch: i16, status: Status, partitions: &[i32]) -> TransactionRecord {
        TransactionRecord {
            producer_id: ID,
            producer_epoch: ProducerEpoch(epoch),
            timeout_ms: 1000,
            status,
            partitions: BTreeMap::from([("t".to_string(), partitions.to_vec())]),
            commit_number: 0,
            updated_ms: 0,
            started_ms: 0,
            ended: None,
            next_producer_id: None,
            version: TransactionVersion::One,
        }
    }

    /// What becomes of a transaction of epoch 0 in partition 0, after these records.
    fn outcome(records: &[TransactionRecord], all_known: bool) -> Outcome {
        let mut outcomes = Outcomes::new([(ID, ProducerEpoch(0))].into_iter());
        records.iter().for_each(|record| outcomes.note(Some(record)));
        outcomes.end(HashSet::new(), all_known);
        if let Some(last) = records.last().filter(|_| all_known) {
            outcomes.last_of_client(last, |_, number| Some(at(number)));
        }
        outcomes.of(at(0), ID, ProducerEpoch(0))
    }

    #[test]
    fn the_last_record_decides_for_the_partitions_that_it_names() {
        let before = record(0, Status::CompleteCommit, &[]);
        let after = |status, epoch| [before.clone(), record(epoch, status, &[0])];
        assert_eq!(outcome(&after(Status::Ongoing, 0), true), Outcome::GoesOn);
        assert_eq!(outcome(&after(Status::PrepareCommit, 0), true), Outcome::Ended(ControlMarker::Commit));
        assert_eq!(outcome(&after(Status::PrepareAbort, 0), true), Outcome::Ended(ControlMarker::Abort));
        assert_eq!(outcome(&after(Status::PrepareAbort, 1), true), Outcome::Ended(ControlMarker::Abort), "fenced");
    }

    #[test]
    fn a_partition_that_was_away_gets_what_the_history_says_if_it_says_one_thing() {
        let committed = [record(0, Status::PrepareCommit, &[0]), record(0, Status::Ongoing, &[1])];
        assert_eq!(outcome(&committed, true), Outcome::Ended(ControlMarker::Commit));
        let fenced = [record(1, Status::PrepareAbort, &[0]), record(2, Status::Ongoing, &[1])];
        assert_eq!(outcome(&fenced, true), Outcome::Ended(ControlMarker::Abort));
        let both = [committed[0].clone(), record(0, Status::CompleteAbort, &[]), record(0, Status::Ongoing, &[1])];
        assert_eq!(outcome(&both, true), Outcome::Lost);
    }

    /// A state that says which transaction it ends.
    fn ending(epoch: i16, status: Status, ended: i16) -> TransactionRecord {
        let version = TransactionVersion::Two;
        TransactionRecord { ended: Some((ID, ProducerEpoch(ended))), version, ..record(epoch, status, &[0]) }
    }

    #[test]
    fn a_state_ends_the_transaction_that_it_names() {
        // The markers of version 2 have the next epoch.
        assert_eq!(outcome(&[ending(1, Status::PrepareCommit, 0)], true), Outcome::Ended(ControlMarker::Commit));
        assert_eq!(outcome(&[ending(1, Status::PrepareAbort, 0)], true), Outcome::Ended(ControlMarker::Abort));
        // The partition was away when it was committed; the transaction after it was aborted, and holds it too.
        let after = [ending(1, Status::PrepareCommit, 0), ending(2, Status::PrepareAbort, 1)];
        assert_eq!(outcome(&after, true), Outcome::Ended(ControlMarker::Commit));
        let fenced = [ending(1, Status::CompleteCommit, 0), ending(1, Status::CompleteAbort, 1)];
        assert_eq!(outcome(&fenced, true), Outcome::Ended(ControlMarker::Commit));
        // Under the next producer id it still says which one it ended.
        let rolled = TransactionRecord { producer_id: ProducerId(8), ..ending(0, Status::CompleteCommit, 0) };
        assert_eq!(outcome(&[rolled], true), Outcome::Ended(ControlMarker::Commit));
    }

    #[test]
    fn without_a_record_it_was_not_prepared_unless_some_cannot_be_read() {
        assert_eq!(outcome(&[], true), Outcome::Ended(ControlMarker::Abort));
        assert_eq!(outcome(&[], false), Outcome::Lost);
        assert_eq!(
            outcome(&[record(0, Status::PrepareCommit, &[0])], false),
            Outcome::Ended(ControlMarker::Commit),
            "prepared is final"
        );
    }
}
