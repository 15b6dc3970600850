//! The versions of a table's rows by event time, so that a stream row meets the one of its own time even if younger ones
//! were read before it: a neighbour's rows ran ahead, or the table was written first.
//!
//! Of each change the state keeps what was there before, until no stream row asks for it any more: a row that is more
//! than `history_ms` behind stream time asks for that time instead of its own.
//!
//! ```text
//! 0 <key>           since, what is there now        `since` is when it came, i64::MIN for what came from nowhere
//! 1 <key> <until>   what was there before
//! 2 <until> <key>                                   finds it again when it goes
//! ```

use std::collections::HashMap;

use arrow::array::RecordBatch;
use bytes::Bytes;

use super::Join;
use super::Met;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::expressions::user_columns;
use crate::exec::layout::OP_VALUE;
use crate::exec::operators::sortable::number;
use crate::exec::operators::sortable::sortable;
use crate::format::RowValues;

const CURRENT: u8 = 0;
const BEFORE: u8 = 1;
const UNTIL: u8 = 2;
/// Before a value's columns: whether there is a row at all.
const ABSENT: u8 = 0;
const ROW: u8 = 1;

fn current(key: &[u8]) -> Vec<u8> {
    [&[CURRENT], key].concat()
}

fn before(key: &[u8], until: i64) -> Vec<u8> {
    [&[BEFORE], key, &sortable(until)].concat()
}

fn until(time: i64, key: &[u8]) -> Vec<u8> {
    [&[UNTIL][..], &sortable(time), key].concat()
}

/// The parts of `until`.
fn until_parts(entry: &[u8]) -> Option<(i64, &[u8])> {
    let (time, key) = entry.get(1..)?.split_first_chunk::<8>()?;
    Some((number(*time), key))
}

/// What the state holds of a key, before this round.
#[derive(Clone)]
struct Stored {
    since: i64,
    /// The row's columns, `None` if there is no row.
    row: Option<Bytes>,
}

impl Stored {
    const NOTHING: Self = Self { since: i64::MIN, row: None };

    fn encode(since: i64, row: Option<&[u8]>) -> Vec<u8> {
        [&sortable(since)[..], &value(row)].concat()
    }

    fn decode(bytes: &Bytes) -> Result<Self, ExecError> {
        let since = bytes.first_chunk::<8>().ok_or(DAMAGED)?;
        Ok(Self { since: number(*since), row: row(&bytes.slice(8..))? })
    }
}

const DAMAGED: ExecError = ExecError::InternalRecord("a version of a table's row");

fn value(row: Option<&[u8]>) -> Vec<u8> {
    row.map_or(vec![ABSENT], |row| [&[ROW], row].concat())
}

fn row(value: &Bytes) -> Result<Option<Bytes>, ExecError> {
    match value.first() {
        Some(&ROW) => Ok(Some(value.slice(1..))),
        Some(&ABSENT) => Ok(None),
        _ => Err(DAMAGED),
    }
}

/// A change of a key in this round.
struct Version {
    seq: i64,
    since: i64,
    /// Its place among the round's rows.
    at: usize,
}

/// What the round's rows make of one key.
struct Timeline {
    stored: Stored,
    versions: Vec<Version>,
}

/// Where a stream row's version is.
enum Place {
    /// Among the round's rows.
    Round(usize),
    Stored(Option<Bytes>),
}

impl Timeline {
    /// What was there before the `index`-th change of the round.
    fn before(&self, index: usize) -> Place {
        match index.checked_sub(1) {
            Some(previous) => Place::Round(self.versions[previous].at),
            None => Place::Stored(self.stored.row.clone()),
        }
    }

    /// What was there at `time`, as far as a row with `seq` knows.
    fn at(&self, cx: &mut Cx<'_>, key: &[u8], time: i64, seq: i64) -> Result<Place, ExecError> {
        if time < self.stored.since {
            let (from, end) = (before(key, time.saturating_add(1)), before(key, i64::MAX));
            let found = cx.table(0).range(&from, Some(&end)).next().transpose()?;
            // Time that went back, as that of an input that was idle may, finds what is left.
            return found.map_or(Ok(self.before(0)), |(_, found)| Ok(Place::Stored(row(&found)?)));
        }
        let known = self.versions.partition_point(|version| version.seq < seq);
        let begun = self.versions[..known].partition_point(|version| version.since <= time);
        Ok(self.before(begun))
    }
}

type Timelines = HashMap<Vec<u8>, Timeline>;

impl Join {
    /// Answers the stream's rows, then takes the table's changes over.
    pub(super) fn round_as_of(
        &self,
        cx: &mut Cx<'_>,
        left: &RecordBatch,
        right: &RecordBatch,
        right_keys: Vec<Option<Vec<u8>>>,
        history_ms: i64,
    ) -> Result<(), ExecError> {
        let mut lines = self.timelines(cx, right, right_keys)?;
        let clocks = self.spec.left.clocks(left).values();
        // No row of this round or of a later one asks for a time before this.
        let horizon = clocks.iter().min().copied().or(cx.stream_time().0.map(|time| time.0));
        let horizon = horizon.map(|clock| clock.saturating_sub(history_ms));
        if 0 < left.num_rows() {
            self.probe_as_of(cx, left, right, &mut lines, history_ms)?;
        }
        self.keep_versions(cx, right, lines, horizon)
    }

