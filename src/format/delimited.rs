//! One line of CSV, by the rules of Apache Commons CSV's default: quotes, doubled quotes inside, blanks kept.
//!
//! An empty field without quotes is null; bytes are base64; times are epoch numbers, or ISO text in default mode.

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

use super::FormatError;
use super::NameMatch;
use super::TimeStyle;
use super::error::shorten;
use super::json::UTC;
use super::number;
use super::number::Excess;
use super::text::parse_slot;
use super::times;
use super::value::Row;
use super::value::Slot;
use crate::model::Column;
use crate::model::SqlType;

/// The columns of one half of a record that a line carries.
pub(super) struct DelimitedColumns {
    pub(super) columns: Vec<(usize, Column)>,
    pub(super) delimiter: char,
    pub(super) names: NameMatch,
    pub(super) times: TimeStyle,
}

fn malformed(reason: impl Into<String>) -> FormatError {
    FormatError::Malformed { format: "DELIMITED", reason: reason.into() }
}

impl DelimitedColumns {
    /// Reads a line.
    pub(super) fn decode(&self, bytes: &[u8], row: &mut Row) -> Result<(), FormatError> {
        let line = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let fields = split(line, self.delimiter)?;
        if fields.len() != self.columns.len() {
            let reason = format!("{} fields where {} columns are declared", fields.len(), self.columns.len());
            return Err(malformed(reason));
        }
        for ((index, column), field) in self.columns.iter().zip(&fields) {
            let slot = match field {
                None => Slot::Null,
                Some(text) => self.value(text, column, row)?,
            };
            row.slots[*index] = slot;
        }
        Ok(())
    }

    fn value(&self, text: &str, column: &Column, row: &mut Row) -> Result<Slot, FormatError> {
        let wrong = || FormatError::WrongType {
            column: column.name.clone(),
            expected: column.sql_type.to_string(),
            found: shorten(text),
        };
        let out_of_range = || FormatError::OutOfRange {
            column: column.name.clone(),
            expected: column.sql_type.to_string(),
            found: shorten(text),
        };
        let epoch = text.trim().parse::<i64>().ok();
        match (&column.sql_type, epoch) {
            (SqlType::Bytes, _) => match STANDARD.decode(text) {
                Ok(bytes) => Ok(row.bytes(&bytes)),
                Err(_) => Err(wrong()),
            },
            // Java's parseBoolean: everything that is not "true" is false.
            (SqlType::Boolean, _) if self.names == NameMatch::UpperFallback => {
                Ok(Slot::Boolean(text.eq_ignore_ascii_case("true")))
            }
            (SqlType::Date, Some(days)) => i32::try_from(days).map(Slot::Int).map_err(|_| out_of_range()),
            (SqlType::Time, Some(millis)) if !(0..=86_400_000).contains(&millis) => Err(out_of_range()),
            (SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz, Some(millis)) => {
                millis.checked_mul(1000).map(Slot::BigInt).ok_or_else(out_of_range)
            }
            (sql_type, _) => parse_slot(sql_type, text, *UTC, Excess::Refuse, row).map_err(|error| match error {
                FormatError::TextOutOfRange { .. } => out_of_range(),
                _ => wrong(),
            }),
        }
    }

    /// Appends the line of a row.
    pub(super) fn encode(&self, arrays: &[ArrayRef], row: usize, out: &mut Vec<u8>) {
        let mut field = Vec::new();
        for (place, (index, column)) in self.columns.iter().enumerate() {
            if place != 0 {
                out.extend_from_slice(self.delimiter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            let array = arrays[*index].as_ref();
            if array.is_null(row) {
                continue;
            }
            field.clear();
            self.write(array, row, &column.sql_type, &mut field);
            // ksqlDB leaves an empty text bare behind the first field, and reads it back as null; we do so only there.
            let bare = self.names == NameMatch::UpperFallback && place != 0;
            push_field(&field, self.delimiter, place == 0, bare, out);
        }
    }

    fn write(&self, array: &dyn Array, row: usize, sql_type: &SqlType, out: &mut Vec<u8>) {
        match sql_type {
            SqlType::Boolean => {
                out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" });
            }
            SqlType::Int => push(array.as_primitive::<Int32Type>().value(row), out),
            SqlType::BigInt => push(array.as_primitive::<Int64Type>().value(row), out),
            SqlType::Double => {
                let value = array.as_primitive::<Float64Type>().value(row);
                push(number::java_double(value), out);
            }
            SqlType::Decimal { scale, .. } => {
                number::write_decimal(array.as_primitive::<Decimal128Type>().value(row), *scale, out);
            }
            SqlType::Text => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
            SqlType::Json => out.extend_from_slice(array.as_string::<i64>().value(row).as_bytes()),
            SqlType::Jsonb => out.extend_from_slice(array.as_binary::<i64>().value(row)),
            SqlType::Bytes => push(STANDARD.encode(array.as_binary::<i32>().value(row)), out),
            SqlType::Date => {
                let days = array.as_primitive::<Date32Type>().value(row);
                match self.times {
                    TimeStyle::EpochMillis => push(days, out),
                    TimeStyle::Iso => times::write_date(days, out),
                }
            }
            SqlType::Time => {
                let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
                match self.times {
                    TimeStyle::EpochMillis => push(micros.div_euclid(1000), out),
                    TimeStyle::Iso => times::write_time(micros, out),
                }
            }
            SqlType::Timestamp | SqlType::TimestampTz => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                match self.times {
                    TimeStyle::EpochMillis => push(micros.div_euclid(1000), out),
                    TimeStyle::Iso => times::write_timestamp(micros, b'T', out),
                }
            }
            SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_) => {
                unreachable!("{sql_type} is refused when the encoder is made")
            }
        }
    }
}

fn push(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    out.extend_from_slice(value.to_string().as_bytes());
}

/// The fields of a line; `None` for an empty one without quotes.
fn split(line: &str, delimiter: char) -> Result<Vec<Option<String>>, FormatError> {
    if line.is_empty() {
        return Err(malformed("the line is empty"));
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (text, after) = unquote(quoted)?;
                (Some(text), after)
            }
            None => {
                let end = rest.find([delimiter, '\n', '\r']).unwrap_or(rest.len());
                let text = &rest[..end];
                ((!text.is_empty()).then(|| text.to_owned()), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None if after.starts_with(['\n', '\r']) => return Err(malformed("more than one line")),
            None => return Err(malformed("text between a closing quote and the delimiter")),
        }
    }
}

/// The text up to the closing quote, and what follows; blanks before the delimiter are left off.
fn unquote(text: &str) -> Result<(String, &str), FormatError> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"').ok_or_else(|| malformed("a quote without its end"))?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Ok((field, rest.trim_start_matches(' '))),
        }
    }
}

/// Quotes a field where ksqlDB's version of Commons CSV does: the first of a line unless it begins with a letter or digit.
fn push_field(field: &[u8], delimiter: char, first: bool, empty_stays_bare: bool, out: &mut Vec<u8>) {
    let text = std::str::from_utf8(field).unwrap_or_default();
    let quoted = match text.chars().next() {
        None => !empty_stays_bare,
        Some(begin) => {
            begin <= '#'
                || first && !begin.is_ascii_alphanumeric()
                || text.contains([delimiter, '"', '\n', '\r'])
                || text.ends_with(|character| character <= ' ')
        }
    };
    if !quoted {
        return out.extend_from_slice(field);
    }
    out.push(b'"');
    for byte in field {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
