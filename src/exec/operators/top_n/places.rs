//! The first facts of each partition, numbered one by one: as many places as there are numbers, one row in each.
//!
//! | key | value |
//! |---|---|
//! | `0`, partition | the order: per row with a number its place (u16), the length of its bytes (u32) and these |
//! | `1`, partition, place (u16) | the row in it: event time (i64), `RowValues` |
//!
//! A row that gets a number takes the place of the one that loses it, so that nothing is ever deleted. Of equal rows the one
//! that came first stands first.

use std::collections::HashSet;
use std::ops::Range;

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;
use bytes::Bytes;

use super::Keeper;
use super::TopSpec;
use super::changes::Changed;
use super::changes::Kept;
use super::changes::Placed;
use super::intake::Intake;
use super::intake::Members;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::expressions::user_columns;
use crate::exec::operators::joined::Half;
use crate::format::RowValues;
use crate::plan::RankColumn;

const ORDER: u8 = 0;
const ROW: u8 = 1;

/// See the file's head.
pub(super) struct Places;

/// A row with a number.
#[derive(Clone)]
struct Entry {
    place: u16,
    order: Bytes,
    /// The row of the batch that it is, if it came with it.
    row: Option<usize>,
}

fn order_key(partition: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + partition.len());
    key.push(ORDER);
    key.extend_from_slice(partition);
    key
}

fn row_key(partition: &[u8], place: u16) -> Vec<u8> {
    let mut key = Vec::with_capacity(3 + partition.len());
    key.push(ROW);
    key.extend_from_slice(partition);
    key.extend_from_slice(&place.to_be_bytes());
    key
}

fn read(bytes: &Bytes) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (place, rest) = bytes[at..].split_first_chunk::<2>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        if rest.len() < length {
            return None;
        }
        let order = bytes.slice(at + 6..at + 6 + length);
        entries.push(Entry { place: u16::from_be_bytes(*place), order, row: None });
        at += 6 + length;
    }
    Some(entries)
}

fn write(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&entry.place.to_be_bytes());
        bytes.extend_from_slice(&(entry.order.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&entry.order);
    }
    bytes
}

impl Keeper for Places {
    fn take(&self, cx: &mut Cx<'_>, spec: &TopSpec, intake: &Intake, rows: Range<usize>) -> Result<Changed, ExecError> {
        let mut changed = Changed::default();
        let mut written: Vec<(Vec<u8>, usize)> = Vec::new();
        for members in intake.members(rows) {
            let key = order_key(members.partition);
            let before = match cx.table(0).get(&key)? {
                Some(bytes) => read(&bytes).ok_or(ExecError::InternalRecord("the order of ranked rows"))?,
                None => Vec::new(),
            };
            let Some(after) = numbered(&before, &members, intake, spec.limit)? else { continue };
            compare(cx, spec, (&before, &after), &members, intake, &mut changed)?;
            let came = after.iter().filter_map(|entry| Some((row_key(members.partition, entry.place), entry.row?)));
            written.extend(came);
            cx.table(0).put(key, write(&after))?;
        }
        write_rows(cx, spec, intake, written)?;
        Ok(changed)
    }
}

/// The rows with a number after these have come; `None` if none of them gets one.
fn numbered(
    before: &[Entry],
    members: &Members<'_>,
    intake: &Intake,
    limit: usize,
) -> Result<Option<Vec<Entry>>, ExecError> {
    let mut after: Option<Vec<Entry>> = None;
    for row in &members.rows {
        let order = &intake.orders[*row];
        let entries = after.as_deref().unwrap_or(before);
        let at = entries.partition_point(|entry| entry.order.as_ref() <= order.as_slice());
        if at < limit {
            let order = Bytes::copy_from_slice(order);
            let entries = after.get_or_insert_with(|| before.to_vec());
            entries.insert(at, Entry { place: u16::MAX, order, row: Some(*row) });
            entries.truncate(limit);
        }
    }
    let Some(mut after) = after else { return Ok(None) };
    let taken: HashSet<u16> = after.iter().filter(|entry| entry.row.is_none()).map(|entry| entry.place).collect();
    let mut free = (0..u16::MAX).filter(|place| !taken.contains(place));
    for entry in after.iter_mut().filter(|entry| entry.row.is_some()) {
        entry.place = free.next().ok_or(ExecError::InternalRecord("the order of ranked rows"))?;
    }
    Ok(Some(after))
}

/// What becomes of numbers.
fn compare(
    cx: &mut Cx<'_>,
    spec: &TopSpec,
    (before, after): (&[Entry], &[Entry]),
    members: &Members<'_>,
    intake: &Intake,
    changed: &mut Changed,
) -> Result<(), ExecError> {
    let cause = members.rows.last().copied().unwrap_or_default();
    let times = spec.input.times(&intake.batch).values();
    let mut placed = |entry: &Entry, at: usize| -> Result<Placed, ExecError> {
        let rank = at as i64 + 1;
        if let Some(row) = entry.row {
            return Ok(Placed { row: Half::Row(row), time: times[row], rank, cause });
        }
        let Some(bytes) = cx.table(0).get(&row_key(members.partition, entry.place))? else {
            return Err(ExecError::InternalRecord("a place without its ranked row"));
        };
        let Kept { time, values } = Kept::read(&bytes)?;
        Ok(Placed { row: Half::Stored(values), time, rank, cause })
    };
    match spec.rank {
        RankColumn::Shown => {
            for at in 0..before.len().max(after.len()) {
                let (old, new) = (before.get(at), after.get(at));
                if let (Some(old), Some(new)) = (old, new)
                    && new.row.is_none()
                    && old.place == new.place
                {
                    continue;
                }
                if let Some(old) = old {
                    changed.gone.push(placed(old, at)?);
                }
                if let Some(new) = new {
                    changed.come.push(placed(new, at)?);
                }
            }
        }
        RankColumn::Hidden => {
            let stays = |old: &Entry| after.iter().any(|new| new.row.is_none() && new.place == old.place);
            for (at, old) in before.iter().enumerate().filter(|(_, old)| !stays(old)) {
                changed.gone.push(placed(old, at)?);
            }
            for (at, new) in after.iter().enumerate().filter(|(_, new)| new.row.is_some()) {
                changed.come.push(placed(new, at)?);
            }
        }
    }
    Ok(())
}

/// Rows of the batch into their places.
fn write_rows(
    cx: &mut Cx<'_>,
    spec: &TopSpec,
    intake: &Intake,
    written: Vec<(Vec<u8>, usize)>,
) -> Result<(), ExecError> {
    let rows = UInt32Array::from_iter_values(written.iter().map(|(_, row)| *row as u32));
    let users = user_columns(&intake.batch, &spec.input.user_schema())?;
    let values = RowValues::encode(&take_record_batch(&users, &rows)?)?;
    let times = spec.input.times(&intake.batch).values();
    for ((key, row), values) in written.into_iter().zip(values) {
        cx.table(0).put(key, Kept::bytes(times[row], &values))?;
    }
    Ok(())
}
