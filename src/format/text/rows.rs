//! Rows of texts to columns: what COPY FROM and text parameters need.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::record_batch::RecordBatchOptions;

use super::parse_slot;
use crate::format::FormatError;
use crate::format::column_builder::ColumnBuilder;
use crate::format::number::Excess;
use crate::format::value::Row;
use crate::format::value::Slot;
use crate::model::Column;

/// Why a row was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct RowError {
    /// Which column's text is to blame.
    pub column: Option<usize>,
    /// What is wrong with it.
    pub error: FormatError,
}

/// Builds a batch from rows of texts. A row that fails leaves nothing behind.
pub struct RowsBuilder {
    columns: Vec<Column>,
    schema: SchemaRef,
    zone: Tz,
    builders: Vec<ColumnBuilder>,
    row: Row,
    rows: usize,
}

impl RowsBuilder {
    /// A builder of rows with these columns; instants without an offset are read on a clock of `zone`.
    pub fn new(columns: &[Column], zone: Tz) -> Self {
        Self {
            schema: Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>())),
            builders: columns.iter().map(|column| ColumnBuilder::new(&column.sql_type, 0)).collect(),
            columns: columns.to_vec(),
            zone,
            row: Row::default(),
            rows: 0,
        }
    }

    /// Adds a row; one text a column, `None` for null.
    pub fn push(&mut self, texts: &[Option<&str>]) -> Result<(), RowError> {
        if texts.len() != self.columns.len() {
            let reason = format!("{} fields where {} columns are wanted", texts.len(), self.columns.len());
            return Err(RowError { column: None, error: FormatError::Malformed { format: "row", reason } });
        }
        self.row.clear(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let slot = match text {
                None => Slot::Null,
                Some(text) => parse_slot(&self.columns[index].sql_type, text, self.zone, Excess::Round, &mut self.row)
                    .map_err(|error| RowError { column: Some(index), error })?,
            };
            self.row.slots[index] = slot;
        }
        for (builder, slot) in self.builders.iter_mut().zip(&self.row.slots) {
            builder.append(*slot, &self.row);
        }
        self.rows += 1;
        Ok(())
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows so far; the builder is empty again.
    pub fn finish(&mut self) -> RecordBatch {
        let arrays = self.builders.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .expect("each builder got one slot a row, of its column's type")
    }
}
