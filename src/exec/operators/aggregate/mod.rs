//! Groups of rows kept up to date, perhaps per tumbling window.
//!
//! Table 0: key -> state. The key is the window's start, then the group columns, so that closing windows is a range. Behind
//! all keys, under `own_time` only, stands the operator's own stream time.
//!
//! Invariants:
//!   * a row is late by the stream time at that row, so lateness does not depend on rounds or cuts
//!   * a closed window has no state; under `EMIT FINAL` its row left when it closed
//!   * under `emit = 'net'` a group that changed leaves once per cut; memory of what changed ends with the cut

mod accumulate;
mod emit;
mod groups;
mod results;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::BooleanArray;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::compute::filter;
use arrow::compute::filter_record_batch;
use arrow::datatypes::DataType;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::physical_expr::PhysicalExpr;

use accumulate::Reader;
use emit::Rows;
use groups::Groups;

use super::log_errors;
use crate::catalog::EmitMode;
use crate::exec::Changes;
use crate::exec::CutId;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Side;
use crate::exec::Step;
use crate::exec::expressions::RowError;
use crate::exec::expressions::evaluate;
use crate::exec::expressions::holds;
use crate::exec::layout::OP_VALUE;
use crate::format::RowKeys;
use crate::functions::TotalStyle;
use crate::model::EventTime;
use crate::model::StreamTime;
use crate::plan::AggregateFunction;
use crate::state::KEY_BYTES_MAX;

/// The key of the operator's own stream time; keys of groups begin with a null marker, which is less.
const OWN_TIME: &[u8] = b"\xff\xfftime";

/// One aggregate of the list.
#[derive(Clone)]
pub struct CallSpec {
    /// Which.
    pub function: AggregateFunction,
    /// Whose rules.
    pub style: TotalStyle,
    /// Of what.
    pub argument: Option<Arc<dyn PhysicalExpr>>,
    /// The argument's type; `Int64` when there is none.
    pub argument_type: DataType,
    /// FILTER.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// The column's type.
    pub output: DataType,
}

/// Tumbling windows, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// From start to end.
    pub size_ms: i64,
    /// How long after its end a window takes rows.
    pub grace_ms: i64,
}

impl Windows {
    /// The start of the window of an event time.
    pub fn start(&self, time: i64) -> i64 {
        time.div_euclid(self.size_ms).saturating_mul(self.size_ms)
    }

    /// The stream time that closes the window that starts at `start`.
    pub fn closes(&self, start: i64) -> i64 {
        start.saturating_add(self.size_ms).saturating_add(self.grace_ms)
    }
}

/// What an aggregate is.
#[derive(Clone)]
pub struct AggregateSpec {
    /// The group columns.
    pub group: Vec<Arc<dyn PhysicalExpr>>,
    /// The windows.
    pub window: Option<Windows>,
    /// The aggregates.
    pub calls: Vec<CallSpec>,
    /// One row per window, when it closes.
    pub emit_final: bool,
    /// Every change, or one per cut.
    pub emit: EmitMode,
    /// A row with a null in its group is left out.
    pub null_drops: bool,
    /// Stream time is the greatest event time that reached this operator.
    pub own_time: bool,
    /// Under EMIT FINAL a window that time has jumped over is dropped, not emitted.
    pub forgets_jumped: bool,
    /// A group that lost its last row keeps a row of results.
    pub keeps_empty: bool,
    /// The edge that comes in: `Append` or `Retract`.
    pub input: Layout,
    /// The edge that goes out.
    pub output: Layout,
    /// The key in state: window start, then group columns.
    pub key: SchemaRef,
}

/// See the file's head.
pub struct Aggregate {
    spec: AggregateSpec,
    /// Groups that changed since the last cut, in the order of their first change, with their state at that cut.
    touched: Vec<(Bytes, Option<Bytes>)>,
    touched_index: HashMap<Bytes, usize>,
    /// Windows that start here or before are closed; only saves scans.
    closed_upto: i64,
    /// The one group over all rows has its first row.
    started: bool,
}

