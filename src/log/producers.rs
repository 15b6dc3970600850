//! What a partition knows of its producers: the last batches of each, open transactions, ended ones.
//!
//! Pure: checking gives a verdict and the entry as it would be, recording takes a batch that stands in the log.
//!
//! Invariants:
//!   * a batch sent twice is stored once: the last five of each producer are known by their sequence numbers
//!   * the last stable offset never passes the first offset of a transaction without a marker. A marker counts from its
//!     append on: its coordinator writes it only after the outcome is durable, and writes it again if it is lost

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;

use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::Batch;
use crate::protocol::ControlMarker;

use super::Origin;

/// As many as a Kafka producer has in flight.
const BATCHES_KEPT: usize = 5;

/// A transaction whose records are never to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// Its first offset in this partition.
    pub first_offset: Offset,
    /// The offset of the abort marker.
    pub last_offset: Offset,
}

impl AbortedTransaction {
    /// Whether the batch is one of its batches.
    pub fn holds(&self, batch: &Batch) -> bool {
        batch.is_transactional()
            && batch.producer().is_some_and(|(producer, _)| producer == self.producer_id)
            && (self.first_offset..=self.last_offset).contains(&batch.base_offset())
    }
}

/// One producer, from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerDescription {
    /// Who.
    pub id: ProducerId,
    /// Its newest epoch.
    pub epoch: ProducerEpoch,
    /// The sequence number of its last record in this epoch, if it is known.
    pub last_sequence: Option<i32>,
    /// The greatest time of its last batch, in ms since 1970-01-01 UTC; -1 if it is not known.
    pub last_timestamp_ms: i64,
    /// The epoch of the coordinator that ended its last transaction; -1 if none did.
    pub coordinator_epoch: i32,
    /// The first offset of its open transaction.
    pub open_from: Option<Offset>,
}

/// A batch that a producer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) base_sequence: i32,
    pub(super) last_sequence: i32,
    pub(super) base_offset: Offset,
    pub(super) next_offset: Offset,
}

impl Written {
    /// Stands for the batches of an epoch that a marker begins (KIP-890): what comes next has the sequence number 0, so that
    /// nothing in the middle of a run of batches is taken for its first.
    fn nothing_of_epoch(marker: &Batch) -> Self {
        Self {
            base_sequence: -1,
            last_sequence: -1,
            base_offset: marker.base_offset(),
            next_offset: marker.next_offset(),
        }
    }
}

/// One producer in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) epoch: ProducerEpoch,
    pub(super) coordinator_epoch: i32,
    pub(super) open_from: Option<Offset>,
    pub(super) last_offset: Offset,
    /// Of its last batch; -1 if it is not known.
    pub(super) last_timestamp_ms: i64,
    pub(super) written: VecDeque<Written>,
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Append it.
    Append,
    /// It stands in the log already.
    Duplicate(Written),
}

/// Why a batch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    OutOfOrder { expected: i32, found: i32 },
    StaleEpoch { current: ProducerEpoch, found: ProducerEpoch },
    TransactionState,
}

impl Producer {
    fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            coordinator_epoch: -1,
            open_from: None,
            last_offset: Offset::ZERO,
            last_timestamp_ms: -1,
            written: VecDeque::new(),
        }
    }

    /// Whether `batch` may follow what this producer wrote; `None` is a producer not known.
    pub(super) fn verdict(known: Option<&Producer>, batch: &Batch, origin: Origin) -> Result<Verdict, Refusal> {
        if batch.is_control() && origin == Origin::Client {
            return Err(Refusal::TransactionState);
        }
        let (Some((_, found)), Some(known)) = (batch.producer(), known) else { return Ok(Verdict::Append) };
        if found < known.epoch {
            return Err(Refusal::StaleEpoch { current: known.epoch, found });
        }
        if batch.is_control() && !batch.is_mark() {
            let older = coordinator_epoch(batch) < known.coordinator_epoch;
            return if older { Err(Refusal::TransactionState) } else { Ok(Verdict::Append) };
        }
        let sequenced = 0 <= batch.header().base_sequence;
        if sequenced && found == known.epoch {
            let same = |written: &&Written| {
                written.base_sequence == batch.header().base_sequence
                    && written.last_sequence == batch.header().last_sequence()
            };
            if let Some(written) = known.written.iter().find(same) {
                return Ok(Verdict::Duplicate(*written));
            }
        }
        if known.open_from.is_some() && found == known.epoch && !batch.is_transactional() {
            return Err(Refusal::TransactionState);
        }
        if !sequenced && origin == Origin::Coordinator {
            return Ok(Verdict::Append);
        }
        let expected = match known.written.back() {
            Some(last) if found == known.epoch => last.last_sequence.checked_add(1).unwrap_or(0),
            // The log may have lost the batches of this epoch to retention; a new epoch begins at 0.
            None if found == known.epoch => batch.header().base_sequence,
            _ => 0,
        };
        match batch.header().base_sequence {
            sequence if sequence == expected => Ok(Verdict::Append),
            found => Err(Refusal::OutOfOrder { expected, found }),
        }
    }

    /// This producer after `batch`, which stands at its place in the log.
    fn after(known: Option<Producer>, batch: &Batch, epoch: ProducerEpoch) -> Producer {
        let mut producer = known.unwrap_or_else(|| Producer::new(epoch));
        let is_marker = batch.is_control() && !batch.is_mark();
        if producer.epoch != epoch {
            producer.epoch = epoch;
            producer.written.clear();
            if is_marker {
                producer.written.push_back(Written::nothing_of_epoch(batch));
            }
        }
        producer.last_offset = batch.last_offset();
        producer.last_timestamp_ms = batch.header().max_timestamp;
        if is_marker {
            producer.open_from = None;
            producer.coordinator_epoch = producer.coordinator_epoch.max(coordinator_epoch(batch));
            return producer;
        }
        if 0 <= batch.header().base_sequence {
            if producer.written.len() == BATCHES_KEPT {
                producer.written.pop_front();
            }
            producer.written.push_back(Written {
                base_sequence: batch.header().base_sequence,
                last_sequence: batch.header().last_sequence(),
                base_offset: batch.base_offset(),
                next_offset: batch.next_offset(),
            });
        }
        if batch.is_transactional() {
            producer.open_from.get_or_insert(batch.base_offset());
        }
        producer
    }
}

