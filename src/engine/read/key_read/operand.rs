//! What a key column is compared with: a constant or a parameter, and its value as bytes of a key.

use arrow::array::Array;
use arrow::array::timezone::Tz;
use datafusion::common::ScalarValue;
use sqlparser::ast;

use super::Holds;
use super::Place;
use crate::catalog::Compatibility;
use crate::catalog::sql_type;
use crate::engine::outcome::Value;
use crate::engine::text::read_text;
use crate::format::RowKeys;
use crate::model::SqlType;
use crate::plan::placeholder;

/// The digits of the widest decimal.
const DIGITS_MAX: u32 = 38;

/// The other side of a comparison with a key column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// A value.
    Value(Value),
    /// A text that is read as the column's type, in the session's zone.
    Text(String),
    /// `$1` is 0.
    Parameter(usize),
}

/// A value as a key of its column's type has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encoded {
    /// These bytes.
    Key(Vec<u8>),
    /// It is null: no comparison with it is true.
    Null,
    /// No value of the column is equal to it.
    Beyond,
    /// The planner has to say.
    Unknown,
}

impl Operand {
    /// What an expression is beside a column of type `column`; `places` gets the place of a parameter, by its number from 1.
    pub(super) fn of(expr: &ast::Expr, column: &SqlType, places: &mut Vec<(usize, Place)>) -> Option<Self> {
        if let Some(literal) = literal(expr, column) {
            return Some(literal);
        }
        let (number, cast) = parameter(expr)?;
        // A cast to DECIMAL rounds; others of these types change nothing of a value that has the type.
        if cast.as_ref().is_some_and(|cast| matches!(cast, SqlType::Decimal { .. }) || !is_comparable(cast, column)) {
            return None;
        }
        let at = number.checked_sub(1)?;
        places.push((number, Place { column: column.clone(), cast, holds: Holds::Value }));
        Some(Operand::Parameter(at))
    }

    /// The constant that an expression is beside a column of type `column`, if it has that type by itself.
    pub(super) fn constant(expr: &ast::Expr, column: &SqlType) -> Option<Self> {
        match column {
            SqlType::Int | SqlType::BigInt | SqlType::Text => literal(expr, column),
            _ => None,
        }
    }

    /// Its bytes in a key column of type `column`; `Unknown` for a parameter that is not there.
    pub(super) fn encoded(&self, column: &SqlType, parameters: &[Value], zone: Tz) -> Encoded {
        match self {
            Operand::Value(value) => encoded(value, column),
            Operand::Parameter(at) => parameters.get(*at).map_or(Encoded::Unknown, |value| encoded(value, column)),
            Operand::Text(text) => match read_text(column, text, zone) {
                Ok(value) => encoded(&value, column),
                Err(_) => Encoded::Unknown,
            },
        }
    }
}

/// The number of a parameter, with the type that a cast gives it.
pub(super) fn parameter(expr: &ast::Expr) -> Option<(usize, Option<SqlType>)> {
    Some(match expr {
        ast::Expr::Cast {
            kind: ast::CastKind::Cast | ast::CastKind::DoubleColon,
            expr,
            data_type,
            array: false,
            format: None,
        } => (placeholder(expr)?, Some(sql_type(data_type, Compatibility::Postgres).ok()?)),
        other => (placeholder(other)?, None),
    })
}

/// The elements of an array, `None` for what is none; a null has none.
pub(super) fn elements(array: &Value) -> Option<Vec<Value>> {
    let ScalarValue::List(list) = array else { return None };
    if list.is_null(0) {
        return Some(Vec::new());
    }
    let values = list.value(0);
    (0..values.len()).map(|at| ScalarValue::try_from_array(&values, at).ok()).collect()
}

/// Whether values of a type are compared with a key column as they are, without a rule of the planner's.
pub(super) fn is_comparable(value: &SqlType, column: &SqlType) -> bool {
    let is_whole = |sql_type: &SqlType| matches!(sql_type, SqlType::Int | SqlType::BigInt);
    let are_decimals = matches!((value, column), (SqlType::Decimal { .. }, SqlType::Decimal { .. }));
    !column.is_nested() && (value == column || is_whole(value) && is_whole(column) || are_decimals)
}

