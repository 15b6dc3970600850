//! A table joined with another by the other's key: each change of a side, in the order of `__seq`, takes rows back and gives
//! the new ones.
//!
//! The left's rows are kept by what they name, so that a change of a right row finds them as a range; the right's by key.
//!
//! Invariants:
//!   * what leaves adds up to the join of what both sides have given so far, whatever the rounds and cuts
//!   * the rows before and after of one left row stand side by side, in one batch
//!   * a call emits about `OUTPUT_ROWS` rows at most, however many left rows name one right row

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use bytes::Bytes;
use datafusion::physical_expr::PhysicalExpr;

use super::joined::Half;
use super::joined::Halves;
use super::joined::JoinKey;
use super::joined::join_keys;
use super::log_errors;
use crate::exec::Changes;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Ports;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::RowError;
use crate::exec::expressions::evaluate;
use crate::exec::expressions::user_columns;
use crate::exec::layout::OP_VALUE;
use crate::format::RowKeys;
use crate::format::RowValues;
use crate::state::KEY_BYTES_MAX;

/// Rows that one call emits, about.
const OUTPUT_ROWS: usize = 8192;

/// First byte of a key of state: a left row, behind it what it names and its own key.
const LEFT: u8 = 0;
/// First byte of a key of state: a right row, behind it its key.
const RIGHT: u8 = 1;

/// What a join is.
#[derive(Clone)]
pub struct ForeignJoinSpec {
    /// What a left row names, column by column of the right's key.
    pub foreign: Vec<Arc<dyn PhysicalExpr>>,
    /// The left's own key.
    pub left_key: Vec<Arc<dyn PhysicalExpr>>,
    /// The right's key.
    pub right_key: Vec<Arc<dyn PhysicalExpr>>,
    /// A left row that meets nothing stays, with nulls.
    pub keeps_left: bool,
    /// A right row that no left row names stays, with nulls. The right's edge then is one of retractions.
    pub keeps_right: bool,
    /// A left row that goes and had no row is mentioned with weight 0.
    pub tells_no_row: bool,
    /// The left's edge: retractions.
    pub left: Layout,
    /// The right's edge: upserts or retractions.
    pub right: Layout,
    /// The retract edge that goes out: left columns, then right ones.
    pub output: Layout,
}

/// Keeps table 0: side (a byte, see `LEFT` and `RIGHT`) and key -> `__time` (i64) and the side's user columns.
pub struct ForeignJoin {
    spec: ForeignJoinSpec,
    work: Work,
    out: Out,
}

/// What happens next.
enum Turn {
    /// A row of the left comes or goes.
    Left(usize),
    /// The right row of a key is another from now on, or gone: the row that says so, and whether it has the new values.
    Right(usize, bool),
}

/// The rows of a round, and how far they are.
struct Work {
    left: Incoming,
    /// The left's own keys.
    own_keys: Vec<Vec<u8>>,
    right: Incoming,
    order: Vec<Turn>,
    at: usize,
    /// The change of the right at `at` has looked at the left up to here.
    from: Option<Vec<u8>>,
}

struct Incoming {
    batch: RecordBatch,
    keys: Vec<JoinKey>,
    /// As state keeps them.
    values: Vec<Bytes>,
}

/// Rows that leave.
#[derive(Default)]
struct Out {
    left: Halves,
    right: Halves,
    times: Vec<i64>,
    clocks: Vec<i64>,
    seqs: Vec<i64>,
    weights: Vec<i64>,
}

/// The clock and the place of a change.
#[derive(Clone, Copy)]
struct At {
    clock: i64,
    seq: i64,
}

impl Out {
    fn push(&mut self, left: Half, right: Half, time: i64, at: At, weight: i64) {
        self.left.push(left);
        self.right.push(right);
        self.times.push(time);
        self.clocks.push(at.clock);
        self.seqs.push(at.seq);
        self.weights.push(weight);
    }
}

/// A row as state keeps it.
#[derive(Clone)]
struct Kept {
    time: i64,
    values: Bytes,
}

