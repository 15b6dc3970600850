//! Rows of each partition in their order, as a range of state: all of them where rows may be taken back, else those that
//! have a rank.
//!
//! | key | value |
//! |---|---|
//! | partition, order, row key | length of the order's bytes (u32), event time (i64), `RowValues` |
//!
//! A fact has in place of a row key its number among those that are equal to it in the order (u64), from 0.

use std::ops::Range;

use bytes::Bytes;

use super::Keeper;
use super::TopSpec;
use super::changes::Changed;
use super::changes::Kept;
use super::changes::Placed;
use super::intake::Intake;
use super::intake::Members;
use crate::exec::Changes;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::expressions::user_columns;
use crate::exec::operators::joined::Half;
use crate::format::RowValues;
use crate::plan::RankColumn;
use crate::plan::Ranking;

/// See the file's head.
pub(super) struct Ordered;

/// A row with a rank.
struct Ranked {
    /// The whole key.
    key: Bytes,
    /// Where the order ends in it.
    order_end: usize,
    kept: Kept,
    rank: u64,
}

impl Ranked {
    fn order(&self) -> &[u8] {
        &self.key[..self.order_end]
    }
}

/// Counts rows as they are met in their order.
struct Counter {
    ranking: Ranking,
    rows: u64,
    rank: u64,
}

impl Counter {
    fn new(ranking: Ranking) -> Self {
        Self { ranking, rows: 0, rank: 0 }
    }

    /// The rank of the next row, which is equal in the order to the one before or not.
    fn next(&mut self, is_equal: bool) -> u64 {
        self.rows += 1;
        self.rank = match self.ranking {
            Ranking::RowNumber => self.rows,
            Ranking::Rank | Ranking::DenseRank if is_equal => self.rank,
            Ranking::Rank => self.rows,
            Ranking::DenseRank => self.rank + 1,
        };
        self.rank
    }
}

/// What is read of a partition.
struct Head {
    /// Rows with a rank.
    ranked: Vec<Ranked>,
    /// The keys of rows behind them, as far as they were asked for.
    behind: Vec<Bytes>,
    /// Whether there may be rows behind them.
    is_full: bool,
}

/// Whether rows behind those with a rank are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    Looked,
    Left,
}

fn head(cx: &mut Cx<'_>, spec: &TopSpec, partition: &[u8], behind: Behind) -> Result<Head, ExecError> {
    let mut counter = Counter::new(spec.ranking);
    let mut head = Head { ranked: Vec::new(), behind: Vec::new(), is_full: false };
    for entry in cx.table(0).prefix(partition) {
        let (key, value) = entry?;
        if head.is_full {
            head.behind.push(key);
            continue;
        }
        let (order_end, kept) = read(partition, &key, &value)?;
        let is_equal = head.ranked.last().is_some_and(|last| last.order() == &key[..order_end]);
        let rank = counter.next(is_equal);
        if rank <= spec.limit as u64 {
            head.ranked.push(Ranked { key, order_end, kept, rank });
            continue;
        }
        head.is_full = true;
        match behind {
            Behind::Left => break,
            Behind::Looked => head.behind.push(key),
        }
    }
    Ok(head)
}

fn read(partition: &[u8], key: &[u8], value: &Bytes) -> Result<(usize, Kept), ExecError> {
    let broken = || ExecError::InternalRecord("a ranked row");
    let (length, _) = value.split_first_chunk::<4>().ok_or_else(broken)?;
    let order_end = partition.len() + u32::from_be_bytes(*length) as usize;
    if key.len() < order_end {
        return Err(broken());
    }
    Ok((order_end, Kept::read(&value.slice(4..))?))
}

impl Keeper for Ordered {
    fn take(&self, cx: &mut Cx<'_>, spec: &TopSpec, intake: &Intake, rows: Range<usize>) -> Result<Changed, ExecError> {
        let mut changed = Changed::default();
        let unit = intake.batch.slice(rows.start, rows.len());
        let values = RowValues::encode(&user_columns(&unit, &spec.input.user_schema())?)?;
        let first = rows.start;
        for members in intake.members(rows) {
            let before = head(cx, spec, members.partition, Behind::Left)?;
            let behind = match spec.input.changes {
                Changes::Retract => {
                    let touched = change(cx, spec, intake, &members, &before, |row| values[row - first].as_slice())?;
                    touched.then_some(Behind::Left)
                }
                Changes::Append | Changes::Upsert => {
                    let added = add(cx, spec, intake, &members, &before, |row| values[row - first].as_slice())?;
                    added.then_some(Behind::Looked)
                }
            };
            let Some(behind) = behind else { continue };
            let after = head(cx, spec, members.partition, behind)?;
            for key in &after.behind {
                cx.table(0).delete(key.clone())?;
            }
            let cause = members.rows.last().copied().unwrap_or_default();
            compare(spec, before.ranked, after.ranked, cause, &mut changed);
        }
        Ok(changed)
    }
}

