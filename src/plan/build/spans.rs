//! Comparisons and orders of intervals: by how long they are, not by their months first. A text that is written out beside an
//! interval is one.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Case;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::SortExpr;
use datafusion::logical_expr::Subquery;
use datafusion::logical_expr::WindowFrameBound;
use datafusion::logical_expr::WindowFrameUnits;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::lit;
use datafusion::logical_expr::when;

use super::explicit::is_any_comparison;
use super::expression::is_text;
use super::zeros;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::IntervalMicros;
use crate::model::SqlType;
use crate::plan::functions::Functions;
use crate::plan::intervals::read_text;
use crate::plan::intervals::written_text;

/// Whether an expression is an interval.
pub(super) fn is_span(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(matches!(expr.get_type(schema)?, DataType::Interval(_) | DataType::Duration(_)))
}

/// How long an interval is, for comparisons.
pub(super) fn length(functions: &Functions, expr: Expr) -> Expr {
    if matches!(&expr, Expr::Literal(value, _) if value.is_null()) {
        return Expr::Literal(ScalarValue::Int64(None), None);
    }
    match functions.scalar(IntervalMicros::NAME) {
        Some(function) => function.call(vec![expr]),
        None => expr,
    }
}

/// Whether an expression can stand beside an interval: one, a text that is written out, or NULL.
fn may_be_span(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(written_text(expr).is_some() || expr.get_type(schema)?.is_null() || is_span(expr, schema)?)
}

/// A comparison of intervals as one of their lengths; anything else as it is.
pub(super) fn compared(functions: &Functions, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let length = |expr: Box<Expr>| Ok::<_, DataFusionError>(Box::new(length(functions, read_text(*expr)?)));
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if is_any_comparison(op)
                && (is_span(&left, schema)? || is_span(&right, schema)?)
                && may_be_span(&left, schema)?
                && may_be_span(&right, schema)? =>
        {
            Expr::BinaryExpr(BinaryExpr { left: length(left)?, op, right: length(right)? })
        }
        Expr::Between(Between { expr, negated, low, high })
            if is_span(&expr, schema)? && may_be_span(&low, schema)? && may_be_span(&high, schema)? =>
        {
            Expr::Between(Between { expr: length(expr)?, negated, low: length(low)?, high: length(high)? })
        }
        Expr::InList(InList { expr, list, negated }) if is_span(&expr, schema)? => {
            for item in &list {
                if !may_be_span(item, schema)? {
                    return Ok(Expr::InList(InList { expr, list, negated }));
                }
            }
            let list = list.into_iter().map(|item| Ok(*length(Box::new(item))?)).collect::<Result<_>>()?;
            Expr::InList(InList { expr: length(expr)?, list, negated })
        }
        Expr::InSubquery(among) if is_span(&among.expr, schema)? => among_lengths(functions, among)?,
        Expr::Case(case) => chosen(functions, case, schema)?,
        Expr::AggregateFunction(aggregate) => aggregated(functions, aggregate, schema)?,
        other => other,
    })
}

/// `x IN (SELECT ..)`.
fn among_lengths(functions: &Functions, among: InSubquery) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = among;
    let value = Expr::Column(subquery.subquery.schema().columns().swap_remove(0));
    if !is_span(&value, subquery.subquery.schema())? {
        return Ok(Expr::InSubquery(InSubquery { expr, subquery, negated }));
    }
    let name = value.schema_name().to_string();
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .project(vec![length(functions, value).alias(name)])?
        .build()?;
    let subquery = Subquery { subquery: plan.into(), ..subquery };
    Ok(Expr::InSubquery(InSubquery { expr: Box::new(length(functions, *expr)), subquery, negated }))
}

/// CASE of an interval compares lengths; among results that are intervals a text is one.
fn chosen(functions: &Functions, mut case: Case, schema: &DFSchema) -> Result<Expr> {
    let mut of_spans = case.expr.as_ref().map_or(Ok(false), |expr| is_span(expr, schema))?;
    for (when, _) in &case.when_then_expr {
        of_spans &= may_be_span(when, schema)?;
    }
    if of_spans {
        let length = |expr: Box<Expr>| Ok::<_, DataFusionError>(Box::new(length(functions, read_text(*expr)?)));
        case.expr = case.expr.map(length).transpose()?;
        let arms = case.when_then_expr.into_iter().map(|(when, then)| Ok((length(when)?, then)));
        case.when_then_expr = arms.collect::<Result<_>>()?;
    }
    let mut gives_spans = false;
    for result in case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr) {
        gives_spans |= is_span(result, schema)?;
    }
    if gives_spans {
        let read = |expr: Box<Expr>| Ok::<_, DataFusionError>(Box::new(read_text(*expr)?));
        let arms = case.when_then_expr.into_iter().map(|(when, then)| Ok((when, read(then)?)));
        case.when_then_expr = arms.collect::<Result<_>>()?;
        case.else_expr = case.else_expr.map(read).transpose()?;
    }
    Ok(Expr::Case(case))
}

