//! Hopping windows: one state per group and pane, windows merged from them.
//!
//! A timer stands at the start of a window: once that window has closed, the group is looked at. Without `EMIT FINAL` a pane
//! has a timer at its last window, which takes it away; with it there is one at a group's next window that is to leave, too.
//!
//! Invariants:
//!   * a pane stays until its last window has closed
//!   * no timer of a group stands behind what is to be done for it, and a window that has left has none before or at it
//!   * a row that comes after a window closed changes it no more, even if both are of one round: windows close first

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;

use super::AggregateSpec;
use super::Hopping;
use super::Windows;
use super::emit::BATCH_ROWS;
use super::emit::Place;
use super::emit::Rows;
use super::forgotten::Forgotten;
use super::groups::Groups;
use super::groups::RowIn;
use super::intake::Accepted;
use super::intake::Keyed;
use super::intake::Values;
use super::keys;
use super::panes;
use super::panes::Pane;
use super::touched::Touched;
use crate::exec::CutId;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Progress;
use crate::exec::Step;
use crate::model::EventTime;
use crate::model::StreamTime;

/// See the file's head.
pub struct HoppingAggregate {
    spec: AggregateSpec,
    window: Hopping,
    touched: Touched,
    /// The groups of what is touched.
    touched_groups: HashSet<Bytes>,
    forgotten: Forgotten,
    /// Windows that start here or before are closed.
    closed_upto: i64,
}

/// What a window that will leave at the cut is counted as, in bytes, before it is made.
const WINDOW_BYTES: usize = 128;

/// A batch's rows, and what is theirs.
struct Incoming {
    accepted: Accepted,
    keyed: Keyed,
    values: Values,
    first_arrival: i64,
}

/// The panes that a batch works on, by group.
struct Working {
    groups: Groups,
    /// By number of a group: pane to place in `slots` and `groups`.
    panes: Vec<BTreeMap<i64, usize>>,
    slots: Vec<Slot>,
}

struct Slot {
    key: Bytes,
    group: usize,
    pane: i64,
    before: Option<Bytes>,
    changed: bool,
}

impl HoppingAggregate {
    /// Nothing touched yet.
    pub fn new(spec: AggregateSpec, window: Hopping) -> Self {
        assert_eq!(spec.window, Some(Windows::Hopping(window)), "the windows that are kept are those that are emitted");
        let forgotten = Forgotten::new(spec.forgets_after_ms);
        let (touched, touched_groups) = (Touched::default(), HashSet::new());
        Self { spec, window, touched, touched_groups, forgotten, closed_upto: i64::MIN }
    }

    fn incoming(&mut self, cx: &mut Cx<'_>, batch: RecordBatch) -> Result<Incoming, ExecError> {
        let (spec, window) = (&self.spec, self.window);
        let accepted = spec.accept(cx, batch)?;
        self.forgotten.judge(&accepted.clocks, window.closes(0), |time| window.last_start(time));
        let times = spec.input.times(&accepted.batch).values();
        let closes = times.iter().map(|time| self.window.closes(self.window.last_start(*time)));
        let late = closes.zip(&accepted.clocks).map(|(at, now)| StreamTime(Some(EventTime(*now))).has_reached(at));
        let late: Vec<bool> = late.collect();
        let accepted = accepted.on_time(cx, &late)?;
        let (accepted, keyed) = accepted.keyed(cx, spec, |accepted| accepted.group.iter().map(Arc::clone).collect())?;
        let values = spec.values(cx, &accepted.batch)?;
        let first_arrival = spec.first_arrival(cx, accepted.batch.num_rows())?;
        Ok(Incoming { accepted, keyed, values, first_arrival })
    }