impl Kept {
    fn read(bytes: &Bytes) -> Result<Self, ExecError> {
        let (time, _) = bytes.split_first_chunk::<8>().ok_or(ExecError::InternalRecord("a row of a join"))?;
        Ok(Self { time: i64::from_be_bytes(*time), values: bytes.slice(8..) })
    }
}

fn state_key(side: u8, parts: [&[u8]; 2]) -> Vec<u8> {
    let mut key = vec![side];
    parts.into_iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// Whether a left row is kept that names this key.
fn is_named(cx: &mut Cx<'_>, foreign: &[u8]) -> Result<bool, ExecError> {
    let prefix = state_key(LEFT, [foreign, &[]]);
    let first = cx.table(0).range(&prefix, None).next().transpose()?;
    Ok(first.is_some_and(|(key, _)| key.starts_with(&prefix)))
}

/// Whether a call of the inner loops ended because enough rows are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Went {
    Through,
    UntilFull,
}

impl ForeignJoin {
    /// Nothing taken yet.
    pub fn new(spec: ForeignJoinSpec) -> Self {
        let work = Work {
            left: Incoming::nothing(&spec.left),
            own_keys: Vec::new(),
            right: Incoming::nothing(&spec.right),
            order: Vec::new(),
            at: 0,
            from: None,
        };
        Self { spec, work, out: Out::default() }
    }

    /// A left row whose place in state would be too long meets nothing.
    fn refuse_long_keys(&mut self, cx: &mut Cx<'_>) {
        let mut errors = Vec::new();
        for (row, key) in self.work.left.keys.iter_mut().enumerate() {
            let JoinKey::Value(foreign) = key else { continue };
            let bytes = 1 + foreign.len() + self.work.own_keys[row].len();
            if KEY_BYTES_MAX < bytes {
                errors.push(RowError { row, reason: format!("{bytes} bytes are over the limit of {KEY_BYTES_MAX}") });
                *key = JoinKey::Failed;
            }
        }
        log_errors(
            cx,
            &self.spec.left,
            &self.work.left.batch,
            &errors,
            "row that meets nothing by a key that is too long",
        );
    }

    /// Both sides' changes by place, the left's first. What a right row was is known, so that only the last row of a change
    /// counts.
    fn order(&self) -> Vec<Turn> {
        let (left, right) = (&self.work.left.batch, &self.work.right.batch);
        let seqs = self.spec.right.seqs(right).values();
        let has_value = |row: usize| match self.spec.right.changes {
            Changes::Retract => 0 < self.spec.right.weights(right).value(row),
            Changes::Append | Changes::Upsert => self.spec.right.ops(right).value(row) == OP_VALUE,
        };
        let mut order: Vec<(i64, u8, usize, Turn)> = Vec::with_capacity(left.num_rows() + right.num_rows());
        for (row, seq) in self.spec.left.seqs(left).values().iter().enumerate() {
            order.push((*seq, LEFT, row, Turn::Left(row)));
        }
        for row in 0..right.num_rows() {
            let keys = &self.work.right.keys;
            let goes_on = |next: usize| {
                seqs[next] == seqs[row] && keys[next] == keys[row] && matches!(keys[row], JoinKey::Value(_))
            };
            if row + 1 == right.num_rows() || !goes_on(row + 1) {
                order.push((seqs[row], RIGHT, row, Turn::Right(row, has_value(row))));
            }
        }
        order.sort_unstable_by_key(|(seq, side, row, _)| (*seq, *side, *row));
        order.into_iter().map(|(.., turn)| turn).collect()
    }

    /// Goes on until all is done or enough rows are there.
    fn go_on(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        while let Some(turn) = self.work.order.get(self.work.at) {
            if OUTPUT_ROWS <= self.out.weights.len() {
                return self.leave(cx, Progress::More);
            }
            match *turn {
                Turn::Left(row) => self.left_changes(cx, row)?,
                Turn::Right(row, has_value) => {
                    if self.right_changes(cx, row, has_value)? == Went::UntilFull {
                        return self.leave(cx, Progress::More);
                    }
                }
            }
            self.work.at += 1;
            self.work.from = None;
        }
        let done = self.leave(cx, Progress::Done);
        *self = Self::new(self.spec.clone());
        done
    }

