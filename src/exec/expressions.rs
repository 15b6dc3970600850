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
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use super::ExecError;
use crate::functions::KSQL_ARRAY;

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
        Err(_) if rows == 1 && has_elements(expr) => {
            let apart = elements_apart(expr, batch, first, errors)?;
            match apart.evaluate(batch).and_then(|value| value.into_array(rows)) {
                Ok(array) => Ok(array),
                Err(error) => {
                    errors.push(RowError { row: first, reason: ExecError::from(error).to_string() });
                    Ok(new_null_array(&expr.data_type(batch.schema_ref())?, 1))
                }
            }
        }
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

/// Whether an expression makes an array of which an element may fail alone.
fn has_elements(expr: &Arc<dyn PhysicalExpr>) -> bool {
    keeps_elements(expr) || expr.children().into_iter().any(has_elements)
}

fn keeps_elements(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.downcast_ref::<ScalarFunctionExpr>().is_some_and(|function| function.fun().name() == KSQL_ARRAY)
}

/// The expression for one row, with the elements of such arrays as they are, null where they fail.
fn elements_apart(
    expr: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
    first: usize,
    errors: &mut Vec<RowError>,
) -> Result<Arc<dyn PhysicalExpr>, ExecError> {
    let children: Vec<Arc<dyn PhysicalExpr>> = expr.children().into_iter().map(Arc::clone).collect();
    let is_array = keeps_elements(expr);
    let mut apart: Vec<Arc<dyn PhysicalExpr>> = Vec::with_capacity(children.len());
    for child in &children {
        apart.push(match is_array {
            true => {
                let value = evaluate_from(child, batch, first, errors)?;
                Arc::new(Literal::new(ScalarValue::try_from_array(&value, 0)?))
            }
            false => elements_apart(child, batch, first, errors)?,
        });
    }
    Ok(if apart.is_empty() { Arc::clone(expr) } else { Arc::clone(expr).with_new_children(apart)? })
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