fn refused(message: String, hint: &str) -> DataFusionError {
    DataFusionError::External(Box::new(Error::unsupported(message).hint(hint)))
}

/// Aggregates of different intervals, and of values in the order of intervals.
fn aggregated(functions: &Functions, mut aggregate: AggregateFunction, schema: &DFSchema) -> Result<Expr> {
    let of_spans = aggregate.params.args.first().map_or(Ok(false), |argument| is_span(argument, schema))?;
    let name = aggregate.func.name().to_string();
    if of_spans && name == "array_agg" {
        return Err(refused("arrays of intervals are not supported".to_string(), "Cast the intervals to TEXT."));
    }
    if of_spans && aggregate.params.distinct {
        match name.as_str() {
            "count" => aggregate.params.args[0] = length(functions, aggregate.params.args[0].clone()),
            "min" | "max" => {}
            _ => {
                let message = format!("{name}(DISTINCT ..) of intervals is not supported");
                return Err(refused(message, "Aggregate the rows of a SELECT DISTINCT."));
            }
        }
    }
    ordered(functions, &mut aggregate.params.order_by, schema)?;
    Ok(Expr::AggregateFunction(aggregate))
}

fn ordered(functions: &Functions, order: &mut [SortExpr], schema: &DFSchema) -> Result<()> {
    for by in order {
        by.expr = sorted(functions, std::mem::take(&mut by.expr), schema)?;
    }
    Ok(())
}

/// A window over rows that are parted or sorted by intervals.
pub(super) fn windowed(functions: &Functions, mut window: WindowFunction, schema: &DFSchema) -> Result<WindowFunction> {
    let frame = &window.params.window_frame;
    let is_offset = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(by) | WindowFrameBound::Following(by) => !by.is_null(),
        WindowFrameBound::CurrentRow => false,
    };
    let by_distance =
        frame.units == WindowFrameUnits::Range && (is_offset(&frame.start_bound) || is_offset(&frame.end_bound));
    if by_distance && window.params.order_by.first().map_or(Ok(false), |by| is_span(&by.expr, schema))? {
        let message = "RANGE with a distance over an order of intervals is not supported".to_string();
        return Err(refused(message, "Order by EXTRACT(EPOCH FROM ..), and give the distance in seconds."));
    }
    let parts = std::mem::take(&mut window.params.partition_by);
    window.params.partition_by =
        parts.into_iter().map(|part| sorted(functions, part, schema)).collect::<Result<_>>()?;
    ordered(functions, &mut window.params.order_by, schema)?;
    Ok(window)
}

/// What rows are sorted by.
pub(super) fn sorted(functions: &Functions, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(if is_span(&expr, schema)? { length(functions, expr) } else { zeros::one(functions, expr, schema)? })
}

/// A call with intervals: of functions that compare them, and of those that intervals have of their own.
pub(super) fn called(functions: &Functions, mut function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let name = function.name().to_string();
    if name.starts_with("justify_") {
        for argument in &mut function.args {
            *argument = read_text(std::mem::take(argument))?;
            let data_type = argument.get_type(schema)?;
            if is_text(&data_type) {
                return Err(does_not_exist(&name, &data_type));
            }
        }
        return Ok(Expr::ScalarFunction(function));
    }
    let own = |name: &str, args: Vec<Expr>| functions.scalar(name).map(|function| function.call(args));
    let of_spans = function.args.iter().map(|argument| is_span(argument, schema)).collect::<Result<Vec<_>>>()?;
    if !of_spans.contains(&true) {
        return Ok(Expr::ScalarFunction(function));
    }
    let changed = match (name.as_str(), function.args.as_slice()) {
        ("nullif", [value, other]) => {
            let equal = length(functions, value.clone()).eq(length(functions, other.clone()));
            Some(when(equal, lit(ScalarValue::IntervalMonthDayNano(None))).otherwise(value.clone())?)
        }
        ("greatest", _) => own("__interval_greatest", function.args.clone()),
        ("least", _) => own("__interval_least", function.args.clone()),
        ("date_trunc", [_, _]) => own("__interval_trunc", function.args.clone()),
        _ => None,
    };
    Ok(changed.unwrap_or(Expr::ScalarFunction(function)))
}

fn does_not_exist(name: &str, argument: &DataType) -> DataFusionError {
    let message = format!("function {name}({}) does not exist", SqlType::postgres_name_of(argument));
    let hint = "No function matches the given name and argument types. You might need to add explicit type casts.";
    DataFusionError::External(Box::new(Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(hint)))
}
