//! The flights of 2013 in the order of their time, so that no window closes before its rows are there.
//!
//! They are part of the binary: the demo runs wherever the binary does. The order is total (the file's own order among
//! equal times), so that a load that was cut short goes on at the row where it stood.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::RecordBatch;
use arrow::array::UInt32Array;
use arrow::compute::SortColumn;
use arrow::compute::concat_batches;
use arrow::compute::lexsort_to_indices;
use arrow::compute::take_record_batch;
use arrow::error::ArrowError;
use bytes::Bytes;

use crate::cli::sql::ParquetRows;
use crate::cli::sql::SqlError;

const FILE: &str = "sql/flights/flights.parquet";
const PARQUET: &[u8] = include_bytes!("../../../../sql/flights/flights.parquet");

/// Rows that are sent together.
const BATCH_ROWS: usize = 8192;

/// All flights by `time_hour`.
pub(super) struct Flights {
    rows: RecordBatch,
}

impl Flights {
    /// Reads and sorts them.
    pub fn read() -> Result<Self, SqlError> {
        let mut file = ParquetRows::from_bytes(FILE, Bytes::from_static(PARQUET))?;
        let mut batches = Vec::new();
        while let Some(batch) = file.next_batch()? {
            batches.push(batch);
        }
        let rows = by_time(&batches);
        let rows = rows.map_err(|error| SqlError::Parquet { path: FILE.to_string(), message: error.to_string() })?;
        Ok(Self { rows })
    }

    /// The columns' names.
    pub fn columns(&self) -> Vec<String> {
        self.rows.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.num_rows()
    }

    /// All but the first `skipped`, in batches.
    pub fn after(&self, skipped: usize) -> impl Iterator<Item = RecordBatch> + Send {
        let rows = &self.rows;
        let starts = (skipped..rows.num_rows()).step_by(BATCH_ROWS);
        starts.map(move |start| rows.slice(start, BATCH_ROWS.min(rows.num_rows() - start)))
    }
}

fn by_time(batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
    let first = batches.first().ok_or_else(|| ArrowError::InvalidArgumentError("it has no rows".to_string()))?;
    let rows = concat_batches(first.schema_ref(), batches)?;
    let count = u32::try_from(rows.num_rows()).map_err(|error| ArrowError::InvalidArgumentError(error.to_string()))?;
    let times = rows.column_by_name("time_hour");
    let times = times.ok_or_else(|| ArrowError::SchemaError("it has no time_hour".to_string()))?;
    let places: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..count));
    let column = |values: &ArrayRef| SortColumn { values: Arc::clone(values), options: None };
    let order = lexsort_to_indices(&[column(times), column(&places)], None)?;
    take_record_batch(&rows, &order)
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;
    use arrow::array::AsArray;
    use arrow::datatypes::TimestampMicrosecondType;

    use super::*;

    #[test]
    fn all_flights_come_in_the_order_of_their_time() {
        let flights = Flights::read().expect("the file is right");
        assert_eq!(flights.count(), 336_776);
        let times = flights.rows.column_by_name("time_hour").expect("it is there");
        let times = times.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(times.null_count(), 0);
        assert!(times.values().is_sorted());
    }

    #[test]
    fn what_is_skipped_and_what_follows_are_the_whole() {
        let flights = Flights::read().expect("the file is right");
        for skipped in [0, 1, 8192, 336_775, 336_776, 400_000] {
            let batches: Vec<RecordBatch> = flights.after(skipped).collect();
            let rest = concat_batches(flights.rows.schema_ref(), &batches).expect("of one schema");
            let expected = flights.count().saturating_sub(skipped);
            assert_eq!(rest, flights.rows.slice(flights.count() - expected, expected));
        }
    }
}
