//! Subqueries in places where DataFusion does not plan them, as subqueries that it does plan.
//!
//! | in a SELECT list, in GROUP BY, in ORDER BY, in an aggregate | becomes |
//! |---|---|
//! | `EXISTS (q)` | `(SELECT count(*) > 0 FROM q)` |
//! | `x IN (q)` | whether a row of q equals it, NULL if one might: `among` |
//!
//! | anywhere, of a row outside | becomes |
//! |---|---|
//! | `(SELECT v FROM ..)` | its first value, 21000 if there are more |
//! | `(SELECT v FROM .. ORDER BY o LIMIT 1)` | `(SELECT first_value(v ORDER BY o) FROM ..)` |
//!
//! A subquery of no outer row whose value is never NULL is NULL where it has no row: it becomes its first value too.

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
use datafusion::logical_expr::Projection;
use datafusion::logical_expr::SortExpr;
use datafusion::logical_expr::Subquery;
use datafusion::logical_expr::SubqueryAlias;
use datafusion::logical_expr::col;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::lit;
use datafusion::logical_expr::utils::merge_schema;

use super::among;
use super::among::Place;
use crate::plan::functions::Functions;

/// The names of columns that only stand between here and the planner.
const ROWS: &str = "__rows";
const VALUE: &str = "__value";
const ANSWER: &str = "__answer";
const COMPUTED: &str = "__computed";

/// One node with the subqueries of its expressions reworded.
pub(super) fn reworded(functions: &Functions, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let node = match node {
        LogicalPlan::Aggregate(_) | LogicalPlan::Sort(_) => computed_before(functions, node)?,
        other => Transformed::no(other),
    };
    node.transform_data(|node| reworded_in_place(functions, node))
}

fn reworded_in_place(functions: &Functions, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let in_list = matches!(node, LogicalPlan::Projection(_));
    let is_condition = matches!(node, LogicalPlan::Filter(_));
    let schema = merge_schema(&node.inputs());
    let names = NamePreserver::new(&node);
    let changed = node.map_expressions(|expr| {
        let name = names.save(&expr);
        let changed = match is_condition {
            true => among::condition(expr, &schema)?,
            false => Transformed::no(expr),
        };
        let changed =
            changed.transform_data(|expr| expr.transform_up(|expr| one(functions, expr, in_list, &schema)))?;
        Ok(changed.update_data(|expr| name.restore(expr)))
    })?;
    if changed.transformed { changed.map_data(LogicalPlan::recompute_schema) } else { Ok(changed) }
}

fn one(functions: &Functions, expr: Expr, in_list: bool, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::Exists(exists) if in_list => {
            let subquery = Arc::new(unlimited(exists.subquery.subquery.as_ref()).clone());
            let found = counted(&Subquery { subquery, ..exists.subquery.clone() }, Ok, Vec::new())?;
            Transformed::yes(if exists.negated { Expr::Not(Box::new(found)) } else { found })
        }
        among @ Expr::InSubquery(_) if in_list => among::exact(among, schema, Place::List)?,
        Expr::ScalarSubquery(subquery) if !subquery.outer_ref_columns.is_empty() => one_value(functions, subquery)?,
        Expr::ScalarSubquery(subquery) if may_lack_its_row(&subquery.subquery) => told_value(functions, subquery)?,
        other => Transformed::no(other),
    })
}

/// Whether DataFusion takes a subquery's value for one that is never NULL, though there may be no row.
fn may_lack_its_row(plan: &LogicalPlan) -> bool {
    let mut row = plan;
    while let LogicalPlan::Projection(Projection { input, .. })
    | LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) = row
    {
        row = input;
    }
    let has_one = match row {
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    };
    !has_one && !plan.schema().field(0).is_nullable()
}

/// GROUP BY, aggregates and ORDER BY with their subqueries computed before, in a SELECT list of their own.
fn computed_before(functions: &Functions, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    let input = node.inputs()[0].clone();
    let mut computed: Vec<Expr> = Vec::new();
    let changed = node.map_expressions(|expr| {
        let name = names.save(&expr);
        let changed = expr.transform_up(|expr| {
            let is_asked = match &expr {
                Expr::Exists(_) | Expr::InSubquery(_) => true,
                Expr::ScalarSubquery(subquery) => !subquery.outer_ref_columns.is_empty(),
                _ => false,
            };
            if !is_asked {
                return Ok(Transformed::no(expr));
            }
            let place = format!("{COMPUTED}{}", computed.len());
            computed.push(expr.alias(&place));
            Ok(Transformed::yes(col(place)))
        })?;
        Ok(changed.update_data(|expr| name.restore(expr)))
    })?;
    if computed.is_empty() {
        return Ok(changed);
    }
    let given: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
    let list = LogicalPlanBuilder::from(input).project(given.iter().cloned().chain(computed))?.build()?;
    let list = reworded_in_place(functions, list)?.data;
    let exprs = changed.data.expressions();
    let node = match changed.data {
        LogicalPlan::Sort(sort) => {
            let sorted = LogicalPlanBuilder::from(list).sort_with_limit(sort.expr, sort.fetch)?;
            sorted.project(given)?.build()?
        }
        other => other.with_new_exprs(exprs, vec![list])?,
    };
    Ok(Transformed::yes(node))
}

/// Whether the subquery, narrowed, has a row, for a place in a list.
pub(super) fn counted(
    subquery: &Subquery,
    narrow: impl FnOnce(LogicalPlanBuilder) -> Result<LogicalPlanBuilder>,
    more_outer: Vec<Expr>,
) -> Result<Expr> {
    let plan = subquery.subquery.as_ref();
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

/// A whole number that is written out.
pub(super) fn literal(number: Option<&Expr>) -> Option<i64> {
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
    if subquery.subquery.max_rows() == Some(1) {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    told_value(functions, subquery)
}

/// The first value of a subquery, NULL if it has none, 21000 if it has more.
fn told_value(functions: &Functions, subquery: Subquery) -> Result<Transformed<Expr>> {
    let Some(one_row) = functions.scalar("__one_row") else {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    };
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
