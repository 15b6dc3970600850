//! Two streams joined where keys are equal and event times lie within a span of each other.
//!
//! Rows are taken one by one in the order of the round. Each meets the rows of the other side that came before it, then
//! waits in state for those to come. A row closes when no row that is not late can meet it any more; one of a kept side that
//! met nobody leaves then, with nulls, and once.
//!
//! Table 0 holds both sides by bucket of time, key and event time, so that closing is a range; rows that met nobody by when
//! they close; and the operator's own time. `docs/design/0007-joins.md` draws the keys.
//!
//! Invariants:
//!   * what a row meets follows from the rows and their times at that row alone, never from rounds or cuts
//!   * a pair leaves once, with the later event time of both, when the second of the two comes
//!   * a call emits at most about `OUTPUT_ROWS` rows, however many a key has

mod keys;
mod recent;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::Int8Array;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use bytes::Bytes;
use datafusion::physical_expr::PhysicalExpr;

use super::joined::Half;
use super::joined::Halves;
use super::joined::JoinKey;
use super::joined::join_keys;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Ports;
use crate::exec::Progress;
use crate::exec::Side;
use crate::exec::Step;
use crate::exec::expressions::user_columns;
use crate::exec::layout::OP_VALUE;
use crate::format::RowValues;
use keys::Port;
use recent::Recent;
use recent::Waiting;
use recent::waiting;

/// Rows that one call emits, about.
const OUTPUT_ROWS: usize = 8192;

/// One input of the join.
#[derive(Clone)]
pub struct StreamJoinSide {
    /// Its side of each pair of ON.
    pub key: Vec<Arc<dyn PhysicalExpr>>,
    /// Whether a row that meets nobody leaves with nulls.
    pub keeps: bool,
    /// How much later than a row of it one of the other side may be, milliseconds.
    pub after_ms: i64,
    /// How much further rows of the other side may lie behind their time than rows of this one, milliseconds; at least 0.
    pub delay_ms: i64,
    /// Its edge.
    pub layout: Layout,
}

/// What a join is.
#[derive(Clone)]
pub struct StreamJoinSpec {
    /// Left, right.
    pub sides: [StreamJoinSide; 2],
    /// How long after its span a row takes others, milliseconds.
    pub grace_ms: i64,
    /// A row that has met nobody leaves when it comes and not when it closes; it may meet rows afterwards.
    pub at_once: bool,
    /// Time is the greatest event time that reached this operator.
    pub own_time: bool,
    /// The edge that goes out: left columns, then right ones.
    pub output: Layout,
}

impl StreamJoinSpec {
    /// How far behind its time a row may be that it emits, milliseconds.
    pub fn lag_ms(&self) -> i64 {
        self.sides[0].after_ms.max(self.sides[1].after_ms).saturating_add(self.grace_ms)
    }

    /// The width of a bucket of time: rows that a row may meet lie in at most two.
    fn bucket_ms(&self) -> i64 {
        self.sides[0].after_ms.saturating_add(self.sides[1].after_ms).saturating_add(1)
    }

    /// The time that closes a row.
    fn closes(&self, port: Port, time: i64) -> i64 {
        time.saturating_add(self.sides[port.index()].after_ms).saturating_add(self.grace_ms).saturating_add(1)
    }
}

/// See the file's head.
pub struct StreamJoin {
    spec: StreamJoinSpec,
    work: Work,
    out: Out,
    /// Buckets up to this have no rows; only saves scans.
    expired: [i64; 2],
}

/// The rows of a round, and how far they are.
struct Work {
    sides: [Incoming; 2],
    /// Rows in the order of the round.
    order: Vec<(Port, usize)>,
    at: usize,
    /// The last row that the row at `at` has looked at: bucket, time and place.
    passed: Option<(i64, i64, i64)>,
    /// What this round's rows have found.
    recent: Recent,
    /// The row at `at` has met somebody.
    met: bool,
    /// What the drain phase has to do is being done.
    draining: bool,
    /// The operator's time, milliseconds, and the rows that it ever took.
    now: i64,
    places: i64,
}

struct Incoming {
    batch: RecordBatch,
    keys: Vec<JoinKey>,
    values: Vec<Bytes>,
}

/// Rows that leave.
#[derive(Default)]
struct Out {
    halves: [Halves; 2],
    times: Vec<i64>,
    clocks: Vec<i64>,
    seqs: Vec<i64>,
}

impl Out {
    fn push(&mut self, port: Port, own: Half, other: Half, time: i64, clock: i64, seq: i64) {
        self.halves[port.index()].push(own);
        self.halves[port.other().index()].push(other);
        self.times.push(time);
        self.clocks.push(clock);
        self.seqs.push(seq);
    }

