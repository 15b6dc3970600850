//! Where rows leave a query: records of the sink's topic, and the changes of the view that it keeps.
//!
//! A retract edge is consolidated by key: the row that a key had before and the one that it has now, per cut or, under
//! `emit = 'all'`, per input row. A key that had no row and has none is not mentioned.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::Int8Array;
use arrow::array::RecordBatch;
use arrow::array::UInt32Array;
use arrow::compute::interleave;
use arrow::compute::take_record_batch;

use super::sink_clocks::Clocks;
use crate::catalog::EmitMode;
use crate::exec::Changes;
use crate::exec::CutId;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::NewRecord;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::user_columns;
use crate::exec::layout::OP_NO_VALUE;
use crate::exec::layout::OP_VALUE;
use crate::exec::mark::Said;
use crate::exec::output::LogEntry;
use crate::format::Encoder;
use crate::format::EventTimeColumn;
use crate::format::RowKeys;
use crate::model::PartitionId;
use crate::model::TopicPartition;
use crate::protocol::partition_for_key;
use crate::state::ViewDelta;

/// What a sink is.
#[derive(Clone)]
pub struct SinkSpec {
    /// The identity of a row, as indexes into the user columns.
    pub key: Vec<usize>,
    /// Every change, or one per key and cut.
    pub emit: EmitMode,
    /// The edge that comes in.
    pub input: Layout,
    /// Where it writes; a push query hands rows to its client instead.
    pub topic: Option<TopicSpec>,
}

/// The topic of a sink.
#[derive(Clone)]
pub struct TopicSpec {
    /// Writes whole rows.
    pub encoder: Arc<Encoder>,
    /// Writes keys without window, which choose the partition.
    pub placer: Arc<Encoder>,
    /// The partitions.
    pub partitions: Vec<TopicPartition>,
    /// Bytes of key, value and headers that a record may have; a row over it is left out.
    pub record_bytes_max: usize,
    /// Rows are replaced by key and a view is kept.
    pub is_table: bool,
    /// Where rows without a key go; `None` for the partition of the task's own number.
    pub keyless: Option<PartitionId>,
    /// Keys are written so that none can be null: a row whose key is is left out.
    pub lacks_null_key: bool,
    /// The column with the record's time; else the row's event time.
    pub event_time: Option<Arc<EventTimeColumn>>,
}

/// Gathers what is consolidated until the cut.
pub struct Sink {
    spec: SinkSpec,
    gathered: Vec<RecordBatch>,
    /// Stream time at the rows of the cut, by partition; of a stream.
    clocks: Vec<Clocks>,
    /// The greatest time of a record, where records have the times of a column.
    latest: Option<i64>,
    /// Monotonic time of the last cut with rows, or of the first.
    wrote_at: Option<Duration>,
}

/// A key's rows: whether it had one before, and where the row is that it has now.
struct Net {
    had: Option<(usize, usize)>,
    has: Option<(usize, usize)>,
    last: (usize, usize),
}

impl Sink {
    /// Nothing gathered yet.
    pub fn new(spec: SinkSpec) -> Self {
        let partitions = spec.topic.as_ref().filter(|topic| !topic.is_table).map_or(0, |topic| topic.partitions.len());
        let clocks = (0..partitions).map(|_| Clocks::default()).collect();
        Self { spec, gathered: Vec::new(), clocks, latest: None, wrote_at: None }
    }

    fn is_gathered(&self) -> bool {
        match (self.spec.input.changes, self.spec.emit) {
            (Changes::Append, _) | (_, EmitMode::All) => false,
            (Changes::Upsert | Changes::Retract, EmitMode::Net) => true,
        }
    }

    fn keys(&self, batch: &RecordBatch) -> Result<Vec<Vec<u8>>, ExecError> {
        let columns: Vec<ArrayRef> = self.spec.key.iter().map(|index| Arc::clone(batch.column(*index))).collect();
        Ok(RowKeys::encode_rows(&columns, batch.num_rows())?)
    }

