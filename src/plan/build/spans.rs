//! Comparisons and orders of intervals: by how long they are, not by their months first.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::expr::InList;

use super::expression::is_any_comparison;
use crate::functions::IntervalMicros;
use crate::plan::functions::Functions;

fn is_span(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(matches!(expr.get_type(schema)?, DataType::Interval(_) | DataType::Duration(_)))
}

fn length(functions: &Functions, expr: Expr) -> Expr {
    match functions.scalar(IntervalMicros::NAME) {
        Some(function) => function.call(vec![expr]),
        None => expr,
    }
}

/// A comparison of intervals as one of their lengths; anything else as it is.
pub(super) fn compared(functions: &Functions, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let length = |expr: Box<Expr>| Box::new(length(functions, *expr));
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if is_any_comparison(op) && is_span(&left, schema)? && is_span(&right, schema)? =>
        {
            Expr::BinaryExpr(BinaryExpr { left: length(left), op, right: length(right) })
        }
        Expr::Between(Between { expr, negated, low, high })
            if is_span(&expr, schema)? && is_span(&low, schema)? && is_span(&high, schema)? =>
        {
            Expr::Between(Between { expr: length(expr), negated, low: length(low), high: length(high) })
        }
        Expr::InList(InList { expr, list, negated }) if is_span(&expr, schema)? => {
            for item in &list {
                if !is_span(item, schema)? {
                    return Ok(Expr::InList(InList { expr, list, negated }));
                }
            }
            let list = list.into_iter().map(|item| *length(Box::new(item))).collect();
            Expr::InList(InList { expr: length(expr), list, negated })
        }
        other => other,
    })
}

/// What rows are sorted by.
pub(super) fn sorted(functions: &Functions, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(if is_span(&expr, schema)? { length(functions, expr) } else { expr })
}
