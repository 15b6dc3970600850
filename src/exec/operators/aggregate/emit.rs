//! Rows that leave an aggregate: per input row, per cut, or when a window closes.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int8Array;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::array::UInt64Array;
use arrow::compute::take;
use bytes::Bytes;

use super::AggregateSpec;
use super::Incoming;
use super::bound_column;
use super::groups::Groups;
use super::results::Results;
use crate::error::Error;
use crate::exec::Changes;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::layout::OP_NO_VALUE;
use crate::exec::layout::OP_VALUE;
use crate::exec::output::LogEntry;
use crate::format::RowKeys;

/// A group that changed: its key, its state at the last cut, its state now.
pub(super) type Change = (Bytes, Option<Bytes>, Option<Bytes>);

/// Rows as they will leave: results, and per row its key, its change and where its system columns come from.
pub(super) struct Rows {
    results: Vec<Results>,
    retracts: bool,
    /// A group that has no rows any more keeps its row of results.
    stays_empty: bool,
    groups: Vec<usize>,
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
            groups: Vec::new(),
            from: Vec::new(),
            change: Vec::new(),
            times: Vec::new(),
        }
    }

    fn push(&mut self, groups: &Groups, group: usize, from: usize, change: i64) -> Result<(), ExecError> {
        self.push_at(groups, group, from, change, groups.times[group])
    }

    fn push_at(&mut self, groups: &Groups, group: usize, from: usize, change: i64, time: i64) -> Result<(), ExecError> {
        groups.result(group, &mut self.results)?;
        self.groups.push(group);
        self.from.push(from);
        self.change.push(change);
        self.times.push(time);
        Ok(())
    }

    /// The group as it is before row `row`: on a retract edge it is taken back, at the time of what takes it back.
    pub(super) fn before(&mut self, groups: &Groups, group: usize, row: usize, time: i64) -> Result<(), ExecError> {
        let is_there = if self.stays_empty { groups.has_begun(group) } else { 0 < groups.rows[group] };
        if self.retracts && is_there {
            return self.push_at(groups, group, row, -1, groups.times[group].max(time));
        }
        Ok(())
    }

    /// The group as it is after row `row`.
    pub(super) fn after(&mut self, groups: &Groups, group: usize, row: usize) -> Result<(), ExecError> {
        match (self.retracts, groups.rows[group] == 0 && !self.stays_empty) {
            (true, true) => Ok(()),
            (true, false) => self.push(groups, group, row, 1),
            (false, gone) => self.push(groups, group, row, i64::from(if gone { OP_NO_VALUE } else { OP_VALUE })),
        }
    }

    /// The rows of a batch's input rows, with their clock and place.
    pub(super) fn per_row(
        self,
        spec: &AggregateSpec,
        incoming: &Incoming,
        cx: &mut Cx<'_>,
    ) -> Result<RecordBatch, ExecError> {
        let rows = UInt64Array::from_iter_values(self.from.iter().map(|row| *row as u64));
        let users = spec.input.users();
        let clocks = take(incoming.batch.column(users + 1), &rows, None)?;
        let seqs = take(incoming.batch.column(users + 2), &rows, None)?;
        self.finish(spec, &incoming.keys, clocks, seqs, cx)
    }

    fn finish(
        self,
        spec: &AggregateSpec,
        keys: &[Bytes],
        clocks: ArrayRef,
        seqs: ArrayRef,
        cx: &mut Cx<'_>,
    ) -> Result<RecordBatch, ExecError> {
        let keys: Vec<&[u8]> = self.groups.iter().map(|group| keys[*group].as_ref()).collect();
        let mut columns = match spec.key.fields().is_empty() {
            true => Vec::new(),
            false => RowKeys::decode(&keys, &spec.key)?.columns().to_vec(),
        };
        if let Some(window) = spec.window {
            let start = columns.remove(0);
            let at = columns.len();
            columns.push(bound_column(&start, 0, spec.output.schema.field(at).data_type())?);
            columns.push(bound_column(&start, window.size_ms, spec.output.schema.field(at + 1).data_type())?);
        }
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
    fn timed(self, spec: &AggregateSpec, keys: &[Bytes], cx: &mut Cx<'_>) -> Result<RecordBatch, ExecError> {
        let count = self.groups.len();
        let clock = cx.stream_time().0.map_or(0, |time| time.0);
        let clocks = Arc::new(Int64Array::from(vec![clock; count]));
        // A change's two rows share a place, so that a sink under `emit = 'all'` sees them as one change.
        let seqs = Arc::new(Int64Array::from_iter_values(self.from.iter().map(|from| *from as i64)));
        self.finish(spec, keys, clocks, seqs, cx)
    }
}

/// One change per group.
pub(super) fn changes(spec: &AggregateSpec, changes: &[Change], cx: &mut Cx<'_>) -> Result<RecordBatch, ExecError> {
    let mut groups = Groups::new(&spec.calls);
    let mut rows = Rows::new(spec, &groups);
    let keys: Vec<Bytes> = changes.iter().flat_map(|(key, ..)| [key.clone(), key.clone()]).collect();
    for (index, (_, before, after)) in changes.iter().enumerate() {
        groups.push(before.as_deref())?;
        groups.push(after.as_deref())?;
        let (old, new) = (index * 2, index * 2 + 1);
        if rows.retracts && before.is_some() {
            let time = if after.is_some() { groups.times[new] } else { groups.times[old] };
            rows.push_at(&groups, old, index, -1, time)?;
        }
        match (after, before) {
            (Some(_), _) if rows.retracts => rows.push(&groups, new, index, 1)?,
            (Some(_), _) => rows.push(&groups, new, index, i64::from(OP_VALUE))?,
            (None, Some(_)) if !rows.retracts => rows.push(&groups, old, index, i64::from(OP_NO_VALUE))?,
            (None, _) => {}
        }
    }
    rows.timed(spec, &keys, cx)
}

/// The last rows of windows that closed.
pub(super) fn closed(
    spec: &AggregateSpec,
    closed: &[(Bytes, Bytes)],
    cx: &mut Cx<'_>,
) -> Result<RecordBatch, ExecError> {
    let mut groups = Groups::new(&spec.calls);
    let mut rows = Rows::new(spec, &groups);
    let keys: Vec<Bytes> = closed.iter().map(|(key, _)| key.clone()).collect();
    for (index, (_, state)) in closed.iter().enumerate() {
        groups.push(Some(state))?;
        rows.push(&groups, index, index, if rows.retracts { 1 } else { i64::from(OP_VALUE) })?;
    }
    rows.timed(spec, &keys, cx)
}
