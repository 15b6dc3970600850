//! What a top-N says: rows that lose their rank, then rows that get one.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use bytes::Bytes;

use super::TopSpec;
use super::intake::Intake;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::operators::joined::Half;
use crate::exec::operators::joined::Halves;
use crate::plan::RankColumn;

/// A row with its rank.
pub(super) struct Placed {
    /// The row: of the batch, or as it was kept.
    pub row: Half,
    /// Its event time, milliseconds.
    pub time: i64,
    /// From 1.
    pub rank: i64,
    /// The row of the batch by which its rank comes or goes.
    pub cause: usize,
}

/// What becomes of ranks.
#[derive(Default)]
pub(super) struct Changed {
    /// Rows that do not have this rank any more.
    pub gone: Vec<Placed>,
    /// Rows that have this rank from now on.
    pub come: Vec<Placed>,
}

/// A row as it is kept: its event time, then `RowValues` of its user columns.
pub(super) struct Kept {
    /// Milliseconds.
    pub time: i64,
    /// `RowValues`.
    pub values: Bytes,
}

impl Kept {
    /// The row of what `bytes` wrote.
    pub fn read(bytes: &Bytes) -> Result<Self, ExecError> {
        match bytes.split_first_chunk::<8>() {
            Some((time, _)) => Ok(Self { time: i64::from_be_bytes(*time), values: bytes.slice(8..) }),
            None => Err(ExecError::InternalRecord("a ranked row")),
        }
    }

    /// What is kept of a row.
    pub fn bytes(time: i64, values: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + values.len());
        bytes.extend_from_slice(&time.to_be_bytes());
        bytes.extend_from_slice(values);
        bytes
    }
}

impl Changed {
    /// Rows leave, and how many. All that go leave before all that come: a row that moves within the order, or from one
    /// partition to another, goes before it comes again.
    pub fn emit(self, cx: &mut Cx<'_>, spec: &TopSpec, intake: &Intake) -> Result<usize, ExecError> {
        let batch = &intake.batch;
        let weights = std::iter::repeat_n(-1_i64, self.gone.len()).chain(std::iter::repeat_n(1, self.come.len()));
        let weights = Int64Array::from_iter_values(weights);
        let rows: Vec<Placed> = self.gone.into_iter().chain(self.come).collect();
        let count = rows.len();
        if count == 0 {
            return Ok(0);
        }
        let times = spec.input.times(batch).values();
        let time = Int64Array::from_iter_values(rows.iter().map(|row| row.time.max(times[row.cause])));
        let of_cause = |values: &[i64]| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| values[row.cause])))
        };
        let clocks = of_cause(spec.input.clocks(batch).values());
        let seqs = of_cause(spec.input.seqs(batch).values());
        let ranks = Int64Array::from_iter_values(rows.iter().map(|row| row.rank));
        let mut halves = Halves::default();
        rows.into_iter().for_each(|row| halves.push(row.row));
        let mut columns = halves.columns(batch, &spec.input)?;
        if spec.rank == RankColumn::Shown {
            columns.push(Arc::new(ranks));
        }
        columns.extend([Arc::new(time) as ArrayRef, clocks, seqs, Arc::new(weights)]);
        cx.emit(RecordBatch::try_new(Arc::clone(&spec.output.schema), columns)?);
        Ok(count)
    }
}