    /// A left row comes or goes, beside what it names.
    fn left_changes(&mut self, cx: &mut Cx<'_>, row: usize) -> Result<(), ExecError> {
        let Incoming { batch, keys, values } = &self.work.left;
        let layout = &self.spec.left;
        let (weight, time) = (layout.weights(batch).value(row), layout.times(batch).value(row));
        let at = At { clock: layout.clocks(batch).value(row), seq: layout.seqs(batch).value(row) };
        let mut met = None;
        // Whether a right row that is kept has no other left row: it is alone before this one comes, and after it went.
        let mut only = false;
        if let JoinKey::Value(foreign) = &keys[row] {
            met = cx.table(0).get(&state_key(RIGHT, [foreign, &[]]))?;
            let own = state_key(LEFT, [foreign, &self.work.own_keys[row]]);
            if weight < 0 {
                cx.table(0).delete(own.clone())?;
            }
            only = self.spec.keeps_right && met.is_some() && !is_named(cx, foreign)?;
            if 0 < weight {
                cx.table(0).put(own, values[row].clone())?;
            }
        }
        match met.as_ref().map(Kept::read).transpose()? {
            Some(right) => {
                let time = time.max(right.time);
                let alone = Half::Stored(right.values.clone());
                if only && 0 < weight {
                    self.out.push(Half::Nothing, alone.clone(), time, at, -1);
                }
                self.out.push(Half::Row(row), Half::Stored(right.values), time, at, weight);
                if only && weight < 0 {
                    self.out.push(Half::Nothing, alone, time, at, 1);
                }
            }
            None if self.spec.keeps_left => self.out.push(Half::Row(row), Half::Nothing, time, at, weight),
            None if self.is_told(row, weight) => self.out.push(Half::Row(row), Half::Nothing, time, at, 0),
            None => {}
        }
        Ok(())
    }

    /// Whether a left row that meets nothing is mentioned: it goes, or names another row from now on.
    fn is_told(&self, row: usize, weight: i64) -> bool {
        let Incoming { batch, keys, .. } = &self.work.left;
        let seqs = self.spec.left.seqs(batch).values();
        let names = matches!(keys[row], JoinKey::Value(_));
        let comes_again = seqs.get(row + 1).is_some_and(|seq| {
            *seq == seqs[row] && keys[row + 1] == keys[row] && self.work.own_keys[row + 1] == self.work.own_keys[row]
        });
        self.spec.tells_no_row && names && weight < 0 && !comes_again
    }

    /// All left rows that name a right row have another beside them, or none.
    fn right_changes(&mut self, cx: &mut Cx<'_>, row: usize, has_value: bool) -> Result<Went, ExecError> {
        let Incoming { batch, keys, values } = &self.work.right;
        let layout = &self.spec.right;
        let time = layout.times(batch).value(row);
        let at = At { clock: layout.clocks(batch).value(row), seq: layout.seqs(batch).value(row) };
        let JoinKey::Value(key) = &keys[row] else {
            if self.spec.keeps_right {
                // Nothing names it, now or later.
                self.out.push(Half::Nothing, Half::Row(row), time, at, if has_value { 1 } else { -1 });
            }
            return Ok(Went::Through);
        };
        let own = state_key(RIGHT, [key, &[]]);
        let old = cx.table(0).get(&own)?.as_ref().map(Kept::read).transpose()?;
        if old.is_none() && !has_value {
            return Ok(Went::Through);
        }
        let prefix = state_key(LEFT, [key, &[]]);
        let begins = self.work.from.is_none();
        let from = self.work.from.take().unwrap_or_else(|| prefix.clone());
        let rows = cx.table(0).range(&from, None).take_while(|found| match found {
            Ok((found, _)) => found.starts_with(&prefix),
            Err(_) => true,
        });
        let found = rows.take(OUTPUT_ROWS).collect::<Result<Vec<_>, _>>()?;
        let before = old.map(|old| Half::Stored(old.values));
        let after = has_value.then_some(Half::Row(row));
        if self.spec.keeps_right && begins && found.is_empty() {
            for (right, weight) in [(&before, -1), (&after, 1)] {
                if let Some(right) = right {
                    self.out.push(Half::Nothing, right.clone(), time, at, weight);
                }
            }
        }
        let alone = || self.spec.keeps_left.then_some(Half::Nothing);
        let (before, after) = (before.or_else(alone), after.or_else(alone));
        for (_, left) in &found {
            let left = Kept::read(left)?;
            for (right, weight) in [(&before, -1), (&after, 1)] {
                if let Some(right) = right {
                    self.out.push(Half::Stored(left.values.clone()), right.clone(), time.max(left.time), at, weight);
                }
            }
        }
        if let Some((last, _)) = found.last().filter(|_| found.len() == OUTPUT_ROWS) {
            self.work.from = Some(last.iter().copied().chain([0]).collect());
            return Ok(Went::UntilFull);
        }
        match has_value {
            true => cx.table(0).put(own, values[row].clone())?,
            false => cx.table(0).delete(own)?,
        }
        Ok(Went::Through)
    }

