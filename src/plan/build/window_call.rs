//! Calls over windows under the rules, with frames that DataFusion takes.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::SortExpr;
use datafusion::logical_expr::WindowFrame;
use datafusion::logical_expr::WindowFrameBound;
use datafusion::logical_expr::WindowFrameUnits;
use datafusion::logical_expr::WindowFunctionDefinition;
use datafusion::logical_expr::expr::WindowFunction;

use super::expression::Expressions;
use super::expression::is_text;
use super::spans;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::Sliding;

impl Expressions<'_> {
    /// A call over a window.
    pub(super) fn window_call(&self, window: WindowFunction, schema: &DFSchema) -> datafusion::common::Result<Expr> {
        if lacks_argument(&window) {
            let message = format!("function {}() does not exist", window.fun.name());
            return Err(DataFusionError::External(Box::new(Error::new(SqlState::UNDEFINED_FUNCTION, message))));
        }
        let window = match self.rules {
            Compatibility::Postgres => spans::windowed(self.functions, of_no_row(window, schema)?, schema)?,
            Compatibility::Ksqldb => window,
        };
        Ok(Expr::WindowFunction(Box::new(self.window(by_peers(window, schema)?))))
    }

    /// A window's aggregate under the rules, over a frame that may move.
    fn window(&self, window: WindowFunction) -> WindowFunction {
        let WindowFunctionDefinition::AggregateUDF(func) = window.fun else { return window };
        let func = match self.rules {
            Compatibility::Ksqldb => self.ksqldb_total(func),
            Compatibility::Postgres => func,
        };
        let moves = !window.params.window_frame.start_bound.is_unbounded();
        let func = if moves { Sliding::over(func) } else { func };
        WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(func), ..window }
    }

    /// SUM and AVG under ksqlDB's rules; other aggregates as they are.
    pub(super) fn ksqldb_total(&self, function: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        self.functions.aggregate(&format!("__ksql_{}", function.name())).unwrap_or(function)
    }
}

/// Of frames in RANGE DataFusion takes only those over types that have distances. Without a distance such a frame ends
/// between groups of peers, whatever their type.
fn by_peers(mut window: WindowFunction, schema: &DFSchema) -> datafusion::common::Result<WindowFunction> {
    let has_distances = |by: &SortExpr| {
        let data_type = by.expr.get_type(schema)?;
        let is_of_time = matches!(data_type, DataType::Date32 | DataType::Timestamp(..) | DataType::Interval(_));
        Ok::<_, DataFusionError>(is_of_time || data_type.is_numeric() || is_text(&data_type))
    };
    let frame = &window.params.window_frame;
    let is_plain = |bound: &WindowFrameBound| bound.is_unbounded() || *bound == WindowFrameBound::CurrentRow;
    if frame.units == WindowFrameUnits::Range
        && is_plain(&frame.start_bound)
        && is_plain(&frame.end_bound)
        && let Some(by) = window.params.order_by.first()
        && !has_distances(by)?
    {
        let (start, end) = (frame.start_bound.clone(), frame.end_bound.clone());
        window.params.window_frame = WindowFrame::new_bounds(WindowFrameUnits::Groups, start, end);
    }
    Ok(window)
}

/// DataFusion's signature of these lets a call without arguments through, which then ends its thread.
fn lacks_argument(window: &WindowFunction) -> bool {
    window.params.args.is_empty() && matches!(window.fun.name(), "first_value" | "last_value" | "nth_value")
}

/// The value of the row that lies NULL rows off is NULL.
fn of_no_row(mut window: WindowFunction, schema: &DFSchema) -> datafusion::common::Result<WindowFunction> {
    let is_null = |expr: &Expr| matches!(expr, Expr::Literal(value, _) if value.is_null());
    if matches!(window.fun.name(), "lag" | "lead") && window.params.args.get(1).is_some_and(is_null) {
        let null = ScalarValue::try_new_null(&window.params.args[0].get_type(schema)?)?;
        window.params.args = vec![Expr::Literal(null, None)];
    }
    Ok(window)
}