    /// Rows into panes. Before a row that is late for some of its windows, these close.
    fn take_in(&mut self, cx: &mut Cx<'_>, incoming: &Incoming) -> Result<(), ExecError> {
        let times = self.spec.input.times(&incoming.accepted.batch).values();
        let mut from = 0;
        if !self.spec.emits_each() {
            for row in 0..times.len() {
                let clock = incoming.accepted.clocks[row];
                let closed = self.window.last_closed(clock);
                if self.window.first_start(times[row]) <= closed && self.closed_upto < closed {
                    self.apply(cx, incoming, from..row)?;
                    self.close(cx, clock)?;
                    from = row;
                }
            }
        }
        self.apply(cx, incoming, from..times.len())
    }

    fn apply(&mut self, cx: &mut Cx<'_>, incoming: &Incoming, rows: Range<usize>) -> Result<(), ExecError> {
        if rows.is_empty() {
            return Ok(());
        }
        let each = self.spec.emits_each();
        let times = self.spec.input.times(&incoming.accepted.batch).values();
        let mut working = self.working(cx, incoming, rows.clone())?;
        let readers = incoming.values.readers()?;
        let mut out = Rows::new(&self.spec, &working.groups);
        for row in rows {
            let group = incoming.keyed.of_row[row];
            let slot = working.panes[group][&self.window.pane(times[row])];
            let starts = if each { self.open_windows(times[row], incoming.accepted.clocks[row]) } else { Vec::new() };
            let key = &incoming.keyed.keys[group];
            if out.retracts() {
                self.windows_of_row(&working, group, key, &starts, |merged, window, place| {
                    out.before(merged, window, place, row, times[row])
                })?;
            }
            let arrival = incoming.first_arrival + row as i64;
            let row_in = RowIn { row, weight: 1, time: times[row], arrival };
            working.groups.add(slot, &incoming.values, &readers, &row_in)?;
            working.slots[slot].changed = true;
            self.windows_of_row(&working, group, key, &starts, |merged, window, place| {
                out.after(merged, window, place, row)
            })?;
        }
        self.put(cx, incoming, &working)?;
        let batch = out.per_row(&self.spec, &incoming.accepted.batch, cx)?;
        cx.emit(batch);
        Ok(())
    }

    /// The panes of the rows; where each row gives its windows, all panes of these too.
    fn working(&self, cx: &mut Cx<'_>, incoming: &Incoming, rows: Range<usize>) -> Result<Working, ExecError> {
        let keys = &incoming.keyed.keys;
        let mut working = Working {
            groups: Groups::new(&self.spec.calls),
            panes: vec![BTreeMap::new(); keys.len()],
            slots: Vec::new(),
        };
        let times = self.spec.input.times(&incoming.accepted.batch).values();
        if self.spec.emits_each() {
            let mut spans: HashMap<usize, (i64, i64)> = HashMap::new();
            for row in rows.clone() {
                let span = spans.entry(incoming.keyed.of_row[row]).or_insert((times[row], times[row]));
                *span = (span.0.min(times[row]), span.1.max(times[row]));
            }
            for (group, (least, greatest)) in spans {
                let (from, to) = (self.window.first_start(least), greatest.saturating_add(self.window.size_ms));
                for (pane, state) in self.panes(cx, &keys[group], from, to)? {
                    working.load(group, pane, keys::entry(&keys[group], &[pane]), Some(state))?;
                }
            }
        }
        for row in rows {
            let (group, pane) = (incoming.keyed.of_row[row], self.window.pane(times[row]));
            if !working.panes[group].contains_key(&pane) {
                let key = keys::entry(&keys[group], &[pane]);
                let state = cx.table(0).get(&key)?;
                working.load(group, pane, key, state)?;
            }
        }
        Ok(working)
    }

    /// The open windows that a time is in.
    fn open_windows(&self, time: i64, clock: i64) -> Vec<i64> {
        let closed = self.window.last_closed(clock);
        let open = self.window.first_start(time).max(closed.saturating_add(self.window.advance_ms));
        self.starts(open, self.window.last_start(time)).collect()
    }

    fn starts(&self, from: i64, to: i64) -> impl Iterator<Item = i64> + use<> {
        let advance_ms = self.window.advance_ms;
        std::iter::successors(Some(from), move |start| start.checked_add(advance_ms))
            .take_while(move |start| *start <= to)
    }