    fn is_full(&self) -> bool {
        OUTPUT_ROWS <= self.times.len()
    }
}

/// What a call of the inner loops came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Went {
    Through,
    UntilFull,
}

impl StreamJoin {
    /// Nothing taken yet.
    pub fn new(spec: StreamJoinSpec) -> Self {
        let sides = nothing(&spec);
        let (order, now) = (Vec::new(), i64::MIN);
        let work = Work {
            sides,
            order,
            at: 0,
            passed: None,
            recent: Recent::default(),
            met: false,
            draining: false,
            now,
            places: 0,
        };
        Self { spec, work, out: Out::default(), expired: [i64::MIN; 2] }
    }

    fn incoming(&self, cx: &mut Cx<'_>, port: Port, slices: &[RecordBatch]) -> Result<Incoming, ExecError> {
        let side = &self.spec.sides[port.index()];
        let batch = concat_batches(&side.layout.schema, slices)?;
        let keys = join_keys(cx, &side.key, &side.layout, &batch)?;
        let values = RowValues::encode(&user_columns(&batch, &side.layout.user_schema())?)?;
        Ok(Incoming { batch, keys, values: values.into_iter().map(Bytes::from).collect() })
    }

    /// The rows of both sides by place, left first.
    fn order(&self, sides: &[Incoming; 2]) -> Vec<(Port, usize)> {
        let seqs = |port: Port| self.spec.sides[port.index()].layout.seqs(&sides[port.index()].batch).values();
        let (left, right) = (seqs(Port::Left), seqs(Port::Right));
        let mut order = Vec::with_capacity(left.len() + right.len());
        let mut next = 0;
        for (row, seq) in left.iter().enumerate() {
            while right.get(next).is_some_and(|other| other < seq) {
                order.push((Port::Right, next));
                next += 1;
            }
            order.push((Port::Left, row));
        }
        order.extend((next..right.len()).map(|row| (Port::Right, row)));
        order
    }

    fn read_clock(&mut self, cx: &mut Cx<'_>) -> Result<(), ExecError> {
        if let Some(value) = cx.table(0).get(keys::CLOCK)? {
            let parts = keys::clock_parts(&value).ok_or(ExecError::InternalRecord("a join's time"))?;
            (self.work.now, self.work.places) = parts;
        }
        Ok(())
    }

    fn write_clock(&self, cx: &mut Cx<'_>) -> Result<(), ExecError> {
        if self.work.now == i64::MIN && self.work.places == 0 {
            return Ok(());
        }
        let value = keys::clock_value(self.work.now, self.work.places);
        if cx.table(0).get(keys::CLOCK)?.as_deref() != Some(value.as_slice()) {
            cx.table(0).put(keys::CLOCK, value)?;
        }
        Ok(())
    }

    /// Goes on until all is done or a batch is full.
    fn go_on(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        while self.work.at < self.work.order.len() {
            if self.take(cx)? == Went::UntilFull {
                return self.leave(cx, Progress::More);
            }
        }
        if self.work.draining {
            if self.close(cx, 0)? == Went::UntilFull {
                return self.leave(cx, Progress::More);
            }
            self.expire(cx)?;
            self.work.draining = false;
        }
        self.write_clock(cx)?;
        let done = self.leave(cx, Progress::Done);
        self.work.sides = nothing(&self.spec);
        self.work.order.clear();
        self.work.at = 0;
        self.work.recent.clear();
        done
    }

    /// Takes the next row.
    fn take(&mut self, cx: &mut Cx<'_>) -> Result<Went, ExecError> {
        let (port, row) = self.work.order[self.work.at];
        let layout = &self.spec.sides[port.index()].layout;
        let batch = &self.work.sides[port.index()].batch;
        let delay_ms = self.spec.sides[port.index()].delay_ms;
        let (time, clock) = (layout.times(batch).value(row), layout.clocks(batch).value(row));
        let (seq, has_value) = (layout.seqs(batch).value(row), layout.ops(batch).value(row) == OP_VALUE);
        if has_value {
            self.work.now = self.work.now.max(if self.spec.own_time { time } else { clock.saturating_sub(delay_ms) });
        }
        if self.close(cx, seq)? == Went::UntilFull {
            return Ok(Went::UntilFull);
        }
        let late = self.spec.closes(port, time) <= self.work.now;
        match &self.work.sides[port.index()].keys[row] {
            _ if !has_value => {}
            JoinKey::Failed => {}
            JoinKey::Null => self.meets_nobody(port, row, time, seq),
            JoinKey::Value(_) if late => {
                cx.side(Side::Late, &self.work.sides[port.index()].batch.slice(row, 1))?;
                self.meets_nobody(port, row, time, seq);
            }
            JoinKey::Value(key) => {
                let key = key.clone();
                if self.probe(cx, port, row, &key, time, seq)? == Went::UntilFull {
                    return Ok(Went::UntilFull);
                }
                self.keep(cx, port, row, &key, time, seq)?;
            }
        }
        self.work.at += 1;
        self.work.passed = None;
        self.work.met = false;
        Ok(Went::Through)
    }

