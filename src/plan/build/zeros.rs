//! The two zeros of doubles, which are equal: whoever sorts, parts or tells values apart by their bits gets one of them.

use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr::InList;

use crate::functions::OneZero;
use crate::plan::functions::Functions;

/// A double whose zero is the one without a sign; anything else as it is.
pub(super) fn one(functions: &Functions, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let is_one = matches!(&expr, Expr::ScalarFunction(function) if function.name() == OneZero::NAME);
    Ok(match functions.scalar(OneZero::NAME) {
        Some(function) if !is_one && expr.get_type(schema)?.is_floating() => function.call(vec![expr]),
        _ => expr,
    })
}

/// An aggregate of different values, of which doubles are one where they are equal; other aggregates as they are.
pub(super) fn told_apart(
    functions: &Functions,
    mut aggregate: AggregateFunction,
    schema: &DFSchema,
) -> Result<AggregateFunction> {
    if aggregate.params.distinct {
        for argument in &mut aggregate.params.args {
            *argument = one(functions, std::mem::take(argument), schema)?;
        }
    }
    Ok(aggregate)
}

fn is_not_zero(value: &ScalarValue) -> bool {
    ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero != *value)
}

/// `x IN (..)` of doubles, which DataFusion answers by their bits, if a zero may be among them; anything else as it is.
pub(super) fn compared(functions: &Functions, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let Expr::InList(InList { expr, list, negated }) = expr else { return Ok(expr) };
    let is_other = |item: &Expr| match item {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => *value != 0.0,
        Expr::Literal(value, _) => value.is_null() || is_not_zero(value),
        Expr::Cast(cast) => matches!(cast.expr.as_ref(), Expr::Literal(value, _) if is_not_zero(value)),
        _ => false,
    };
    if !expr.get_type(schema)?.is_floating() || list.iter().all(is_other) {
        return Ok(Expr::InList(InList { expr, list, negated }));
    }
    let list = list.into_iter().map(|item| one(functions, item, schema)).collect::<Result<_>>()?;
    Ok(Expr::InList(InList { expr: Box::new(one(functions, *expr, schema)?), list, negated }))
}