    /// Upserts in place of retractions or repeated upserts: one row per key, or per `__seq` and key when `by_seq`.
    fn consolidate(&self, batches: &[RecordBatch], by_seq: bool) -> Result<RecordBatch, ExecError> {
        let retract = self.spec.input.changes == Changes::Retract;
        let mut nets: Vec<Net> = Vec::new();
        let mut places: HashMap<(Vec<u8>, i64), usize> = HashMap::new();
        for (number, batch) in batches.iter().enumerate() {
            let seqs = self.spec.input.seqs(batch).values();
            for (row, key) in self.keys(batch)?.into_iter().enumerate() {
                let at = (number, row);
                let place = *places.entry((key, if by_seq { seqs[row] } else { 0 })).or_insert_with(|| {
                    nets.push(Net { had: None, has: None, last: at });
                    nets.len() - 1
                });
                let net = &mut nets[place];
                net.last = at;
                match retract {
                    true => match self.spec.input.weights(batch).value(row) {
                        weight if weight < 0 => match net.has.take() {
                            Some(_) => {}
                            None => net.had = net.had.or(Some(at)),
                        },
                        // A key that has no row and is mentioned all the same.
                        0 => net.had = net.had.or(Some(at)),
                        _ => net.has = Some(at),
                    },
                    false => {
                        net.had = Some(at);
                        net.has = (self.spec.input.ops(batch).value(row) == OP_VALUE).then_some(at);
                    }
                }
            }
        }
        nets.retain(|net| net.had.is_some() || net.has.is_some());
        self.upserts(batches, &nets)
    }

