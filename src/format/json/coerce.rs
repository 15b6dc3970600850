//! A JSON value into a column: PostgreSQL's way and ksqlDB's.

use std::sync::LazyLock;

use arrow::array::timezone::Tz;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::encode::write_string;
use super::nested;
use super::normal::normal;
use super::scan::Kind;
use super::scan::Scanner;
use crate::format::FormatError;
use crate::format::NameMatch;
use crate::format::error::shorten;
use crate::format::number;
use crate::format::number::Excess;
use crate::format::number::NumberError;
use crate::format::text::parse_slot;
use crate::format::value::Row;
use crate::format::value::Slot;
use crate::model::SqlType;

/// Instants without an offset in a document are UTC: a record means the same in every session.
pub(in crate::format) static UTC: LazyLock<Tz> = LazyLock::new(|| "+00:00".parse().expect("a fixed offset"));

/// What a value is read for: a type, and the column that errors name.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) column: &'a str,
    pub(super) sql_type: &'a SqlType,
}

/// Reads the next value into a slot for `target`. The document's syntax errors are `Malformed`; the value is
/// consumed whole whenever the error is about its type or range, so that reading can go on behind it.
pub(super) fn read(
    scanner: &mut Scanner<'_>,
    target: Target<'_>,
    names: NameMatch,
    row: &mut Row,
) -> Result<Slot, FormatError> {
    match scanner.kind()? {
        Kind::Null => scanner.literal("null").map(|()| Slot::Null),
        Kind::True => scanner.literal("true").and_then(|()| boolean(true, target, row)),
        Kind::False => scanner.literal("false").and_then(|()| boolean(false, target, row)),
        Kind::Number => {
            let text = scanner.number()?;
            of_number(text, target, names, row)
        }
        Kind::Text => {
            let text = scanner.string()?;
            of_text(&text, target, names, row)
        }
        Kind::Array if matches!(target.sql_type, SqlType::Array(_)) => nested::array(scanner, target, names, row),
        Kind::Object if matches!(target.sql_type, SqlType::Map(..)) => nested::map(scanner, target, names, row),
        Kind::Object if matches!(target.sql_type, SqlType::Struct(_)) => nested::structure(scanner, target, names, row),
        kind @ (Kind::Array | Kind::Object) => {
            if let SqlType::Json | SqlType::Jsonb = target.sql_type {
                let start = scanner.at;
                scanner.skip(0, None)?;
                return document(&scanner.text[start..scanner.at], target, row);
            }
            let mut compact = String::new();
            if kind == Kind::Array && names == NameMatch::UpperFallback && *target.sql_type == SqlType::Text {
                ksql_list(scanner, 0, &mut compact)?;
            } else {
                scanner.skip(0, Some(&mut compact))?;
            }
            match target.sql_type {
                SqlType::Text => Ok(row.bytes(compact.as_bytes())),
                _ => Err(wrong_type(target, &compact)),
            }
        }
    }
}

/// A list as ksqlDB makes a text of it: elements without quotes, `, ` between them.
fn ksql_list(scanner: &mut Scanner<'_>, depth: usize, out: &mut String) -> Result<(), FormatError> {
    if 100 < depth {
        return scanner.skip(depth, Some(out));
    }
    scanner.expect(b'[')?;
    out.push('[');
    let mut first = true;
    while !scanner.take(b']') {
        if !first {
            scanner.expect(b',')?;
            out.push_str(", ");
        }
        first = false;
        match scanner.kind()? {
            Kind::Text => out.push_str(&scanner.string()?),
            Kind::Array => ksql_list(scanner, depth + 1, out)?,
            _ => scanner.skip(depth + 1, Some(out))?,
        }
    }
    out.push(']');
    Ok(())
}

/// A value of a document as a document of its own.
fn document(text: &str, target: Target<'_>, row: &mut Row) -> Result<Slot, FormatError> {
    match target.sql_type {
        SqlType::Jsonb => normal(text).map(|normal| row.bytes(normal.as_bytes())),
        _ => Ok(row.bytes(text.as_bytes())),
    }
}

fn wrong_type(target: Target<'_>, found: &str) -> FormatError {
    FormatError::WrongType {
        column: target.column.to_owned(),
        expected: target.sql_type.to_string(),
        found: shorten(found),
    }
}

