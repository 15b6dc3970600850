//! One partition that a task reads: batches as they were fetched, rows as they were decoded, and where it stands.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::BooleanArray;
use arrow::array::Int8Array;
use arrow::array::Int32Array;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::array::TimestampMicrosecondArray;
use arrow::datatypes::DataType;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::Notify;

use super::round::RoundLimits;
use super::spec::LeafSpec;
use super::spec::Reads;
use super::spec::RelationReads;
use super::spec::Root;
use crate::broker::Fetched;
use crate::broker::TailBatch;
use crate::exec::Changes;
use crate::exec::ExecError;
use crate::exec::layout::OP_NO_VALUE;
use crate::exec::layout::OP_VALUE;
use crate::exec::slice::HEADER_PRODUCER;
use crate::exec::slice::HEADER_SCHEMA;
use crate::exec::slice::Marker;
use crate::format::BadRecord;
use crate::format::Decoded;
use crate::format::RowOp;
use crate::format::decode_slice;
use crate::format::schema_id;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::plan::PseudoColumn;

/// The clock of rows that came before the time was known.
pub(super) const NO_CLOCK: i64 = i64::MIN;

/// Bytes of fetched batches that may wait in one input.
pub const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// What a prefetcher has put down for its task.
#[derive(Default)]
pub struct InputQueue {
    state: Mutex<QueueState>,
    /// Told when there is room again.
    pub room: Notify,
    /// Told when the task asks for another look at the readable end.
    pub look: Notify,
}

#[derive(Default)]
struct QueueState {
    fetched: VecDeque<Fetched>,
    bytes: usize,
    /// Where the next fetch begins.
    next: Option<Offset>,
    /// The readable end, as the last fetch saw it, and whether that fetch reached it.
    end: Option<(Offset, bool)>,
    /// Looks that the task has asked for, and those of them that a fetch begun afterwards has answered.
    asked: u64,
    answered: u64,
    error: Option<ExecError>,
}

impl InputQueue {
    /// Whether another fetch may be put down.
    pub fn has_room(&self) -> bool {
        self.state.lock().bytes < QUEUE_BYTES_MAX
    }

    /// Puts a fetch down that began after `asked` looks had been asked for; `true` if it told the task something new.
    pub fn put(&self, fetched: Fetched, asked: u64) -> bool {
        let mut state = self.state.lock();
        let end = (fetched.readable_end, fetched.readable_end <= fetched.next);
        let moved = !fetched.batches.is_empty() || state.next != Some(fetched.next);
        let new = state.end != Some(end) || moved || state.answered < asked;
        state.end = Some(end);
        state.answered = state.answered.max(asked);
        if !moved {
            return new;
        }
        state.next = Some(fetched.next);
        state.bytes += fetched.batches.iter().map(|tail| tail.batch.size_in_bytes()).sum::<usize>();
        state.fetched.push_back(fetched);
        new
    }

    /// Asks for a fetch that begins from now on.
    pub fn ask(&self) {
        self.state.lock().asked += 1;
        self.look.notify_one();
    }

    /// Looks that were asked for so far.
    pub fn asked(&self) -> u64 {
        self.state.lock().asked
    }

    /// Whether a look that was asked for has not been answered.
    pub fn is_asked(&self) -> bool {
        let state = self.state.lock();
        state.answered < state.asked
    }

    /// Where the next fetch begins, `None` before the first.
    pub fn next(&self) -> Option<Offset> {
        self.state.lock().next
    }

    /// Ends the input with an error.
    pub fn fail(&self, error: ExecError) {
        self.state.lock().error = Some(error);
    }

    pub(super) fn take(&self) -> Result<Option<Fetched>, ExecError> {
        let mut state = self.state.lock();
        let Some(fetched) = state.fetched.pop_front() else {
            return state.error.clone().map_or(Ok(None), Err);
        };
        state.bytes -= fetched.batches.iter().map(|tail| tail.batch.size_in_bytes()).sum::<usize>();
        drop(state);
        self.room.notify_one();
        Ok(Some(fetched))
    }

    /// Whether nothing lies here and the last fetch reached the readable end.
    pub fn is_at_end(&self) -> bool {
        let state = self.state.lock();
        state.fetched.is_empty() && state.end.is_some_and(|(_, reached)| reached)
    }
}

/// What a producer of a repartition has said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Producer {
    clock: Option<i64>,
    idle: bool,
    frontier: Vec<(TopicPartition, i64)>,
}

