//! Texts that stand for timestamps, under PostgreSQL's rules: in a CAST, and beside a timestamp in a comparison; there for truths too.
//! And dates beside timestamps, each its midnight.

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::expr::InList;

use super::explicit::is_any_comparison;
use super::expression::is_text;
use crate::plan::functions::Functions;

/// A text read as a date, a time of day, or a timestamp of `target`'s kind, in microseconds; `None` for other targets.
pub(super) fn read(functions: &Functions, text: Expr, target: &DataType) -> Option<Expr> {
    let zone = match target {
        DataType::Timestamp(_, zone) => zone,
        DataType::Time64(_) => return Some(functions.scalar("__time_in")?.call(vec![text])),
        DataType::Date32 => return Some(functions.scalar("__date_in")?.call(vec![text])),
        _ => return None,
    };
    let name = if zone.is_some() { "__timestamptz_in" } else { "__timestamp_in" };
    let read = functions.scalar(name)?.call(vec![text]);
    Some(match zone {
        Some(zone) => cast(read, DataType::Timestamp(TimeUnit::Microsecond, Some(zone.clone()))),
        None => read,
    })
}

/// A comparison with its texts beside a timestamp read as timestamps.
pub(super) fn compared(functions: &Functions, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let beside = |text: Expr, other: &DataType| -> Result<Expr> {
        if *other == DataType::Boolean && matches!(text, Expr::Literal(ScalarValue::Utf8(_), _)) {
            return Ok(cast(text, DataType::Boolean));
        }
        let is_read =
            is_text(&text.get_type(schema)?) && matches!(other, DataType::Timestamp(_, _) | DataType::Time64(_));
        let read = if is_read { read(functions, text.clone(), other) } else { None };
        Ok(read.unwrap_or(text))
    };
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_any_comparison(op) => {
            let (left_type, right_type) = (left.get_type(schema)?, right.get_type(schema)?);
            let (left, right) = (beside(*left, &right_type)?, beside(*right, &left_type)?);
            Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let data_type = expr.get_type(schema)?;
            let (low, high) = (beside(*low, &data_type)?, beside(*high, &data_type)?);
            Expr::Between(Between { expr, negated, low: Box::new(low), high: Box::new(high) })
        }
        Expr::InList(InList { expr, list, negated }) => {
            let data_type = expr.get_type(schema)?;
            let list = list.into_iter().map(|item| beside(item, &data_type)).collect::<Result<_>>()?;
            Expr::InList(InList { expr, list, negated })
        }
        other => other,
    })
}

/// The timestamp, in microseconds, that dates beside timestamps become: DataFusion would count both in nanoseconds, which have no room
/// for most years. `None` if there are not both.
pub(super) fn meeting(types: &[DataType]) -> Option<DataType> {
    let mut zones = types.iter().filter_map(|data_type| match data_type {
        DataType::Timestamp(_, zone) => Some(zone.clone()),
        _ => None,
    });
    let first = zones.next()?;
    let zone = first.or_else(|| zones.flatten().next());
    types.contains(&DataType::Date32).then_some(DataType::Timestamp(TimeUnit::Microsecond, zone))
}

/// A comparison or difference of dates and timestamps, with the dates' midnights in their place.
pub(super) fn with_midnights(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let types_of = |exprs: &[&Expr]| exprs.iter().map(|expr| expr.get_type(schema)).collect::<Result<Vec<_>>>();
    let midnight = |expr: Expr, wanted: &DataType| -> Result<Expr> {
        Ok(if expr.get_type(schema)? == DataType::Date32 { cast(expr, wanted.clone()) } else { expr })
    };
    let boxed = |expr: Box<Expr>, wanted: &DataType| midnight(*expr, wanted).map(Box::new);
    let is_beside = |op: Operator| is_any_comparison(op) || op == Operator::Minus;
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if is_beside(op)
                && let Some(wanted) = meeting(&types_of(&[&left, &right])?) =>
        {
            Expr::BinaryExpr(BinaryExpr { left: boxed(left, &wanted)?, op, right: boxed(right, &wanted)? })
        }
        Expr::Between(Between { expr, negated, low, high })
            if let Some(wanted) = meeting(&types_of(&[&expr, &low, &high])?) =>
        {
            let (expr, low, high) = (boxed(expr, &wanted)?, boxed(low, &wanted)?, boxed(high, &wanted)?);
            Expr::Between(Between { expr, negated, low, high })
        }
        Expr::InList(InList { expr, list, negated })
            if let Some(wanted) =
                meeting(&types_of(&std::iter::once(expr.as_ref()).chain(&list).collect::<Vec<_>>())?) =>
        {
            let list = list.into_iter().map(|item| midnight(item, &wanted)).collect::<Result<_>>()?;
            Expr::InList(InList { expr: boxed(expr, &wanted)?, list, negated })
        }
        other => other,
    })
}
