//! `FROM t, unnest(t.list) AS u`: the lists of a row unfolded beside it. DataFusion plans a subquery for each row, which it cannot
//! run; here the lists are columns of the rows, and those are unfolded.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;

/// The plan with such joins as rows with more columns.
pub fn unfold_lists(plan: LogicalPlan) -> Result<LogicalPlan> {
    let unfolded = plan.transform_up_with_subqueries(|node| {
        Ok(match joined(&node)? {
            Some(unfolded) => Transformed::yes(unfolded),
            None => Transformed::no(node),
        })
    });
    unfolded.map(|transformed| transformed.data)
}

/// The rows of a join with the lists of its left side, `None` for another node.
fn joined(node: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let LogicalPlan::Join(join) = node else { return Ok(None) };
    let LogicalPlan::SubqueryAlias(aliased) = join.right.as_ref() else { return Ok(None) };
    let LogicalPlan::Subquery(lateral) = aliased.input.as_ref() else { return Ok(None) };
    let LogicalPlan::Projection(top) = lateral.subquery.as_ref() else { return Ok(None) };
    if join.join_type != JoinType::Inner || !join.on.is_empty() {
        return Ok(None);
    }
    let Some(rows) = grafted(&top.input, &join.left)? else { return Ok(None) };
    let mut columns = columns(&join.left);
    for (expr, field) in top.expr.iter().zip(top.schema.fields()) {
        let expr = of_row(expr)?.unalias();
        columns.push(expr.alias_qualified(Some(aliased.alias.clone()), field.name()));
    }
    let unfolded = LogicalPlanBuilder::from(rows).project(columns)?;
    match &join.filter {
        Some(condition) => unfolded.filter(condition.clone())?.build().map(Some),
        None => unfolded.build().map(Some),
    }
}

/// What unfolds lists of one row, over all rows of `left`, whose columns stay; `None` if it does anything else.
fn grafted(node: &LogicalPlan, left: &Arc<LogicalPlan>) -> Result<Option<LogicalPlan>> {
    match node {
        LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => Ok(Some(left.as_ref().clone())),
        LogicalPlan::Projection(projection) => {
            let Some(rows) = grafted(&projection.input, left)? else { return Ok(None) };
            let mut columns = columns(left);
            for (expr, field) in projection.expr.iter().zip(projection.schema.fields()) {
                columns.push(of_row(expr)?.unalias().alias(field.name()));
            }
            LogicalPlanBuilder::from(rows).project(columns)?.build().map(Some)
        }
        LogicalPlan::Unnest(unnest) => {
            let Some(rows) = grafted(&unnest.input, left)? else { return Ok(None) };
            let builder = LogicalPlanBuilder::from(rows);
            let unfolded = builder.unnest_columns_with_options(unnest.exec_columns.clone(), unnest.options.clone())?;
            unfolded.build().map(Some)
        }
        _ => Ok(None),
    }
}

fn columns(left: &LogicalPlan) -> Vec<Expr> {
    left.schema().columns().into_iter().map(Expr::Column).collect()
}

/// The expression with columns where it names those of the row outside.
fn of_row(expr: &Expr) -> Result<Expr> {
    let named = expr.clone().transform(|part| {
        Ok(match part {
            Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
            other => Transformed::no(other),
        })
    });
    named.map(|transformed| transformed.data)
}