    fn place(&self, group: &Bytes, start: i64) -> Place {
        Place { key: group.clone(), bounds: (start, start.saturating_add(self.window.size_ms)) }
    }

    /// Hands the windows of a group that have rows to `tell`.
    fn windows_of_row(
        &self,
        working: &Working,
        group: usize,
        key: &Bytes,
        starts: &[i64],
        mut tell: impl FnMut(&Groups, usize, &Place) -> Result<(), ExecError>,
    ) -> Result<(), ExecError> {
        let (Some(first), Some(last)) = (starts.first(), starts.last()) else { return Ok(()) };
        let panes = working.panes[group].range(first..&last.saturating_add(self.window.size_ms));
        // A pane that only this batch will fill has no rows yet.
        let filled = panes.filter(|(_, slot)| 0 < working.groups.rows[**slot]);
        let panes: Vec<Pane> = filled.map(|(start, slot)| Pane { start: *start, group: *slot }).collect();
        let merged = panes::merge(&self.spec, self.window, &panes, &working.groups, starts)?;
        for (start, window) in starts.iter().zip(merged.windows) {
            if let Some(window) = window {
                tell(&merged.groups, window, &self.place(key, *start))?;
            }
        }
        Ok(())
    }

    fn put(&mut self, cx: &mut Cx<'_>, incoming: &Incoming, working: &Working) -> Result<(), ExecError> {
        for (number, slot) in working.slots.iter().enumerate().filter(|(_, slot)| slot.changed) {
            let gives_change = !self.spec.emits_each() && !self.spec.emit_final;
            if gives_change && self.touched.note(cx, &slot.key, &slot.before) {
                self.expect_windows(cx, &incoming.keyed.keys[slot.group]);
            }
            cx.table(0).put(slot.key.clone(), working.groups.state(number))?;
            if slot.before.is_none() {
                let next = match self.spec.emit_final {
                    true => self.next_window(slot.pane),
                    false => self.window.last_start(slot.pane),
                };
                cx.table(0).put(keys::timer(next, &incoming.keyed.keys[slot.group]), Bytes::new())?;
            }
        }
        Ok(())
    }

    /// Counts the windows that a pane that changed will give at the cut: neighbours share all but one.
    fn expect_windows(&mut self, cx: &mut Cx<'_>, group: &Bytes) {
        let windows = match self.touched_groups.insert(group.clone()) {
            true => self.window.size_ms.div_euclid(self.window.advance_ms),
            false => 1,
        };
        cx.hold(usize::try_from(windows).unwrap_or(1) * WINDOW_BYTES);
    }

    /// The first window of a pane that has not closed.
    fn next_window(&self, pane: i64) -> i64 {
        self.window.first_start(pane).max(self.closed_upto.saturating_add(self.window.advance_ms))
    }

    /// The windows of touched panes that meet a condition leave, by group in the order of the first change.
    fn emit_touched(
        &self,
        cx: &mut Cx<'_>,
        touched: &[(Bytes, Option<Bytes>)],
        wanted: impl Fn(i64) -> bool,
    ) -> Result<(), ExecError> {
        let mut order: Vec<Bytes> = Vec::new();
        let mut by_group: HashMap<Bytes, BTreeMap<i64, &Option<Bytes>>> = HashMap::new();
        for (key, before) in touched {
            let group = keys::group(key, 1);
            let panes = by_group.entry(group.clone()).or_insert_with(|| {
                order.push(group);
                BTreeMap::new()
            });
            panes.insert(keys::last_time(key)?, before);
        }
        let mut out = Rows::new(&self.spec, &Groups::new(&self.spec.calls));
        let mut from = 0;
        for group in order {
            let starts = self.windows_of(by_group[&group].keys().copied(), &wanted);
            self.push_changes(cx, &group, &by_group[&group], &starts, &mut out, &mut from)?;
            if BATCH_ROWS <= out.len() {
                let full = std::mem::replace(&mut out, Rows::new(&self.spec, &Groups::new(&self.spec.calls)));
                let batch = full.timed(&self.spec, cx)?;
                cx.emit(batch);
            }
        }
        let batch = out.timed(&self.spec, cx)?;
        cx.emit(batch);
        Ok(())
    }