/// A batch's rows that count, with all that is computed from them.
struct Incoming {
    batch: RecordBatch,
    groups: Vec<usize>,
    keys: Vec<Bytes>,
    states: Vec<Option<Bytes>>,
    arguments: Vec<Option<ArrayRef>>,
    filters: Vec<Option<BooleanArray>>,
    weights: Option<Int64Array>,
}

impl Incoming {
    /// Runs of rows that one row of the input caused.
    fn changes(&self, input: &Layout) -> Vec<Range<usize>> {
        let seqs = input.seqs(&self.batch).values();
        let mut changes = Vec::new();
        let mut from = 0;
        for row in 1..=seqs.len() {
            if row == seqs.len() || seqs[row] != seqs[from] {
                changes.push(from..row);
                from = row;
            }
        }
        changes
    }

    /// Of each group in a change the first row.
    fn first_rows(&self, change: Range<usize>) -> Vec<usize> {
        let mut seen = HashSet::new();
        change.filter(|row| seen.insert(self.groups[*row])).collect()
    }
}

impl AggregateSpec {
    /// One group over all rows, which has a row before any input.
    fn is_global(&self) -> bool {
        self.group.is_empty() && self.window.is_none()
    }

    /// Whether a group without rows has a row of results: if it had rows, or began without.
    fn stays_empty(&self) -> bool {
        self.keeps_empty || self.is_global()
    }
}

impl Aggregate {
    /// Nothing touched yet.
    pub fn new(spec: AggregateSpec) -> Self {
        let (touched, touched_index) = (Vec::new(), HashMap::new());
        Self { spec, touched, touched_index, closed_upto: i64::MIN, started: false }
    }

    /// Rows that count: with a value, a whole group, and an open window.
    fn accept(&self, cx: &mut Cx<'_>, batch: RecordBatch) -> Result<(RecordBatch, Vec<ArrayRef>), ExecError> {
        let spec = &self.spec;
        let mut errors = Vec::new();
        let group = spec.group.iter().map(|expr| evaluate(expr, &batch, &mut errors));
        let group: Vec<ArrayRef> = group.collect::<Result<_, _>>()?;
        log_errors(cx, &spec.input, &batch, &errors, "row left out by a group that failed");
        let mut kept = vec![true; batch.num_rows()];
        for error in &errors {
            kept[error.row] = false;
        }
        if spec.input.changes != Changes::Retract {
            let ops = spec.input.ops(&batch).values();
            kept.iter_mut().zip(ops).for_each(|(kept, op)| *kept &= *op == OP_VALUE);
        }
        if spec.null_drops {
            for column in group.iter().filter(|column| 0 < column.null_count()) {
                kept.iter_mut().enumerate().for_each(|(row, kept)| *kept &= column.is_valid(row));
            }
        }
        let times = spec.input.times(&batch).values().to_vec();
        let clocks = match spec.own_time {
            true => self.own_clocks(cx, &times, &kept)?,
            false => spec.input.clocks(&batch).values().to_vec(),
        };
        if let Some(window) = spec.window {
            let closed = |row: usize| {
                StreamTime(Some(EventTime(clocks[row]))).has_reached(window.closes(window.start(times[row])))
            };
            let late: BooleanArray = kept.iter().enumerate().map(|(row, kept)| Some(*kept && closed(row))).collect();
            if 0 < late.true_count() {
                cx.side(Side::Late, &filter_record_batch(&batch, &late)?);
                kept.iter_mut().enumerate().for_each(|(row, kept)| *kept &= !late.value(row));
            }
        }
        if kept.iter().all(|kept| *kept) {
            return Ok((batch, group));
        }
        let kept = BooleanArray::from(kept);
        let group = group.iter().map(|column| filter(column, &kept)).collect::<Result<_, _>>()?;
        Ok((filter_record_batch(&batch, &kept)?, group))
    }

