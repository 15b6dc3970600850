//! Session windows: one state per session, whose rows follow each other without more than a gap.
//!
//! A row takes in every open session of its group no more than a gap away; the new session takes their place. A timer stands
//! at the end that a session had when it began: once a session with that end has closed, the group is looked at.
//!
//! Invariants:
//!   * open sessions of a group lie more than a gap apart
//!   * each session has a timer of its group at its end or before
//!   * a session that stream time has closed takes no row, even before its state is gone

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use bytes::Bytes;

use super::AggregateSpec;
use super::Session;
use super::Windows;
use super::emit;
use super::emit::Change;
use super::emit::Place;
use super::emit::Rows;
use super::groups::Groups;
use super::groups::RowIn;
use super::intake::Accepted;
use super::intake::Keyed;
use super::keys;
use super::touched::Touched;
use crate::exec::CutId;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Progress;
use crate::exec::Side;
use crate::exec::Step;
use crate::model::EventTime;
use crate::model::StreamTime;

/// See the file's head.
pub struct SessionAggregate {
    spec: AggregateSpec,
    window: Session,
    touched: Touched,
    /// Sessions that end before this are closed; only saves scans.
    closed_before: i64,
}

/// A session that a batch works on.
struct Open {
    end: i64,
    start: i64,
    /// Its number in `Groups`.
    number: usize,
    /// A timer of its group stands at its end or before.
    is_timed: bool,
    changed: bool,
}

/// The sessions of a group near the rows of a batch.
struct Near {
    key: Bytes,
    /// By end. Those that are still open lie apart, so by start too.
    open: Vec<Open>,
    /// What the state table holds: end and start, and the state.
    stored: HashMap<(i64, i64), Bytes>,
    /// What is to leave the state table.
    gone: Vec<(i64, i64)>,
}

impl SessionAggregate {
    /// Nothing touched yet.
    pub fn new(spec: AggregateSpec, window: Session) -> Self {
        assert_eq!(spec.window, Some(Windows::Session(window)), "the windows that are kept are those that are emitted");
        Self { spec, window, touched: Touched::default(), closed_before: i64::MIN }
    }

    /// Rows into sessions; under `emit = 'all'` each row's changes leave at once.
    fn apply(&mut self, cx: &mut Cx<'_>, accepted: Accepted) -> Result<(), ExecError> {
        let (accepted, keyed) =
            accepted.keyed(cx, &self.spec, |accepted| accepted.group.iter().map(Arc::clone).collect())?;
        let (batch, clocks) = (&accepted.batch, &accepted.clocks);
        let times = self.spec.input.times(batch).values();
        let values = self.spec.values(cx, batch)?;
        let readers = values.readers()?;
        let first_arrival = self.spec.first_arrival(cx, times.len())?;
        let mut groups = Groups::new(&self.spec.calls);
        let mut near = self.near(cx, &keyed, times, clocks, &mut groups)?;
        let mut out = Rows::new(&self.spec, &groups);
        let mut late = vec![false; times.len()];
        for row in 0..times.len() {
            let (near, time) = (&mut near[keyed.of_row[row]], times[row]);
            let open_from = self.window.open_from(clocks[row]);
            let joined = near.around(time, self.window.gap_ms, open_from);
            late[row] =
                joined.is_empty() && StreamTime(Some(EventTime(clocks[row]))).has_reached(self.window.closes(time));
            if late[row] {
                continue;
            }
            if self.spec.emits_each() {
                self.take_away(near, joined.clone(), &groups, &mut out, (row, time))?;
            }
            let at = near.join(joined, time, &mut groups)?;
            let row_in = RowIn { row, weight: 1, time, arrival: first_arrival + row as i64 };
            groups.add(near.open[at].number, &values, &readers, &row_in)?;
            if self.spec.emits_each() {
                out.after(&groups, near.open[at].number, &near.place(at), row)?;
            }
        }
        if late.contains(&true) {
            cx.side(Side::Late, &filter_record_batch(batch, &BooleanArray::from(late))?)?;
        }
        for near in near {
            self.put(cx, &groups, near)?;
        }
        let batch = out.per_row(&self.spec, batch, cx)?;
        cx.emit(batch);
        Ok(())
    }