/// What is committed with a position, so that a restart goes on exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Stream time of the partition, milliseconds.
    pub clock: Option<i64>,
    /// Whether it was idle.
    pub idle: bool,
    /// What `now()` was in the cut, microseconds since 1970; no later cut's is below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_time_micros: Option<i64>,
    /// Of a repartition: what each producer has said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub producers: BTreeMap<u32, Producer>,
}

/// Rows that wait for a round. All vectors have one entry a row.
pub struct Ready {
    /// User columns and, of a repartition, system columns.
    pub rows: Vec<ArrayRef>,
    /// Event times.
    pub times: Vec<i64>,
    /// Stream time at each row.
    pub clocks: Vec<i64>,
    /// Op or weight.
    pub changes: ArrayRef,
    /// Offsets.
    pub offsets: Vec<i64>,
    /// Rows with the same number are one change.
    pub places: Vec<i64>,
    /// Bytes of one row as it was read: the mean of its batch, at least 1.
    pub row_bytes: usize,
    /// The first row that no round has taken.
    pub taken: usize,
}

/// One change among those that a task reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Where it was read.
    pub partition: TopicPartition,
    /// Of its record.
    pub offset: i64,
    /// Which of the changes of a repartition's slice; of a relation's record the offset again.
    pub change: i64,
}

impl Place {
    /// The place of a relation's record, which is one change.
    pub fn of_record(partition: TopicPartition, offset: i64) -> Self {
        Self { partition, offset, change: offset }
    }
}

/// A bad record on its way to the dead letters.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Where it was.
    pub partition: TopicPartition,
    /// The leaf that could not read it.
    pub leaf: usize,
    /// The record.
    pub record: BadRecord,
}

/// See the file's head.
pub struct Input {
    /// The leaf that it feeds.
    pub leaf: usize,
    /// What it reads.
    pub partition: TopicPartition,
    /// The prefetcher's side.
    pub queue: Arc<InputQueue>,
    /// Decoded rows.
    pub ready: VecDeque<Ready>,
    /// The next offset that no round has taken.
    pub position: Offset,
    /// Of the last record taken.
    pub leader_epoch: LeaderEpoch,
    /// Stream time and producers.
    pub progress: Progress,
    /// Whether the position moved since the last cut.
    pub moved: bool,
    /// Whether a slice was taken in part: no cut may be made then, since the position stands before it.
    pub mid_slice: bool,
    /// Whether it sets stream time.
    pub sets_time: bool,
    /// Its own stream time at the last row that a round took.
    pub taken_clock: Option<i64>,
    /// Since when there was nothing more to read, monotonic milliseconds.
    pub at_end_since: Option<u64>,
    decoded_upto: Offset,
    /// What the last decoded row, marker or producer said of time.
    ahead: Progress,
    /// Progress as it is after the offset, in offset order; taken over when the position passes.
    steps: VecDeque<(i64, Progress)>,
    bad: VecDeque<BadRecord>,
}

impl Input {
    /// An input that goes on at `position`.
    pub fn new(
        leaf: usize,
        partition: TopicPartition,
        sets_time: bool,
        position: Offset,
        leader_epoch: LeaderEpoch,
        progress: Progress,
    ) -> Self {
        Self {
            leaf,
            partition,
            queue: Arc::default(),
            ready: VecDeque::new(),
            position,
            leader_epoch,
            ahead: progress.clone(),
            progress,
            moved: false,
            mid_slice: false,
            sets_time,
            taken_clock: None,
            at_end_since: None,
            decoded_upto: position,
            steps: VecDeque::new(),
            bad: VecDeque::new(),
        }
    }

    /// Rows that wait for a round.
    pub fn waiting(&self) -> usize {
        self.ready.iter().map(|ready| ready.times.len() - ready.taken).sum()
    }

    fn waiting_bytes(&self) -> usize {
        self.ready.iter().map(|ready| (ready.times.len() - ready.taken).saturating_mul(ready.row_bytes)).sum()
    }

    /// Event time of the first waiting row.
    pub fn head(&self) -> Option<i64> {
        self.ready.front().map(|ready| ready.times[ready.taken])
    }

    /// Whether nothing waits and there was nothing more to fetch.
    pub fn is_at_end(&self) -> bool {
        self.ready.is_empty() && self.queue.is_at_end()
    }

    /// Whether nothing waits, and there was nothing more to fetch when it was last asked.
    pub fn is_known_at_end(&self) -> bool {
        self.is_at_end() && !self.queue.is_asked()
    }