    /// A row that can meet nobody leaves at once if its side is kept.
    fn meets_nobody(&mut self, port: Port, row: usize, time: i64, seq: i64) {
        if self.spec.sides[port.index()].keeps {
            self.out.push(port, Half::Row(row), Half::Nothing, time, self.clock(), seq);
        }
    }

    /// The stream time of rows that leave: those that are still to come may lie so far behind.
    fn clock(&self) -> i64 {
        self.work.now.saturating_sub(self.spec.lag_ms())
    }

    /// The rows of the other side that are within the span and not closed.
    fn probe(
        &mut self,
        cx: &mut Cx<'_>,
        port: Port,
        row: usize,
        key: &[u8],
        time: i64,
        seq: i64,
    ) -> Result<Went, ExecError> {
        let other = port.other();
        let least = time.saturating_sub(self.spec.sides[other.index()].after_ms);
        let most = time.saturating_add(self.spec.sides[port.index()].after_ms);
        let width = self.spec.bucket_ms();
        for bucket in least.div_euclid(width)..=most.div_euclid(width) {
            if self.work.passed.is_some_and(|(passed, ..)| bucket < passed) {
                continue;
            }
            let (found, whole) = self.waiting(cx, bucket, keys::prefix(other, bucket, key), (least, most))?;
            for found in found.iter() {
                let place = (bucket, found.time, found.place);
                if found.time < least || most < found.time || self.work.passed.is_some_and(|passed| place <= passed) {
                    continue;
                }
                if self.out.is_full() {
                    return Ok(Went::UntilFull);
                }
                let closes = self.spec.closes(other, found.time);
                if self.work.now < closes {
                    self.work.met = true;
                    let value = Half::Stored(found.value.clone());
                    self.out.push(port, Half::Row(row), value, time.max(found.time), self.clock(), seq);
                    self.has_met(cx, other, closes, found.place)?;
                }
                self.work.passed = Some(place);
            }
            if !whole {
                return Ok(Went::UntilFull);
            }
        }
        Ok(Went::Through)
    }

    /// Rows that wait below `prefix`, those of the span and not yet passed among them, and whether these are all.
    fn waiting(
        &mut self,
        cx: &mut Cx<'_>,
        bucket: i64,
        prefix: Vec<u8>,
        (least, most): (i64, i64),
    ) -> Result<(Arc<Vec<Waiting>>, bool), ExecError> {
        if let Some(found) = self.work.recent.of(cx.table(0), &prefix)? {
            return Ok((found, true));
        }
        let from = match self.work.passed {
            Some((passed, time, place)) if passed == bucket => keys::row(&prefix, time, place.saturating_add(1)),
            _ => keys::row(&prefix, least, i64::MIN),
        };
        let to = keys::row(&prefix, most, i64::MAX);
        let room = OUTPUT_ROWS.saturating_sub(self.out.times.len()).max(1);
        let found = cx.table(0).range(&from, Some(&to)).take(room);
        let found = found.map(|entry| waiting(entry?)).collect::<Result<Vec<_>, ExecError>>()?;
        let whole = found.len() < room;
        Ok((Arc::new(found), whole))
    }

    /// A row that waited has met somebody.
    fn has_met(&self, cx: &mut Cx<'_>, port: Port, closes: i64, place: i64) -> Result<(), ExecError> {
        if self.spec.sides[port.index()].keeps && !self.spec.at_once {
            let pending = keys::pending(closes, port, place);
            if cx.table(0).get(&pending)?.is_some() {
                cx.table(0).delete(pending)?;
            }
        }
        Ok(())
    }

    /// The row waits for those to come.
    fn keep(
        &mut self,
        cx: &mut Cx<'_>,
        port: Port,
        row: usize,
        key: &[u8],
        time: i64,
        seq: i64,
    ) -> Result<(), ExecError> {
        let place = self.work.places;
        self.work.places += 1;
        let value = self.work.sides[port.index()].values[row].clone();
        if self.spec.sides[port.index()].keeps && !self.work.met {
            match self.spec.at_once {
                true => self.meets_nobody(port, row, time, seq),
                false => {
                    let pending = keys::pending(self.spec.closes(port, time), port, place);
                    cx.table(0).put(pending, keys::pending_value(time, &value))?;
                }
            }
        }
        let prefix = keys::prefix(port, time.div_euclid(self.spec.bucket_ms()), key);
        cx.table(0).put(keys::row(&prefix, time, place), value.clone())?;
        self.work.recent.kept(&prefix, Waiting { time, place, value });
        Ok(())
    }

