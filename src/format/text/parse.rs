//! A value as PostgreSQL's input function reads it.

use arrow::array::ArrayRef;
use arrow::array::timezone::Tz;

use super::array;
use super::fields::datetime_error;
use crate::format::FormatError;
use crate::format::column_builder::ColumnBuilder;
use crate::format::error::shorten;
use crate::format::json;
use crate::format::number;
use crate::format::number::Excess;
use crate::format::number::NumberError;
use crate::format::times;
use crate::format::times::Twice;
use crate::format::value::Row;
use crate::format::value::Slot;
use crate::model::SqlType;

/// Reads `text` as a value of `sql_type`; `excess` says what becomes of digits after a decimal's scale.
pub(in crate::format) fn parse_slot(
    sql_type: &SqlType,
    text: &str,
    zone: Tz,
    excess: Excess,
    row: &mut Row,
) -> Result<Slot, FormatError> {
    let syntax = || FormatError::InvalidText { expected: sql_type.input_name(), found: shorten(text) };
    let datetime = || datetime_error(sql_type, text);
    let number_error = |error| match error {
        NumberError::Syntax => syntax(),
        NumberError::Range => FormatError::TextOutOfRange { expected: sql_type.input_name(), found: shorten(text) },
    };
    let trimmed = text.trim_ascii();
    match sql_type {
        SqlType::Boolean => parse_boolean(trimmed).map(Slot::Boolean).ok_or_else(syntax),
        SqlType::Int => match parse_whole(trimmed).map_err(number_error)?.try_into() {
            Ok(value) => Ok(Slot::Int(value)),
            Err(_) => Err(number_error(NumberError::Range)),
        },
        SqlType::BigInt => parse_whole(trimmed).map(Slot::BigInt).map_err(number_error),
        SqlType::Double => number::double(trimmed).map(Slot::Double).map_err(number_error),
        SqlType::Decimal { precision, scale } => {
            number::decimal(trimmed, *precision, *scale, excess).map(Slot::Decimal).map_err(number_error)
        }
        SqlType::Text => Ok(row.bytes(text.as_bytes())),
        SqlType::Json => json::check(text).map(|()| row.bytes(text.as_bytes())),
        SqlType::Jsonb => json::normal(text).map(|normal| row.bytes(normal.as_bytes())),
        SqlType::Bytes => parse_bytes(text).map(|bytes| row.bytes(&bytes)).ok_or_else(syntax),
        SqlType::Date => times::parse_date(trimmed).map(Slot::Int).ok_or_else(datetime),
        SqlType::Time => times::parse_time(trimmed).map(Slot::BigInt).ok_or_else(datetime),
        SqlType::Timestamp => times::parse_timestamp(trimmed).map(Slot::BigInt).ok_or_else(datetime),
        SqlType::TimestampTz => times::parse_timestamp_tz(trimmed, zone).map(Slot::BigInt).ok_or_else(datetime),
        SqlType::Array(item) => {
            array::parse(item, trimmed, row, &mut |item, text, row| parse_slot(item, text, zone, excess, row))
        }
        SqlType::Map(..) | SqlType::Struct(_) => json::read_text(text, sql_type, row).ok_or_else(syntax),
    }
}

/// A value alone, as an array of one. A decimal has the digits of its text, whatever `sql_type` says of them: nothing is
/// rounded.
pub fn read(sql_type: &SqlType, text: &str, zone: Tz) -> Result<ArrayRef, FormatError> {
    let mut row = Row::default();
    let (own_type, slot) = match sql_type {
        SqlType::Decimal { .. } => {
            let (expected, found) = ("numeric", shorten(text));
            match number::exact_decimal(text.trim_ascii()) {
                Ok((value, precision, scale)) => (SqlType::Decimal { precision, scale }, Slot::Decimal(value)),
                Err(NumberError::Syntax) => return Err(FormatError::InvalidText { expected, found }),
                Err(NumberError::Range) => return Err(FormatError::TextOutOfRange { expected, found }),
            }
        }
        other => (other.clone(), parse_slot(other, text, zone, Excess::Refuse, &mut row)?),
    };
    let mut builder = ColumnBuilder::new(&own_type, 1);
    builder.append(slot, &row);
    Ok(builder.finish())
}

/// A double; one that is too large is refused.
pub fn read_double(text: &str) -> Result<f64, FormatError> {
    let (expected, found) = (SqlType::Double.input_name(), || shorten(text));
    number::double(text.trim_ascii()).map_err(|error| match error {
        NumberError::Syntax => FormatError::InvalidText { expected, found: found() },
        NumberError::Range => FormatError::TextOutOfRange { expected, found: found() },
    })
}

/// A date as PostgreSQL reads it, days since 1970-01-01; `None` for other text.
pub fn parse_date(text: &str) -> Option<i32> {
    times::parse_date(text.trim_ascii())
}

/// A timestamp without zone, microseconds.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    times::parse_timestamp(text.trim_ascii())
}

/// An instant, microseconds UTC; without an offset the text is read on a clock of `zone`.
pub fn parse_timestamp_tz(text: &str, zone: Tz) -> Option<i64> {
    times::parse_timestamp_tz(text.trim_ascii(), zone)
}

/// A time of day, microseconds; an offset behind it is left off.
pub fn parse_time(text: &str) -> Option<i64> {
    times::parse_time(text.trim_ascii())
}

/// The instant at which a clock of the zone shows a time, both in microseconds, as PostgreSQL tells it where there are two or none.
pub fn instant_of_local(micros: i64, zone: Tz) -> Option<i64> {
    times::instant_of_local(micros, &zone, Twice::Second)
}

/// `integer` takes no point and no exponent.
fn parse_whole(text: &str) -> Result<i64, NumberError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberError::Syntax);
    }
    text.parse().map_err(|_| NumberError::Range)
}

/// Any unique beginning of true, false, yes, no, on, off, and 1 and 0.
fn parse_boolean(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let begins = |word: &str, length_min: usize| length_min <= lower.len() && word.starts_with(&lower);
    if begins("true", 1) || begins("yes", 1) || lower == "on" || lower == "1" {
        return Some(true);
    }
    (begins("false", 1) || begins("no", 1) || begins("off", 2) || lower == "0").then_some(false)
}

/// `\x` and hexadecimal digits, or the older escape form: `\\` and `\ooo`.
pub fn parse_bytes(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let nibble = |digit: &u8| char::from(*digit).to_digit(16).map(|value| value as u8);
        return match digits.as_chunks::<2>() {
            (pairs, []) => pairs.iter().map(|[high, low]| Some(nibble(high)? << 4 | nibble(low)?)).collect(),
            _ => None,
        };
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                rest = after;
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            (b'\\', _) => return None,
            (byte, _) => bytes.push(*byte),
        }
    }
    Some(bytes)
}
