//! Arrow's errors about values, as PostgreSQL says them.

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

use super::failure::lower_first;
use super::failure::one_line;
use crate::error::Error;
use crate::error::SqlState;
use crate::format;
use crate::model::SqlType;

/// An error and, if it is about a text, that text.
pub(super) struct ValueFailure {
    pub(super) error: Error,
    pub(super) text: Option<String>,
}

impl ValueFailure {
    fn new(state: SqlState, message: impl Into<String>) -> Self {
        Self { error: Error::new(state, message), text: None }
    }

    /// A text that the type's input function does not take.
    fn of_text(sql_type: &SqlType, text: &str) -> Self {
        let digits = text.trim().trim_start_matches(['-', '+']);
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let name = sql_type.input_name();
        let error = match sql_type {
            SqlType::Int | SqlType::BigInt if is_whole => {
                let message = format!("value \"{text}\" is out of range for type {name}");
                Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)
            }
            SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => {
                Error::from(format::text::datetime_error(sql_type, text))
            }
            _ => {
                let message = format!("invalid input syntax for type {name}: \"{text}\"");
                Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
            }
        };
        Self { error, text: Some(text.to_string()) }
    }

    /// A value that a decimal of a type does not hold.
    fn of_decimal(message: &str) -> Self {
        let failure = Self::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow");
        match digits(message) {
            Some((precision, scale)) => {
                let most = format!("10^{}", i32::from(precision) - i32::from(scale));
                let most = if most == "10^0" { "1".to_string() } else { most };
                let detail = format!(
                    "A field with precision {precision}, scale {scale} must round to an absolute value less than {most}."
                );
                Self { error: failure.error.detail(detail), ..failure }
            }
            None => failure,
        }
    }
}

/// The user's error; `None` for errors that no value can cause.
pub(super) fn of_arrow(error: &ArrowError) -> Option<ValueFailure> {
    Some(match error {
        ArrowError::DivideByZero => ValueFailure::new(SqlState::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(message) => {
            let name =
                if message.contains("Decimal") { "value overflows numeric format" } else { "number out of range" };
            ValueFailure::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, name)
        }
        ArrowError::CastError(message) | ArrowError::ParseError(message) => of_message(message).unwrap_or_else(|| {
            ValueFailure::new(SqlState::INVALID_TEXT_REPRESENTATION, lower_first(&one_line(message)))
        }),
        ArrowError::InvalidArgumentError(message) => of_message(message)
            .unwrap_or_else(|| ValueFailure::new(SqlState::INVALID_PARAMETER_VALUE, lower_first(&one_line(message)))),
        ArrowError::ComputeError(message) => of_computation(message),
        _ => return None,
    })
}

/// What functions say of their arguments, in the words that tell one kind from another.
fn of_computation(message: &str) -> ValueFailure {
    let lower = message.to_lowercase();
    if lower.contains("regular expression") {
        return ValueFailure { error: of_regular_expression(message), text: None };
    }
    let out_of_range = lower.contains("overflow") || lower.contains("out of range");
    match lower.contains("timestamp") || lower.contains("date") {
        true if out_of_range => ValueFailure::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range"),
        _ if lower.contains("interval") && out_of_range => {
            ValueFailure::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range")
        }
        _ if out_of_range => ValueFailure::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "number out of range"),
        _ => ValueFailure::new(SqlState::INVALID_PARAMETER_VALUE, lower_first(&one_line(message))),
    }
}

/// A pattern that is no regular expression; the reason stands in the last line of what the library says.
pub(super) fn of_regular_expression(message: &str) -> Error {
    let error = Error::new(SqlState::INVALID_REGULAR_EXPRESSION, "invalid regular expression");
    match message.lines().last().and_then(|line| line.strip_prefix("error: ")) {
        Some(reason) => error.detail(format!("The reason: {}.", reason.trim_end_matches([')', '.']))),
        None => error,
    }
}

/// Arrow has one kind for all casts; the words tell them apart.
fn of_message(message: &str) -> Option<ValueFailure> {
    if let Some((sql_type, text)) = of_bad_text(message) {
        return Some(ValueFailure::of_text(&sql_type, text));
    }
    // "Cannot cast to Decimal128(5, 2). Overflowing on 12345" and "12345 is too large to store in a Decimal128 of precision 5".
    let decimal = message.starts_with("Cannot cast to Decimal") || message.contains(" to store in a Decimal");
    if decimal || message.starts_with("parse decimal overflow") {
        return Some(ValueFailure::of_decimal(message));
    }
    // "Can't cast value 99999999999 to type Int32".
    let target = message.strip_prefix("Can't cast value ")?.rsplit_once(" to type ")?.1;
    let name = SqlType::postgres_name_of(&target.parse::<DataType>().ok()?);
    Some(ValueFailure::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{name} out of range")))
}

/// The digits of the type in "Cannot cast to Decimal128(5, 2). Overflowing on 12345".
fn digits(message: &str) -> Option<(u8, i8)> {
    let told = message.strip_prefix("Cannot cast to Decimal128(")?.split(')').next()?;
    let (precision, scale) = told.split_once(", ")?;
    Some((precision.parse().ok()?, scale.parse().ok()?))
}

/// The type that was wanted of a text, and the text.
fn of_bad_text(message: &str) -> Option<(SqlType, &str)> {
    let of_cast = || {
        let (before, target) = message.rsplit_once("' to value of ")?;
        let text = before.split_once('\'')?.1;
        let target = target.strip_suffix(" type")?.parse::<DataType>().ok()?;
        Some((SqlType::from_arrow(&target)?, text))
    };
    let of_decimal = || {
        let text = message.strip_prefix("can't parse the string value ")?.strip_suffix(" to decimal")?;
        Some((SqlType::Decimal { precision: 38, scale: 0 }, text))
    };
    let of_timestamp = || {
        let text = message.strip_prefix("Error parsing timestamp from '")?.rsplit_once("': ")?.0;
        Some((SqlType::Timestamp, text))
    };
    let of_time = || {
        let text = message.strip_prefix("Failed to parse '")?.strip_suffix("' as time")?;
        Some((SqlType::Time, text))
    };
    of_cast().or_else(of_decimal).or_else(of_timestamp).or_else(of_time)
}