    /// Rows that met nobody until time closed them leave, in the order in which they closed.
    fn close(&mut self, cx: &mut Cx<'_>, seq: i64) -> Result<Went, ExecError> {
        let waits = self.spec.sides.iter().any(|side| side.keeps) && !self.spec.at_once;
        if !waits {
            return Ok(Went::Through);
        }
        let (from, to) = keys::closed(self.work.now);
        while !self.out.is_full() {
            let room = OUTPUT_ROWS.saturating_sub(self.out.times.len()).max(1);
            let closed = cx.table(0).front(&from, &to)?.take(room).collect::<Result<Vec<_>, _>>()?;
            if closed.is_empty() {
                return Ok(Went::Through);
            }
            for (key, value) in closed {
                let (time, stored) = keys::pending_parts(&value).ok_or(ExecError::InternalRecord("a waiting row"))?;
                let port = keys::pending_port(&key).ok_or(ExecError::InternalRecord("a waiting row's side"))?;
                // Time as it was just before this closed, however far it has jumped.
                let clock = self.spec.closes(port, time).saturating_sub(1).saturating_sub(self.spec.lag_ms());
                self.out.push(port, Half::Stored(stored), Half::Nothing, time, clock, seq);
                cx.table(0).delete(key)?;
            }
        }
        Ok(Went::UntilFull)
    }

    /// Buckets whose rows have all closed are dropped.
    fn expire(&mut self, cx: &mut Cx<'_>) -> Result<(), ExecError> {
        let width = self.spec.bucket_ms();
        for port in [Port::Left, Port::Right] {
            let behind = self.spec.sides[port.index()].after_ms.saturating_add(self.spec.grace_ms);
            let open = self.work.now.saturating_sub(behind).div_euclid(width);
            if open <= self.expired[port.index()] {
                continue;
            }
            let (from, to) = (keys::bucket(port, i64::MIN), keys::bucket(port, open));
            let gone = cx.table(0).range(&from, Some(&to)).collect::<Result<Vec<_>, _>>()?;
            for (key, _) in gone {
                cx.table(0).delete(key)?;
            }
            self.expired[port.index()] = open;
        }
        Ok(())
    }

    /// What was gathered leaves.
    fn leave(&mut self, cx: &mut Cx<'_>, progress: Progress) -> Result<Progress, ExecError> {
        let out = std::mem::take(&mut self.out);
        if out.halves[0].len() == 0 {
            return Ok(progress);
        }
        let mut columns = Vec::with_capacity(self.spec.output.schema.fields().len());
        for (port, halves) in [Port::Left, Port::Right].into_iter().zip(&out.halves) {
            let batch = &self.work.sides[port.index()].batch;
            columns.extend(halves.columns(batch, &self.spec.sides[port.index()].layout)?);
        }
        let ops = Int8Array::from(vec![OP_VALUE; out.times.len()]);
        for numbers in [out.times, out.clocks, out.seqs] {
            columns.push(Arc::new(Int64Array::from(numbers)));
        }
        columns.push(Arc::new(ops));
        cx.emit(RecordBatch::try_new(Arc::clone(&self.spec.output.schema), columns)?);
        Ok(progress)
    }
}

/// No rows of either side.
fn nothing(spec: &StreamJoinSpec) -> [Incoming; 2] {
    spec.sides.each_ref().map(|side| Incoming {
        batch: RecordBatch::new_empty(Arc::clone(&side.layout.schema)),
        keys: Vec::new(),
        values: Vec::new(),
    })
}

impl Step for StreamJoin {
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
        self.read_clock(cx)?;
        let sides = [self.incoming(cx, Port::Left, &slices[0])?, self.incoming(cx, Port::Right, &slices[1])?];
        self.work.order = self.order(&sides);
        self.work.sides = sides;
        self.work.at = 0;
        self.work.recent.clear();
        self.go_on(cx)
    }

    fn resume(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        self.go_on(cx)
    }

    fn drained(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        self.read_clock(cx)?;
        if !self.spec.own_time
            && let Some(time) = cx.stream_time().0
        {
            self.work.now = self.work.now.max(time.0);
        }
        self.work.draining = true;
        self.go_on(cx)
    }
}
