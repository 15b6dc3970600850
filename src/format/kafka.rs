//! Kafka's own serializers: one column, big endian, no coercion.

use arrow::array::Array;
use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;

use super::FormatError;
use super::value::Row;
use super::value::Slot;
use crate::model::Column;
use crate::model::SqlType;

/// Whether the format can carry this column.
pub(super) fn check(column: &Column) -> Result<(), FormatError> {
    match column.sql_type {
        SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Text | SqlType::Bytes => Ok(()),
        SqlType::Boolean
        | SqlType::Decimal { .. }
        | SqlType::Json
        | SqlType::Jsonb
        | SqlType::Date
        | SqlType::Time
        | SqlType::Timestamp
        | SqlType::TimestampTz
        | SqlType::Array(_)
        | SqlType::Map(..)
        | SqlType::Struct(_) => {
            let what = format!("column \"{}\" of type {}", column.name, column.sql_type);
            Err(FormatError::Unsupported { format: "KAFKA", what })
        }
    }
}

/// Reads a key or a value.
pub(super) fn decode(bytes: &[u8], column: &Column, row: &mut Row) -> Result<Slot, FormatError> {
    let wrong_length = || {
        let reason = format!("{} bytes for {} in column \"{}\"", bytes.len(), column.sql_type, column.name);
        FormatError::Malformed { format: "KAFKA", reason }
    };
    match column.sql_type {
        SqlType::Int => bytes.try_into().map(|bytes| Slot::Int(i32::from_be_bytes(bytes))).map_err(|_| wrong_length()),
        SqlType::BigInt => {
            bytes.try_into().map(|bytes| Slot::BigInt(i64::from_be_bytes(bytes))).map_err(|_| wrong_length())
        }
        SqlType::Double => {
            bytes.try_into().map(|bytes| Slot::Double(f64::from_be_bytes(bytes))).map_err(|_| wrong_length())
        }
        SqlType::Text => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(row.bytes(text.as_bytes())),
            Err(error) => {
                let reason = format!("column \"{}\": {error}", column.name);
                Err(FormatError::Malformed { format: "KAFKA", reason })
            }
        },
        SqlType::Bytes => Ok(row.bytes(bytes)),
        _ => Err(check(column).err().unwrap_or_else(wrong_length)),
    }
}

/// The bytes of a value, `None` for null.
pub(super) fn encode(array: &dyn Array, row: usize, sql_type: &SqlType) -> Option<Vec<u8>> {
    if array.is_null(row) {
        return None;
    }
    Some(match sql_type {
        SqlType::Int => array.as_primitive::<Int32Type>().value(row).to_be_bytes().to_vec(),
        SqlType::BigInt => array.as_primitive::<Int64Type>().value(row).to_be_bytes().to_vec(),
        SqlType::Double => array.as_primitive::<Float64Type>().value(row).to_be_bytes().to_vec(),
        SqlType::Text => array.as_string::<i32>().value(row).as_bytes().to_vec(),
        SqlType::Bytes => array.as_binary::<i32>().value(row).to_vec(),
        other => unreachable!("{other} is refused when the encoder is made"),
    })
}
