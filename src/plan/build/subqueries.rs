//! Subqueries in places where DataFusion does not plan them, as subqueries that it does plan.
//!
//! | in a SELECT list | becomes |
//! |---|---|
//! | `EXISTS (q)` | `(SELECT count(*) > 0 FROM q)` |
//! | `x IN (q)` | whether a row of q equals it, NULL if one might |
//!
//! | anywhere, of a row outside | becomes |
//! |---|---|
//! | `(SELECT v FROM ..)` | its first value, 21000 if there are more |
//! | `(SELECT v FROM .. ORDER BY o LIMIT 1)` | `(SELECT first_value(v ORDER BY o) FROM ..)` |

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::functions_aggregate::first_last::first_value;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Limit;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::SortExpr;
use datafusion::logical_expr::Subquery;
use datafusion::logical_expr::col;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::lit;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::when;

use crate::plan::functions::Functions;

/// The names of columns that only stand between here and the planner.
const ROWS: &str = "__rows";
const VALUE: &str = "__value";
const ANSWER: &str = "__answer";

/// One node with the subqueries of its expressions reworded.
pub(super) fn reworded(functions: &Functions, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let in_list = matches!(node, LogicalPlan::Projection(_));
    let schema = merge_schema(&node.inputs());
    let names = NamePreserver::new(&node);
    let changed = node.map_expressions(|expr| {
        let name = names.save(&expr);
        let changed = expr.transform_up(|expr| {
            Ok(match expr {
                Expr::Exists(exists) if in_list => {
                    let found = counted(&exists.subquery, Ok, Vec::new())?;
                    Transformed::yes(if exists.negated { Expr::Not(Box::new(found)) } else { found })
                }
                Expr::InSubquery(among) if in_list => Transformed::yes(is_among(among, &schema)?),
                Expr::ScalarSubquery(subquery) if !subquery.outer_ref_columns.is_empty() => {
                    one_value(functions, subquery)?
                }
                other => Transformed::no(other),
            })
        })?;
        Ok(changed.update_data(|expr| name.restore(expr)))
    })?;
    if changed.transformed { changed.map_data(LogicalPlan::recompute_schema) } else { Ok(changed) }
}

/// Whether the subquery, narrowed, has a row.
fn counted(
    subquery: &Subquery,
    narrow: impl FnOnce(LogicalPlanBuilder) -> Result<LogicalPlanBuilder>,
    more_outer: Vec<Expr>,
) -> Result<Expr> {
    let plan = unlimited(subquery.subquery.as_ref());
    let plan = narrow(LogicalPlanBuilder::from(plan.clone()))?
        .aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64)).alias(ROWS)])?
        .project(vec![col(ROWS).gt(lit(0_i64)).alias(ANSWER)])?
        .build()?;
    let mut outer_ref_columns = subquery.outer_ref_columns.clone();
    outer_ref_columns.extend(more_outer.into_iter().filter(|column| !subquery.outer_ref_columns.contains(column)));
    Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans.clone() }))
}

/// A LIMIT that lets a row through does not change whether there is one.
fn unlimited(plan: &LogicalPlan) -> &LogicalPlan {
    match plan {
        LogicalPlan::Limit(limit) if limit.skip.is_none() && literal(limit.fetch.as_deref()).is_some_and(|n| 0 < n) => {
            limit.input.as_ref()
        }
        other => other,
    }
}

fn literal(number: Option<&Expr>) -> Option<i64> {
    match number? {
        Expr::Literal(value, _) => {
            value.cast_to(&arrow::datatypes::DataType::Int64).ok().and_then(|value| match value {
                datafusion::common::ScalarValue::Int64(number) => number,
                _ => None,
            })
        }
        _ => None,
    }
}

fn is_among(among: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = among;
    let mut outer = Vec::new();
    let seen_from_inside = expr.as_ref().clone().transform_up(|part| {
        Ok(match part {
            Expr::Column(column) if schema.has_column(&column) => {
                let (_, field) = schema.qualified_field_from_column(&column)?;
                let seen = Expr::OuterReferenceColumn(Arc::clone(field), column);
                outer.push(seen.clone());
                Transformed::yes(seen)
            }
            other => Transformed::no(other),
        })
    })?;
    let value = Expr::Column(subquery.subquery.schema().columns().swap_remove(0));
    let equal = value.clone().eq(seen_from_inside.data);
    let found = counted(&subquery, |plan| plan.filter(equal), outer)?;
    let open = counted(&subquery, |plan| plan.filter(value.is_null()), Vec::new())?;
    let any = counted(&subquery, Ok, Vec::new())?;
    let undecided = open.or(expr.as_ref().clone().is_null().and(any));
    let unknown = lit(datafusion::common::ScalarValue::Boolean(None));
    let answer = when(found, lit(true)).when(undecided, unknown).otherwise(lit(false))?;
    Ok(if negated { Expr::Not(Box::new(answer)) } else { answer })
}

/// A subquery of an outer row that may have several rows.
fn one_value(functions: &Functions, subquery: Subquery) -> Result<Transformed<Expr>> {
    if let LogicalPlan::Limit(limit) = subquery.subquery.as_ref() {
        return Ok(match first_of(limit)? {
            Some(plan) => {
                Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery.clone() }))
            }
            None => Transformed::no(Expr::ScalarSubquery(subquery)),
        });
    }
    let Some(one_row) = functions.scalar("__one_row") else {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    };
    if subquery.subquery.max_rows() == Some(1) {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    let value = Expr::Column(subquery.subquery.schema().columns().swap_remove(0));
    let told = named_struct(vec![lit("rows"), col(ROWS), lit("value"), col(VALUE)]);
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .aggregate(
            Vec::<Expr>::new(),
            vec![count(lit(1_i64)).alias(ROWS), first_value(value, Vec::new()).alias(VALUE)],
        )?
        .project(vec![told.alias(ANSWER)])?
        .build()?;
    let counted = Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery });
    Ok(Transformed::yes(one_row.call(vec![counted])))
}

/// `ORDER BY .. LIMIT 1` as an aggregate, `None` for other limits.
fn first_of(limit: &Limit) -> Result<Option<LogicalPlan>> {
    if limit.skip.is_some() || literal(limit.fetch.as_deref()) != Some(1) {
        return Ok(None);
    }
    let (value, order, input): (Expr, Vec<SortExpr>, &LogicalPlan) = match limit.input.as_ref() {
        LogicalPlan::Sort(sort) => {
            let value = Expr::Column(sort.input.schema().columns().swap_remove(0));
            (value, sort.expr.clone(), sort.input.as_ref())
        }
        LogicalPlan::Projection(projection) => match projection.input.as_ref() {
            LogicalPlan::Sort(sort) => (projection.expr[0].clone(), sort.expr.clone(), sort.input.as_ref()),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let first = first_value(value.unalias(), order).alias(VALUE);
    let plan = LogicalPlanBuilder::from(input.clone()).aggregate(Vec::<Expr>::new(), vec![first])?.build()?;
    Ok(Some(plan))
}