/// A text, told from what stands in a document without quotes.
fn wrong_text(target: Target<'_>, text: &str) -> FormatError {
    FormatError::WrongType {
        column: target.column.to_owned(),
        expected: target.sql_type.to_string(),
        found: format!("\"{}\"", shorten(text)),
    }
}

fn number_error(target: Target<'_>, found: &str, error: NumberError) -> FormatError {
    match error {
        NumberError::Syntax => wrong_type(target, found),
        NumberError::Range => FormatError::OutOfRange {
            column: target.column.to_owned(),
            expected: target.sql_type.to_string(),
            found: shorten(found),
        },
    }
}

fn boolean(value: bool, target: Target<'_>, row: &mut Row) -> Result<Slot, FormatError> {
    let text = if value { "true" } else { "false" };
    match target.sql_type {
        SqlType::Boolean => Ok(Slot::Boolean(value)),
        SqlType::Text => Ok(row.bytes(text.as_bytes())),
        SqlType::Json | SqlType::Jsonb => document(text, target, row),
        _ => Err(wrong_type(target, text)),
    }
}

fn of_number(text: &str, target: Target<'_>, names: NameMatch, row: &mut Row) -> Result<Slot, FormatError> {
    let excess = match names {
        NameMatch::Exact => Excess::Refuse,
        NameMatch::UpperFallback => Excess::Truncate,
    };
    let range = |error| number_error(target, text, error);
    let whole = || number::whole(text, excess).map_err(range);
    let int = |value: i64| i32::try_from(value).map_err(|_| range(NumberError::Range));
    let micros = |millis: i64| millis.checked_mul(1000).ok_or_else(|| range(NumberError::Range));
    match target.sql_type {
        SqlType::Boolean | SqlType::Bytes | SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_) => {
            Err(wrong_type(target, text))
        }
        SqlType::Int | SqlType::Date => Ok(Slot::Int(int(whole()?)?)),
        SqlType::BigInt => Ok(Slot::BigInt(whole()?)),
        SqlType::Double => number::double(text).map(Slot::Double).map_err(range),
        SqlType::Decimal { precision, scale } => {
            number::decimal(text, *precision, *scale, Excess::Refuse).map(Slot::Decimal).map_err(range)
        }
        SqlType::Text => Ok(row.bytes(text.as_bytes())),
        SqlType::Json | SqlType::Jsonb => document(text, target, row),
        SqlType::Time => match micros(whole()?)? {
            micros @ 0..=86_400_000_000 => Ok(Slot::BigInt(micros)),
            _ => Err(range(NumberError::Range)),
        },
        SqlType::Timestamp | SqlType::TimestampTz => Ok(Slot::BigInt(micros(whole()?)?)),
    }
}

pub(super) fn of_text(text: &str, target: Target<'_>, names: NameMatch, row: &mut Row) -> Result<Slot, FormatError> {
    match (target.sql_type, names) {
        (SqlType::Text, _) => Ok(row.bytes(text.as_bytes())),
        (SqlType::Json | SqlType::Jsonb, _) => {
            let mut quoted = Vec::new();
            write_string(text, &mut quoted);
            Ok(row.bytes(&quoted))
        }
        (SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_), _) => Err(wrong_text(target, text)),
        (SqlType::Bytes, _) => match STANDARD.decode(text) {
            Ok(bytes) => Ok(row.bytes(&bytes)),
            Err(_) => Err(wrong_text(target, text)),
        },
        (SqlType::Boolean, NameMatch::UpperFallback) => Err(wrong_text(target, text)),
        (SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz, NameMatch::UpperFallback) => {
            match text.parse::<i64>() {
                Ok(_) => of_number(text, target, names, row),
                Err(_) => Err(wrong_text(target, text)),
            }
        }
        (SqlType::Double, NameMatch::UpperFallback) => {
            number::double(text.trim()).map(Slot::Double).map_err(|error| match error {
                NumberError::Syntax => wrong_text(target, text),
                NumberError::Range => number_error(target, text, error),
            })
        }
        // Numbers keep every digit or are refused, also when they come as text.
        (sql_type, _) => parse_slot(sql_type, text, *UTC, Excess::Refuse, row).map_err(|error| match error {
            FormatError::TextOutOfRange { .. } => number_error(target, text, NumberError::Range),
            _ => wrong_text(target, text),
        }),
    }
}
