//! Rows that leave because their time is over: the key that is known of them, and nothing else.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int8Array;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::array::new_null_array;

use crate::exec::Changes;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::layout::OP_NO_VALUE;
use crate::exec::layout::OP_VALUE;
use crate::exec::layout::SEQ_OF_NO_RECORD;

/// Rows that leave in one batch, at most.
pub const BATCH_ROWS: usize = 8_192;

/// Whether each row of a batch on this edge is there after it, rather than taken away.
pub fn are_there<'b>(edge: &Layout, batch: &'b RecordBatch) -> Box<dyn Fn(usize) -> bool + 'b> {
    match edge.changes {
        Changes::Retract => {
            let weights = edge.weights(batch);
            Box::new(move |row| 0 < weights.value(row))
        }
        Changes::Append | Changes::Upsert => {
            let ops = edge.ops(batch);
            Box::new(move |row| ops.value(row) == OP_VALUE)
        }
    }
}

/// The rows to be taken away on an edge: `key` are the places of the columns `values`, `times` the rows' event times, `now` stream
/// time.
pub fn rows(
    edge: &Layout,
    (key, values): (&[usize], &[ArrayRef]),
    times: Vec<i64>,
    now: i64,
) -> Result<RecordBatch, ExecError> {
    let count = times.len();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(edge.schema.fields().len());
    for (index, field) in edge.user_schema().fields().iter().enumerate() {
        columns.push(match key.iter().position(|place| *place == index) {
            Some(place) => Arc::clone(&values[place]),
            None => new_null_array(field.data_type(), count),
        });
    }
    columns.push(Arc::new(Int64Array::from(times)));
    columns.push(Arc::new(Int64Array::from(vec![now; count])));
    columns.push(Arc::new(Int64Array::from_iter_values((0..count as i64).map(|row| SEQ_OF_NO_RECORD + row))));
    columns.push(match edge.changes {
        Changes::Retract => Arc::new(Int64Array::from(vec![-1; count])),
        Changes::Append | Changes::Upsert => Arc::new(Int8Array::from(vec![OP_NO_VALUE; count])),
    });
    Ok(RecordBatch::try_new(Arc::clone(&edge.schema), columns)?)
}
