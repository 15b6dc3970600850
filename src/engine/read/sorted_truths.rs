//! `ORDER BY a >= b`: DataFusion asks between which values a sorted expression lies, does not know of texts and arrays that are
//! compared, and then refuses its own plan. So what has a comparison in it is sorted by as a column.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::Projection;
use datafusion::logical_expr::Sort;
use datafusion::logical_expr::Window;
use datafusion::optimizer::ApplyOrder;
use datafusion::optimizer::OptimizerConfig;
use datafusion::optimizer::OptimizerRule;

/// The rule, which sorts and windows follow.
#[derive(Debug)]
pub(super) struct SortedTruths;

impl OptimizerRule for SortedTruths {
    fn name(&self) -> &str {
        "sorted_truths"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Sort(sort) => sorted(sort),
            LogicalPlan::Window(window) => windowed(window),
            other => Ok(Transformed::no(other)),
        }
    }
}

/// Columns that are computed below a sort.
struct Keys<'s> {
    schema: &'s DFSchema,
    computed: Vec<Expr>,
}

impl<'s> Keys<'s> {
    fn of(schema: &'s DFSchema) -> Self {
        Self { schema, computed: Vec::new() }
    }

    /// The expression, as a column if it compares anything.
    fn column(&mut self, expr: Expr) -> Result<Expr> {
        let is_truth = |part: &Expr| part.get_type(self.schema).is_ok_and(|of| of == DataType::Boolean);
        let compares = expr.exists(|part| Ok(is_truth(part)))?;
        if !compares || matches!(expr, Expr::Column(_)) {
            return Ok(expr);
        }
        let name = format!("__truth_{}", self.computed.len());
        self.computed.push(expr.alias(&name));
        Ok(Expr::Column(Column::new_unqualified(name)))
    }

    /// The rows of `input` with these columns behind their own.
    fn with(self, input: &Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
        let exprs = columns(input.schema()).chain(self.computed).collect();
        Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, Arc::clone(input))?)))
    }
}

fn columns(schema: &DFSchema) -> impl Iterator<Item = Expr> {
    schema.columns().into_iter().map(Expr::Column)
}

/// The columns of `schema` alone.
fn shown(plan: LogicalPlan, schema: &DFSchema) -> Result<Transformed<LogicalPlan>> {
    let shown = Projection::try_new(columns(schema).collect(), Arc::new(plan))?;
    Ok(Transformed::yes(LogicalPlan::Projection(shown)))
}

fn sorted(mut sort: Sort) -> Result<Transformed<LogicalPlan>> {
    let schema = Arc::clone(sort.input.schema());
    let mut keys = Keys::of(&schema);
    for key in &mut sort.expr {
        key.expr = keys.column(std::mem::take(&mut key.expr))?;
    }
    if keys.computed.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Sort(sort)));
    }
    let input = keys.with(&sort.input)?;
    shown(LogicalPlan::Sort(Sort { input, ..sort }), &schema)
}

fn windowed(window: Window) -> Result<Transformed<LogicalPlan>> {
    let schema = Arc::clone(window.input.schema());
    let mut keys = Keys::of(&schema);
    let mut calls = Vec::with_capacity(window.window_expr.len());
    for call in &window.window_expr {
        let name = call.schema_name().to_string();
        let Expr::WindowFunction(mut function) = call.clone() else {
            return Ok(Transformed::no(LogicalPlan::Window(window)));
        };
        for key in &mut function.params.partition_by {
            *key = keys.column(std::mem::take(key))?;
        }
        for key in &mut function.params.order_by {
            key.expr = keys.column(std::mem::take(&mut key.expr))?;
        }
        calls.push(Expr::WindowFunction(function).alias(name));
    }
    if keys.computed.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let told = Arc::clone(&window.schema);
    let input = keys.with(&window.input)?;
    shown(LogicalPlan::Window(Window::try_new(calls, input)?), &told)
}
