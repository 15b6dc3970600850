//! Records to rows: a batch at a time, column by column, bad records one by one.
//!
//! Invariants:
//!   * a record becomes one row or one bad record, whatever stands beside it
//!   * a record's fate depends on the declaration alone: every declared column is read

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::new_null_array;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::record_batch::RecordBatchOptions;
use parking_lot::Mutex;

use super::BadRecord;
use super::CodecOptions;
use super::Decoded;
use super::FormatError;
use super::FormatSpec;
use super::RawRecord;
use super::RowOp;
use super::WindowKeySize;
use super::cells::Keep;
use super::column_builder::ColumnBuilder;
use super::event_time::EventTimeColumn;
use super::half::Half;
use super::json::DirectReader;
use super::kafka;
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
    /// Columns that headers give: their places, and the name of the header; of all headers none.
    headers: Vec<(usize, Option<String>)>,
    event_time: Option<EventTimeColumn>,
    needs_key: bool,
    /// What stands for columns that nobody asked for, as long as the largest batch so far.
    nulls: Mutex<Vec<Option<ArrayRef>>>,
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
            headers: columns.iter().enumerate().filter_map(header_column).collect(),
            window,
            event_time,
            needs_key: options.needs_key,
            nulls: Mutex::new(vec![None; columns.len()]),
        })
    }

    /// The schema of the rows: all columns, in the relation's order.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads records; rows and bad records keep their order.
    pub fn decode<'a>(&self, records: impl Iterator<Item = RawRecord<'a>>) -> Decoded {
        self.decode_where(records, |_| true)
    }

    /// The same, building only the columns at the places `used`, each named once or more; the others are null in every row.
    /// They are checked all the same: what becomes of a record does not depend on who reads it.
    pub fn decode_columns<'a>(&self, records: impl Iterator<Item = RawRecord<'a>>, used: &[usize]) -> Decoded {
        self.decode_where(records, |place| used.contains(&place))
    }

    fn decode_where<'a>(
        &self,
        records: impl Iterator<Item = RawRecord<'a>>,
        is_used: impl Fn(usize) -> bool,
    ) -> Decoded {
        let is_used: Vec<bool> = (0..self.columns.len()).map(is_used).collect();
        let mut batch = Batch::new(self, &is_used, records.size_hint().0);
        for record in records {
            batch.read(&record);
        }
        batch.finish(&is_used)
    }

    /// A column of nulls; all of them share the longest one's memory.
    fn nulls(&self, place: usize, rows: usize) -> ArrayRef {
        let mut known = self.nulls.lock();
        if known[place].as_ref().is_some_and(|column| column.len() < rows) {
            known[place] = None;
        }
        let column = known[place]
            .get_or_insert_with(|| new_null_array(self.schema.field(place).data_type(), rows.next_power_of_two()));
        column.slice(0, rows)
    }

    /// Reads one record into `row`.
    fn read(&self, record: &RawRecord<'_>, row: &mut Row) -> Result<(RowOp, i64), FormatError> {
        row.clear(self.columns.len());
        self.read_key(record, row)?;
        self.read_headers(record, row);
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

    fn read_headers(&self, record: &RawRecord<'_>, row: &mut Row) {
        for (place, wanted) in &self.headers {
            let headers = record.headers;
            row.slots[*place] = match wanted {
                // Of several the last one counts.
                Some(wanted) => {
                    let found = headers.filter(|(name, _)| *name == wanted.as_bytes()).last();
                    found.and_then(|(_, value)| value).map_or(Slot::Null, |value| row.bytes(value))
                }
                None => {
                    let each = headers.map(|(name, value)| {
                        // A name is a text; what is not one is shown as near as can be.
                        let name = row.bytes(String::from_utf8_lossy(name).as_bytes());
                        let value = value.map_or(Slot::Null, |value| row.bytes(value));
                        row.nested(&[name, value])
                    });
                    let each: Vec<Slot> = each.collect();
                    row.nested(&each)
                }
            };
        }
    }

    fn read_key(&self, record: &RawRecord<'_>, row: &mut Row) -> Result<(), FormatError> {
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
        Ok(())
    }
}

/// Where headers give a column, and the name of the one that does.
fn header_column((place, column): (usize, &Column)) -> Option<(usize, Option<String>)> {
    match &column.role {
        ColumnRole::Headers => Some((place, None)),
        ColumnRole::Header(name) => Some((place, Some(name.clone()))),
        _ => None,
    }
}

/// Rows that are being read.
struct Batch<'d> {
    decoder: &'d Decoder,
    builders: Vec<ColumnBuilder>,
    /// Columns whose values are not in the record's value.
    outside: Vec<usize>,
    row: Row,
    reader: Option<Box<DirectReader>>,
    op: Vec<RowOp>,
    offsets: Vec<i64>,
    event_times: Vec<i64>,
    bad: Vec<BadRecord>,
}