    /// The windows of panes that meet a condition, each once.
    fn windows_of(&self, panes: impl Iterator<Item = i64>, wanted: impl Fn(i64) -> bool) -> Vec<i64> {
        let mut starts: Vec<i64> = Vec::new();
        for pane in panes {
            let known = starts.last().map_or(i64::MIN, |last| last.saturating_add(self.window.advance_ms));
            let from = self.window.first_start(pane).max(known);
            starts.extend(self.starts(from, self.window.last_start(pane)));
        }
        starts.retain(|start| wanted(*start));
        starts
    }

    /// One change per window of a group: what it was at the last cut, what it is.
    fn push_changes(
        &self,
        cx: &mut Cx<'_>,
        group: &Bytes,
        before: &BTreeMap<i64, &Option<Bytes>>,
        starts: &[i64],
        out: &mut Rows,
        from: &mut usize,
    ) -> Result<(), ExecError> {
        let (Some(first), Some(last)) = (starts.first(), starts.last()) else { return Ok(()) };
        let states = self.panes(cx, group, *first, last.saturating_add(self.window.size_ms))?;
        let now = self.merged(states.iter().map(|(pane, state)| (*pane, Some(state))), starts)?;
        let old = match out.retracts() {
            true => {
                let at_cut = |(pane, state)| (pane, before.get(&pane).map_or(Some(state), |before| before.as_ref()));
                Some(self.merged(states.iter().map(|(pane, state)| (*pane, state)).map(at_cut), starts)?)
            }
            false => None,
        };
        for (at, start) in starts.iter().enumerate() {
            let place = self.place(group, *start);
            let Some(new) = now.windows[at] else { continue };
            if let Some(old) = &old
                && let Some(was) = old.windows[at]
            {
                out.before(&old.groups, was, &place, *from, now.groups.times[new])?;
            }
            out.is(&now.groups, new, &place, *from)?;
            *from += 1;
        }
        Ok(())
    }

    /// A group's panes from `from` up to and without `to`.
    fn panes(&self, cx: &mut Cx<'_>, group: &Bytes, from: i64, to: i64) -> Result<Vec<(i64, Bytes)>, ExecError> {
        let (from, to) = (keys::entry(group, &[from]), keys::entry(group, &[to]));
        let found = cx.table(0).range_of_group(&from, &to, &keys::end(group))?;
        found
            .map(|entry| entry.map_err(ExecError::from).and_then(|(key, state)| Ok((keys::last_time(&key)?, state))))
            .collect()
    }

    fn merged<'a>(
        &self,
        states: impl Iterator<Item = (i64, Option<&'a Bytes>)>,
        starts: &[i64],
    ) -> Result<panes::Merged, ExecError> {
        let mut groups = Groups::new(&self.spec.calls);
        let mut found = Vec::new();
        for (start, state) in states {
            if let Some(state) = state {
                found.push(Pane { start, group: found.len() });
                groups.push(Some(state))?;
            }
        }
        panes::merge(&self.spec, self.window, &found, &groups, starts)
    }

