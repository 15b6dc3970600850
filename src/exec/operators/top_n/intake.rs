//! Rows on their way in: which of them count, to which partition they belong, and where they stand in its order.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::RecordBatch;
use datafusion::physical_expr::PhysicalExpr;

use super::TopSpec;
use super::order::order_keys;
use crate::catalog::EmitMode;
use crate::exec::Changes;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::expressions::RowError;
use crate::exec::expressions::evaluate;
use crate::exec::layout::OP_VALUE;
use crate::exec::operators::log_errors;
use crate::format::RowKeys;
use crate::state::KEY_BYTES_MAX;

/// What the keys of state have beside partition, order and row key, in bytes, at most.
const OVERHEAD_BYTES: usize = 16;

/// A batch, of which some rows may have been taken.
pub(super) struct Intake {
    /// The rows.
    pub batch: RecordBatch,
    /// Per row the bytes of its place in the order.
    pub orders: Vec<Vec<u8>>,
    /// Per row the bytes of its key; empty for facts.
    pub keys: Vec<Vec<u8>>,
    partitions: Vec<Vec<u8>>,
    counts: Vec<bool>,
    seqs: Vec<i64>,
    next: usize,
}

/// Rows of one partition, in the order in which they came.
pub(super) struct Members<'a> {
    /// The partition's bytes.
    pub partition: &'a [u8],
    /// Rows of the batch.
    pub rows: Vec<usize>,
}

impl Intake {
    /// A batch of which no row has been taken. A fact whose place cannot be told is left out; a row that is taken back is
    /// where it was when it came.
    pub fn new(cx: &mut Cx<'_>, spec: &TopSpec, batch: RecordBatch) -> Result<Self, ExecError> {
        let rows = batch.num_rows();
        let mut errors = Vec::new();
        let mut columns = |exprs: Vec<&Arc<dyn PhysicalExpr>>| -> Result<Vec<ArrayRef>, ExecError> {
            exprs.into_iter().map(|expr| evaluate(expr, &batch, &mut errors)).collect()
        };
        let partition = columns(spec.partition.iter().collect())?;
        let order = columns(spec.order.iter().map(|item| &item.expr).collect())?;
        let key = columns(spec.key.iter().collect())?;
        let partitions = RowKeys::encode_rows(&partition, rows)?;
        let orders = order_keys(&spec.order, &order, rows)?;
        let keys = RowKeys::encode_rows(&key, rows)?;
        let mut counts = vec![true; rows];
        let is_fact = spec.input.changes != Changes::Retract;
        if is_fact {
            errors.iter().for_each(|error| counts[error.row] = false);
            let ops = spec.input.ops(&batch).values();
            counts.iter_mut().zip(ops).for_each(|(counts, op)| *counts &= *op == OP_VALUE);
        }
        let became = if is_fact { "row left out, its rank failed" } else { "row ranked by null, its rank failed" };
        log_errors(cx, &spec.input, &batch, &errors, became);
        let mut long = Vec::new();
        for row in 0..rows {
            let bytes = partitions[row].len() + orders[row].len() + keys[row].len() + OVERHEAD_BYTES;
            if KEY_BYTES_MAX < bytes {
                counts[row] = false;
                long.push(RowError { row, reason: format!("{bytes} bytes are over the limit of {KEY_BYTES_MAX}") });
            }
        }
        log_errors(cx, &spec.input, &batch, &long, "row left out by a rank that is too long");
        let seqs = spec.input.seqs(&batch).values().to_vec();
        Ok(Self { batch, orders, keys, partitions, counts, seqs, next: 0 })
    }

    /// The next rows whose changes leave together: under `emit = 'all'` those of one input row.
    pub fn next_unit(&mut self, spec: &TopSpec) -> Option<Range<usize>> {
        let (from, rows) = (self.next, self.batch.num_rows());
        if from == rows {
            return None;
        }
        let to = match spec.emit {
            EmitMode::Net => rows.min(from + spec.unit_rows()),
            EmitMode::All => (from..rows).find(|row| self.seqs[*row] != self.seqs[from]).unwrap_or(rows),
        };
        self.next = to;
        Some(from..to)
    }

    /// Rows that count, by partition, in the order in which the partitions are met.
    pub fn members(&self, rows: Range<usize>) -> Vec<Members<'_>> {
        let mut found: Vec<Members<'_>> = Vec::new();
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        for row in rows.filter(|row| self.counts[*row]) {
            let partition = self.partitions[row].as_slice();
            let place = *places.entry(partition).or_insert_with(|| {
                found.push(Members { partition, rows: Vec::new() });
                found.len() - 1
            });
            found[place].rows.push(row);
        }
        found
    }
}
