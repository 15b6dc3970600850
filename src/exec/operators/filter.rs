//! WHERE and HAVING: keeps rows whose predicate is true.
//!
//! On an upsert edge a row that does not meet the predicate becomes a tombstone, since an older row of its key may have
//! met it. A stream's record without value meets no predicate.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::BooleanArray;
use arrow::array::Int8Array;
use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use datafusion::physical_expr::PhysicalExpr;

use super::log_errors;
use crate::exec::Changes;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::holds;
use crate::exec::layout::OP_NO_VALUE;
use crate::exec::layout::OP_VALUE;

/// A predicate over an edge.
pub struct Filter {
    /// The predicate.
    pub predicate: Arc<dyn PhysicalExpr>,
    /// The edge, which it leaves as it is.
    pub layout: Layout,
}

impl Step for Filter {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let mut errors = Vec::new();
        let holds = holds(&self.predicate, &batch, &mut errors)?;
        log_errors(cx, &self.layout, &batch, &errors, "row left out by a predicate that failed");
        match self.layout.changes {
            Changes::Retract => cx.emit(filter_record_batch(&batch, &holds)?),
            Changes::Append if !self.layout.has_no_value(&batch) => cx.emit(filter_record_batch(&batch, &holds)?),
            Changes::Append => {
                let ops = self.layout.ops(&batch).values();
                let kept: BooleanArray =
                    (0..batch.num_rows()).map(|row| Some(holds.value(row) && ops[row] == OP_VALUE)).collect();
                cx.emit(filter_record_batch(&batch, &kept)?);
            }
            Changes::Upsert => {
                let ops = self.layout.ops(&batch).values();
                let ops = (0..batch.num_rows()).map(|row| if holds.value(row) { ops[row] } else { OP_NO_VALUE });
                let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
                let last = columns.len() - 1;
                columns[last] = Arc::new(Int8Array::from_iter_values(ops));
                debug_assert_eq!(columns[last].len(), batch.num_rows());
                cx.emit(RecordBatch::try_new(batch.schema(), columns)?);
            }
        }
        Ok(Progress::Done)
    }
}
