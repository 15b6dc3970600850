//! A value as PostgreSQL's output function prints it.

use std::io::Write;

use arrow::array::Array;
use arrow::array::AsArray;
use arrow::array::timezone::Tz;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::datatypes::Date32Type;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::DurationMicrosecondType;
use arrow::datatypes::Float32Type;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int8Type;
use arrow::datatypes::Int16Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::IntervalMonthDayNanoType;
use arrow::datatypes::IntervalUnit;
use arrow::datatypes::Time64MicrosecondType;
use arrow::datatypes::TimeUnit;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::datatypes::UInt8Type;
use arrow::datatypes::UInt16Type;
use arrow::datatypes::UInt32Type;
use arrow::datatypes::UInt64Type;
use arrow::error::ArrowError;
use arrow::util::display::ArrayFormatter;
use arrow::util::display::FormatOptions;

use super::interval;
use crate::format::FormatError;
use crate::format::TimeStyle;
use crate::format::json;
use crate::format::number;
use crate::format::times;
use crate::model::SqlType;

const NANOS_PER_MICRO: i64 = 1000;

/// Appends the text of a value, nothing for null; instants are told on a clock of `zone`.
pub fn write(column: &dyn Array, row: usize, zone: Tz, out: &mut Vec<u8>) -> Result<(), FormatError> {
    if column.is_null(row) {
        return Ok(());
    }
    match column.data_type() {
        DataType::Null => (),
        DataType::Boolean => out.push(if column.as_boolean().value(row) { b't' } else { b'f' }),
        DataType::Int8 => push(column.as_primitive::<Int8Type>().value(row), out),
        DataType::Int16 => push(column.as_primitive::<Int16Type>().value(row), out),
        DataType::Int32 => push(column.as_primitive::<Int32Type>().value(row), out),
        DataType::Int64 => push(column.as_primitive::<Int64Type>().value(row), out),
        DataType::UInt8 => push(column.as_primitive::<UInt8Type>().value(row), out),
        DataType::UInt16 => push(column.as_primitive::<UInt16Type>().value(row), out),
        DataType::UInt32 => push(column.as_primitive::<UInt32Type>().value(row), out),
        DataType::UInt64 => push(column.as_primitive::<UInt64Type>().value(row), out),
        DataType::Float32 => {
            // Through its own shortest text: widening 0.1 would print the digits that a double sees.
            let text = column.as_primitive::<Float32Type>().value(row).to_string();
            number::write_double(text.parse().unwrap_or(f64::NAN), out);
        }
        DataType::Float64 => number::write_double(column.as_primitive::<Float64Type>().value(row), out),
        DataType::Decimal128(_, scale) => {
            number::write_decimal(column.as_primitive::<Decimal128Type>().value(row), *scale, out);
        }
        DataType::Utf8 => out.extend_from_slice(column.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => out.extend_from_slice(column.as_string::<i64>().value(row).as_bytes()),
        DataType::Utf8View => out.extend_from_slice(column.as_string_view().value(row).as_bytes()),
        DataType::Binary => write_bytes(column.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => out.extend_from_slice(column.as_binary::<i64>().value(row)),
        DataType::BinaryView => write_bytes(column.as_binary_view().value(row), out),
        DataType::Date32 => times::write_date(column.as_primitive::<Date32Type>().value(row), out),
        DataType::Time64(TimeUnit::Microsecond) => {
            times::write_time(column.as_primitive::<Time64MicrosecondType>().value(row), out);
        }
        DataType::Timestamp(TimeUnit::Microsecond, of_zone) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            match of_zone {
                None => times::write_timestamp(micros, b' ', out),
                Some(_) => times::write_timestamp_tz(micros, zone, out),
            }
        }
        DataType::Interval(_) | DataType::Duration(_) => return write_time_span(column, row, out),
        other => return write_other(column, row, other, zone, out),
    }
    Ok(())
}

/// Intervals, and the differences of times.
fn write_time_span(column: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let one = column.slice(row, 1);
    let is_span = matches!(column.data_type(), DataType::Duration(_));
    let wanted = match is_span {
        true => DataType::Duration(TimeUnit::Microsecond),
        false => DataType::Interval(IntervalUnit::MonthDayNano),
    };
    let unsupported = |error: ArrowError| FormatError::Unsupported { format: "text", what: error.to_string() };
    let one = cast(&one, &wanted).map_err(unsupported)?;
    if is_span {
        interval::write_span(one.as_primitive::<DurationMicrosecondType>().value(0), out);
    } else {
        let value = one.as_primitive::<IntervalMonthDayNanoType>().value(0);
        interval::write_interval(value.months, value.days, value.nanoseconds / NANOS_PER_MICRO, out);
    }
    Ok(())
}

fn push(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("a Vec takes every write");
}

/// `\x` and two hexadecimal digits a byte.
fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\x");
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Types that only DataFusion's functions give: through the nearest of ours, lists as `{a,b}`, else Arrow's text.
fn write_other(
    column: &dyn Array,
    row: usize,
    data_type: &DataType,
    zone: Tz,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let near = match data_type {
        DataType::Timestamp(_, of_zone) => Some(DataType::Timestamp(TimeUnit::Microsecond, of_zone.clone())),
        DataType::Date64 => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
        DataType::Time32(_) | DataType::Time64(_) => Some(DataType::Time64(TimeUnit::Microsecond)),
        DataType::Dictionary(_, values) => Some(values.as_ref().clone()),
        DataType::FixedSizeBinary(_) => Some(DataType::Binary),
        _ => None,
    };
    let unsupported = |what: String| FormatError::Unsupported { format: "text", what };
    let one = column.slice(row, 1);
    if let Some(near) = near {
        let one = cast(&one, &near).map_err(|error| unsupported(error.to_string()))?;
        return write(one.as_ref(), 0, zone, out);
    }
    if let DataType::List(_) = data_type {
        return write_list(one.as_list::<i32>().value(0).as_ref(), zone, out);
    }
    // MAP and STRUCT are JSON in PostgreSQL's eyes.
    if let (DataType::Map(..) | DataType::Struct(_), Some(sql_type)) = (data_type, SqlType::from_arrow(data_type)) {
        let one = cast(&one, &sql_type.arrow()).map_err(|error| unsupported(error.to_string()))?;
        json::write_value(one.as_ref(), 0, &sql_type, TimeStyle::Iso, out);
        return Ok(());
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(&one, &options).map_err(|error| unsupported(error.to_string()))?;
    let text = formatter.value(0).try_to_string().map_err(|error| unsupported(error.to_string()))?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// `{1,NULL,"a b"}`
fn write_list(values: &dyn Array, zone: Tz, out: &mut Vec<u8>) -> Result<(), FormatError> {
    out.push(b'{');
    for row in 0..values.len() {
        if row != 0 {
            out.push(b',');
        }
        if values.is_null(row) {
            out.extend_from_slice(b"NULL");
            continue;
        }
        let mut text = Vec::new();
        write(values, row, zone, &mut text)?;
        let nested = matches!(values.data_type(), DataType::List(_));
        let special = |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace();
        if !nested && (text.is_empty() || text.iter().any(special) || text.eq_ignore_ascii_case(b"null")) {
            out.push(b'"');
            for byte in text {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            out.push(b'"');
        } else {
            out.extend_from_slice(&text);
        }
    }
    out.push(b'}');
    Ok(())
}
