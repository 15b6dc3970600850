//! Rows that leave an aggregate: per input row, per cut, or when a window closes.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::Int8Array;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::array::TimestampMicrosecondArray;
use arrow::array::UInt64Array;
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::datatypes::Int64Type;
use bytes::Bytes;

use super::AggregateSpec;
use super::Windows;
use super::groups::Groups;
use super::results::Results;
use crate::error::Error;
use crate::exec::Changes;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::layout::OP_NO_VALUE;
use crate::exec::layout::OP_VALUE;
use crate::exec::layout::SEQ_OF_NO_RECORD;
use crate::exec::output::LogEntry;
use crate::format::RowKeys;

/// Rows that leave in one batch, about.
pub(super) const BATCH_ROWS: usize = 8_192;

/// Which row of results: the bytes of its group, and the bounds of its window where the bytes do not tell them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The window's start and end, of a hopping window or a session.
    pub bounds: (i64, i64),
    /// The group, of a tumbling window behind its start.
    pub key: Bytes,
}

impl Place {
    /// A group whose key says all.
    pub(super) fn of_key(key: Bytes) -> Self {
        Self { bounds: (0, 0), key }
    }
}

/// A row of results that changed: its state at the last cut and now.
pub(super) struct Change {
    pub place: Place,
    pub before: Option<Bytes>,
    pub after: Option<Bytes>,
}

/// Rows as they will leave: results, and per row its place, its change and where its system columns come from.
pub(super) struct Rows {
    results: Vec<Results>,
    retracts: bool,
    /// A group that has no rows any more keeps its row of results.
    stays_empty: bool,
    places: Vec<Place>,
    from: Vec<usize>,
    /// Weight on a retract edge, else op.
    change: Vec<i64>,
    times: Vec<i64>,
}

