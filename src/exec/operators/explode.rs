//! Rows of a stream, each as often as its longest list has elements, side by side.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::ListArray;
use arrow::array::RecordBatch;
use arrow::array::UInt64Array;
use arrow::compute::take;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::log_errors;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::evaluate;

/// Rows of one batch that goes out, about.
const BATCH_ROWS: usize = 8192;

/// Rows whose lists are computed at once: a list can be far longer than what it is made of.
const ROWS_COMPUTED: usize = 64;

/// See the file's head.
pub struct Explode {
    /// Arrays; one that fails is null, which has no elements.
    pub lists: Vec<Arc<dyn PhysicalExpr>>,
    /// The edge that comes in: appended rows.
    pub input: Layout,
    /// The edge that goes out: the same columns, then those of the elements.
    pub output: Layout,
}

impl Explode {
    /// The rows `rows` of the batch, each with the elements at these places of its lists.
    fn rows(
        &self,
        batch: &RecordBatch,
        lists: &[&ListArray],
        places: &[(u64, usize)],
    ) -> Result<RecordBatch, ExecError> {
        let rows = UInt64Array::from_iter_values(places.iter().map(|(row, _)| *row));
        let users = self.input.users();
        let repeated = |column: &ArrayRef| take(column, &rows, None);
        let mut columns: Vec<ArrayRef> = batch.columns()[..users].iter().map(repeated).collect::<Result<_, _>>()?;
        for list in lists {
            let element = |(row, place): &(u64, usize)| {
                let row = *row as usize;
                let first = list.value_offsets()[row] as usize;
                (*place < length(list, row)).then_some((first + place) as u64)
            };
            let elements: UInt64Array = places.iter().map(element).collect();
            columns.push(take(list.values(), &elements, None)?);
        }
        columns.extend(batch.columns()[users..].iter().map(repeated).collect::<Result<Vec<_>, _>>()?);
        Ok(RecordBatch::try_new(Arc::clone(&self.output.schema), columns)?)
    }

    /// Rows whose lists are computed together.
    fn explode(&self, cx: &mut Cx<'_>, batch: &RecordBatch) -> Result<(), ExecError> {
        let mut errors = Vec::new();
        let lists: Vec<ArrayRef> =
            self.lists.iter().map(|expr| evaluate(expr, batch, &mut errors)).collect::<Result<_, _>>()?;
        log_errors(cx, &self.input, batch, &errors, "list without elements, it failed");
        let lists = lists
            .iter()
            .map(|list| list.as_list_opt::<i32>().ok_or_else(|| ExecError::UnknownNode(list.data_type().to_string())))
            .collect::<Result<Vec<_>, _>>()?;
        let mut places: Vec<(u64, usize)> = Vec::new();
        for row in 0..batch.num_rows() {
            let longest = lists.iter().map(|list| length(list, row)).max().unwrap_or(0);
            for place in 0..longest {
                places.push((row as u64, place));
                if places.len() == BATCH_ROWS {
                    cx.emit(self.rows(batch, &lists, &places)?);
                    places.clear();
                }
            }
        }
        cx.emit(self.rows(batch, &lists, &places)?);
        Ok(())
    }
}

/// Of a null 0.
fn length(list: &ListArray, row: usize) -> usize {
    if list.is_null(row) { 0 } else { list.value_length(row) as usize }
}

impl Step for Explode {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let is_there = self.lists.iter().all(|list| list.downcast_ref::<Column>().is_some());
        let rows = if is_there { batch.num_rows() } else { ROWS_COMPUTED };
        for from in (0..batch.num_rows()).step_by(rows.max(1)) {
            self.explode(cx, &batch.slice(from, rows.min(batch.num_rows() - from)))?;
        }
        Ok(Progress::Done)
    }
}
