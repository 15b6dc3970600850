//! Values as text, for results and for COPY.

use arrow::array::Array;
use arrow::array::timezone::Tz;
use arrow::datatypes::DataType;

use crate::format;

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

/// The zone without surprises.
pub(super) fn utc() -> Tz {
    "UTC".parse().expect("UTC is a zone")
}