    /// Windows that stream time has closed leave for the last time, and panes that no window needs lose their state.
    fn close(&mut self, cx: &mut Cx<'_>, now: i64) -> Result<(), ExecError> {
        let last = self.window.last_closed(now);
        if last <= self.closed_upto {
            return Ok(());
        }
        if !self.spec.emit_final {
            // What has windows that are still open stays noted as it was at the last cut.
            let is_over = |key: &Bytes| keys::last_time(key).is_ok_and(|pane| self.window.last_start(pane) <= last);
            let closing = |key: &Bytes| keys::last_time(key).is_ok_and(|pane| self.window.first_start(pane) <= last);
            let mut leaving = self.touched.take_if(is_over);
            leaving.extend(self.touched.matching(closing));
            let open_from = self.closed_upto;
            self.emit_touched(cx, &leaving, |start| open_from < start && start <= last)?;
        }
        let bound = keys::timer(last.saturating_add(1), &[]);
        let fired = cx.table(0).front(keys::FIRST_TIMER, &bound)?.collect::<Result<Vec<_>, _>>()?;
        let mut due: BTreeMap<Bytes, i64> = BTreeMap::new();
        for (key, _) in &fired {
            let (time, group) = keys::of_timer(key)?;
            due.entry(group).and_modify(|least| *least = time.min(*least)).or_insert(time);
        }
        if self.spec.emit_final {
            self.emit_final(cx, &due, last)?;
        }
        for (key, _) in fired {
            cx.table(0).delete(key)?;
        }
        let kept_from = last.saturating_add(self.window.advance_ms);
        for group in due.keys() {
            for (pane, _) in self.panes(cx, group, i64::MIN, kept_from)? {
                cx.table(0).delete(keys::entry(group, &[pane]))?;
            }
            if self.spec.emit_final {
                let next = self.panes(cx, group, kept_from, i64::MAX)?;
                if let Some((pane, _)) = next.first() {
                    let window = self.window.first_start(*pane).max(kept_from);
                    cx.table(0).put(keys::timer(window, group), Bytes::new())?;
                }
            }
        }
        self.closed_upto = last;
        Ok(())
    }

    /// The rows of windows that closed, in the order of windows.
    fn emit_final(&self, cx: &mut Cx<'_>, due: &BTreeMap<Bytes, i64>, last: i64) -> Result<(), ExecError> {
        let mut groups = Groups::new(&self.spec.calls);
        let mut leaving: Vec<(Place, usize)> = Vec::new();
        for (group, first) in due {
            let states = self.panes(cx, group, *first, last.saturating_add(self.window.size_ms))?;
            let wanted = |start| *first <= start && start <= last && !self.forgotten.contains(start);
            let starts = self.windows_of(states.iter().map(|(pane, _)| *pane), wanted);
            let merged = self.merged(states.iter().map(|(pane, state)| (*pane, Some(state))), &starts)?;
            for (start, window) in starts.iter().zip(&merged.windows) {
                if let Some(window) = window {
                    leaving.push((self.place(group, *start), groups.push_copy(&merged.groups, *window)));
                }
            }
        }
        leaving.sort();
        let mut rows = Rows::new(&self.spec, &groups);
        for (from, (place, group)) in leaving.iter().enumerate() {
            rows.is(&groups, *group, place, from)?;
        }
        let batch = rows.timed(&self.spec, cx)?;
        cx.emit(batch);
        Ok(())
    }
}

impl Working {
    fn load(&mut self, group: usize, pane: i64, key: Bytes, state: Option<Bytes>) -> Result<(), ExecError> {
        self.groups.push(state.as_deref())?;
        self.panes[group].insert(pane, self.slots.len());
        self.slots.push(Slot { key, group, pane, before: state, changed: false });
        Ok(())
    }
}

impl Step for HoppingAggregate {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let incoming = self.incoming(cx, batch)?;
        self.take_in(cx, &incoming)?;
        Ok(Progress::Done)
    }

    fn drained(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        if let Some(now) = self.spec.now(cx)? {
            self.close(cx, now)?;
            self.forgotten.clear();
        }
        Ok(Progress::Done)
    }

    fn flush(&mut self, cx: &mut Cx<'_>, _: CutId) -> Result<Progress, ExecError> {
        let touched = self.touched.take();
        self.touched_groups.clear();
        let closed_upto = self.closed_upto;
        self.emit_touched(cx, &touched, |start| closed_upto < start)?;
        Ok(Progress::Done)
    }
}