impl<'d> Batch<'d> {
    fn new(decoder: &'d Decoder, is_used: &[bool], rows_expected: usize) -> Self {
        // A value that nobody asked for can still give the event time.
        let time = decoder.event_time.as_ref().map(EventTimeColumn::index);
        let builder = |(place, column): (usize, &Column)| {
            let keep = if is_used[place] || time == Some(place) { Keep::Values } else { Keep::Count };
            ColumnBuilder::keeping(&column.sql_type, rows_expected, keep)
        };
        let columns = decoder.columns.iter().enumerate();
        Self {
            decoder,
            builders: columns.clone().map(builder).collect(),
            outside: columns.filter(|(_, column)| column.role != ColumnRole::Value).map(|(place, _)| place).collect(),
            row: Row::default(),
            reader: match &decoder.value {
                Half::Json(columns, _) => columns.take_reader(),
                _ => None,
            },
            op: Vec::with_capacity(rows_expected),
            offsets: Vec::with_capacity(rows_expected),
            event_times: Vec::with_capacity(rows_expected),
            bad: Vec::new(),
        }
    }

    fn read(&mut self, record: &RawRecord<'_>) {
        let rows = self.op.len();
        let read = match self.read_directly(record) {
            Some(event_time) => Ok((RowOp::Value, event_time)),
            None => {
                self.builders.iter_mut().for_each(|builder| builder.truncate(rows));
                self.decoder.read(record, &mut self.row).inspect(|_| {
                    for (builder, slot) in self.builders.iter_mut().zip(&self.row.slots) {
                        builder.append(*slot, &self.row);
                    }
                })
            }
        };
        match read {
            Ok((op, event_time)) => {
                self.op.push(op);
                self.offsets.push(record.offset);
                self.event_times.push(event_time);
            }
            Err(error) => self.bad.push(BadRecord {
                offset: record.offset,
                timestamp: record.timestamp,
                reason: error.to_string(),
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
            }),
        }
    }

    /// Appends a record whose value goes straight into columns, and gives its event time. `None` leaves the builders uneven
    /// and says nothing of the record.
    fn read_directly(&mut self, record: &RawRecord<'_>) -> Option<i64> {
        let (reader, value) = (self.reader.as_mut()?, record.value?);
        self.row.reuse(self.decoder.columns.len(), &self.outside);
        self.decoder.read_key(record, &mut self.row).ok()?;
        self.decoder.read_headers(record, &mut self.row);
        reader.read(value, &mut self.builders, &mut self.row)?;
        for place in &self.outside {
            self.builders[*place].append(self.row.slots[*place], &self.row);
        }
        let Some(column) = &self.decoder.event_time else { return Some(record.timestamp) };
        self.row.slots[column.index()] = self.builders[column.index()].last(&mut self.row);
        column.read(&self.row).ok()
    }

    fn finish(mut self, is_used: &[bool]) -> Decoded {
        if let (Half::Json(columns, _), Some(reader)) = (&self.decoder.value, self.reader.take()) {
            columns.keep_reader(reader);
        }
        let rows = self.op.len();
        let schema = &self.decoder.schema;
        let columns = self.builders.iter_mut().zip(is_used).enumerate();
        let array = |(place, (builder, is_used)): (usize, (&mut ColumnBuilder, &bool))| match is_used {
            true => builder.finish(),
            false => self.decoder.nulls(place, rows),
        };
        let arrays: Vec<ArrayRef> = columns.map(array).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let rows = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
            .expect("each builder got one slot a row, of its column's type");
        let (offsets, event_times) = (self.offsets.into(), self.event_times.into());
        Decoded { rows, op: self.op, offsets, event_times, bad: self.bad }
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

#[cfg(test)]
impl Decoder {
    /// `decode` by slots alone, to hold the direct way to it.
    pub(super) fn decode_by_slots<'a>(&self, records: impl Iterator<Item = RawRecord<'a>>) -> Decoded {
        let is_used = vec![true; self.columns.len()];
        let mut batch = Batch::new(self, &is_used, records.size_hint().0);
        batch.reader = None;
        records.for_each(|record| batch.read(&record));
        batch.finish(&is_used)
    }

    /// Which of these records go straight into columns.
    pub(super) fn are_direct<'a>(&self, records: impl Iterator<Item = RawRecord<'a>>) -> usize {
        let is_used = vec![true; self.columns.len()];
        let mut batch = Batch::new(self, &is_used, 0);
        let mut direct = 0;
        for record in records {
            direct += usize::from(batch.read_directly(&record).is_some());
            batch.builders.iter_mut().for_each(|builder| builder.truncate(0));
        }
        direct
    }
}