    fn upserts(&self, batches: &[RecordBatch], nets: &[Net]) -> Result<RecordBatch, ExecError> {
        let at: Vec<(usize, usize)> = nets.iter().map(|net| net.has.unwrap_or(net.last)).collect();
        let mut columns = Vec::with_capacity(self.spec.input.schema.fields().len());
        for index in 0..self.spec.input.users() + 3 {
            let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(index).as_ref()).collect();
            columns.push(interleave(&parts, &at)?);
        }
        let ops = nets.iter().map(|net| if net.has.is_some() { OP_VALUE } else { OP_NO_VALUE });
        columns.push(Arc::new(Int8Array::from_iter_values(ops)));
        let layout = self.upsert_layout();
        Ok(RecordBatch::try_new(layout.schema, columns)?)
    }

    fn upsert_layout(&self) -> Layout {
        match self.spec.input.changes {
            Changes::Retract => Layout::new(&self.spec.input.user_schema(), Changes::Upsert),
            Changes::Append | Changes::Upsert => self.spec.input.clone(),
        }
    }

    /// Rows with `__op` leave: as records, or as they are to a client.
    fn leave(&mut self, cx: &mut Cx<'_>, batch: RecordBatch) -> Result<(), ExecError> {
        let Some(topic) = &self.spec.topic else {
            cx.emit(batch);
            return Ok(());
        };
        let layout = self.upsert_layout();
        let users = user_columns(&batch, &layout.user_schema())?;
        let encoded = topic.encoder.encode(&users)?;
        let (ops, times) = (layout.ops(&batch).values(), layout.times(&batch).values());
        let (clocks, seqs) = (layout.clocks(&batch).values(), layout.seqs(&batch).values());
        let mut written = vec![true; batch.num_rows()];
        let mut record_times = times.to_vec();
        let mut left_out: Vec<(usize, String)> =
            encoded.errors.iter().map(|(row, why)| (*row, why.to_string())).collect();
        for row in 0..batch.num_rows() {
            let parts = [&encoded.keys[row], &encoded.values[row]].into_iter().flatten();
            let bytes = parts.map(|part| part.len()).sum::<usize>() + cx.headers(seqs[row]).as_bytes().len();
            if topic.record_bytes_max < bytes {
                left_out.push((row, format!("{bytes} bytes are over the limit of {}", topic.record_bytes_max)));
            }
        }
        if let Some(column) = &topic.event_time {
            // A tombstone has no columns to read a time from.
            for row in (0..batch.num_rows()).filter(|row| ops[*row] == OP_VALUE) {
                match column.of_row(&users, row) {
                    Ok(time) => record_times[row] = time,
                    Err(error) => left_out.push((row, error.to_string())),
                }
            }
        }
        for (row, reason) in left_out {
            written[row] = false;
            tell_left_out(cx, &reason, times[row]);
        }
        if topic.lacks_null_key {
            self.leave_out_null_keys(&users, &mut written);
        }
        let placed = topic.placer.encode_keys(&users)?;
        let count = topic.partitions.len() as i32;
        let mut partitions = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let partition = match &placed[row] {
                Some(key) => partition_for_key(key, count).0,
                None => topic.keyless.unwrap_or(PartitionId(cx.partition().rem_euclid(count))).0,
            };
            partitions.push(partition as usize);
            if written[row] {
                let key = match topic.is_table && self.spec.key.is_empty() {
                    true => Some(&b""[..]),
                    false => encoded.keys[row].as_deref(),
                };
                let value = if ops[row] == OP_VALUE { encoded.values[row].as_deref() } else { None };
                let record = NewRecord { timestamp_ms: record_times[row], key, value };
                cx.append(topic.partitions[partition as usize], record, seqs[row]);
                if topic.event_time.is_some() {
                    self.latest = self.latest.max(Some(record_times[row]));
                }
                if let Some(gathered) = self.clocks.get_mut(partition as usize) {
                    gathered.push(
                        record_times[row],
                        if topic.event_time.is_some() { record_times[row] } else { clocks[row] },
                    );
                }
            }
        }
        if topic.is_table {
            self.change_view(cx, &users, ops, &partitions, &written)?;
        }
        Ok(())
    }

    fn leave_out_null_keys(&self, users: &RecordBatch, written: &mut [bool]) {
        for column in self.spec.key.iter().map(|index| users.column(*index)).filter(|column| column.is_nullable()) {
            written.iter_mut().enumerate().for_each(|(row, written)| *written &= column.is_valid(row));
        }
    }

    /// Says in a stream how far the task has come in time: to the partitions that get rows, and to those that must know.
    fn tell(&mut self, cx: &mut Cx<'_>) {
        let (Some(topic), Some(teller)) = (&self.spec.topic, cx.teller()) else { return };
        let marker = cx.marker();
        let clock = if teller.board.time_column().is_some() { self.latest } else { marker.clock };
        if self.clocks.iter().any(|clocks| !clocks.is_empty()) {
            self.wrote_at = Some(teller.now);
        }
        let is_silent = teller.board.is_silent(*self.wrote_at.get_or_insert(teller.now), teller.now);
        let (said, task) = (Said { clock, idle: marker.idle || is_silent }, marker.producer as usize);
        let has_rows = |partition: usize| !self.clocks[partition].is_empty();
        let telling = teller.board.seal(task, said, teller.now, has_rows, teller.tell);
        for telling in &telling {
            let output = cx.output().batch(topic.partitions[telling.partition]);
            for (before, spoken) in self.clocks[telling.partition].take() {
                output.mark(before, &teller.board.mark(task, telling, spoken).encode());
            }
        }
        // Rows in a partition that is not the task's are like those of anybody.
        self.clocks.iter_mut().for_each(|clocks| drop(clocks.take()));
    }

    fn change_view(
        &self,
        cx: &mut Cx<'_>,
        users: &RecordBatch,
        ops: &[i8],
        partitions: &[usize],
        written: &[bool],
    ) -> Result<(), ExecError> {
        let keys = self.keys(users)?;
        let mut touched: Vec<usize> = partitions.to_vec();
        touched.sort_unstable();
        touched.dedup();
        for partition in touched {
            // Of a repeated key only the last change counts: a delta applies its tombstones before its rows.
            let mut last: HashMap<&[u8], usize> = HashMap::new();
            for row in (0..keys.len()).filter(|row| partitions[*row] == partition && written[*row]) {
                last.insert(&keys[row], row);
            }
            let mut rows: Vec<usize> = last.into_values().collect();
            rows.sort_unstable();
            let (kept, gone): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|row| ops[*row] == OP_VALUE);
            let indices = UInt32Array::from_iter_values(kept.iter().map(|row| *row as u32));
            let delta = ViewDelta {
                keys: kept.iter().map(|row| keys[*row].clone()).collect(),
                rows: take_record_batch(users, &indices)?,
                tombstones: gone.iter().map(|row| keys[*row].clone()).collect(),
            };
            cx.hold(delta.rows.get_array_memory_size());
            cx.output().views.push((partition, delta));
        }
        Ok(())
    }
}

fn tell_left_out(cx: &mut Cx<'_>, reason: &str, event_time: i64) {
    let message = format!("row left out, it cannot be written: {reason}");
    let operator = cx.operator().clone();
    cx.output().log(LogEntry { operator, message, event_time });
}

/// Memory that rows take, whatever else the buffers hold that they are parts of.
fn slice_bytes(batch: &RecordBatch) -> usize {
    let bytes =
        |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size());
    batch.columns().iter().map(bytes).sum()
}

impl Step for Sink {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        if self.is_gathered() {
            cx.hold(slice_bytes(&batch));
            self.gathered.push(batch);
        } else if self.spec.input.changes == Changes::Retract {
            let batch = self.consolidate(&[batch], true)?;
            self.leave(cx, batch)?;
        } else {
            self.leave(cx, batch)?;
        }
        Ok(Progress::Done)
    }

    fn flush(&mut self, cx: &mut Cx<'_>, _: CutId) -> Result<Progress, ExecError> {
        let gathered = std::mem::take(&mut self.gathered);
        if !gathered.is_empty() {
            let batch = self.consolidate(&gathered, false)?;
            self.leave(cx, batch)?;
        }
        self.tell(cx);
        Ok(Progress::Done)
    }
}