    /// The operator's own stream time at each row, which only kept rows move.
    fn own_clocks(&self, cx: &mut Cx<'_>, times: &[i64], kept: &[bool]) -> Result<Vec<i64>, ExecError> {
        let mut now = self.own_time(cx)?;
        let mut clocks = Vec::with_capacity(times.len());
        for (time, kept) in times.iter().zip(kept) {
            if *kept {
                now = now.advance(EventTime(*time));
            }
            clocks.push(now.0.map_or(i64::MIN, |time| time.0));
        }
        if let Some(EventTime(now)) = now.0 {
            cx.table(0).put(Bytes::from_static(OWN_TIME), now.to_be_bytes().to_vec())?;
        }
        Ok(clocks)
    }

    fn own_time(&self, cx: &mut Cx<'_>) -> Result<StreamTime, ExecError> {
        let stored = cx.table(0).get(OWN_TIME)?;
        Ok(match stored.as_deref().map(<[u8; 8]>::try_from) {
            None => StreamTime::default(),
            Some(Ok(bytes)) => StreamTime(Some(EventTime(i64::from_be_bytes(bytes)))),
            Some(Err(_)) => return Err(ExecError::InternalRecord("an operator's stream time")),
        })
    }

    fn incoming(&self, cx: &mut Cx<'_>, batch: RecordBatch) -> Result<Incoming, ExecError> {
        let spec = &self.spec;
        let (mut batch, group) = self.accept(cx, batch)?;
        let mut key_columns = group;
        if let Some(window) = spec.window {
            let starts = spec.input.times(&batch).values().iter().map(|time| window.start(*time));
            key_columns.insert(0, Arc::new(Int64Array::from_iter_values(starts)));
        }
        let mut row_keys = RowKeys::encode_rows(&key_columns, batch.num_rows())?;
        if row_keys.iter().any(|key| KEY_BYTES_MAX < key.len()) {
            batch = self.leave_out_long(cx, &batch, &mut row_keys)?;
        }
        let mut numbers: HashMap<Vec<u8>, usize> = HashMap::new();
        let (mut groups, mut keys) = (Vec::with_capacity(batch.num_rows()), Vec::new());
        for key in row_keys {
            let next = numbers.len();
            let number = *numbers.entry(key).or_insert_with_key(|key| {
                keys.push(Bytes::copy_from_slice(key));
                next
            });
            groups.push(number);
        }
        let states = keys.iter().map(|key| cx.table(0).get(key)).collect::<Result<Vec<_>, _>>()?;
        let mut errors = Vec::new();
        let (mut arguments, mut filters) = (Vec::new(), Vec::new());
        for call in &spec.calls {
            arguments.push(call.argument.as_ref().map(|expr| evaluate(expr, &batch, &mut errors)).transpose()?);
            filters.push(call.filter.as_ref().map(|expr| holds(expr, &batch, &mut errors)).transpose()?);
        }
        log_errors(cx, &spec.input, &batch, &errors, "value left out of an aggregate, it failed");
        let weights = (spec.input.changes == Changes::Retract).then(|| spec.input.weights(&batch).clone());
        Ok(Incoming { batch, groups, keys, states, arguments, filters, weights })
    }

    /// A group that state cannot hold is left out, as a key that failed is.
    fn leave_out_long(
        &self,
        cx: &mut Cx<'_>,
        batch: &RecordBatch,
        row_keys: &mut Vec<Vec<u8>>,
    ) -> Result<RecordBatch, ExecError> {
        let long = |key: &Vec<u8>| KEY_BYTES_MAX < key.len();
        let reason = |key: &Vec<u8>| format!("{} bytes are over the limit of {KEY_BYTES_MAX}", key.len());
        let long_rows = row_keys.iter().enumerate().filter(|(_, key)| long(key));
        let errors: Vec<RowError> = long_rows.map(|(row, key)| RowError { row, reason: reason(key) }).collect();
        log_errors(cx, &self.spec.input, batch, &errors, "row left out by a group that is too long");
        let kept: BooleanArray = row_keys.iter().map(|key| Some(!long(key))).collect();
        row_keys.retain(|key| !long(key));
        Ok(filter_record_batch(batch, &kept)?)
    }