    /// Decodes what was fetched until a whole round waits; whether anything was taken from the queue.
    pub fn decode(
        &mut self,
        spec: &LeafSpec,
        limits: RoundLimits,
        latest: Option<i64>,
        skipped: &HashSet<Place>,
    ) -> Result<bool, ExecError> {
        let mut taken = false;
        while limits.allow_more_than(self.waiting(), self.waiting_bytes()) {
            let Some(fetched) = self.queue.take()? else { break };
            taken = true;
            for tail in &fetched.batches {
                self.decode_batch(spec, tail, latest, skipped)?;
            }
            self.leader_epoch = fetched.leader_epoch;
            self.decoded_upto = self.decoded_upto.max(fetched.next);
            self.pass_gap();
        }
        Ok(taken)
    }

    /// With nothing waiting, the position moves over markers and records that became no rows.
    pub fn pass_gap(&mut self) {
        if self.ready.is_empty() && self.position < self.decoded_upto {
            self.pass(self.decoded_upto);
        }
    }

    /// The position moves to `next`.
    pub fn pass(&mut self, next: Offset) {
        self.position = next;
        self.moved = true;
        while let Some((_, progress)) = self.steps.pop_front_if(|(offset, _)| *offset < next.0) {
            self.progress = progress;
        }
    }

    /// The bad records that the position has passed.
    pub fn passed_bad(&mut self) -> Vec<DeadLetter> {
        let (leaf, partition, next) = (self.leaf, self.partition, self.position.0);
        let mut passed = Vec::new();
        while let Some(record) = self.bad.pop_front_if(|record| record.offset < next) {
            passed.push(DeadLetter { partition, leaf, record });
        }
        passed
    }

    fn decode_batch(
        &mut self,
        spec: &LeafSpec,
        tail: &TailBatch,
        latest: Option<i64>,
        skipped: &HashSet<Place>,
    ) -> Result<(), ExecError> {
        match &spec.reads {
            Reads::Relation(reads) => self.decode_relation(spec, reads, tail, latest, skipped),
            Reads::Exchange(_) => self.decode_exchange(spec, tail, skipped),
        }
    }

    fn decode_relation(
        &mut self,
        spec: &LeafSpec,
        reads: &RelationReads,
        tail: &TailBatch,
        latest: Option<i64>,
        skipped: &HashSet<Place>,
    ) -> Result<(), ExecError> {
        let decoded = reads.reader.read(tail)?;
        self.bad.extend(decoded.bad.iter().filter(|bad| self.decoded_upto.0 <= bad.offset).cloned());
        let mut kept = Vec::with_capacity(decoded.offsets.len());
        for (row, (offset, time)) in decoded.offsets.iter().zip(&decoded.event_times).enumerate() {
            let reason = match latest {
                _ if *offset < self.decoded_upto.0 => continue,
                Some(latest) if latest < *time => "its event time is too far ahead of the clock",
                _ if skipped.contains(&Place::of_record(self.partition, *offset)) => "an operator failed on it",
                _ => {
                    kept.push(row);
                    continue;
                }
            };
            self.bad.push_back(raw_record(tail, *offset, reason)?);
        }
        self.bad.make_contiguous().sort_by_key(|bad| bad.offset);
        self.decoded_upto = tail.batch.next_offset().max(self.decoded_upto);
        if kept.is_empty() {
            return Ok(());
        }
        let row_bytes = mean_bytes(tail.batch.size_in_bytes(), decoded.offsets.len());
        let ready = self.ready_relation(spec, reads, &decoded, &kept, row_bytes)?;
        self.ready.push_back(ready);
        Ok(())
    }

    fn ready_relation(
        &mut self,
        spec: &LeafSpec,
        reads: &RelationReads,
        decoded: &Decoded,
        kept: &[usize],
        row_bytes: usize,
    ) -> Result<Ready, ExecError> {
        let pick = |values: &[i64]| -> Vec<i64> { kept.iter().map(|row| values[*row]).collect() };
        let (times, offsets) = (pick(&decoded.event_times), pick(&decoded.offsets));
        let whole = kept.len() == decoded.offsets.len();
        let indices = arrow::array::UInt32Array::from_iter_values(kept.iter().map(|row| *row as u32));
        let mut rows: Vec<ArrayRef> = match whole {
            true => decoded.rows.columns().to_vec(),
            false => arrow::compute::take_record_batch(&decoded.rows, &indices)?.columns().to_vec(),
        };
        for (pseudo, data_type) in &reads.pseudo {
            rows.push(self.pseudo(*pseudo, data_type, &times, &offsets));
        }
        let mut clocks = Vec::with_capacity(times.len());
        for (time, offset) in times.iter().zip(&offsets) {
            if self.ahead.clock.is_none_or(|clock| clock < *time) {
                self.ahead.clock = Some(*time);
                self.steps.push_back((*offset, self.ahead.clone()));
            }
            clocks.push(self.ahead.clock.unwrap_or(*time));
        }
        let ops = kept.iter().map(|row| match decoded.op[*row] {
            RowOp::Value => OP_VALUE,
            RowOp::NoValue => OP_NO_VALUE,
        });
        debug_assert!(spec.layout.changes != Changes::Retract);
        let changes: ArrayRef = Arc::new(Int8Array::from_iter_values(ops));
        let places = offsets.clone();
        Ok(Ready { rows, times, clocks, changes, offsets, places, row_bytes, taken: 0 })
    }

