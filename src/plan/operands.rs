//! Operands as PostgreSQL types them before it looks for the operator: a text that is written out beside a number or a truth is one, and CASE has the type in which its results meet.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Case;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::planner::PlannerResult;
use datafusion::logical_expr::planner::RawBinaryExpr;
use sqlparser::ast;

use super::intervals::expression_planners;
use super::intervals::written_text;
use crate::catalog::Compatibility;
use crate::functions::met_number;

/// Who plans the operators of queries that are read once.
pub fn pull_planners(rules: Compatibility) -> Vec<Arc<dyn ExprPlanner>> {
    let mut planners = expression_planners(rules);
    if rules == Compatibility::Postgres {
        planners.insert(0, Arc::new(Operands));
    }
    planners
}

#[derive(Debug)]
struct Operands;

impl ExprPlanner for Operands {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        use ast::BinaryOperator as Op;
        let RawBinaryExpr { op, left, right } = expr;
        if matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq) {
            let (left, right) = (beside_truth(left, &right, schema), right);
            let right = beside_truth(right, &left, schema);
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        if op == Op::StringConcat {
            let (left, right) = beside_array(left, right, schema);
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        if !matches!(op, Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo) {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        let (left, right) = typed(left, right, schema)?;
        let new_left = beside_time(left, &op, &right, schema);
        let right = beside_time(right, &op, &new_left, schema);
        Ok(PlannerResult::Original(RawBinaryExpr { op, left: new_left, right }))
    }
}

/// A text that is written out beside a time in the type that PostgreSQL takes it for: the time's own where one is taken from the other,
/// an interval where it is added.
fn beside_time(text: Expr, op: &ast::BinaryOperator, time: &Expr, schema: &DFSchema) -> Expr {
    use ast::BinaryOperator as Op;
    let (Some(_), Ok(of_time)) = (written_text(&text), time.get_type(schema)) else { return text };
    let wanted = match (op, &of_time) {
        (Op::Minus, DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_)) => of_time,
        (Op::Plus, DataType::Timestamp(..) | DataType::Time64(_)) => DataType::Interval(IntervalUnit::MonthDayNano),
        (Op::Plus | Op::Minus, DataType::Interval(_)) => of_time,
        _ => return text,
    };
    cast(text, wanted)
}

/// An array of numbers and a number, in the type in which they meet; anything else as it is.
fn beside_array(left: Expr, right: Expr, schema: &DFSchema) -> (Expr, Expr) {
    let (Ok(of_left), Ok(of_right)) = (left.get_type(schema), right.get_type(schema)) else { return (left, right) };
    let met = match (&of_left, &of_right) {
        (DataType::List(item), number) | (number, DataType::List(item)) => met_number(item.data_type(), number),
        _ => None,
    };
    let Some(met) = met else { return (left, right) };
    let as_met = |side: Expr, of: &DataType| match of {
        DataType::List(_) => cast(side, DataType::new_list(met.clone(), true)),
        _ => cast(side, met.clone()),
    };
    (as_met(left, &of_left), as_met(right, &of_right))
}

/// A text that is written out beside a truth as one.
fn beside_truth(text: Expr, other: &Expr, schema: &DFSchema) -> Expr {
    let is_truth = matches!(other.get_type(schema), Ok(DataType::Boolean));
    if is_truth && written_text(&text).is_some() { cast(text, DataType::Boolean) } else { text }
}

/// Both sides, of which a text that is written out is a number if the other is one.
pub(super) fn typed(left: Expr, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let (left, right) = (with_number_results(left, schema), with_number_results(right, schema));
    let beside = |text: Expr, number: &Expr| match number_type(number, schema).filter(|_| written_text(&text).is_some())
    {
        Some(wanted) => cast(text, wanted),
        None => text,
    };
    let new_left = beside(left, &right);
    let new_right = beside(right, &new_left);
    Ok((new_left, new_right))
}

/// The type of a number, `None` for what is none or not known yet.
fn number_type(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) if i32::try_from(*value).is_ok() => Some(DataType::Int32),
        expr => expr.get_type(schema).ok().filter(DataType::is_numeric),
    }
}

/// CASE with its texts as numbers, if all its other results are.
fn with_number_results(expr: Expr, schema: &DFSchema) -> Expr {
    let Expr::Case(case) = expr else { return expr };
    let results = || case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr).map(AsRef::as_ref);
    let is_open =
        |result: &&Expr| written_text(result).is_some() || matches!(result, Expr::Literal(ScalarValue::Null, _));
    let mut types = results().filter(|result| !is_open(result)).map(|result| number_type(result, schema));
    let first = types.next().flatten().filter(|_| types.all(|told| told.is_some()));
    let (Some(wanted), true) = (first, results().any(|result| written_text(result).is_some())) else {
        return Expr::Case(case);
    };
    let read = |result: Box<Expr>| match written_text(&result) {
        Some(_) => Box::new(cast(*result, wanted.clone())),
        None => result,
    };
    Expr::Case(Case {
        expr: case.expr,
        when_then_expr: case.when_then_expr.into_iter().map(|(when, then)| (when, read(then))).collect(),
        else_expr: case.else_expr.map(read),
    })
}