fn key_of(partition: &[u8], order: &[u8], end: &[u8]) -> Vec<u8> {
    [partition, order, end].concat()
}

fn value_of(order: &[u8], time: i64, values: &[u8]) -> Vec<u8> {
    let mut bytes = (order.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&Kept::bytes(time, values));
    bytes
}

/// Rows come and go; whether that may change a rank.
fn change<'v>(
    cx: &mut Cx<'_>,
    spec: &TopSpec,
    intake: &Intake,
    members: &Members<'_>,
    before: &Head,
    values: impl Fn(usize) -> &'v [u8],
) -> Result<bool, ExecError> {
    // What is equal in the order to the last row with a rank may have its rank.
    let last = before.ranked.last().filter(|_| before.is_full).map(Ranked::order);
    let times = spec.input.times(&intake.batch).values();
    let weights = spec.input.weights(&intake.batch).values();
    let mut touched = false;
    for row in members.rows.iter().copied().filter(|row| weights[*row] != 0) {
        let order = intake.orders[row].as_slice();
        let key = key_of(members.partition, order, &intake.keys[row]);
        touched |= last.is_none_or(|last| &key[..members.partition.len() + order.len()] <= last);
        if weights[row] < 0 {
            cx.table(0).delete(key)?;
        } else {
            cx.table(0).put(key, value_of(order, times[row], values(row)))?;
        }
    }
    Ok(touched)
}

/// Facts come; those that cannot have a rank are not kept. Whether any was.
fn add<'v>(
    cx: &mut Cx<'_>,
    spec: &TopSpec,
    intake: &Intake,
    members: &Members<'_>,
    before: &Head,
    values: impl Fn(usize) -> &'v [u8],
) -> Result<bool, ExecError> {
    let times = spec.input.times(&intake.batch).values();
    let mut orders: Vec<Bytes> = before.ranked.iter().map(|ranked| ranked.key.slice(..ranked.order_end)).collect();
    let mut added = false;
    for row in members.rows.iter().copied() {
        let order = intake.orders[row].as_slice();
        let whole = Bytes::from(key_of(members.partition, order, &[]));
        let (from, to) =
            (orders.partition_point(|other| *other < whole), orders.partition_point(|other| *other <= whole));
        if spec.limit as u64 <= ranks_before(spec.ranking, &orders[..from], to - from) {
            continue;
        }
        let number = (to - from) as u64;
        let key = key_of(&whole, &number.to_be_bytes(), &[]);
        cx.table(0).put(key, value_of(order, times[row], values(row)))?;
        orders.insert(to, whole);
        added = true;
    }
    Ok(added)
}

/// How many ranks lie before that of a row that comes after `equal` ones which are equal to it.
fn ranks_before(ranking: Ranking, before: &[Bytes], equal: usize) -> u64 {
    match ranking {
        Ranking::RowNumber => (before.len() + equal) as u64,
        Ranking::Rank => before.len() as u64,
        Ranking::DenseRank => before.chunk_by(|one, other| one == other).count() as u64,
    }
}

/// What becomes of ranks; both lists are in order.
fn compare(spec: &TopSpec, before: Vec<Ranked>, after: Vec<Ranked>, cause: usize, changed: &mut Changed) {
    let same = |old: &Ranked, new: &Ranked| {
        old.kept.values == new.kept.values && (spec.rank == RankColumn::Hidden || old.rank == new.rank)
    };
    let placed = |ranked: Ranked| Placed {
        row: Half::Stored(ranked.kept.values),
        time: ranked.kept.time,
        rank: ranked.rank as i64,
        cause,
    };
    let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
    loop {
        match (before.peek(), after.peek()) {
            (Some(old), Some(new)) if old.key == new.key => {
                let unchanged = same(old, new);
                let pair = before.next().zip(after.next());
                if let Some((old, new)) = pair.filter(|_| !unchanged) {
                    changed.gone.push(placed(old));
                    changed.come.push(placed(new));
                }
            }
            (Some(old), Some(new)) if old.key < new.key => changed.gone.extend(before.next().map(placed)),
            (Some(_), Some(_)) | (None, Some(_)) => changed.come.extend(after.next().map(placed)),
            (Some(_), None) => changed.gone.extend(before.next().map(placed)),
            (None, None) => return,
        }
    }
}
