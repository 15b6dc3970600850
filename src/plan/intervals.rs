//! `2 * INTERVAL '1 hour'`: products and quotients of intervals, which DataFusion's planner does not know; and differences of
//! timestamps, which it takes for Arrow's durations, not for intervals.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::planner::PlannerResult;
use datafusion::logical_expr::planner::RawBinaryExpr;
use sqlparser::ast;

use super::json_operators::JsonOperators;
use super::text_sum::TextSum;
use crate::catalog::Compatibility;
use crate::functions::IntervalScale;
use crate::functions::TimeBetween;
use crate::functions::interval_of_text;

/// Who plans what has an operator: ours first, then DataFusion's.
pub fn expression_planners(rules: Compatibility) -> Vec<Arc<dyn ExprPlanner>> {
    let [times, by] = IntervalScale::all().map(|function| Arc::new(ScalarUDF::new_from_impl(function)));
    let between = Arc::new(ScalarUDF::new_from_impl(TimeBetween::default()));
    let own: Arc<dyn ExprPlanner> = Arc::new(Intervals { times, by, between });
    let mut planners = vec![own];
    if rules == Compatibility::Ksqldb {
        planners.push(Arc::new(TextSum));
    }
    planners.push(Arc::new(JsonOperators));
    planners.extend(SessionStateDefaults::default_expr_planners());
    planners
}

#[derive(Debug)]
struct Intervals {
    times: Arc<ScalarUDF>,
    by: Arc<ScalarUDF>,
    between: Arc<ScalarUDF>,
}

impl ExprPlanner for Intervals {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let expr = match expr.op {
            ast::BinaryOperator::Plus
            | ast::BinaryOperator::Minus
            | ast::BinaryOperator::Eq
            | ast::BinaryOperator::NotEq
            | ast::BinaryOperator::Lt
            | ast::BinaryOperator::LtEq
            | ast::BinaryOperator::Gt
            | ast::BinaryOperator::GtEq => with_read_texts(expr, schema)?,
            _ => expr,
        };
        let function = match expr.op {
            ast::BinaryOperator::Multiply => &self.times,
            ast::BinaryOperator::Divide => &self.by,
            ast::BinaryOperator::Minus => return self.difference(expr, schema),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        // What has no type yet, such as a parameter, is not ours.
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let is_interval = |of: &DataType| matches!(of, DataType::Interval(_));
        let (interval, number) = match (is_interval(&left), is_interval(&right)) {
            (true, false) if right.is_numeric() => (expr.left, expr.right),
            (false, true) if left.is_numeric() && expr.op == ast::BinaryOperator::Multiply => (expr.right, expr.left),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let arguments =
            vec![cast(interval, DataType::Interval(IntervalUnit::MonthDayNano)), cast(number, DataType::Float64)];
        Ok(PlannerResult::Planned(function.call(arguments)))
    }
}

/// A text that is written out beside an interval is one.
fn with_read_texts(mut expr: RawBinaryExpr, schema: &DFSchema) -> Result<RawBinaryExpr> {
    let is_interval = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Interval(_) | DataType::Duration(_)));
    if written_text(&expr.right).is_some() && is_interval(&expr.left) {
        expr.right = read_text(expr.right)?;
    } else if written_text(&expr.left).is_some() && is_interval(&expr.right) {
        expr.left = read_text(expr.left)?;
    }
    Ok(expr)
}

/// A text that is written out, without a type.
pub(super) fn written_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// Such a text as an interval, 22007 if it is none; anything else as it is.
pub(super) fn read_text(expr: Expr) -> Result<Expr> {
    let Some(text) = written_text(&expr) else { return Ok(expr) };
    let interval = interval_of_text(text).map_err(|error| DataFusionError::External(Box::new(error)))?;
    Ok(Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), None))
}

impl Intervals {
    /// Of two timestamps.
    fn difference(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        match (left, right) {
            (DataType::Timestamp(_, one), DataType::Timestamp(_, other)) if one.is_some() == other.is_some() => {
                Ok(PlannerResult::Planned(self.between.call(vec![expr.left, expr.right])))
            }
            _ => Ok(PlannerResult::Original(expr)),
        }
    }
}