    /// The sessions that rows of a batch may join, by group.
    fn near(
        &self,
        cx: &mut Cx<'_>,
        keyed: &Keyed,
        times: &[i64],
        clocks: &[i64],
        groups: &mut Groups,
    ) -> Result<Vec<Near>, ExecError> {
        let mut spans: Vec<(i64, i64)> = vec![(i64::MAX, i64::MIN); keyed.keys.len()];
        for (row, group) in keyed.of_row.iter().enumerate() {
            let (least, greatest) = &mut spans[*group];
            let from = times[row].saturating_sub(self.window.gap_ms).max(self.window.open_from(clocks[row]));
            *least = from.min(*least);
            *greatest = times[row].saturating_add(self.window.gap_ms).max(*greatest);
        }
        let mut all = Vec::with_capacity(spans.len());
        for (key, (from, to)) in keyed.keys.iter().zip(spans) {
            let mut near = Near { key: key.clone(), open: Vec::new(), stored: HashMap::new(), gone: Vec::new() };
            let (from, end) = (keys::entry(key, &[from]), keys::end(key));
            for found in cx.table(0).range_of_group(&from, &end, &end)? {
                let (found, state) = found?;
                let (end, start) = keys::end_and_start(&found)?;
                if to < start {
                    break;
                }
                let number = groups.rows.len();
                groups.push(Some(&state))?;
                near.open.push(Open { end, start, number, is_timed: true, changed: false });
                near.stored.insert((end, start), state);
            }
            all.push(near);
        }
        Ok(all)
    }

    /// Sessions that a row is about to join leave as they were.
    fn take_away(
        &self,
        near: &Near,
        joined: Range<usize>,
        groups: &Groups,
        out: &mut Rows,
        (row, time): (usize, i64),
    ) -> Result<(), ExecError> {
        let is_alone = joined.len() == 1;
        for at in joined {
            let Open { end, start, number, .. } = near.open[at];
            let stays = is_alone && start <= time && time <= end;
            let is_restated = self.spec.restates_sessions && start < end;
            match stays && (out.retracts() || !is_restated) {
                true => out.before(groups, number, &near.place(at), row, time)?,
                false => out.gone(groups, number, &near.place(at), row)?,
            }
        }
        Ok(())
    }

    fn put(&mut self, cx: &mut Cx<'_>, groups: &Groups, near: Near) -> Result<(), ExecError> {
        let notes = !self.spec.emits_each() && !self.spec.emit_final;
        for (end, start) in &near.gone {
            let key = keys::entry(&near.key, &[*end, *start]);
            if notes {
                self.touched.note(cx, &key, &near.stored.get(&(*end, *start)).cloned());
            }
            cx.table(0).delete(key)?;
        }
        for Open { end, start, number, is_timed, .. } in near.open.iter().filter(|session| session.changed) {
            let key = keys::entry(&near.key, &[*end, *start]);
            if notes {
                self.touched.note(cx, &key, &near.stored.get(&(*end, *start)).cloned());
            }
            cx.table(0).put(key, groups.state(*number))?;
            if !is_timed {
                cx.table(0).put(keys::timer(*end, &near.key), Bytes::new())?;
            }
        }
        Ok(())
    }

    fn emit_changes(&self, cx: &mut Cx<'_>, touched: Vec<(Bytes, Option<Bytes>)>) -> Result<(), ExecError> {
        let mut changes = Vec::with_capacity(touched.len());
        for (key, before) in touched {
            let after = cx.table(0).get(&key)?;
            changes.push(Change { place: place_of(&key)?, before, after });
        }
        let batch = emit::changes(&self.spec, &changes, cx)?;
        cx.emit(batch);
        Ok(())
    }

