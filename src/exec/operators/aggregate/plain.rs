//! Groups over all time, or per tumbling window: each has a state of its own.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::datatypes::Int64Type;
use bytes::Bytes;

use super::AggregateSpec;
use super::Tumbling;
use super::Windows;
use super::accumulate::Reader;
use super::counted;
use super::counted::Counted;
use super::emit;
use super::emit::Change;
use super::emit::Place;
use super::emit::Rows;
use super::forgotten::Forgotten;
use super::groups::Groups;
use super::groups::RowIn;
use super::intake::Accepted;
use super::intake::Keyed;
use super::intake::Values;
use super::touched::Touched;
use crate::catalog::EmitMode;
use crate::exec::Changes;
use crate::exec::CutId;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::format::RowKeys;
use crate::model::EventTime;
use crate::model::StreamTime;

/// See the file's head.
pub struct Aggregate {
    spec: AggregateSpec,
    window: Option<Tumbling>,
    touched: Touched,
    forgotten: Forgotten,
    /// Windows that start here or before are closed; only saves scans.
    closed_upto: i64,
    /// The one group over all rows has its first row.
    started: bool,
}

/// What the calls take of a batch.
struct Arguments<'a, 'v> {
    values: &'v Values,
    readers: &'a [Reader<'v>],
    counted: &'a Counted,
}