fn literal(expr: &ast::Expr, column: &SqlType) -> Option<Operand> {
    let (value, is_negative) = match expr {
        ast::Expr::Value(value) => (&value.value, false),
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match expr.as_ref() {
            ast::Expr::Value(value) => (&value.value, true),
            _ => return None,
        },
        _ => return None,
    };
    match (value, column) {
        (ast::Value::Number(digits, _), column) => {
            let value = number(digits, column)?;
            let value = if is_negative { value.arithmetic_negate().ok()? } else { value };
            Some(Operand::Value(value))
        }
        _ if is_negative => None,
        (ast::Value::SingleQuotedString(text), SqlType::Text) => Some(Operand::Value(Value::Utf8(Some(text.clone())))),
        (
            ast::Value::SingleQuotedString(text),
            SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz,
        ) => Some(Operand::Text(text.clone())),
        (ast::Value::Boolean(value), SqlType::Boolean) => Some(Operand::Value(Value::Boolean(Some(*value)))),
        _ => None,
    }
}

/// A number as it is written, beside a column of type `column`; `None` for what the planner has to read.
pub(super) fn number(digits: &str, column: &SqlType) -> Option<Value> {
    match column {
        SqlType::Int | SqlType::BigInt => digits.parse().ok().map(|value| Value::Int64(Some(value))),
        SqlType::Decimal { .. } => decimal(digits),
        _ => None,
    }
}

/// A decimal of plain digits; others are the planner's.
fn decimal(text: &str) -> Option<Value> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= DIGITS_MAX)?;
    let value: i128 = digits.parse().ok().filter(|value| *value < 10_i128.pow(DIGITS_MAX))?;
    Some(Value::Decimal128(Some(value), DIGITS_MAX as u8, i8::try_from(scale).ok()?))
}

/// The bytes of a value in a key column of type `column`.
pub(super) fn encoded(value: &Value, column: &SqlType) -> Encoded {
    if value.is_null() {
        return Encoded::Null;
    }
    let value = match (column, value) {
        (SqlType::Int, ScalarValue::Int64(Some(wide))) => match i32::try_from(*wide) {
            Ok(narrow) => ScalarValue::Int32(Some(narrow)),
            Err(_) => return Encoded::Beyond,
        },
        (SqlType::BigInt, ScalarValue::Int32(Some(narrow))) => ScalarValue::Int64(Some(i64::from(*narrow))),
        (SqlType::Decimal { precision, scale }, ScalarValue::Decimal128(Some(unscaled), _, given)) => {
            match rescaled(*unscaled, *given, *precision, *scale) {
                Some(unscaled) => ScalarValue::Decimal128(Some(unscaled), *precision, *scale),
                None => return Encoded::Beyond,
            }
        }
        // Of zeros and of what is no number there are several; the planner knows how each compares.
        (SqlType::Double, ScalarValue::Float64(Some(double))) if !double.is_finite() || *double == 0.0 => {
            return Encoded::Unknown;
        }
        (_, same) => same.clone(),
    };
    let is_instant = *column == SqlType::TimestampTz && matches!(value, ScalarValue::TimestampMicrosecond(_, Some(_)));
    if value.data_type() != column.arrow() && !is_instant {
        return Encoded::Unknown;
    }
    match value.to_array().ok().and_then(|array| RowKeys::encode_row(&[array], 0).ok()) {
        Some(key) => Encoded::Key(key),
        None => Encoded::Unknown,
    }
}

/// The same number at a column's scale, `None` if no value of the column is equal to it.
fn rescaled(unscaled: i128, given: i8, precision: u8, scale: i8) -> Option<i128> {
    let factor = 10_i128.checked_pow(u32::from(given.abs_diff(scale)))?;
    let rescaled = match given <= scale {
        true => unscaled.checked_mul(factor)?,
        false if unscaled % factor == 0 => unscaled / factor,
        false => return None,
    };
    (rescaled.unsigned_abs() < 10_u128.pow(u32::from(precision))).then_some(rescaled)
}
