//! What one partition must hold: a vector of batches, and for compaction a map of what may be gone.

use std::collections::HashMap;

use crate::model::EventTime;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::ControlMarker;
use crate::protocol::Record;
use crate::protocol::TimestampType;

use super::super::*;

/// A record that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp: i64,
    /// Compaction may have taken it.
    pub(super) may_be_gone: bool,
}

/// A batch that stands in the log.
#[derive(Debug, Clone)]
pub(super) struct Stood {
    pub(super) first: i64,
    pub(super) epoch: LeaderEpoch,
    pub(super) producer: Option<(ProducerId, ProducerEpoch)>,
    pub(super) base_sequence: i32,
    pub(super) transactional: bool,
    pub(super) marker: Option<ControlMarker>,
    pub(super) records: Vec<Sent>,
    /// As it was sent.
    pub(super) batch: Batch,
}

impl Stood {
    pub(super) fn next(&self) -> i64 {
        self.first + self.records.len() as i64
    }
}

/// What became of a transactional batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

/// How a producer goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) epoch: i16,
    pub(super) next_sequence: i32,
    pub(super) open_from: Option<i64>,
}

/// One partition.
pub(super) struct Shelf {
    pub(super) id: TopicPartition,
    pub(super) config: PartitionConfig,
    pub(super) compacted: bool,
    pub(super) batches: Vec<Stood>,
    /// The log start, and the earliest that a restart may find instead.
    pub(super) start: i64,
    pub(super) start_floor: i64,
    /// All below it was told to be durable.
    pub(super) acknowledged: i64,
    pub(super) high_watermark: i64,
    /// Below it no leader has it cut: retention has relied on that.
    pub(super) committed: i64,
    pub(super) epoch: LeaderEpoch,
    /// The last thing that the journal was told is a cut: of a lazily flushed log nothing behind it is kept for sure.
    pub(super) ends_with_cut: bool,
    /// A cut that failed, and may have been made.
    pub(super) perhaps_cut_to: Option<i64>,
    /// Outcomes that a coordinator has written down; their markers are written again if they are lost.
    pub(super) decided: Vec<(ProducerId, ControlMarker)>,
}

impl Shelf {
    pub(super) fn new(id: TopicPartition, config: PartitionConfig, compacted: bool) -> Self {
        Self {
            id,
            config,
            compacted,
            batches: Vec::new(),
            start: 0,
            start_floor: 0,
            acknowledged: 0,
            high_watermark: 0,
            committed: 0,
            epoch: LeaderEpoch(0),
            ends_with_cut: false,
            perhaps_cut_to: None,
            decided: Vec::new(),
        }
    }

    pub(super) fn end(&self) -> i64 {
        self.batches.last().map_or(0, Stood::next)
    }

    /// Takes in what was sent when the wall clock stood at `now_ms`.
    pub(super) fn push(&mut self, sent: Batch, origin: Origin, now_ms: i64) {
        let sent = sent.stamped(Offset(self.end()), self.epoch);
        let batch = match (origin, self.config.timestamps) {
            (Origin::Replica, _) | (_, Timestamps::Create { .. }) => sent.clone(),
            (Origin::Client | Origin::Coordinator, Timestamps::Append) => {
                sent.clone().with_timestamps(TimestampType::Append, now_ms)
            }
        };
        let payload = batch.payload().expect("it was built");
        let records = payload.records().map(|record| {
            let Record { key, value, timestamp, .. } = record.expect("it was built");
            Sent { key: key.map(<[u8]>::to_vec), value: value.map(<[u8]>::to_vec), timestamp, may_be_gone: false }
        });
        self.batches.push(Stood {
            first: batch.base_offset().0,
            epoch: self.epoch,
            producer: batch.producer(),
            base_sequence: batch.header().base_sequence,
            transactional: batch.is_transactional(),
            marker: batch.control_marker().expect("it was built"),
            records: records.collect(),
            batch: sent,
        });
    }

    /// Cuts at `end`, which is a batch's border.
    pub(super) fn cut(&mut self, end: i64) {
        self.batches.retain(|batch| batch.first < end);
        assert_eq!(self.end(), end.min(self.end()), "a cut keeps whole batches");
        self.acknowledged = self.acknowledged.min(end);
        self.high_watermark = self.high_watermark.min(end);
    }

    /// The start of the batch that holds `offset`.
    pub(super) fn border(&self, offset: i64) -> i64 {
        self.batches.iter().find(|batch| offset < batch.next()).map_or(self.end(), |batch| batch.first)
    }

    /// How each producer goes on.
    pub(super) fn producers(&self) -> HashMap<ProducerId, Standing> {
        let mut producers: HashMap<ProducerId, Standing> = HashMap::new();
        for batch in &self.batches {
            let Some((id, epoch)) = batch.producer else { continue };
            let standing = producers.entry(id).or_default();
            if epoch.0 != standing.epoch {
                *standing = Standing { epoch: epoch.0, next_sequence: 0, ..*standing };
            }
            if batch.marker.is_some() {
                standing.open_from = None;
                continue;
            }
            if 0 <= batch.base_sequence {
                standing.next_sequence = batch.base_sequence + batch.records.len() as i32;
            }
            if batch.transactional {
                standing.open_from.get_or_insert(batch.first);
            }
        }
        producers
    }

    /// The transactions without a marker, by first offset.
    pub(super) fn open(&self) -> Vec<(ProducerId, Offset)> {
        let mut open: Vec<_> = self
            .producers()
            .into_iter()
            .filter_map(|(id, standing)| standing.open_from.map(|from| (id, Offset(from))))
            .collect();
        open.sort_by_key(|(_, from)| *from);
        open
    }

