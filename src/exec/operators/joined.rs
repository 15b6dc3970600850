//! Rows of a join as they are put together: each side's columns from its batch, from state, or nulls.

use arrow::array::ArrayRef;
use arrow::array::RecordBatch;
use arrow::array::new_null_array;
use arrow::compute::interleave;
use bytes::Bytes;
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

use super::log_errors;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::expressions::RowError;
use crate::exec::expressions::evaluate;
use crate::format::RowKeys;
use crate::format::RowValues;

/// What state adds to a key of a join before it becomes a key of the store, in bytes, at most.
const KEY_OVERHEAD: usize = 64;

/// One side of a joined row.
#[derive(Debug, Clone)]
pub enum Half {
    /// Nulls.
    Nothing,
    /// A row of the side's batch.
    Row(usize),
    /// A row as state keeps it: `RowValues` of the side's user columns.
    Stored(Bytes),
}

/// One side of all joined rows.
#[derive(Default)]
pub struct Halves {
    from: Vec<(usize, usize)>,
    stored: Vec<Bytes>,
}

impl Halves {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.from.len()
    }

    /// Adds the side of one more row.
    pub fn push(&mut self, half: Half) {
        self.from.push(match half {
            Half::Nothing => (0, 0),
            Half::Row(row) => (1, row),
            Half::Stored(bytes) => {
                self.stored.push(bytes);
                (2, self.stored.len() - 1)
            }
        });
    }

    /// The side's user columns.
    pub fn columns(&self, batch: &RecordBatch, layout: &Layout) -> Result<Vec<ArrayRef>, ExecError> {
        let stored: Vec<&[u8]> = self.stored.iter().map(|bytes| bytes.as_ref()).collect();
        let stored = RowValues::decode(&stored, &layout.user_schema())?;
        let column = |index: usize| {
            let nothing = new_null_array(batch.column(index).data_type(), 1);
            let sources = [nothing.as_ref(), batch.column(index).as_ref(), stored.column(index).as_ref()];
            Ok(interleave(&sources, &self.from)?)
        };
        (0..layout.users()).map(column).collect()
    }
}

/// What became of a row's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinKey {
    /// Bytes that are equal where the keys are.
    Value(Vec<u8>),
    /// It has a null, which equals nothing.
    Null,
    /// It failed or is too long; the processing log says so.
    Failed,
}

/// The key of each row.
pub fn join_keys(
    cx: &mut Cx<'_>,
    exprs: &[Arc<dyn PhysicalExpr>],
    layout: &Layout,
    batch: &RecordBatch,
) -> Result<Vec<JoinKey>, ExecError> {
    let mut errors = Vec::new();
    let columns = exprs.iter().map(|expr| evaluate(expr, batch, &mut errors)).collect::<Result<Vec<ArrayRef>, _>>()?;
    let bytes = RowKeys::encode_rows(&columns, batch.num_rows())?;
    let bytes_max = crate::state::KEY_BYTES_MAX - KEY_OVERHEAD;
    let mut keys = Vec::with_capacity(bytes.len());
    for (row, key) in bytes.into_iter().enumerate() {
        keys.push(match columns.iter().any(|column| column.is_null(row)) {
            true => JoinKey::Null,
            false if bytes_max < key.len() => {
                let reason = format!("{} bytes are over the limit of {bytes_max}", key.len());
                errors.push(RowError { row, reason });
                JoinKey::Failed
            }
            false => JoinKey::Value(key),
        });
    }
    for error in &errors {
        keys[error.row] = JoinKey::Failed;
    }
    log_errors(cx, layout, batch, &errors, "row left out by a join key that failed");
    Ok(keys)
}
