//! Rows of several batches put together.

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::RecordBatch;
use arrow::array::RecordBatchOptions;
use arrow::compute::interleave;

use crate::state::StateError;

/// The rows at `places` (batch, row) of batches with the same columns; at least one batch.
pub(super) fn gather(batches: &[&RecordBatch], places: &[(usize, usize)]) -> Result<RecordBatch, StateError> {
    let schema = batches[0].schema();
    let column = |index: usize| -> Result<ArrayRef, StateError> {
        let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(index).as_ref()).collect();
        Ok(interleave(&parts, places)?)
    };
    let columns = (0..schema.fields().len()).map(column).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// Memory that an array's rows take, whatever else its buffers hold.
pub(super) fn slice_bytes(array: &dyn Array) -> usize {
    array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
}
