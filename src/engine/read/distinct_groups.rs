//! `COUNT(DISTINCT x)` beside sums: DataFusion groups twice, first by `x` as well, and then sums the sums of the first groups.
//!
//! A sum of `INT` is a `BIGINT` here, and a sum of these a `NUMERIC`, as in PostgreSQL. So sums whose own sum has another type
//! are computed in one step, which holds the values of `x`.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::ApplyOrder;
use datafusion::optimizer::Optimizer;
use datafusion::optimizer::OptimizerConfig;
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;

use super::sorted_truths::SortedTruths;

/// DataFusion's rules, the one of distinct aggregates where it keeps their types, and behind them what sorts by truths.
pub(super) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let typed = |rule: Arc<dyn OptimizerRule + Send + Sync>| -> Arc<dyn OptimizerRule + Send + Sync> {
        let typed = DistinctGroups::default();
        if rule.name() == typed.name() { Arc::new(typed) } else { rule }
    };
    Optimizer::new().rules.into_iter().map(typed).chain([Arc::new(SortedTruths) as _]).collect()
}

#[derive(Debug, Default)]
struct DistinctGroups(SingleDistinctToGroupBy);

impl OptimizerRule for DistinctGroups {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Aggregate(aggregate) = &plan {
            for call in &aggregate.aggr_expr {
                if !keeps_its_type(call, aggregate.input.schema())? {
                    return Ok(Transformed::no(plan));
                }
            }
        }
        self.0.rewrite(plan, config)
    }
}

/// Whether an aggregate of an aggregate's results has the type of these.
fn keeps_its_type(call: &Expr, input: &DFSchema) -> Result<bool> {
    let Expr::AggregateFunction(function) = call else { return Ok(true) };
    // The rule computes what is DISTINCT in one step, of the values themselves.
    if function.params.distinct {
        return Ok(true);
    }
    let told = call.get_type(input)?;
    Ok(function.func.return_type(std::slice::from_ref(&told)).is_ok_and(|again| again == told))
}
