//! The body of an operator, and what it is handed.

use std::collections::VecDeque;

use arrow::array::RecordBatch;

use super::CutId;
use super::ExecError;
use super::late;
use super::output::CutOutput;
use super::slice::Marker;
use super::step_exec::TaskState;
use super::step_exec::Teller;
use crate::model::EventTime;
use crate::model::OperatorId;
use crate::model::StreamTime;
use crate::model::TopicPartition;
use crate::protocol::Headers;
use crate::state::StateTable;

/// How an operator takes what its children yield.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// Batch by batch, in the order in which children yield them.
    Any,
    /// Batch by batch; port 0 is taken to its end before port 1, and so on.
    Ordered,
    /// All of a round at once, through `round`; leaves are such operators without a port.
    Round,
}

/// Whether a call has said all it had to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is held back.
    Done,
    /// There is more; `resume` is called until `Done`. What was emitted so far passes the parents first.
    More,
}

/// Rows that leave an operator beside its output, in the same cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Rows for a window that has closed.
    Late,
}

/// The body of an operator. Output only through `cx`.
///
/// Memory may live between a call and its `Done`. What an operator gathers for `flush` may live until the end of that
/// cut and no longer; all else is in state tables, so that restore, rollback and accounting are generic.
pub trait Step: Send {
    /// How it takes input.
    fn ports(&self) -> Ports {
        Ports::Any
    }

    /// One batch of a child. Not called on `Ports::Round`.
    fn input(&mut self, cx: &mut Cx<'_>, port: usize, batch: RecordBatch) -> Result<Progress, ExecError>;

    /// A round's batches by port; once in every Input phase, empty slices included, and in another phase if rows came.
    fn round(&mut self, _cx: &mut Cx<'_>, _slices: Vec<Vec<RecordBatch>>) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    /// Goes on after `More`.
    fn resume(&mut self, _cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    /// Once per round, after its rows: timers, window close.
    fn drained(&mut self, _cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    /// Once per cut.
    fn flush(&mut self, _cx: &mut Cx<'_>, _cut: CutId) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }
}

/// A record that a step writes.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    /// Its time, milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// What a step may do during one call.
pub struct Cx<'a> {
    pub(super) operator: &'a OperatorId,
    pub(super) lag_ms: i64,
    pub(super) tables: &'a [usize],
    pub(super) out: &'a mut VecDeque<RecordBatch>,
    pub(super) task: &'a mut TaskState,
}

impl Cx<'_> {
    /// Passes rows to the parent. Empty batches are dropped.
    pub fn emit(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.out.push_back(batch);
        }
    }

    /// Sends rows beside the output.
    pub fn side(&mut self, side: Side, batch: &RecordBatch) -> Result<(), ExecError> {
        match side {
            Side::Late => {
                let output = &mut self.task.output;
                let before = output.late.entry(self.operator.clone()).or_default();
                let seen = std::mem::replace(before, *before + batch.num_rows() as u64);
                match self.task.late.get(self.operator) {
                    Some(to) => late::keep(output, *to, batch, seen, self.task.partition),
                    None => Ok(()),
                }
            }
        }
    }

    /// The operator's own id.
    pub fn operator(&self) -> &OperatorId {
        self.operator
    }

    /// Stream time of the rows that reach this operator, after this round: the task's, less how far rows of a join below
    /// may lie behind it.
    pub fn stream_time(&self) -> StreamTime {
        StreamTime(self.task.stream_time.0.map(|time| EventTime(time.0.saturating_sub(self.lag_ms))))
    }

    /// `now()` of this cut, microseconds since 1970 UTC.
    pub fn cut_time_micros(&self) -> i64 {
        self.task.cut_time_micros
    }

    /// Takes the rows that this round gives to leaf `leaf`.
    pub fn take_leaf(&mut self, leaf: usize) -> Vec<RecordBatch> {
        self.task.leaves.get_mut(leaf).map(std::mem::take).unwrap_or_default()
    }

    /// The operator's state table with number `table`, in the order of its `StepSpec::tables`.
    pub fn table(&mut self, table: usize) -> &mut StateTable {
        &mut self.task.tables[self.tables[table]].1
    }

    /// What waits for the cut.
    pub fn output(&mut self) -> &mut CutOutput {
        &mut self.task.output
    }

    /// The headers of the record that caused the rows at `seq`.
    pub fn headers(&self, seq: i64) -> Headers<'_> {
        self.task.headers.of(seq)
    }

    /// The headers of the records that caused the rows at these places, for who reads them as a slice; empty if there are none.
    pub fn headers_of_slice(&self, seqs: &[i64]) -> Vec<u8> {
        self.task.headers.encode(seqs)
    }

    /// A record waits for the cut, with the headers of the one that caused the rows at `seq`.
    pub fn append(&mut self, partition: TopicPartition, record: NewRecord<'_>, seq: i64) {
        let TaskState { output, headers, .. } = &mut *self.task;
        let headers = headers.of(seq);
        let batch = output.batch(partition);
        match headers.len() {
            0 => batch.append(record.timestamp_ms, record.key, record.value, &[]),
            _ => batch.append(record.timestamp_ms, record.key, record.value, &headers.collect::<Vec<_>>()),
        }
    }

    /// Says that this many more bytes are held for the flush.
    pub fn hold(&mut self, bytes: usize) {
        self.task.output.held = true;
        self.task.output.held_bytes += bytes;
    }

    /// What this task tells the readers of its repartitions.
    pub fn marker(&self) -> Marker {
        let marker = self.task.marker.clone();
        Marker { clock: marker.clock.map(|clock| clock.saturating_sub(self.lag_ms)), ..marker }
    }

    /// What tells the readers of the stream that this task writes how far it has come; `None` if it writes none.
    pub fn teller(&self) -> Option<Teller> {
        self.task.teller.clone()
    }

    /// The task's partition.
    pub fn partition(&self) -> i32 {
        self.task.partition
    }
}