/// All producers of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Producers {
    known: HashMap<ProducerId, Producer>,
    open: BTreeMap<Offset, ProducerId>,
    aborted: Vec<AbortedTransaction>,
}

impl Producers {
    /// A producer, if it is known.
    pub(super) fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.known.get(&id)
    }

    /// A producer as it would be after `batch`; for checking several batches before the first is written.
    pub(super) fn staged(known: Option<Producer>, batch: &Batch) -> Option<Producer> {
        batch.producer().map(|(_, epoch)| Producer::after(known, batch, epoch))
    }

    /// Takes in a batch that stands in the log; beyond `producers_max` the one silent for longest is forgotten.
    pub(super) fn record(&mut self, batch: &Batch, producers_max: usize) {
        let Some((id, epoch)) = batch.producer() else { return };
        let known = self.known.remove(&id);
        let was_open = known.as_ref().and_then(|producer| producer.open_from);
        let producer = Producer::after(known, batch, epoch);
        match (was_open, producer.open_from) {
            (None, Some(first)) => {
                self.open.insert(first, id);
            }
            (Some(first_offset), None) => {
                self.open.remove(&first_offset);
                let last_offset = batch.base_offset();
                if batch.control_marker() == Ok(Some(ControlMarker::Abort)) {
                    self.aborted.push(AbortedTransaction { producer_id: id, first_offset, last_offset });
                }
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
        self.known.insert(id, producer);
        if producers_max < self.known.len() {
            self.forget_one();
        }
    }

    /// The first offset of the oldest transaction without a marker, or the high watermark: the last stable offset.
    pub(super) fn last_stable_offset(&self, high_watermark: Offset) -> Offset {
        self.open.keys().next().map_or(high_watermark, |first| high_watermark.min(*first))
    }

    /// The transactions without a marker, by first offset.
    pub(super) fn open(&self) -> Vec<(ProducerId, Offset)> {
        self.open.iter().map(|(offset, id)| (*id, *offset)).collect()
    }

    /// All producers, by id.
    pub(super) fn describe(&self) -> Vec<ProducerDescription> {
        let describe = |(id, producer): (&ProducerId, &Producer)| ProducerDescription {
            id: *id,
            epoch: producer.epoch,
            last_sequence: producer.written.back().map(|written| written.last_sequence).filter(|last| 0 <= *last),
            last_timestamp_ms: producer.last_timestamp_ms,
            coordinator_epoch: producer.coordinator_epoch,
            open_from: producer.open_from,
        };
        let mut all: Vec<_> = self.known.iter().map(describe).collect();
        all.sort_by_key(|producer| producer.id);
        all
    }

    /// The aborted transactions with a record in `from..upto`, by marker.
    pub(super) fn aborted(&self, from: Offset, upto: Offset) -> Vec<AbortedTransaction> {
        let first = self.aborted.partition_point(|aborted| aborted.last_offset < from);
        self.aborted[first..].iter().filter(|aborted| aborted.first_offset < upto).copied().collect()
    }

    /// Forgets aborted transactions that lie before the log's start.
    pub(super) fn advance_start(&mut self, start: Offset) {
        self.aborted.retain(|aborted| start <= aborted.last_offset);
    }

    /// Forgets aborted transactions of which compaction left nothing.
    pub(super) fn forget_aborted(&mut self, upto: Offset) {
        self.aborted.retain(|aborted| upto <= aborted.last_offset);
    }

    /// All producers and aborted transactions, for the snapshot file.
    pub(super) fn parts(&self) -> (&HashMap<ProducerId, Producer>, &[AbortedTransaction]) {
        (&self.known, &self.aborted)
    }

    /// The state in a snapshot file.
    pub(super) fn from_parts(known: HashMap<ProducerId, Producer>, aborted: Vec<AbortedTransaction>) -> Self {
        let open = known.iter().filter_map(|(id, producer)| Some((producer.open_from?, *id))).collect();
        Self { known, open, aborted }
    }

    fn forget_one(&mut self) {
        let idle = self.known.iter().filter(|(_, producer)| producer.open_from.is_none());
        if let Some(id) = idle.min_by_key(|(_, producer)| producer.last_offset).map(|(id, _)| *id) {
            self.known.remove(&id);
        }
    }
}

/// The coordinator's epoch in a control batch: value = version i16, epoch i32.
fn coordinator_epoch(batch: &Batch) -> i32 {
    let Ok(payload) = batch.payload() else { return -1 };
    let Some(Ok(record)) = payload.records().next() else { return -1 };
    match record.value.and_then(|value| value.get(2..6)) {
        Some(&[a, b, c, d]) => i32::from_be_bytes([a, b, c, d]),
        _ => -1,
    }
}