    pub(super) fn last_stable(&self) -> i64 {
        let open = self.open().first().map_or(i64::MAX, |(_, from)| from.0);
        open.min(self.high_watermark).max(self.start)
    }

    fn fate(&self, at: usize) -> Fate {
        let batch = &self.batches[at];
        if !batch.transactional {
            return Fate::Committed;
        }
        let id = batch.producer.map(|(id, _)| id);
        let ended = |later: &&Stood| later.marker.is_some() && later.producer.map(|(id, _)| id) == id;
        match self.batches[at..].iter().find(ended).and_then(|end| end.marker) {
            None => Fate::Open,
            Some(ControlMarker::Commit) => Fate::Committed,
            Some(ControlMarker::Abort) => Fate::Aborted,
        }
    }

    /// A compaction has begun: of what is stable and durable, only the newest record of each key must stay.
    pub(super) fn compaction_begins(&mut self) {
        let limit = self.last_stable();
        let fates: Vec<Fate> = (0..self.batches.len()).map(|at| self.fate(at)).collect();
        let mut newest: HashMap<Vec<u8>, i64> = HashMap::new();
        for (batch, fate) in self.batches.iter().zip(&fates) {
            if *fate == Fate::Committed && batch.marker.is_none() {
                for (offset, record) in (batch.first..limit).zip(&batch.records) {
                    newest.insert(record.key.clone().expect("it has a key"), offset);
                }
            }
        }
        for (batch, fate) in self.batches.iter_mut().zip(&fates) {
            let (first, no_data) = (batch.first, batch.marker.is_some() || *fate == Fate::Aborted);
            for (offset, record) in (first..limit).zip(&mut batch.records) {
                let is_newest = record.key.as_ref().and_then(|key| newest.get(key)) == Some(&offset);
                record.may_be_gone |= no_data || !is_newest || record.value.is_none();
            }
        }
    }

    /// The batch at an offset, and the record in it.
    pub(super) fn at(&self, offset: i64) -> (&Stood, &Sent) {
        let after = self.batches.partition_point(|batch| batch.first <= offset);
        let batch = &self.batches[after - 1];
        (batch, &batch.records[(offset - batch.first) as usize])
    }

    /// The first record at or after a time that must be there, and whether one before it may be there.
    pub(super) fn first_at(&self, time: EventTime) -> (Option<i64>, Option<i64>) {
        let mut perhaps = None;
        for offset in self.start..self.end() {
            let (_, record) = self.at(offset);
            if record.timestamp < time.0 {
                continue;
            }
            if !record.may_be_gone {
                return (Some(offset), perhaps.or(Some(offset)));
            }
            perhaps = perhaps.or(Some(offset));
        }
        (None, perhaps)
    }

    /// The epoch at or below `epoch` that has batches, and where it ends.
    pub(super) fn epoch_end(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let found = self.batches.iter().map(|batch| batch.epoch).filter(|found| *found <= epoch).max()?;
        let next = self.batches.iter().find(|batch| found < batch.epoch);
        Some((found, Offset(next.map_or(self.end(), |batch| batch.first))))
    }

    /// Reads everything and compares: nothing is gone that must be there, nothing is there that was not sent.
    pub(super) fn check(&self, log: &LogDir) {
        let ends = log.ends(self.id).expect("it is there");
        assert_eq!((ends.log_start_offset, ends.log_end_offset), (Offset(self.start), Offset(self.end())), "{ends:?}");
        assert_eq!(log.open_transactions(self.id), self.open());
        self.check_below(log, self.end(), self.last_stable());
    }

    /// As `check`, of what lies below `upto`; transactions are compared below `stable`.
    pub(super) fn check_below(&self, log: &LogDir, upto: i64, stable: i64) {
        let fates: HashMap<i64, Fate> =
            self.batches.iter().enumerate().map(|(at, batch)| (batch.first, self.fate(at))).collect();
        let start = Offset(self.start);
        let mut next = start;
        let mut expected = self.start;
        while next < Offset(upto) {
            let batches = log.read(self.id, next, Offset(upto), 1 << 16).expect("it reads");
            assert!(!batches.is_empty(), "nothing is read at {next}, below {upto}");
            let aborted = log.aborted(self.id, next, Offset(upto)).expect("it reads");
            for batch in batches.into_iter().map(|tail| tail.batch) {
                assert!(next == batch.base_offset() || (next == start && batch.base_offset() < start), "no gap");
                assert!(next < batch.next_offset(), "each batch comes further");
                next = batch.next_offset();
                let is_aborted = aborted.iter().any(|transaction| transaction.holds(&batch));
                for record in batch.payload().expect("it is whole").records() {
                    let record = record.expect("it is whole");
                    let offset = record.offset.0;
                    if offset < self.start {
                        continue;
                    }
                    self.check_gone(expected, offset);
                    expected = offset + 1;
                    let (stood, sent) = self.at(offset);
                    let found = (record.key, record.value, record.timestamp);
                    assert_eq!(found, (sent.key.as_deref(), sent.value.as_deref(), sent.timestamp), "{offset}");
                    assert_eq!(batch.is_control(), stood.marker.is_some());
                    if offset < stable && stood.marker.is_none() {
                        assert_eq!(is_aborted, fates[&stood.first] == Fate::Aborted, "offset {offset}");
                    }
                }
            }
        }
        self.check_gone(expected.min(upto), upto);
    }

    /// All of these offsets had no record.
    fn check_gone(&self, from: i64, upto: i64) {
        assert!(from <= upto, "offset {upto} was read twice");
        for offset in from..upto {
            assert!(self.at(offset).1.may_be_gone, "the record at {offset} of {} is gone", self.id);
        }
    }
}