    /// Notes the state that a group had at the last cut.
    fn touch(&mut self, cx: &mut Cx<'_>, key: &Bytes, before: &Option<Bytes>) {
        if !self.touched_index.contains_key(key) {
            self.touched_index.insert(key.clone(), self.touched.len());
            self.touched.push((key.clone(), before.clone()));
            cx.hold(key.len() * 2 + before.as_ref().map_or(0, Bytes::len) + 64);
        }
    }

    /// Rows into groups; under `emit = 'all'` each row's changes leave at once.
    fn apply(&mut self, cx: &mut Cx<'_>, incoming: &Incoming) -> Result<(), ExecError> {
        let mut groups = Groups::new(&self.spec.calls);
        for state in &incoming.states {
            groups.push(state.as_deref())?;
        }
        let readers = incoming.arguments.iter().map(|argument| match argument {
            Some(array) => Reader::new(array),
            None => Ok(Reader::Nothing),
        });
        let readers = readers.collect::<Result<Vec<_>, _>>()?;
        let times = self.spec.input.times(&incoming.batch).values();
        let each = self.spec.emit == EmitMode::All && !self.spec.emit_final;
        let mut rows = Rows::new(&self.spec, &groups);
        for change in incoming.changes(&self.spec.input) {
            // A group that loses a row and gets another one by one change has one change itself.
            let first_rows = if each { incoming.first_rows(change.clone()) } else { Vec::new() };
            for row in &first_rows {
                rows.before(&groups, incoming.groups[*row], *row, times[*row])?;
            }
            for row in change.clone() {
                let group = incoming.groups[row];
                let weight = incoming.weights.as_ref().map_or(1, |weights| weights.value(row));
                for (index, accumulator) in groups.accumulators.iter_mut().enumerate() {
                    if incoming.filters[index].as_ref().is_none_or(|filter| filter.value(row)) {
                        accumulator.add(group, &readers[index], row, weight)?;
                    }
                }
                groups.rows[group] += weight;
                groups.times[group] = groups.times[group].max(times[row]);
            }
            for row in first_rows {
                rows.after(&groups, incoming.groups[row], row)?;
            }
            for row in change {
                groups.forget_time_of_gone(incoming.groups[row], &self.spec);
            }
        }
        for (group, key) in incoming.keys.iter().enumerate() {
            if !each && !self.spec.emit_final {
                self.touch(cx, key, &incoming.states[group]);
            }
            match groups.rows[group] == 0 && !self.spec.stays_empty() {
                true => cx.table(0).delete(key.clone())?,
                false => cx.table(0).put(key.clone(), groups.state(group))?,
            }
        }
        if each {
            let batch = rows.per_row(&self.spec, incoming, cx)?;
            cx.emit(batch);
        }
        Ok(())
    }

    /// The first row of the one group over all rows.
    fn start(&mut self, cx: &mut Cx<'_>) -> Result<(), ExecError> {
        if self.started || !self.spec.is_global() || cx.partition() != 0 {
            return Ok(());
        }
        self.started = true;
        let key = Bytes::new();
        if cx.table(0).get(&key)?.is_some() {
            return Ok(());
        }
        let mut groups = Groups::new(&self.spec.calls);
        groups.push(None)?;
        groups.times[0] = cx.cut_time_micros().div_euclid(1000);
        cx.table(0).put(key.clone(), groups.state(0))?;
        self.touch(cx, &key, &None);
        if self.spec.emit == EmitMode::All {
            self.flush_touched(cx)?;
        }
        Ok(())
    }

    /// What changed since the last cut leaves.
    fn flush_touched(&mut self, cx: &mut Cx<'_>) -> Result<(), ExecError> {
        self.touched_index.clear();
        let touched = std::mem::take(&mut self.touched);
        self.emit_changes(cx, touched)
    }

