//! `GROUP BY ROLLUP (qty / 2)`: what grouping sets are made of is computed below the groups, under the name that it has there. In a
//! set there is no place for another name once its types are agreed.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::Result;
use datafusion::logical_expr::Aggregate;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::GroupingSet;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::utils::find_aggregate_exprs;

use crate::error::Error;
use crate::error::SqlState;

/// The plan's node with the sets of its groups made of columns.
pub(super) fn over_columns(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Aggregate(aggregate) = &node else { return Ok(Transformed::no(node)) };
    if !find_aggregate_exprs(&aggregate.group_expr).is_empty() {
        let error = Error::new(SqlState::GROUPING_ERROR, "aggregate functions are not allowed in GROUP BY");
        return Err(DataFusionError::External(Box::new(error)));
    }
    let mut computed: Vec<Expr> = Vec::new();
    for group in &aggregate.group_expr {
        let Expr::GroupingSet(set) = group else { continue };
        for expr in set.distinct_expr() {
            if !matches!(expr, Expr::Column(_)) && !computed.contains(expr) {
                computed.push(expr.clone());
            }
        }
    }
    if computed.is_empty() {
        return Ok(Transformed::no(node));
    }
    let names: HashMap<Expr, String> =
        computed.iter().map(|expr| (expr.clone(), expr.schema_name().to_string())).collect();
    let columns = aggregate.input.schema().columns().into_iter().map(Expr::Column);
    let computed = computed.iter().map(|expr| expr.clone().alias(names[expr].clone()));
    let input = LogicalPlanBuilder::from(aggregate.input.as_ref().clone())
        .project(columns.chain(computed).collect::<Vec<_>>())?
        .build()?;
    let groups = aggregate.group_expr.iter().map(|group| match group {
        Expr::GroupingSet(set) => Expr::GroupingSet(of_columns(set, &names)),
        other => column_of(other, &names),
    });
    let calls = aggregate.aggr_expr.iter().map(|call| grouping_of_columns(call, &names)).collect::<Result<Vec<_>>>()?;
    let grouped = Aggregate::try_new(Arc::new(input), groups.collect(), calls)?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(grouped)))
}

fn of_columns(set: &GroupingSet, names: &HashMap<Expr, String>) -> GroupingSet {
    let all = |exprs: &Vec<Expr>| exprs.iter().map(|expr| column_of(expr, names)).collect::<Vec<_>>();
    match set {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(all(exprs)),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(all(exprs)),
        GroupingSet::GroupingSets(sets) => GroupingSet::GroupingSets(sets.iter().map(all).collect()),
    }
}

fn column_of(expr: &Expr, names: &HashMap<Expr, String>) -> Expr {
    match names.get(expr) {
        Some(name) => Expr::Column(Column::new_unqualified(name)),
        None => expr.clone(),
    }
}

/// `grouping(..)` asks for groups, and so for their columns, under the name that it had.
fn grouping_of_columns(call: &Expr, names: &HashMap<Expr, String>) -> Result<Expr> {
    let Expr::AggregateFunction(function) = call else { return Ok(call.clone()) };
    if function.func.name() != "grouping" {
        return Ok(call.clone());
    }
    let named = call.schema_name().to_string();
    let columns = call.clone().map_children(|argument| {
        Ok(match names.get(&argument) {
            Some(name) => Transformed::yes(Expr::Column(Column::new_unqualified(name))),
            None => Transformed::no(argument),
        })
    })?;
    Ok(if columns.transformed { columns.data.alias(named) } else { columns.data })
}
