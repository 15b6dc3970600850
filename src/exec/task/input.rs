//! One partition that a task reads: batches as they were fetched, rows as they were decoded, and where it stands.

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
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::DataType;

use super::queue::InputQueue;
use super::round::RoundLimits;
use super::spec::LeafSpec;
use super::spec::Reads;
use super::spec::RelationReads;
use super::spec::Root;
use super::times::Event;
use super::times::Progress;
use super::times::Speaking;
use super::times::Writer;
use crate::broker::TailBatch;
use crate::exec::Changes;
use crate::exec::ExecError;
use crate::exec::carried::RowHeaders;
use crate::exec::hold::Reach;
use crate::exec::layout::OP_NO_VALUE;
use crate::exec::layout::OP_VALUE;
use crate::exec::mark::Mark;
use crate::exec::slice::HEADER_CARRIED;
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
use crate::protocol::Control;

/// Rows that wait for a round. All vectors have one entry a row.
pub struct Ready {
    /// User columns and, of a repartition, system columns.
    pub rows: Vec<ArrayRef>,
    /// Event times.
    pub times: ScalarBuffer<i64>,
    /// Stream time at each row.
    pub clocks: ScalarBuffer<i64>,
    /// Op or weight.
    pub changes: ArrayRef,
    /// Offsets.
    pub offsets: ScalarBuffer<i64>,
    /// Rows with the same number are one change.
    pub places: ScalarBuffer<i64>,
    /// Headers by place, if there are any and they are used.
    pub headers: Option<Arc<RowHeaders>>,
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
    /// The root partitions behind a repartition whose rows have a place among those of other inputs; else none.
    pub roots: Vec<TopicPartition>,
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
    /// Whether its rows come before those of all other inputs, whatever their event time: it is of another clock.
    pub reads_first: bool,
    /// Whether no other input's rows wait for it: rows that were relocated, which may come at any time.
    pub is_awaited: bool,
    /// Its own stream time at the last row that a round took.
    pub taken_clock: Option<i64>,
    /// Since when there was nothing more to read, monotonic milliseconds.
    pub at_end_since: Option<u64>,
    /// Where it began, and where what lay before it then ended.
    backlog: std::ops::Range<Offset>,
    /// Where the first fetch begins: the position, or the mark under which its record stands.
    fetch_from: Offset,
    decoded_upto: Offset,
    /// What the last decoded row, marker or mark said of time.
    ahead: Progress,
    /// What records did to time, in offset order; taken over when the position passes.
    steps: VecDeque<(i64, Event)>,
    /// The rows of the mark that was decoded last.
    span: Option<Span>,
    /// Whether rows came that no mark speaks for.
    spoke: bool,
    bad: VecDeque<BadRecord>,
}

/// The records that a mark speaks for.
struct Span {
    writer: Writer,
    mark: Arc<Mark>,
    /// Offset of the first of them.
    first: i64,
    /// The clocks of the mark that were passed.
    passed: usize,
    /// The writer's time at the last row.
    clock: Option<i64>,
}

impl Span {
    fn last(&self) -> i64 {
        self.first + i64::from(self.mark.rows) - 1
    }

    fn holds(&self, offset: i64) -> bool {
        (self.first..=self.last()).contains(&offset)
    }

