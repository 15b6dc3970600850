//! Records to rows: a batch at a time, column by column, bad records one by one.
//!
//! Invariants:
//!   * a record becomes one row or one bad record, whatever stands beside it
//!   * a record's fate depends on the declaration alone: every declared column is read

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::record_batch::RecordBatchOptions;

use super::BadRecord;
use super::CodecOptions;
use super::Decoded;
use super::FormatError;
use super::FormatSpec;
use super::RawRecord;
use super::RowOp;
use super::WindowKeySize;
use super::event_time::EventTimeColumn;
use super::half::Half;
use super::kafka;
use super::value::ColumnBuilder;
use super::value::Row;
use super::value::Slot;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;

/// Reads the records of one relation.
pub struct Decoder {
    columns: Vec<Column>,
    schema: SchemaRef,
    key: Half,
    value: Half,
    window: Option<WindowColumns>,
    event_time: Option<EventTimeColumn>,
    needs_key: bool,
}

/// The columns of window bounds, those that are declared.
struct WindowColumns {
    size: WindowKeySize,
    start: Option<(usize, SqlType)>,
    end: Option<(usize, SqlType)>,
}

impl Decoder {
    /// The decoder of a relation with these columns, refused if a format cannot carry them.
    pub fn new(
        columns: &[Column],
        key: FormatSpec,
        value: FormatSpec,
        options: &CodecOptions,
    ) -> Result<Self, FormatError> {
        let place = |role: ColumnRole| {
            let found = columns.iter().position(|column| column.role == role);
            found.map(|index| (index, columns[index].sql_type.clone()))
        };
        let window = options.window.map(|size| WindowColumns {
            size,
            start: place(ColumnRole::WindowStart),
            end: place(ColumnRole::WindowEnd),
        });
        let event_time = match options.timestamp_column {
            None => None,
            Some(index) => Some(EventTimeColumn::new(columns, index, options.timestamp_format.as_deref())?),
        };
        Ok(Self {
            schema: Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>())),
            key: Half::new(columns, ColumnRole::Key, key, options)?,
            value: Half::new(columns, ColumnRole::Value, value, options)?,
            columns: columns.to_vec(),
            window,
            event_time,
            needs_key: options.needs_key,
        })
    }

    /// The schema of the rows: all columns, in the relation's order.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads records; rows and bad records keep their order.
    pub fn decode<'a>(&self, records: impl Iterator<Item = RawRecord<'a>>) -> Decoded {
        let rows_expected = records.size_hint().0;
        let mut builders: Vec<ColumnBuilder> =
            self.columns.iter().map(|column| ColumnBuilder::new(&column.sql_type, rows_expected)).collect();
        let (mut op, mut offsets, mut event_times, mut bad) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut row = Row::default();
        for record in records {
            match self.read(&record, &mut row) {
                Ok((row_op, event_time)) => {
                    for (builder, slot) in builders.iter_mut().zip(&row.slots) {
                        builder.append(*slot, &row);
                    }
                    op.push(row_op);
                    offsets.push(record.offset);
                    event_times.push(event_time);
                }
                Err(error) => bad.push(BadRecord {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    reason: error.to_string(),
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                }),
            }
        }
        let arrays: Vec<ArrayRef> = builders.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(op.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .expect("each builder got one slot a row, of its column's type");
        Decoded { rows, op, offsets, event_times, bad }
    }

    /// Reads one record into `row`.
    fn read(&self, record: &RawRecord<'_>, row: &mut Row) -> Result<(RowOp, i64), FormatError> {
        row.clear(self.columns.len());
        if self.needs_key && record.key.is_none() {
            return Err(FormatError::Malformed { format: "key", reason: "a row of a table has one".to_owned() });
        }
        let key = match (&self.window, record.key) {
            (Some(window), Some(key)) => Some(window.read(key, row)?),
            (_, key) => key,
        };
        if let Some(key) = key {
            read_half(&self.key, key, row)?;
        }
        let there = match record.value {
            None => false,
            Some(value) => read_half(&self.value, value, row)?,
        };
        let event_time = match &self.event_time {
            // A tombstone has no columns to read a time from.
            Some(column) if there => column.read(row)?,
            _ => record.timestamp,
        };
        Ok((if there { RowOp::Value } else { RowOp::NoValue }, event_time))
    }
}

/// Reads one half of a record; `false` if it says null.
fn read_half(half: &Half, bytes: &[u8], row: &mut Row) -> Result<bool, FormatError> {
    match half {
        Half::None => Ok(true),
        Half::Kafka(index, column) => {
            let slot = kafka::decode(bytes, column, row)?;
            row.slots[*index] = slot;
            Ok(true)
        }
        Half::Json(columns, _) => columns.decode(bytes, row),
        Half::Delimited(columns) => columns.decode(bytes, row).map(|()| true),
    }
}

impl WindowColumns {
    /// Reads the bounds behind the key's bytes and gives the key's own bytes.
    fn read<'a>(&self, key: &'a [u8], row: &mut Row) -> Result<&'a [u8], FormatError> {
        let malformed = |reason: &str| FormatError::Malformed { format: "windowed key", reason: reason.to_owned() };
        let too_short = || malformed("it is too short for its window");
        let (rest, start) = key.split_last_chunk::<8>().ok_or_else(too_short)?;
        let start = i64::from_be_bytes(*start);
        let (rest, end) = match self.size {
            WindowKeySize::Fixed { size_ms } => {
                (rest, start.checked_add(size_ms).ok_or_else(|| malformed("the window ends after the end of time"))?)
            }
            WindowKeySize::Session => {
                let (rest, end) = rest.split_last_chunk::<8>().ok_or_else(too_short)?;
                (rest, i64::from_be_bytes(*end))
            }
        };
        for (place, bound) in [(&self.start, start), (&self.end, end)] {
            let Some((index, sql_type)) = place else { continue };
            row.slots[*index] = Slot::BigInt(match sql_type {
                SqlType::BigInt => bound,
                _ => bound.checked_mul(1000).ok_or_else(|| malformed("the window is out of the range of TIMESTAMP"))?,
            });
        }
        Ok(rest)
    }
}