/// Runs of rows that one row of the input caused.
fn changes(input: &Layout, batch: &RecordBatch) -> Vec<Range<usize>> {
    let seqs = input.seqs(batch).values();
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

impl Aggregate {
    /// Nothing touched yet. The spec's windows are tumbling, or there are none.
    pub fn new(spec: AggregateSpec) -> Self {
        let window = match spec.window {
            Some(Windows::Tumbling(window)) => Some(window),
            Some(Windows::Hopping(_) | Windows::Session(_)) | None => None,
        };
        assert_eq!(window.is_some(), spec.window.is_some(), "windows that this operator keeps");
        let forgotten = Forgotten::new(spec.forgets_after_ms);
        Self { spec, window, touched: Touched::default(), forgotten, closed_upto: i64::MIN, started: false }
    }

    /// Rows that count, of which none is late, and the keys of their groups.
    fn incoming(&mut self, cx: &mut Cx<'_>, batch: RecordBatch) -> Result<(Accepted, Keyed), ExecError> {
        let spec = &self.spec;
        let mut accepted = spec.accept(cx, batch)?;
        if let Some(window) = self.window {
            self.forgotten.judge(&accepted.clocks, window.closes(0), |time| window.start(time));
            let times = spec.input.times(&accepted.batch).values();
            let closes = times.iter().map(|time| window.closes(window.start(*time)));
            let late = closes.zip(&accepted.clocks).map(|(at, now)| StreamTime(Some(EventTime(*now))).has_reached(at));
            let late: Vec<bool> = late.collect();
            accepted = accepted.on_time(cx, &late)?;
        }
        accepted.keyed(cx, spec, |accepted| {
            let starts = self.window.map(|window| -> ArrayRef {
                let times = spec.input.times(&accepted.batch).values();
                Arc::new(Int64Array::from_iter_values(times.iter().map(|time| window.start(*time))))
            });
            starts.into_iter().chain(accepted.group.iter().map(Arc::clone)).collect()
        })
    }

    /// Rows into groups; under `emit = 'all'` each row's changes leave at once.
    fn apply(&mut self, cx: &mut Cx<'_>, accepted: &Accepted, keyed: &Keyed) -> Result<(), ExecError> {
        let (batch, each) = (&accepted.batch, self.spec.emits_each());
        let states = keyed.keys.iter().map(|key| cx.table(0).get(key)).collect::<Result<Vec<_>, _>>()?;
        let mut groups = Groups::new(&self.spec.calls);
        for state in &states {
            groups.push(state.as_deref())?;
        }
        let values = self.spec.values(cx, batch)?;
        let readers = values.readers()?;
        let counted = Counted::new(cx, &self.spec, batch, &values, |row| keyed.keys[keyed.of_row[row]].len())?;
        let mut rows = Rows::new(&self.spec, &groups);
        if each || self.spec.input.changes == Changes::Retract || !counted.is_empty() {
            let arguments = Arguments { values: &values, readers: &readers, counted: &counted };
            self.add_in_order(cx, accepted, keyed, &arguments, &mut groups, &mut rows)?;
        } else {
            groups.add_all(&keyed.of_row, &values, &readers, self.spec.input.times(batch).values())?;
        }
        for (group, key) in keyed.keys.iter().enumerate() {
            if !each && !self.spec.emit_final {
                self.touched.note(cx, key, &states[group]);
            }
            match groups.rows[group] == 0 && !self.spec.stays_empty() {
                true => cx.table(0).delete(key.clone())?,
                false => cx.table(0).put(key.clone(), groups.state(group))?,
            }
        }
        if each {
            let rows = rows.per_row(&self.spec, batch, cx)?;
            cx.emit(rows);
        }
        Ok(())
    }

    /// Rows one after the other: each may change what the next one finds.
    fn add_in_order(
        &self,
        cx: &mut Cx<'_>,
        accepted: &Accepted,
        keyed: &Keyed,
        arguments: &Arguments<'_, '_>,
        groups: &mut Groups,
        rows: &mut Rows,
    ) -> Result<(), ExecError> {
        let (batch, each) = (&accepted.batch, self.spec.emits_each());
        let places: Vec<Place> = keyed.keys.iter().cloned().map(Place::of_key).collect();
        let times = self.spec.input.times(batch).values();
        let weights = (self.spec.input.changes == Changes::Retract).then(|| self.spec.input.weights(batch));
        for change in changes(&self.spec.input, batch) {
            // A group that loses a row and gets another one by one change has one change itself.
            let mut seen = HashSet::new();
            let first_rows: Vec<usize> = match each {
                true => change.clone().filter(|row| seen.insert(keyed.of_row[*row])).collect(),
                false => Vec::new(),
            };
            for row in &first_rows {
                let group = keyed.of_row[*row];
                rows.before(groups, group, &places[group], *row, times[*row])?;
            }
            for row in change.clone() {
                let weight = weights.map_or(1, |weights| weights.value(row));
                let row_in = RowIn { row, weight, time: times[row], arrival: 0 };
                let group = keyed.of_row[row];
                groups.add(group, arguments.values, arguments.readers, &row_in)?;
                let place = (group, &keyed.keys[group]);
                arguments.counted.add(cx, groups, place, arguments.readers, &row_in)?;
            }
            for row in first_rows {
                let group = keyed.of_row[row];
                rows.after(groups, group, &places[group], row)?;
            }
            for row in change {
                groups.forget_time_of_gone(keyed.of_row[row], &self.spec);
            }
        }
        Ok(())
    }

    /// The first row of the one group over all rows.
    fn start(&mut self, cx: &mut Cx<'_>) -> Result<(), ExecError> {
        if self.started || !self.spec.begins_empty() || cx.partition() != 0 {
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
        self.touched.note(cx, &key, &None);
        if self.spec.emit == EmitMode::All {
            let touched = self.touched.take();
            self.emit_changes(cx, touched)?;
        }
        Ok(())
    }

    fn emit_changes(&self, cx: &mut Cx<'_>, touched: Vec<(Bytes, Option<Bytes>)>) -> Result<(), ExecError> {
        let mut changes = Vec::with_capacity(touched.len());
        for (key, before) in touched {
            let after = cx.table(0).get(&key)?;
            changes.push(Change { place: Place::of_key(key), before, after });
        }
        let batch = emit::changes(&self.spec, &changes, cx)?;
        cx.emit(batch);
        Ok(())
    }

    /// Windows that stream time has closed lose their state; under `EMIT FINAL` their rows leave.
    fn close(&mut self, cx: &mut Cx<'_>, window: Tumbling) -> Result<(), ExecError> {
        let Some(now) = self.spec.now(cx)? else { return Ok(()) };
        let last = window.start(now.saturating_sub(window.grace_ms)).saturating_sub(window.size_ms);
        if last <= self.closed_upto {
            return Ok(());
        }
        let bound: ArrayRef = Arc::new(Int64Array::from(vec![last.saturating_add(1)]));
        let bound = RowKeys::encode_row(&[bound], 0)?;
        let closed = cx.table(0).front(&[], &bound)?.collect::<Result<Vec<_>, _>>()?;
        if self.spec.emit_final {
            let leaving = self.not_forgotten(&closed)?;
            self.forgotten.clear();
            let batch = emit::closed(&self.spec, &leaving, cx)?;
            cx.emit(batch);
        } else {
            let touched = self.touched.take_if(|key| key.as_ref() < bound.as_slice());
            self.emit_changes(cx, touched)?;
        }
        for (key, _) in closed {
            counted::forget(cx, &self.spec, &key)?;
            cx.table(0).delete(key)?;
        }
        self.closed_upto = last;
        Ok(())
    }

    /// Closed windows whose rows leave.
    fn not_forgotten(&self, closed: &[(Bytes, Bytes)]) -> Result<Vec<(Place, Bytes)>, ExecError> {
        let keys: Vec<&[u8]> = closed.iter().map(|(key, _)| key.as_ref()).collect();
        let keys = RowKeys::decode(&keys, &self.spec.key)?;
        let starts = keys.column(0).as_primitive::<Int64Type>().values();
        let kept = closed.iter().zip(starts).filter(|(_, start)| !self.forgotten.contains(**start));
        Ok(kept.map(|((key, state), _)| (Place::of_key(key.clone()), state.clone())).collect())
    }
}

impl Step for Aggregate {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        self.start(cx)?;
        let (accepted, keyed) = self.incoming(cx, batch)?;
        if !keyed.of_row.is_empty() {
            self.apply(cx, &accepted, &keyed)?;
        }
        Ok(Progress::Done)
    }

    fn drained(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        self.start(cx)?;
        if let Some(window) = self.window {
            self.close(cx, window)?;
        }
        Ok(Progress::Done)
    }

    fn flush(&mut self, cx: &mut Cx<'_>, _: CutId) -> Result<Progress, ExecError> {
        let touched = self.touched.take();
        self.emit_changes(cx, touched)?;
        Ok(Progress::Done)
    }
}
