//! The types of columns of rows outside, as subqueries see them: they were told when the plan was made, before the rules of values
//! gave some of those columns others. `sum(k + 1)` was one of BIGINT then, and is one of INT.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Join;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::Subquery;
use datafusion::logical_expr::utils::merge_schema;

/// The plan, whose subqueries see the columns outside of them as they are.
pub(super) fn refreshed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let seen = plan.transform_down_with_subqueries(|node| match node {
        // LATERAL: the rows of the left.
        LogicalPlan::Join(join) => {
            let schema = Arc::clone(join.left.schema());
            let right = inside(Arc::unwrap_or_clone(join.right), &schema)?;
            let join = Join { right: Arc::new(right.data), ..join };
            Ok(Transformed::new_transformed(LogicalPlan::Join(join), right.transformed))
        }
        node => {
            let schema = merge_schema(&node.inputs());
            node.map_subqueries(|subquery| inside(subquery, &schema))
        }
    })?;
    match seen.transformed {
        true => seen
            .data
            .transform_up_with_subqueries(|node| node.recompute_schema().map(Transformed::yes))
            .map(|new| new.data),
        false => Ok(seen.data),
    }
}

/// A subquery as it is under a node whose rows have this schema.
fn inside(plan: LogicalPlan, schema: &DFSchema) -> Result<Transformed<LogicalPlan>> {
    plan.transform_down_with_subqueries(|node| {
        let node = match node {
            LogicalPlan::Subquery(subquery) => {
                let columns = subquery.outer_ref_columns.into_iter().map(|column| Ok(typed(column, schema)?.data));
                let outer_ref_columns = columns.collect::<Result<Vec<_>>>()?;
                LogicalPlan::Subquery(Subquery { outer_ref_columns, ..subquery })
            }
            other => other,
        };
        node.map_expressions(|expr| expr.transform(|part| typed(part, schema)))
    })
}

/// A column outside with the type that it has.
fn typed(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::OuterReferenceColumn(told, column) = &expr else { return Ok(Transformed::no(expr)) };
    match schema.qualified_field_from_column(column) {
        Ok((_, field)) if field.data_type() != told.data_type() => {
            Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column.clone())))
        }
        _ => Ok(Transformed::no(expr)),
    }
}
