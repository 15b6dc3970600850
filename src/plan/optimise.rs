//! DataFusion's rules that keep a standing plan's meaning, in a fixed order; a test pins their names.
//!
//! Left out on purpose: everything that pushes filters (it would move them below owners of time and state), limits, statistics,
//! and rules that turn one aggregate into two. New rules of an upgrade do not come in by themselves.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::OptimizerContext;
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::optimizer::Optimizer;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;

use super::build::failure;
use crate::error::Result;

/// The rules, in order.
pub fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

/// The plan, simpler, with only the columns that it needs.
pub fn optimise(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut options = ConfigOptions::default();
    // A rule that fails is our bug, not a reason to run another plan than the one that was tested.
    options.optimizer.skip_failed_rules = false;
    options.optimizer.max_passes = 3;
    let context = OptimizerContext::new_with_config_options(Arc::new(options)).without_query_execution_start_time();
    Optimizer::with_rules(rules())
        .optimize(plan, &context, |_, _| {})
        .map_err(|error| failure::of_datafusion(error, None))
}
