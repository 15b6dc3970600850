//! What ksqlDB compares: texts with times, which it reads, but never a text with a number.

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Operator;

use super::expression::is_text;
use super::ksqldb_words::text_of;
use super::literals;
use crate::error::Error;
use crate::error::SqlState;
use crate::format;
use crate::functions::ksqldb_name;
use crate::plan::functions::Functions;

/// The columns of milliseconds that a text is compared with as a time.
const TIMES: [&str; 3] = ["ROWTIME", "WINDOWSTART", "WINDOWEND"];

/// A comparison with its texts read as times where they stand beside one; other texts beside numbers are refused.
pub fn readable(functions: &Functions, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if name_of(op).is_some() => {
            let (left_is_time, right_is_time) = (is_time(&left), is_time(&right));
            let left = if right_is_time { millis(*left)? } else { *left };
            let right = if left_is_time { millis(*right)? } else { *right };
            comparable(&left, op, &right, schema)?;
            let (left_type, right_type) = (left.get_type(schema)?, right.get_type(schema)?);
            let left = beside(functions, left, &left_type, &right_type);
            let right = beside(functions, right, &right_type, &left_type);
            Ok(Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) }))
        }
        Expr::Between(between) if is_time(&between.expr) => Ok(Expr::Between(Between {
            low: Box::new(millis(*between.low)?),
            high: Box::new(millis(*between.high)?),
            ..between
        })),
        Expr::Between(Between { expr, negated, low, high }) => {
            let data_type = expr.get_type(schema)?;
            for (op, bound) in [(Operator::GtEq, &low), (Operator::LtEq, &high)] {
                if !data_type.is_null() && !bound.get_type(schema)?.is_null() {
                    comparable(&expr, op, bound, schema)?;
                }
            }
            let read = |bound: Expr| -> Result<Box<Expr>> {
                let of_bound = bound.get_type(schema)?;
                Ok(Box::new(beside(functions, bound, &of_bound, &data_type)))
            };
            Ok(Expr::Between(Between { negated, low: read(*low)?, high: read(*high)?, expr }))
        }
        Expr::InList(list) => Ok(Expr::InList(literals::of_list(functions, list, schema)?)),
        other => Ok(other),
    }
}

/// A text beside a timestamp, a date or a time of day read as one; everything else as it is.
pub(super) fn beside(functions: &Functions, expr: Expr, data_type: &DataType, other: &DataType) -> Expr {
    if !is_text(data_type) {
        return expr;
    }
    let name = match other {
        DataType::Timestamp(TimeUnit::Microsecond, None) => "__ksql_cast_timestamp",
        DataType::Date32 => "__ksql_cast_date",
        DataType::Time64(TimeUnit::Microsecond) => "__ksql_cast_time",
        _ => return expr,
    };
    if let Expr::Literal(ScalarValue::Utf8(Some(text)), metadata) = &expr {
        let told = match other {
            DataType::Timestamp(..) => {
                format::micros_of_partial_time(text).map(|micros| ScalarValue::TimestampMicrosecond(Some(micros), None))
            }
            DataType::Date32 => format::days_of_partial_date(text).map(|days| ScalarValue::Date32(Some(days))),
            _ => format::micros_of_clock(text).map(|micros| ScalarValue::Time64Microsecond(Some(micros))),
        };
        if let Some(told) = told {
            return Expr::Literal(told, metadata.clone());
        }
    }
    match functions.scalar(name) {
        Some(read) => read.call(vec![expr]),
        None => expr,
    }
}

fn name_of(op: Operator) -> Option<&'static str> {
    Some(match op {
        Operator::Eq => "EQUAL",
        Operator::NotEq => "NOT_EQUAL",
        Operator::Lt => "LESS_THAN",
        Operator::LtEq => "LESS_THAN_OR_EQUAL",
        Operator::Gt => "GREATER_THAN",
        Operator::GtEq => "GREATER_THAN_OR_EQUAL",
        Operator::IsDistinctFrom => "IS_DISTINCT_FROM",
        Operator::IsNotDistinctFrom => "IS_NOT_DISTINCT_FROM",
        _ => return None,
    })
}

fn is_time(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if TIMES.contains(&column.name.as_str()))
}

/// A literal text as the milliseconds of the time that it tells; everything else as it is.
fn millis(expr: Expr) -> Result<Expr> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), metadata) = &expr else { return Ok(expr) };
    match format::millis_of_partial_time(text) {
        Some(millis) => Ok(Expr::Literal(ScalarValue::Int64(Some(millis)), metadata.clone())),
        None => {
            let message = format!("Failed to parse timestamp '{text}'");
            let error = Error::new(SqlState::INVALID_DATETIME_FORMAT, message)
                .hint("Write a time such as 2024-05-01T12:30:00.000+0200; parts from the end may be left out.");
            Err(DataFusionError::External(Box::new(error)))
        }
    }
}

/// Whether values of the types can stand beside each other: numbers, times of a kind, texts beside texts and times, or the same.
fn are_alike(left: &DataType, right: &DataType) -> bool {
    let is_day = |of: &DataType| matches!(of, DataType::Timestamp(..) | DataType::Date32);
    let is_read_of_text = |of: &DataType| is_day(of) || matches!(of, DataType::Time64(_));
    match (left, right) {
        (left, right) if left.is_numeric() => right.is_numeric(),
        (left, right) if is_text(left) => is_text(right) || is_read_of_text(right) || right.is_nested(),
        (left, right) if is_text(right) => is_read_of_text(left) || left.is_nested(),
        (left, right) if is_day(left) => is_day(right),
        (left, right) if left.is_nested() => right.is_nested(),
        (left, right) => left == right,
    }
}

fn with_null(left: &DataType, op: Operator, right: &DataType) -> DataFusionError {
    let name = |of: &DataType| if of.is_null() { "NULL".to_owned() } else { ksqldb_name(of) };
    let sign = if op == Operator::NotEq { "<>".to_owned() } else { op.to_string() };
    let message = format!(
        "Comparison with NULL not supported: {} {sign} {}\nUse 'IS NULL' or 'IS NOT NULL' instead.",
        name(left),
        name(right)
    );
    DataFusionError::External(Box::new(Error::new(SqlState::DATATYPE_MISMATCH, message)))
}

fn comparable(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Result<()> {
    let (left_type, right_type) = (left.get_type(schema)?, right.get_type(schema)?);
    let ordered =
        !matches!(op, Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom);
    if left_type.is_null() || right_type.is_null() {
        return match op {
            Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => Ok(()),
            _ => Err(with_null(&left_type, op, &right_type)),
        };
    }
    let has_no_order = |of: &DataType| of.is_nested() || *of == DataType::Boolean;
    let is_refused =
        ordered && (has_no_order(&left_type) || has_no_order(&right_type)) || !are_alike(&left_type, &right_type);
    if !is_refused {
        return Ok(());
    }
    let shown = |expr: &Expr, data_type: &DataType| format!("{} ({})", text_of(expr, schema), ksqldb_name(data_type));
    let message = format!(
        "Cannot compare {} to {} with {}.",
        shown(left, &left_type),
        shown(right, &right_type),
        name_of(op).unwrap_or_default()
    );
    let error = Error::new(SqlState::DATATYPE_MISMATCH, message).hint("CAST one of them to the other's type.");
    Err(DataFusionError::External(Box::new(error)))
}
