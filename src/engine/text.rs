//! Values as text, for results and for COPY, and texts as values, for parameters.

use std::sync::LazyLock;

use arrow::array::Array;
use arrow::array::timezone::Tz;
use arrow::datatypes::DataType;

use super::outcome::Value;
use crate::error::Error;
use crate::error::Result;
use crate::format;
use crate::model::SqlType;

/// Appends the text of a value as PostgreSQL prints it, nothing for null. Instants are told in their column's zone.
pub fn write_text(column: &dyn Array, row: usize, out: &mut Vec<u8>) {
    let zone = match column.data_type() {
        DataType::Timestamp(_, Some(zone)) => zone.parse().ok(),
        _ => None,
    };
    let zone: Tz = zone.unwrap_or_else(utc);
    let start = out.len();
    if let Err(error) = format::text::write(column, row, zone, out) {
        // A date beyond what the calendar knows: its place must hold something.
        out.truncate(start);
        tracing::warn!(%error, "value has no text");
        out.extend_from_slice(b"?");
    }
}

/// The value of a text as PostgreSQL reads it for a place of this type; instants without an offset are read in `zone`.
/// A decimal has the digits of the text, whatever those of the type are.
pub fn read_text(sql_type: &SqlType, text: &str, zone: Tz) -> Result<Value> {
    let array = format::text::read(sql_type, text, zone)?;
    Value::try_from_array(&array, 0).map_err(|error| Error::internal("a parameter").caused_by(error))
}

/// The text of an interval of months, days and microseconds.
pub fn interval_text(months: i32, days: i32, micros: i64) -> String {
    format::text::interval_text(months, days, micros)
}

/// The zone without surprises.
pub(super) fn utc() -> Tz {
    // Looking its name up takes longer than writing a number does.
    static UTC: LazyLock<Tz> = LazyLock::new(|| "UTC".parse().expect("UTC is a zone"));
    *UTC
}
