//! A record's event time out of a column.

use super::FormatError;
use super::json::UTC;
use super::pattern::Pattern;
use super::times;
use super::value::Row;
use super::value::Slot;
use crate::model::Column;
use crate::model::SqlType;

/// How the timestamp column is read.
pub(super) struct EventTimeColumn {
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
    pub(super) fn new(columns: &[Column], index: usize, format: Option<&str>) -> Result<Self, FormatError> {
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

    /// The event time of a row in milliseconds.
    pub(super) fn read(&self, row: &Row) -> Result<i64, FormatError> {
        let fail = |reason: String| FormatError::EventTime { column: self.name.clone(), reason };
        let millis = match (&self.reading, row.slots[self.index]) {
            (_, Slot::Null) => return Err(fail("it is null".to_owned())),
            (Reading::Millis, Slot::BigInt(millis)) => millis,
            (Reading::Micros, Slot::BigInt(micros)) => micros.div_euclid(1000),
            (reading, Slot::Bytes { start, end }) => {
                let text = String::from_utf8_lossy(&row.scratch[start..end]);
                let micros = match reading {
                    Reading::Pattern(pattern) => pattern.parse(&text),
                    _ => times::parse_timestamp_tz(&text, *UTC),
                };
                micros.ok_or_else(|| fail(format!("\"{text}\" is not a time")))?.div_euclid(1000)
            }
            (_, slot) => unreachable!("{slot:?} was read for a column of another type"),
        };
        // Kafka's formats have no place for a time before 1970.
        if millis < 0 { Err(fail(format!("{millis} is before 1970"))) } else { Ok(millis) }
    }
}