    /// Sessions that stream time has closed lose their state; under `EMIT FINAL` their rows leave.
    fn close(&mut self, cx: &mut Cx<'_>, now: i64) -> Result<(), ExecError> {
        let bound = self.window.open_from(now);
        if bound <= self.closed_before {
            return Ok(());
        }
        let is_closed = |key: &Bytes| keys::end_and_start(key).is_ok_and(|(end, _)| end < bound);
        let touched = self.touched.take_if(is_closed);
        self.emit_changes(cx, touched)?;
        let timers = keys::timer(bound, &[]);
        let fired = cx.table(0).front(keys::FIRST_TIMER, &timers)?.collect::<Result<Vec<_>, _>>()?;
        let mut due: BTreeSet<Bytes> = BTreeSet::new();
        for (key, _) in fired {
            due.insert(keys::of_timer(&key)?.1);
            cx.table(0).delete(key)?;
        }
        let mut leaving: Vec<(Place, Bytes)> = Vec::new();
        for group in due {
            let [first, open, end] = [i64::MIN, bound, i64::MAX].map(|time| keys::entry(&group, &[time]));
            let closed = cx.table(0).range_of_group(&first, &open, &end)?.collect::<Result<Vec<_>, _>>()?;
            for (key, state) in closed {
                if self.spec.emit_final {
                    leaving.push((place_of(&key)?, state));
                }
                cx.table(0).delete(key)?;
            }
            let next = cx.table(0).range_of_group(&open, &end, &end)?.next().transpose()?;
            if let Some((key, _)) = next {
                let (end, _) = keys::end_and_start(&key)?;
                cx.table(0).put(keys::timer(end, &group), Bytes::new())?;
            }
        }
        // The order in which they would close one by one.
        leaving.sort_by(|(one, _), (other, _)| {
            (one.bounds.1, one.bounds.0, &one.key).cmp(&(other.bounds.1, other.bounds.0, &other.key))
        });
        let batch = emit::closed(&self.spec, &leaving, cx)?;
        cx.emit(batch);
        self.closed_before = bound;
        Ok(())
    }
}

fn place_of(key: &Bytes) -> Result<Place, ExecError> {
    let (end, start) = keys::end_and_start(key)?;
    Ok(Place { key: keys::group(key, 2), bounds: (start, end) })
}

impl Near {
    /// The open sessions that a row at `time` joins.
    fn around(&self, time: i64, gap_ms: i64, open_from: i64) -> Range<usize> {
        let least_end = time.saturating_sub(gap_ms).max(open_from);
        let first = self.open.partition_point(|session| session.end < least_end);
        let latest = time.saturating_add(gap_ms);
        let count = self.open[first..].iter().take_while(|session| session.start <= latest).count();
        first..first + count
    }

    /// One session in place of those that a row at `time` joins. Answers its place.
    fn join(&mut self, joined: Range<usize>, time: i64, groups: &mut Groups) -> Result<usize, ExecError> {
        let at = joined.start;
        let mut whole = Open { end: time, start: time, number: groups.rows.len(), is_timed: false, changed: true };
        for session in &self.open[joined.clone()] {
            whole.end = whole.end.max(session.end);
            whole.start = whole.start.min(session.start);
            whole.is_timed |= session.is_timed;
        }
        match self.open.get(at).filter(|_| !joined.is_empty()) {
            None => groups.push(None)?,
            Some(first) => whole.number = first.number,
        }
        for session in &self.open[joined.clone()] {
            let bounds = (session.end, session.start);
            if bounds != (whole.end, whole.start) && self.stored.contains_key(&bounds) {
                self.gone.push(bounds);
            }
            if session.number != whole.number {
                groups.merge_within(whole.number, session.number)?;
            }
        }
        self.open.splice(joined, [whole]);
        Ok(at)
    }

    fn place(&self, at: usize) -> Place {
        Place { key: self.key.clone(), bounds: (self.open[at].start, self.open[at].end) }
    }
}

impl Step for SessionAggregate {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let accepted = self.spec.accept(cx, batch)?;
        if !accepted.clocks.is_empty() {
            self.apply(cx, accepted)?;
        }
        Ok(Progress::Done)
    }

    fn drained(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        if let Some(now) = self.spec.now(cx)? {
            self.close(cx, now)?;
        }
        Ok(Progress::Done)
    }

    fn flush(&mut self, cx: &mut Cx<'_>, _: CutId) -> Result<Progress, ExecError> {
        let touched = self.touched.take();
        self.emit_changes(cx, touched).map(|()| Progress::Done)
    }
}