    fn stored(cx: &mut Cx<'_>, key: &[u8]) -> Result<Stored, ExecError> {
        cx.table(0).get(&current(key))?.map_or(Ok(Stored::NOTHING), |bytes| Stored::decode(&bytes))
    }

    fn timelines(
        &self,
        cx: &mut Cx<'_>,
        right: &RecordBatch,
        keys: Vec<Option<Vec<u8>>>,
    ) -> Result<Timelines, ExecError> {
        let (seqs, times) = (self.spec.right.seqs(right).values(), self.spec.right.times(right).values());
        let mut lines = Timelines::new();
        for (at, key) in keys.into_iter().enumerate() {
            let Some(key) = key else { continue };
            if !lines.contains_key(&key) {
                let stored = Self::stored(cx, &key)?;
                lines.insert(key.clone(), Timeline { stored, versions: Vec::new() });
            }
            let Some(line) = lines.get_mut(&key) else { continue };
            // A change that is older than the one before it takes its place: the last one written counts.
            let latest = line.versions.last().map_or(line.stored.since, |version| version.since);
            line.versions.push(Version { seq: seqs[at], since: times[at].max(latest), at });
        }
        Ok(lines)
    }

    fn probe_as_of(
        &self,
        cx: &mut Cx<'_>,
        left: &RecordBatch,
        right: &RecordBatch,
        lines: &mut Timelines,
        history_ms: i64,
    ) -> Result<(), ExecError> {
        let spec = &self.spec;
        let keys = self.keys(cx, &spec.left_key, &spec.left, left)?;
        let (ops, seqs) = (spec.left.ops(left).values(), spec.left.seqs(left).values());
        let (times, clocks) = (spec.left.times(left).values(), spec.left.clocks(left).values());
        let right_ops = spec.right.ops(right).values();
        let mut stored = Vec::new();
        let mut rows: Vec<(u64, Met)> = Vec::with_capacity(left.num_rows());
        for (at, key) in keys.iter().enumerate().filter(|(at, _)| ops[*at] == OP_VALUE) {
            let Some(key) = key else {
                if spec.keeps_left && spec.keeps_null_key {
                    rows.push((at as u64, Met::Nothing));
                }
                continue;
            };
            if !lines.contains_key(key) {
                let stored = Self::stored(cx, key)?;
                lines.insert(key.clone(), Timeline { stored, versions: Vec::new() });
            }
            let Some(line) = lines.get(key) else { continue };
            let time = times[at].max(clocks[at].saturating_sub(history_ms));
            let met = match line.at(cx, key, time, seqs[at])? {
                Place::Round(version) if right_ops[version] == OP_VALUE => Met::Overlay(version),
                Place::Stored(Some(row)) => {
                    stored.push(row);
                    Met::State(stored.len() - 1)
                }
                Place::Round(_) | Place::Stored(None) => Met::Nothing,
            };
            if spec.keeps_left || !matches!(met, Met::Nothing) {
                rows.push((at as u64, met));
            }
        }
        let stored: Vec<&[u8]> = stored.iter().map(|value| value.as_ref()).collect();
        let stored = RowValues::decode(&stored, &spec.right.user_schema())?;
        cx.emit(self.rows(left, right, &stored, &rows)?);
        Ok(())
    }

    /// What is there now, and what was there before for as long as a row may ask for it.
    fn keep_versions(
        &self,
        cx: &mut Cx<'_>,
        right: &RecordBatch,
        lines: Timelines,
        horizon: Option<i64>,
    ) -> Result<(), ExecError> {
        let ops = self.spec.right.ops(right).values();
        let values = RowValues::encode(&user_columns(right, &self.spec.right.user_schema())?)?;
        let is_asked_for = |until: i64| horizon.is_none_or(|horizon| horizon < until);
        let row_of = |at: usize| (ops[at] == OP_VALUE).then(|| Bytes::copy_from_slice(&values[at]));
        for (key, line) in lines {
            let Some(last) = line.versions.last() else { continue };
            let (mut since, mut row) = (line.stored.since, line.stored.row);
            for version in &line.versions {
                if since < version.since && is_asked_for(version.since) {
                    cx.table(0).put(before(&key, version.since), value(row.as_deref()))?;
                    cx.table(0).put(until(version.since, &key), Bytes::new())?;
                }
                (since, row) = (version.since, row_of(version.at));
            }
            match row {
                None if !is_asked_for(last.since) => cx.table(0).delete(current(&key))?,
                row => cx.table(0).put(current(&key), Stored::encode(since, row.as_deref()))?,
            }
        }
        Ok(())
    }

    /// Removes what no row asks for any more.
    pub(super) fn forget_versions(&self, cx: &mut Cx<'_>, history_ms: i64) -> Result<(), ExecError> {
        let Some(horizon) = cx.stream_time().0.map(|time| time.0.saturating_sub(history_ms)) else { return Ok(()) };
        let gone: Vec<Bytes> = {
            let end = until(horizon.saturating_add(1), &[]);
            let entries = cx.table(0).front(&[UNTIL], &end)?;
            entries.map(|entry| entry.map(|(key, _)| key)).collect::<Result<_, _>>()?
        };
        for entry in gone {
            let (time, key) = until_parts(&entry).ok_or(DAMAGED)?;
            let now = Self::stored(cx, key)?;
            if now.row.is_none() && now.since == time {
                cx.table(0).delete(current(key))?;
            }
            cx.table(0).delete(before(key, time))?;
            cx.table(0).delete(entry.clone())?;
        }
        Ok(())
    }
}