    /// The writer's time at a row; rows are asked for in their order.
    fn clock(&mut self, offset: i64, time: i64) -> i64 {
        let mut clock = self.clock.map_or(time, |clock| clock.max(time));
        while let Some((place, told)) = self.mark.clocks.get(self.passed)
            && self.first + i64::from(*place) <= offset
        {
            // One at a row that is left out counts for those after it; a row of its own time may be later.
            clock = if self.first + i64::from(*place) == offset { *told } else { clock.max(*told) };
            self.passed += 1;
        }
        self.clock = Some(clock);
        clock
    }
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
        // Records in the middle of those of a mark are not understood without it.
        let marked = progress.marked.filter(|marked| position.0 <= marked.last);
        Self {
            leaf,
            partition,
            queue: Arc::default(),
            roots: Vec::new(),
            ready: VecDeque::new(),
            position,
            leader_epoch,
            ahead: progress.clone(),
            progress,
            moved: false,
            mid_slice: false,
            sets_time,
            reads_first: false,
            is_awaited: true,
            taken_clock: None,
            at_end_since: None,
            backlog: position..position,
            fetch_from: marked.map_or(position, |marked| Offset(marked.mark)),
            decoded_upto: position,
            span: None,
            spoke: false,
            steps: VecDeque::new(),
            bad: VecDeque::new(),
        }
    }

    /// What lies below `end` lay before it when it was made.
    pub fn begin_before(&mut self, end: Offset) {
        self.backlog.end = end.max(self.backlog.start);
    }

    /// How many records it has read of those that lay before it, and how many these are.
    pub fn backlog(&self) -> (u64, u64) {
        let upto = |offset: Offset| u64::try_from(offset.0 - self.backlog.start.0).unwrap_or(0);
        (upto(self.position.min(self.backlog.end)), upto(self.backlog.end))
    }

    /// Where the next fetch begins.
    pub fn fetch_from(&self) -> Offset {
        self.queue.next().unwrap_or(self.fetch_from)
    }

    /// What lies below was dropped: a mark there is not to be had.
    pub fn begin_at(&mut self, log_start: Offset) {
        if self.fetch_from < log_start {
            self.fetch_from = self.position;
        }
    }

    /// Notes at `now` whether those whose silence nobody tells have been silent for `timeout`, both in monotonic
    /// milliseconds: who writes records without marks. A partition that never had a row is idle from the start.
    pub fn note_idle(&mut self, now: u64, timeout: u64) {
        if std::mem::take(&mut self.spoke) {
            self.at_end_since = None;
        }
        let is_plain = self.progress.is_plain();
        if !self.is_at_end() {
            if is_plain {
                self.at_end_since = None;
                self.progress.idle = false;
            }
            return;
        }
        let is_silent = timeout <= now.saturating_sub(*self.at_end_since.get_or_insert(now));
        if is_plain {
            if is_silent || self.progress.clock.is_none() {
                // Readers of a repartition, and of what is written, learn of it at a cut.
                self.moved |= !self.progress.idle;
                self.progress.idle = true;
            }
        } else if is_silent && self.progress.silence_others() {
            self.ahead.silence_others();
            self.moved = true;
        }
    }

    /// Since when there has been a silence of which `note_idle` will take note, monotonic milliseconds.
    pub fn silent_since(&self) -> Option<u64> {
        let counts = if self.progress.is_plain() { !self.progress.idle } else { self.progress.waits_for_others() };
        self.at_end_since.filter(|_| counts)
    }

    /// Rows that wait for a round.
    pub fn waiting(&self) -> usize {
        self.ready.iter().map(|ready| ready.times.len() - ready.taken).sum()
    }

    fn waiting_bytes(&self) -> usize {
        self.ready.iter().map(|ready| (ready.times.len() - ready.taken).saturating_mul(ready.row_bytes)).sum()
    }

    /// Where the first waiting row stands among those of other inputs: its event time, unless all its rows come first.
    pub fn head(&self) -> Option<i64> {
        self.ready.front().map(|ready| self.turn(ready.times[ready.taken]))
    }

    /// Where a row of that event time stands among those of other inputs.
    pub fn turn(&self, time: i64) -> i64 {
        if self.reads_first { i64::MIN } else { time }
    }

    /// Whether nothing waits and there was nothing more to fetch.
    pub fn is_at_end(&self) -> bool {
        self.ready.is_empty() && self.queue.is_at_end()
    }

    /// Whether nothing waits, and there was nothing more to fetch when it was last asked. A repartition is not at its end as long
    /// as its producers have not written what lay before them then.
    pub fn is_known_at_end(&self, leaf: &LeafSpec) -> bool {
        let written = || self.roots.is_empty() || self.queue.is_covered_by(&self.frontier(leaf), &leaf.holds);
        let is_held = || leaf.holds.end(self.partition).is_some_and(|end| end <= self.decoded_upto);
        let nothing_more = self.is_at_end() && !self.queue.is_asked() || self.ready.is_empty() && is_held();
        nothing_more && written()
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
            let take = |reach| match &spec.reads {
                Reads::Relation(_) => self.queue.take(reach),
                // It ends where its producers do.
                Reads::Exchange(_) | Reads::Relocated => self.queue.take(Reach::Free),
            };
            let Some(fetched) = spec.holds.taking(self.partition, take)? else { break };
            taken = true;
            let mut marks = fetched.marks.iter().peekable();
            for tail in &fetched.batches {
                while let Some(mark) = marks.next_if(|mark| mark.batch.base_offset() < tail.batch.base_offset()) {
                    self.decode_mark(spec, mark, latest)?;
                }
                self.decode_batch(spec, tail, latest, skipped)?;
            }
            for mark in marks {
                self.decode_mark(spec, mark, latest)?;
            }
            self.leader_epoch = fetched.leader_epoch;
            self.decoded_upto = self.decoded_upto.max(fetched.next);
            self.end_span();
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
        while let Some((_, event)) = self.steps.pop_front_if(|(offset, _)| *offset < next.0) {
            self.progress.take(&event);
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
            Reads::Exchange(_) | Reads::Relocated => self.decode_exchange(spec, tail, skipped),
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
        let (decoded, headers) = reads.reader.read(tail)?;
        self.bad.extend(decoded.bad.iter().filter(|bad| self.decoded_upto.0 <= bad.offset).cloned());
        let kept = self.kept(tail, &decoded, latest, skipped)?;
        self.bad.make_contiguous().sort_by_key(|bad| bad.offset);
        self.decoded_upto = tail.batch.next_offset().max(self.decoded_upto);
        if kept.as_ref().map_or(decoded.offsets.is_empty(), Vec::is_empty) {
            return Ok(());
        }
        let row_bytes = mean_bytes(tail.batch.size_in_bytes(), decoded.offsets.len());
        let ready = self.ready_relation(spec, reads, &decoded, kept.as_deref(), row_bytes)?;
        self.ready.push_back(Ready { headers, ..ready });
        self.end_span();
        Ok(())
    }

    /// The rows of a batch that the operators get, `None` for all. Others that were not there before are bad records.
    fn kept(
        &mut self,
        tail: &TailBatch,
        decoded: &Decoded,
        latest: Option<i64>,
        skipped: &HashSet<Place>,
    ) -> Result<Option<Vec<usize>>, ExecError> {
        let is_new = decoded.offsets.first().is_none_or(|first| self.decoded_upto.0 <= *first);
        let is_early = |latest: i64| decoded.event_times.iter().all(|time| *time <= latest);
        if is_new && skipped.is_empty() && latest.is_none_or(is_early) {
            return Ok(None);
        }
        let mut kept = Vec::with_capacity(decoded.offsets.len());
        for (row, (offset, time)) in decoded.offsets.iter().zip(decoded.event_times.iter()).enumerate() {
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
        Ok(Some(kept))
    }

    fn ready_relation(
        &mut self,
        spec: &LeafSpec,
        reads: &RelationReads,
        decoded: &Decoded,
        kept: Option<&[usize]>,
        row_bytes: usize,
    ) -> Result<Ready, ExecError> {
        let pick = |values: &ScalarBuffer<i64>| match kept {
            Some(kept) => kept.iter().map(|row| values[*row]).collect::<Vec<i64>>().into(),
            None => values.clone(),
        };
        let (times, offsets) = (pick(&decoded.event_times), pick(&decoded.offsets));
        let mut rows: Vec<ArrayRef> = match kept {
            None => decoded.rows.columns().to_vec(),
            Some(kept) => {
                let indices = arrow::array::UInt32Array::from_iter_values(kept.iter().map(|row| *row as u32));
                arrow::compute::take_record_batch(&decoded.rows, &indices)?.columns().to_vec()
            }
        };
        for (pseudo, data_type) in &reads.pseudo {
            rows.push(self.pseudo(*pseudo, data_type, &times, &offsets));
        }
        let clocks = self.clocks(&offsets, &times).into();
        let op = |op: &RowOp| match op {
            RowOp::NoValue if !reads.null_rows => OP_NO_VALUE,
            RowOp::Value | RowOp::NoValue => OP_VALUE,
        };
        debug_assert!(spec.layout.changes != Changes::Retract);
        let changes: ArrayRef = Arc::new(match kept {
            None => Int8Array::from_iter_values(decoded.op.iter().map(op)),
            Some(kept) => Int8Array::from_iter_values(kept.iter().map(|row| op(&decoded.op[*row]))),
        });
        let places = offsets.clone();
        Ok(Ready { rows, times, clocks, changes, offsets, places, headers: None, row_bytes, taken: 0 })
    }

    /// A mark tells time; rows follow that it speaks for.
    fn decode_mark(&mut self, spec: &LeafSpec, tail: &TailBatch, latest: Option<i64>) -> Result<(), ExecError> {
        let Reads::Relation(reads) = &spec.reads else { return Ok(()) };
        let offset = tail.batch.base_offset().0;
        if !self.sets_time || offset < self.fetch_from.0 {
            return Ok(());
        }
        let Ok(Some(Control::Mark(bytes))) = tail.batch.control() else {
            return Err(ExecError::InternalRecord("a mark of event time"));
        };
        let mut mark = Mark::decode(&bytes)?;
        if reads.time_column.is_some() && reads.time_column != mark.time_column {
            self.event(offset, Event::Foreign(mark.query));
            return Ok(());
        }
        if let Some(latest) = latest {
            let clocks = mark.writers.iter_mut().filter_map(|(_, said)| said.clock.as_mut());
            clocks.chain(mark.clocks.iter_mut().map(|(_, clock)| clock)).for_each(|clock| *clock = latest.min(*clock));
        }
        let mark = Arc::new(mark);
        let writer = mark.writer();
        self.end_span();
        self.span = (0 < mark.rows).then(|| Span {
            writer,
            mark: Arc::clone(&mark),
            first: offset + 1,
            passed: 0,
            clock: None,
        });
        self.event(offset, Event::Mark(offset, mark));
        Ok(())
    }

    /// Behind the last of its records holds what a mark says of their writer.
    fn end_span(&mut self) {
        let decoded_upto = self.decoded_upto.0;
        if let Some(span) = self.span.take_if(|span| span.last() < decoded_upto) {
            self.event(span.last(), Event::Spoken(span.mark));
        }
    }

    fn event(&mut self, offset: i64, event: Event) {
        self.ahead.take(&event);
        self.steps.push_back((offset, event));
    }

    /// Stream time at each of a batch's rows.
    fn clocks(&mut self, offsets: &[i64], times: &[i64]) -> Vec<i64> {
        if self.span.is_none() && self.ahead.is_plain() {
            self.spoke |= !times.is_empty();
            let steps = &mut self.steps;
            return self.ahead.rows(times, |row, event| steps.push_back((offsets[row], event)));
        }
        let mut clocks = Vec::with_capacity(times.len());
        let mut speaking: Option<Speaking> = None;
        for (offset, time) in offsets.iter().zip(times) {
            let span = self.span.as_mut().filter(|span| span.holds(*offset));
            let (writer, said) = match span {
                Some(span) => (Some(span.writer), span.clock(*offset, *time)),
                None => (None, *time),
            };
            self.spoke |= writer.is_none();
            if writer.is_none() && self.ahead.is_plain() {
                let steps = &mut self.steps;
                clocks.extend(self.ahead.rows(&[said], |_, event| steps.push_back((*offset, event))));
                continue;
            }
            let writer = writer.unwrap_or(Writer::Others);
            let known = speaking.filter(|speaking| speaking.is_of(writer));
            let speaking = speaking.insert(known.unwrap_or_else(|| self.ahead.speaking(writer)));
            let (clock, event) = self.ahead.row_of(speaking, said);
            clocks.push(clock);
            self.steps.extend(event.map(|event| (*offset, event)));
        }
        clocks
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
                None => self.take_marker(record.offset.0, Marker::decode(value)?),
                Some(found) if found == schema => {
                    let producer = header(HEADER_PRODUCER).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
                    let producer = producer.ok_or(ExecError::InternalRecord("a slice without producer"))?;
                    let rows = decode_slice(value, Arc::clone(&spec.layout.schema))?;
                    let rows = self.without(skipped, spec, record.offset.0, rows)?;
                    self.take_slice(spec, record.offset.0, u32::from_be_bytes(producer), &rows, value.len());
                    if let Some(carried) = header(HEADER_CARRIED)
                        && let Some(ready) = self.ready.back_mut().filter(|_| 0 < rows.num_rows())
                    {
                        ready.headers = RowHeaders::decode(carried)?;
                    }
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

    pub(super) fn take_marker(&mut self, offset: i64, marker: Marker) {
        self.event(offset, Event::Marker(marker));
    }

    pub(super) fn take_slice(&mut self, spec: &LeafSpec, offset: i64, producer: u32, rows: &RecordBatch, bytes: usize) {
        let speaking = self.ahead.speaking(Writer::Exchange(producer));
        let mut clocks = Vec::with_capacity(rows.num_rows());
        for said in spec.layout.clocks(rows).values() {
            let (clock, event) = self.ahead.row_of(&speaking, *said);
            clocks.push(clock);
            self.steps.extend(event.map(|event| (offset, event)));
        }
        if rows.num_rows() == 0 {
            return;
        }
        let users = spec.layout.users();
        self.ready.push_back(Ready {
            rows: rows.columns()[..users].to_vec(),
            times: spec.layout.times(rows).values().clone(),
            clocks: clocks.into(),
            changes: Arc::clone(rows.column(users + 3)),
            offsets: vec![offset; rows.num_rows()].into(),
            places: spec.layout.seqs(rows).values().clone(),
            headers: None,
            row_bytes: mean_bytes(bytes, rows.num_rows()),
            taken: 0,
        });
    }

    /// What this input covers of root topics: nothing yet of those whose producers have not spoken.
    pub fn frontier(&self, leaf: &LeafSpec) -> Vec<(TopicPartition, Offset)> {
        let roots = match &leaf.reads {
            Reads::Relation(_) => return vec![(self.partition, self.position)],
            // What was sent counts as covered by its sender.
            Reads::Relocated => return Vec::new(),
            Reads::Exchange(roots) => roots,
        };
        let all = 0..u32::try_from(leaf.partitions).unwrap_or(0);
        let covered = |root: &Root| {
            let least = match root.producer {
                Some(producer) => self.progress.covered(producer, root.partition),
                None => all.clone().map(|producer| self.progress.covered(producer, root.partition)).min().unwrap_or(0),
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