    fn pseudo(&self, column: PseudoColumn, data_type: &DataType, times: &[i64], offsets: &[i64]) -> ArrayRef {
        match (column, data_type) {
            (PseudoColumn::RowTime, DataType::Timestamp(_, zone)) => {
                let micros = times.iter().map(|time| time.saturating_mul(1000));
                Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone_opt(zone.clone()))
            }
            (PseudoColumn::RowTime, _) => Arc::new(Int64Array::from(times.to_vec())),
            (PseudoColumn::RowPartition, _) => {
                Arc::new(Int32Array::from(vec![self.partition.partition.0; times.len()]))
            }
            (PseudoColumn::RowOffset, _) => Arc::new(Int64Array::from(offsets.to_vec())),
        }
    }

    fn decode_exchange(
        &mut self,
        spec: &LeafSpec,
        tail: &TailBatch,
        skipped: &HashSet<Place>,
    ) -> Result<(), ExecError> {
        let schema = schema_id(&spec.layout.schema).to_be_bytes();
        let payload = tail.batch.payload().map_err(|_| ExecError::InternalRecord("a repartition batch"))?;
        for record in payload.records() {
            let record = record.map_err(|_| ExecError::InternalRecord("a repartition record"))?;
            if record.offset.0 < self.decoded_upto.0 {
                continue;
            }
            let header = |wanted: &[u8]| record.headers.clone().find(|(name, _)| *name == wanted).and_then(|(_, v)| v);
            let value = record.value.ok_or(ExecError::InternalRecord("a repartition record without value"))?;
            match header(HEADER_SCHEMA) {
                None => self.take_marker(spec, record.offset.0, Marker::decode(value)?),
                Some(found) if found == schema => {
                    let producer = header(HEADER_PRODUCER).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
                    let producer = producer.ok_or(ExecError::InternalRecord("a slice without producer"))?;
                    let rows = decode_slice(value, Arc::clone(&spec.layout.schema))?;
                    let rows = self.without(skipped, spec, record.offset.0, rows)?;
                    self.take_slice(spec, record.offset.0, u32::from_be_bytes(producer), &rows, value.len());
                }
                Some(_) => return Err(ExecError::InternalRecord("a slice of another schema")),
            }
        }
        self.decoded_upto = tail.batch.next_offset().max(self.decoded_upto);
        Ok(())
    }

    /// A slice without the changes that an operator failed on.
    pub(super) fn without(
        &self,
        skipped: &HashSet<Place>,
        spec: &LeafSpec,
        offset: i64,
        rows: RecordBatch,
    ) -> Result<RecordBatch, ExecError> {
        if !skipped.iter().any(|place| place.partition == self.partition && place.offset == offset) {
            return Ok(rows);
        }
        let partition = self.partition;
        let seqs = spec.layout.seqs(&rows).values().iter();
        let kept = seqs.map(|change| !skipped.contains(&Place { partition, offset, change: *change }));
        let kept = BooleanArray::from_iter(kept.map(Some));
        Ok(arrow::compute::filter_record_batch(&rows, &kept)?)
    }

    pub(super) fn take_marker(&mut self, spec: &LeafSpec, offset: i64, marker: Marker) {
        let producer = self.ahead.producers.entry(marker.producer).or_default();
        producer.clock = producer.clock.max(marker.clock);
        producer.idle = marker.idle;
        producer.frontier = marker.frontier;
        if self.has_heard_all(spec.producers(), marker.producer) {
            self.ahead.clock = self.ahead.clock.max(self.time());
            self.ahead.idle = self.ahead.producers.values().all(|producer| producer.idle);
        }
        self.steps.push_back((offset, self.ahead.clone()));
    }

    /// Whether each producer has told its time or that it has none for long, `speaking` being one of them. Until then the
    /// time is not known: one that has not may be at its beginning, and what its neighbours say must neither close a window
    /// nor make its rows late.
    fn has_heard_all(&self, producers: usize, speaking: u32) -> bool {
        let known = |(number, producer): &(&u32, &Producer)| {
            **number != speaking && (producer.idle || producer.clock.is_some())
        };
        producers <= self.ahead.producers.iter().filter(known).count() + 1
    }

    /// Clocks of the producers that are not idle.
    fn busy(&self) -> impl Iterator<Item = (u32, Option<i64>)> {
        let busy = self.ahead.producers.iter().filter(|(_, producer)| !producer.idle);
        busy.map(|(number, producer)| (*number, producer.clock))
    }

    /// The least clock over producers that are not idle, `None` if one of them has none yet; all idle: the greatest.
    pub(super) fn time(&self) -> Option<i64> {
        match self.busy().map(|(_, clock)| clock).min() {
            Some(least) => least,
            None => self.ahead.producers.values().filter_map(|producer| producer.clock).max(),
        }
    }

    pub(super) fn take_slice(&mut self, spec: &LeafSpec, offset: i64, producer: u32, rows: &RecordBatch, bytes: usize) {
        let heard = self.has_heard_all(spec.producers(), producer);
        let others = self.busy().filter(|(number, _)| *number != producer).filter_map(|(_, clock)| clock).min();
        let own = spec.layout.clocks(rows).values();
        let mut clocks = Vec::with_capacity(own.len());
        for clock in own.iter().copied() {
            let seen = others.map_or(clock, |others| others.min(clock));
            let now = self.ahead.clock.map_or(seen, |before| before.max(seen));
            if !heard || now == NO_CLOCK {
                // No window has closed.
                clocks.push(NO_CLOCK);
                continue;
            }
            self.ahead.clock = Some(now);
            clocks.push(now);
        }
        let said = self.ahead.producers.entry(producer).or_default();
        said.clock = said.clock.max(own.last().copied().filter(|clock| *clock != NO_CLOCK));
        said.idle = false;
        self.ahead.idle = false;
        self.steps.push_back((offset, self.ahead.clone()));
        if rows.num_rows() == 0 {
            return;
        }
        let users = spec.layout.users();
        self.ready.push_back(Ready {
            rows: rows.columns()[..users].to_vec(),
            times: spec.layout.times(rows).values().to_vec(),
            clocks,
            changes: Arc::clone(rows.column(users + 3)),
            offsets: vec![offset; rows.num_rows()],
            places: spec.layout.seqs(rows).values().to_vec(),
            row_bytes: mean_bytes(bytes, rows.num_rows()),
            taken: 0,
        });
    }

    /// What this input covers of root topics: nothing yet of those whose producers have not spoken.
    pub fn frontier(&self, leaf: &LeafSpec) -> Vec<(TopicPartition, Offset)> {
        let roots = match &leaf.reads {
            Reads::Relation(_) => return vec![(self.partition, self.position)],
            Reads::Exchange(roots) => roots,
        };
        let said = |producer: u32, root: TopicPartition| {
            let known = self.progress.producers.get(&producer);
            let known = known.and_then(|known| known.frontier.iter().find(|(partition, _)| *partition == root));
            known.map_or(0, |(_, offset)| *offset)
        };
        let all = 0..u32::try_from(leaf.partitions).unwrap_or(0);
        let covered = |root: &Root| {
            let least = match root.producer {
                Some(producer) => said(producer, root.partition),
                None => all.clone().map(|producer| said(producer, root.partition)).min().unwrap_or(0),
            };
            (root.partition, Offset(least))
        };
        roots.iter().map(covered).collect()
    }
}

fn mean_bytes(bytes: usize, rows: usize) -> usize {
    (bytes / rows.max(1)).max(1)
}

/// A record of a batch as it was written, to be a dead letter.
fn raw_record(tail: &TailBatch, offset: i64, reason: &str) -> Result<BadRecord, ExecError> {
    let payload = tail.batch.payload().map_err(|_| ExecError::InternalRecord("a batch"))?;
    let found = payload.records().flatten().find(|record| record.offset.0 == offset);
    let found = found.ok_or(ExecError::InternalRecord("a record that was there"))?;
    Ok(BadRecord {
        offset,
        timestamp: found.timestamp,
        reason: reason.to_string(),
        key: found.key.map(<[u8]>::to_vec),
        value: found.value.map(<[u8]>::to_vec),
    })
}

/// A run of rows of each column.
pub fn slice_columns(columns: &[ArrayRef], from: usize, count: usize) -> Vec<ArrayRef> {
    columns
        .iter()
        .map(|column| if count == column.len() { Arc::clone(column) } else { column.slice(from, count) })
        .collect()
}