    fn emit_changes(&self, cx: &mut Cx<'_>, touched: Vec<(Bytes, Option<Bytes>)>) -> Result<(), ExecError> {
        let mut changes = Vec::with_capacity(touched.len());
        for (key, before) in touched {
            let after = cx.table(0).get(&key)?;
            changes.push((key, before, after));
        }
        let batch = emit::changes(&self.spec, &changes, cx)?;
        cx.emit(batch);
        Ok(())
    }

    /// Windows that stream time has closed lose their state; under `EMIT FINAL` their rows leave.
    fn close(&mut self, cx: &mut Cx<'_>, window: Windows) -> Result<(), ExecError> {
        let now = if self.spec.own_time { self.own_time(cx)? } else { cx.stream_time() };
        let Some(EventTime(now)) = now.0 else { return Ok(()) };
        let last = window.start(now.saturating_sub(window.grace_ms)).saturating_sub(window.size_ms);
        if last <= self.closed_upto {
            return Ok(());
        }
        let bound: ArrayRef = Arc::new(Int64Array::from(vec![last.saturating_add(1)]));
        let bound = RowKeys::encode_row(&[bound], 0)?;
        let closed = cx.table(0).range(&[], Some(&bound)).collect::<Result<Vec<_>, _>>()?;
        if self.spec.emit_final {
            let mut leaving = closed.clone();
            if self.spec.forgets_jumped {
                leaving = not_forgotten(leaving, &self.spec.key, window, now)?;
            }
            let batch = emit::closed(&self.spec, &leaving, cx)?;
            cx.emit(batch);
        } else {
            let touched = self.touched.iter().filter(|(key, _)| key.as_ref() < bound.as_slice());
            let touched: Vec<_> = touched.cloned().collect();
            self.emit_changes(cx, touched)?;
            self.touched.retain(|(key, _)| bound.as_slice() <= key.as_ref());
            self.touched_index = self.touched.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
        }
        for (key, _) in closed {
            cx.table(0).delete(key)?;
        }
        self.closed_upto = last;
        Ok(())
    }
}

impl Step for Aggregate {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        self.start(cx)?;
        let incoming = self.incoming(cx, batch)?;
        if !incoming.groups.is_empty() {
            self.apply(cx, &incoming)?;
        }
        Ok(Progress::Done)
    }

    fn drained(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        self.start(cx)?;
        if let Some(window) = self.spec.window {
            self.close(cx, window)?;
        }
        Ok(Progress::Done)
    }

    fn flush(&mut self, cx: &mut Cx<'_>, _: CutId) -> Result<Progress, ExecError> {
        self.flush_touched(cx)?;
        Ok(Progress::Done)
    }
}

/// ksqlDB's windows that time did not jump over: its store forgets a window whose close lies before the newest one.
fn not_forgotten(
    closed: Vec<(Bytes, Bytes)>,
    schema: &SchemaRef,
    window: Windows,
    now: i64,
) -> Result<Vec<(Bytes, Bytes)>, ExecError> {
    let keys: Vec<&[u8]> = closed.iter().map(|(key, _)| key.as_ref()).collect();
    let keys = RowKeys::decode(&keys, schema)?;
    let starts = keys.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec();
    let kept = closed.into_iter().zip(starts).filter(|(_, start)| window.start(now) <= window.closes(*start));
    Ok(kept.map(|(closed, _)| closed).collect())
}

/// A window bound as the output column wants it.
fn bound_column(milliseconds: &ArrayRef, plus: i64, wanted: &DataType) -> Result<ArrayRef, ExecError> {
    let values = milliseconds.as_primitive::<arrow::datatypes::Int64Type>();
    Ok(match wanted {
        DataType::Timestamp(_, zone) => {
            let micros = values.values().iter().map(|value| value.saturating_add(plus).saturating_mul(1000));
            let array = arrow::array::TimestampMicrosecondArray::from_iter_values(micros);
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        _ => Arc::new(Int64Array::from_iter_values(values.values().iter().map(|value| value.saturating_add(plus)))),
    })
}