impl Rows {
    /// No rows yet.
    pub(super) fn new(spec: &AggregateSpec, groups: &Groups) -> Self {
        Self {
            results: groups.results(),
            retracts: spec.output.changes == Changes::Retract,
            stays_empty: spec.stays_empty(),
            places: Vec::new(),
            from: Vec::new(),
            change: Vec::new(),
            times: Vec::new(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the row that a new one replaces leaves before it.
    pub(super) fn retracts(&self) -> bool {
        self.retracts
    }

    fn push_at(
        &mut self,
        groups: &Groups,
        group: usize,
        place: &Place,
        from: usize,
        change: i64,
        time: i64,
    ) -> Result<(), ExecError> {
        groups.result(group, &mut self.results)?;
        self.places.push(place.clone());
        self.from.push(from);
        self.change.push(change);
        self.times.push(time);
        Ok(())
    }

    /// The group as it is before row `row`: on a retract edge it is taken back, at the time of what takes it back.
    pub(super) fn before(
        &mut self,
        groups: &Groups,
        group: usize,
        place: &Place,
        row: usize,
        time: i64,
    ) -> Result<(), ExecError> {
        let is_there = if self.stays_empty { groups.has_begun(group) } else { 0 < groups.rows[group] };
        if self.retracts && is_there {
            return self.push_at(groups, group, place, row, -1, groups.times[group].max(time));
        }
        Ok(())
    }

    /// The group as it is after row `row`.
    pub(super) fn after(&mut self, groups: &Groups, group: usize, place: &Place, row: usize) -> Result<(), ExecError> {
        let gone = groups.rows[group] == 0 && !self.stays_empty;
        match (self.retracts, gone) {
            (true, true) => Ok(()),
            (false, true) => self.gone(groups, group, place, row),
            (_, false) => self.is(groups, group, place, row),
        }
    }

    /// The group has this row of results.
    pub(super) fn is(&mut self, groups: &Groups, group: usize, place: &Place, from: usize) -> Result<(), ExecError> {
        let change = if self.retracts { 1 } else { i64::from(OP_VALUE) };
        self.push_at(groups, group, place, from, change, groups.times[group])
    }

    /// The row of results that the group had is taken away, at its own time.
    pub(super) fn gone(&mut self, groups: &Groups, group: usize, place: &Place, from: usize) -> Result<(), ExecError> {
        let change = if self.retracts { -1 } else { i64::from(OP_NO_VALUE) };
        self.push_at(groups, group, place, from, change, groups.times[group])
    }

    /// The rows of a batch's input rows, with their clock and place.
    pub(super) fn per_row(
        self,
        spec: &AggregateSpec,
        batch: &RecordBatch,
        cx: &mut Cx<'_>,
    ) -> Result<RecordBatch, ExecError> {
        let rows = UInt64Array::from_iter_values(self.from.iter().map(|row| *row as u64));
        let users = spec.input.users();
        let clocks = take(batch.column(users + 1), &rows, None)?;
        let seqs = take(batch.column(users + 2), &rows, None)?;
        self.finish(spec, clocks, seqs, cx)
    }

    /// The columns of the group and the bounds of its window.
    fn head(&self, spec: &AggregateSpec) -> Result<Vec<ArrayRef>, ExecError> {
        let keys: Vec<&[u8]> = self.places.iter().map(|place| place.key.as_ref()).collect();
        let mut columns = match spec.key.fields().is_empty() {
            true => Vec::new(),
            false => RowKeys::decode(&keys, &spec.key)?.columns().to_vec(),
        };
        let (starts, ends): (Vec<i64>, Vec<i64>) = match spec.window {
            None => return Ok(columns),
            Some(Windows::Tumbling(window)) => {
                let starts = columns.remove(0);
                let starts = starts.as_primitive::<Int64Type>().values();
                starts.iter().map(|start| (*start, start.saturating_add(window.size_ms))).unzip()
            }
            Some(Windows::Hopping(_) | Windows::Session(_)) => self.places.iter().map(|place| place.bounds).unzip(),
        };
        for bounds in [starts, ends] {
            let wanted = spec.output.schema.field(columns.len()).data_type();
            columns.push(bound_column(bounds, wanted));
        }
        Ok(columns)
    }

    fn finish(
        self,
        spec: &AggregateSpec,
        clocks: ArrayRef,
        seqs: ArrayRef,
        cx: &mut Cx<'_>,
    ) -> Result<RecordBatch, ExecError> {
        let mut columns = self.head(spec)?;
        for results in self.results {
            for (row, overflow) in &results.overflows {
                // What is taken back was told when it was given.
                if !self.retracts || 0 < self.change[*row] {
                    let message = format!("result set to null: {}", Error::from(overflow.clone()).message());
                    let (operator, event_time) = (cx.operator().clone(), self.times[*row]);
                    cx.output().log(LogEntry { operator, message, event_time });
                }
            }
            columns.push(results.finish()?);
        }
        columns.extend([Arc::new(Int64Array::from(self.times)) as ArrayRef, clocks, seqs]);
        columns.push(match self.retracts {
            true => Arc::new(Int64Array::from(self.change)),
            false => Arc::new(Int8Array::from_iter_values(self.change.iter().map(|op| *op as i8))),
        });
        Ok(RecordBatch::try_new(Arc::clone(&spec.output.schema), columns)?)
    }

    /// The rows with the task's clock, in the order in which they were pushed.
    pub(super) fn timed(self, spec: &AggregateSpec, cx: &mut Cx<'_>) -> Result<RecordBatch, ExecError> {
        let clock = cx.stream_time().0.map_or(0, |time| time.0);
        let clocks = Arc::new(Int64Array::from(vec![clock; self.len()]));
        // A change's two rows share a place, so that a sink under `emit = 'all'` sees them as one change.
        let seqs = self.from.iter().map(|from| SEQ_OF_NO_RECORD + *from as i64);
        let seqs = Arc::new(Int64Array::from_iter_values(seqs));
        self.finish(spec, clocks, seqs, cx)
    }
}

/// Window bounds as the output column wants them.
fn bound_column(milliseconds: Vec<i64>, wanted: &DataType) -> ArrayRef {
    match wanted {
        DataType::Timestamp(_, zone) => {
            let micros = milliseconds.iter().map(|value| value.saturating_mul(1000));
            Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone_opt(zone.clone()))
        }
        _ => Arc::new(Int64Array::from(milliseconds)),
    }
}

/// One change per row of results.
pub(super) fn changes(spec: &AggregateSpec, changes: &[Change], cx: &mut Cx<'_>) -> Result<RecordBatch, ExecError> {
    let mut groups = Groups::new(&spec.calls);
    let mut rows = Rows::new(spec, &groups);
    for (index, Change { place, before, after }) in changes.iter().enumerate() {
        groups.push(before.as_deref())?;
        groups.push(after.as_deref())?;
        let (old, new) = (index * 2, index * 2 + 1);
        if rows.retracts && before.is_some() {
            let time = if after.is_some() { groups.times[new] } else { groups.times[old] };
            rows.push_at(&groups, old, place, index, -1, time)?;
        }
        match (after, before) {
            (Some(_), _) => rows.is(&groups, new, place, index)?,
            (None, Some(_)) if !rows.retracts => rows.gone(&groups, old, place, index)?,
            (None, _) => {}
        }
    }
    rows.timed(spec, cx)
}

/// The last rows of windows that closed.
pub(super) fn closed(
    spec: &AggregateSpec,
    closed: &[(Place, Bytes)],
    cx: &mut Cx<'_>,
) -> Result<RecordBatch, ExecError> {
    let mut groups = Groups::new(&spec.calls);
    let mut rows = Rows::new(spec, &groups);
    for (index, (place, state)) in closed.iter().enumerate() {
        groups.push(Some(state))?;
        rows.is(&groups, index, place, index)?;
    }
    rows.timed(spec, cx)
}
