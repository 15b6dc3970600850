//! Pages: up to 8,192 rows in key order that never change, in memory and as one value in a cold store.
//!
//! A stored page is an Arrow slice (`format::encode_slice`, with its checksum) of the keys and then the view's columns.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::BinaryArray;
use arrow::array::RecordBatch;
use arrow::array::RecordBatchOptions;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;

use crate::format::decode_slice;
use crate::format::encode_slice;
use crate::state::StateError;

/// Rows of a full page.
pub(super) const PAGE_ROWS: usize = 8192;

/// Rows with their keys, which rise.
pub(super) struct Page {
    pub(super) keys: BinaryArray,
    pub(super) rows: RecordBatch,
}

impl Page {
    /// How many rows have a key before `key`.
    pub(super) fn rows_before(&self, key: &[u8]) -> usize {
        rows_before(&self.keys, key)
    }

    /// The row of a key.
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        let row = self.rows_before(key);
        (row < self.keys.len() && self.keys.value(row) == key).then_some(row)
    }

    /// The page as a cold store keeps it.
    pub(super) fn encode(&self) -> Result<Vec<u8>, StateError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.keys.clone())];
        columns.extend(self.rows.columns().iter().map(Arc::clone));
        let batch = RecordBatch::try_new(stored_schema(self.rows.schema_ref()), columns)?;
        Ok(encode_slice(&batch)?)
    }

    /// What `encode` wrote of a page with these columns; anything else is an error.
    pub(super) fn decode(bytes: &[u8], schema: &SchemaRef) -> Result<Self, StateError> {
        let batch = decode_slice(bytes, stored_schema(schema))?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns()[1..].to_vec();
        let rows = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
        Ok(Self { keys: batch.column(0).as_binary::<i32>().clone(), rows })
    }
}

/// How many of keys that rise lie before `key`.
pub(super) fn rows_before(keys: &BinaryArray, key: &[u8]) -> usize {
    let (mut from, mut upto) = (0, keys.len());
    while from < upto {
        let middle = from + (upto - from) / 2;
        if keys.value(middle) < key { from = middle + 1 } else { upto = middle }
    }
    from
}

fn stored_schema(schema: &SchemaRef) -> SchemaRef {
    let key = Arc::new(Field::new("\u{1}key", DataType::Binary, false));
    Arc::new(Schema::new(std::iter::once(key).chain(schema.fields().iter().map(Arc::clone)).collect::<Vec<_>>()))
}
