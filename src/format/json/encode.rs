//! Rows as documents.

use std::io::Write;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::datatypes::Date32Type;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Time64MicrosecondType;
use arrow::datatypes::TimestampMicrosecondType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::nested;
use super::quick::plain_end;
use crate::format::TimeStyle;
use crate::format::WrapSingle;
use crate::format::number;
use crate::format::times;
use crate::model::Column;
use crate::model::SqlType;

/// Writes the columns of one half of a record as a document.
pub(in crate::format) struct JsonWriter {
    columns: Vec<(usize, SqlType)>,
    /// `{"name":` of the first column, `,"name":` of the others.
    heads: Vec<Vec<u8>>,
    times: TimeStyle,
    wrap: WrapSingle,
}

impl JsonWriter {
    pub(in crate::format) fn new(columns: &[(usize, Column)], times: TimeStyle, wrap: WrapSingle) -> Self {
        let head = |(place, (_, column)): (usize, &(usize, Column))| {
            let mut head = vec![if place == 0 { b'{' } else { b',' }];
            write_string(&column.name, &mut head);
            head.push(b':');
            head
        };
        Self {
            heads: columns.iter().enumerate().map(head).collect(),
            columns: columns.iter().map(|(index, column)| (*index, column.sql_type.clone())).collect(),
            times,
            wrap,
        }
    }

    /// Whether the document of this row would be a bare `null`.
    pub(in crate::format) fn is_bare_null(&self, arrays: &[ArrayRef], row: usize) -> bool {
        self.wrap == WrapSingle::Unwrapped && arrays[self.columns[0].0].is_null(row)
    }

    /// Whether every column is null in this row.
    pub(in crate::format) fn is_all_null(&self, arrays: &[ArrayRef], row: usize) -> bool {
        self.columns.iter().all(|(index, _)| arrays[*index].is_null(row))
    }

    /// Appends the document of a row; nulls are written.
    pub(in crate::format) fn write(&self, arrays: &[ArrayRef], row: usize, out: &mut Vec<u8>) {
        if self.wrap == WrapSingle::Unwrapped {
            let (index, sql_type) = &self.columns[0];
            return write_value(arrays[*index].as_ref(), row, sql_type, self.times, out);
        }
        for ((index, sql_type), head) in self.columns.iter().zip(&self.heads) {
            out.extend_from_slice(head);
            write_value(arrays[*index].as_ref(), row, sql_type, self.times, out);
        }
        if self.columns.is_empty() {
            out.push(b'{');
        }
        out.push(b'}');
    }
}

/// Appends a value of a column.
pub(in crate::format) fn write_value(
    array: &dyn Array,
    row: usize,
    sql_type: &SqlType,
    times: TimeStyle,
    out: &mut Vec<u8>,
) {
    if array.is_null(row) {
        return out.extend_from_slice(b"null");
    }
    match sql_type {
        SqlType::Boolean => {
            out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" });
        }
        SqlType::Int => push_whole(i64::from(array.as_primitive::<Int32Type>().value(row)), out),
        SqlType::BigInt => push_whole(array.as_primitive::<Int64Type>().value(row), out),
        SqlType::Double => write_double(array.as_primitive::<Float64Type>().value(row), out),
        SqlType::Decimal { scale, .. } => {
            number::write_decimal(array.as_primitive::<Decimal128Type>().value(row), *scale, out);
        }
        SqlType::Text => write_string(array.as_string::<i32>().value(row), out),
        SqlType::Json => out.extend_from_slice(array.as_string::<i64>().value(row).as_bytes()),
        SqlType::Jsonb => out.extend_from_slice(array.as_binary::<i64>().value(row)),
        SqlType::Bytes => {
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(array.as_binary::<i32>().value(row)).as_bytes());
            out.push(b'"');
        }
        SqlType::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            write_time(times, i64::from(days), out, |out| times::write_date(days, out));
        }
        SqlType::Time => {
            let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
            write_time(times, micros.div_euclid(1000), out, |out| times::write_time(micros, out));
        }
        SqlType::Timestamp | SqlType::TimestampTz => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            write_time(times, micros.div_euclid(1000), out, |out| {
                times::write_timestamp(micros, b'T', out);
                if *sql_type == SqlType::TimestampTz {
                    out.push(b'Z');
                }
            });
        }
        SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_) => nested::write(array, row, sql_type, times, out),
    }
}

/// A value of a nested column as JSON, times in ISO 8601; empty for a type without a SQL type.
pub fn json_of(array: &dyn Array, row: usize) -> String {
    let mut out = Vec::new();
    if let Some(sql_type) = SqlType::from_arrow(array.data_type())
        && let Ok(plain) = arrow::compute::cast(&array.slice(row, 1), &sql_type.arrow())
    {
        write_value(plain.as_ref(), 0, &sql_type, TimeStyle::Iso, &mut out);
    }
    String::from_utf8(out).expect("JSON is written as UTF-8")
}

fn write_time(times: TimeStyle, number: i64, out: &mut Vec<u8>, text: impl FnOnce(&mut Vec<u8>)) {
    match times {
        TimeStyle::EpochMillis => push_whole(number, out),
        TimeStyle::Iso => {
            out.push(b'"');
            text(out);
            out.push(b'"');
        }
    }
}

/// Appends a whole number, without the way through a formatter.
fn push_whole(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

fn push(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("a Vec takes every write");
}

/// JSON has no word for these three; they are written as strings, which are read back.
fn write_double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        return push(format_args!("{value:?}"), out);
    }
    push(format_args!("\"{}\"", number::java_double(value)), out);
}

/// Appends a text between quotes, with its escapes.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    // What a reader takes for itself needs no escape.
    if plain_end(text.as_bytes(), 0) == text.len() {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        return out.push(b'"');
    }
    serde_json::to_writer(out, text).expect("a Vec takes every write, and a text has a JSON form");
}
