//! Expressions over batches, with errors pinned to the rows that cause them.
//!
//! A row's outcome never depends on its neighbours: a batch that fails is halved until single rows fail.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::BooleanArray;
use arrow::array::RecordBatch;
use arrow::array::new_null_array;
use arrow::compute::concat;
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;

use super::ExecError;

/// A row whose expression failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The row in its batch.
    pub row: usize,
    /// Why.
    pub reason: String,
}

/// The values of `expr`, null where it failed; failures are added to `errors`.
pub fn evaluate(
    expr: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
    errors: &mut Vec<RowError>,
) -> Result<ArrayRef, ExecError> {
    evaluate_from(expr, batch, 0, errors)
}

fn evaluate_from(
    expr: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
    first: usize,
    errors: &mut Vec<RowError>,
) -> Result<ArrayRef, ExecError> {
    let rows = batch.num_rows();
    if rows == 0 {
        return Ok(new_null_array(&expr.data_type(batch.schema_ref())?, 0));
    }
    match expr.evaluate(batch).and_then(|value| value.into_array(rows)) {
        Ok(array) => Ok(array),
        Err(error) if rows == 1 => {
            errors.push(RowError { row: first, reason: ExecError::from(error).to_string() });
            Ok(new_null_array(&expr.data_type(batch.schema_ref())?, 1))
        }
        Err(_) => {
            let half = rows / 2;
            let left = evaluate_from(expr, &batch.slice(0, half), first, errors)?;
            let right = evaluate_from(expr, &batch.slice(half, rows - half), first + half, errors)?;
            Ok(concat(&[left.as_ref(), right.as_ref()])?)
        }
    }
}

/// Which rows meet a predicate; null and failures do not.
pub fn holds(
    predicate: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
    errors: &mut Vec<RowError>,
) -> Result<BooleanArray, ExecError> {
    let values = evaluate(predicate, batch, errors)?;
    let values = values
        .as_boolean_opt()
        .ok_or(ExecError::Contract { operator: "filter".to_string(), what: "a predicate that is not boolean" })?;
    Ok(match values.nulls() {
        None => values.clone(),
        Some(nulls) => BooleanArray::new(values.values() & nulls.inner(), None),
    })
}

/// The user columns of `batch`, as a batch of their own.
pub fn user_columns(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ExecError> {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns()[..schema.fields().len()].to_vec();
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