    /// What was gathered leaves.
    fn leave(&mut self, cx: &mut Cx<'_>, progress: Progress) -> Result<Progress, ExecError> {
        let out = std::mem::take(&mut self.out);
        let mut columns = out.left.columns(&self.work.left.batch, &self.spec.left)?;
        columns.extend(out.right.columns(&self.work.right.batch, &self.spec.right)?);
        for numbers in [out.times, out.clocks, out.seqs, out.weights] {
            columns.push(Arc::new(Int64Array::from(numbers)));
        }
        cx.emit(RecordBatch::try_new(Arc::clone(&self.spec.output.schema), columns)?);
        Ok(progress)
    }
}

impl Incoming {
    fn nothing(layout: &Layout) -> Self {
        Self { batch: RecordBatch::new_empty(Arc::clone(&layout.schema)), keys: Vec::new(), values: Vec::new() }
    }

    /// A side's rows of a round, with the keys by which they meet.
    fn new(
        cx: &mut Cx<'_>,
        key: &[Arc<dyn PhysicalExpr>],
        layout: &Layout,
        slices: &[RecordBatch],
    ) -> Result<Self, ExecError> {
        let batch = concat_batches(&layout.schema, slices)?;
        let keys = join_keys(cx, key, layout, &batch)?;
        let rows = RowValues::encode(&user_columns(&batch, &layout.user_schema())?)?;
        let times = layout.times(&batch).values();
        let kept = |(time, row): (&i64, Vec<u8>)| Bytes::from([&time.to_be_bytes()[..], &row].concat());
        let values = times.iter().zip(rows).map(kept).collect();
        Ok(Self { batch, keys, values })
    }
}

impl Step for ForeignJoin {
    fn ports(&self) -> Ports {
        Ports::Round
    }

    fn input(&mut self, _: &mut Cx<'_>, _: usize, _: RecordBatch) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    fn round(&mut self, cx: &mut Cx<'_>, slices: Vec<Vec<RecordBatch>>) -> Result<Progress, ExecError> {
        if slices.iter().all(Vec::is_empty) {
            return Ok(Progress::Done);
        }
        let spec = &self.spec;
        self.work.left = Incoming::new(cx, &spec.foreign, &spec.left, &slices[0])?;
        let mut errors = Vec::new();
        let left = &self.work.left.batch;
        let own: Vec<ArrayRef> =
            spec.left_key.iter().map(|expr| evaluate(expr, left, &mut errors)).collect::<Result<_, _>>()?;
        self.work.own_keys = RowKeys::encode_rows(&own, left.num_rows())?;
        self.work.right = Incoming::new(cx, &spec.right_key, &spec.right, &slices[1])?;
        self.refuse_long_keys(cx);
        self.work.order = self.order();
        self.work.at = 0;
        self.go_on(cx)
    }

    fn resume(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        self.go_on(cx)
    }
}
