//! A record's event time out of a column.

use arrow::array::Array;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;

use super::FormatError;
use super::json::UTC;
use super::pattern::Pattern;
use super::times;
use super::value::Row;
use super::value::Slot;
use crate::model::Column;
use crate::model::SqlType;

/// How the timestamp column is read.
pub struct EventTimeColumn {
    index: usize,
    name: String,
    reading: Reading,
}

enum Reading {
    Millis,
    Micros,
    Pattern(Pattern),
    Iso,
}

impl EventTimeColumn {
    /// The reader of `columns[index]`.
    pub fn new(columns: &[Column], index: usize, format: Option<&str>) -> Result<Self, FormatError> {
        let fail = |reason: String| FormatError::EventTime { column: columns[index].name.clone(), reason };
        let reading = match (&columns[index].sql_type, format) {
            (SqlType::BigInt, _) => Reading::Millis,
            (SqlType::Timestamp | SqlType::TimestampTz, _) => Reading::Micros,
            (SqlType::Text, Some(format)) => Reading::Pattern(Pattern::new(format).map_err(fail)?),
            (SqlType::Text, None) => Reading::Iso,
            (other, _) => return Err(fail(format!("a column of type {other} gives no time"))),
        };
        Ok(Self { index, name: columns[index].name.clone(), reading })
    }

    /// Which column it is.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// The event time of a row in milliseconds.
    pub(super) fn read(&self, row: &Row) -> Result<i64, FormatError> {
        match row.slots[self.index] {
            Slot::Null => Err(self.fail("it is null".to_owned())),
            Slot::BigInt(number) => self.of_number(number),
            Slot::Bytes { start, end } => self.of_text(&String::from_utf8_lossy(&row.scratch[start..end])),
            slot => unreachable!("{slot:?} was read for a column of another type"),
        }
    }

    /// The event time of a row that is to be written, as whoever reads it back will see it.
    pub fn of_row(&self, rows: &RecordBatch, row: usize) -> Result<i64, FormatError> {
        let column = rows.column(self.index);
        if column.is_null(row) {
            return Err(self.fail("it is null".to_owned()));
        }
        match &self.reading {
            Reading::Millis => self.of_number(column.as_primitive::<Int64Type>().value(row)),
            Reading::Micros => self.of_number(column.as_primitive::<TimestampMicrosecondType>().value(row)),
            Reading::Pattern(_) | Reading::Iso => self.of_text(column.as_string::<i32>().value(row)),
        }
    }

    fn fail(&self, reason: String) -> FormatError {
        FormatError::EventTime { column: self.name.clone(), reason }
    }

    fn of_number(&self, number: i64) -> Result<i64, FormatError> {
        self.checked(match &self.reading {
            Reading::Micros => number.div_euclid(1000),
            _ => number,
        })
    }

    fn of_text(&self, text: &str) -> Result<i64, FormatError> {
        let micros = match &self.reading {
            Reading::Pattern(pattern) => pattern.parse(text),
            _ => times::parse_timestamp_tz(text, *UTC),
        };
        self.checked(micros.ok_or_else(|| self.fail(format!("\"{text}\" is not a time")))?.div_euclid(1000))
    }

    fn checked(&self, millis: i64) -> Result<i64, FormatError> {
        // Kafka's formats have no place for a time before 1970.
        if millis < 0 { Err(self.fail(format!("{millis} is before 1970"))) } else { Ok(millis) }
    }
}
