//! `x IN (q)` and `x NOT IN (q)` as subqueries that DataFusion plans with SQL's three answers: NULL where a NULL of q, or x itself,
//! might be what is looked for.
//!
//! | where | what | becomes |
//! |---|---|---|
//! | a condition, also behind AND and OR | `x IN (q)` | itself: NULL does as false does |
//! | a condition, behind AND | `x NOT IN (q)`, q of no outer row | itself: an anti join that knows of NULLs |
//! | a condition, behind AND and OR | `x NOT IN (q)`, q of an outer row | `NOT EXISTS (q with a value that is x, or might be)` |
//! | everywhere else | both | CASE of whether one is x, and whether one might be |

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::Subquery;
use datafusion::logical_expr::col;
use datafusion::logical_expr::expr::Exists;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::lit;
use datafusion::logical_expr::when;

use super::subqueries::counted;

/// The one column of the subquery. Its own name could be that of a column outside.
const VALUE: &str = "__among";

/// In which kind of place the question is asked: DataFusion plans EXISTS in conditions, and scalar subqueries in lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Condition,
    List,
}

/// A condition, of which only those rows count where it is true.
pub(super) fn condition(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    required(expr, schema, false)
}

fn required(expr: Expr, schema: &DFSchema, alternative: bool) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let alternative = alternative || op == Operator::Or;
            let (left, right) = (required(*left, schema, alternative)?, required(*right, schema, alternative)?);
            let transformed = left.transformed || right.transformed;
            let both = BinaryExpr { left: Box::new(left.data), op, right: Box::new(right.data) };
            Ok(Transformed::new_transformed(Expr::BinaryExpr(both), transformed))
        }
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(among) => {
                let opposite = InSubquery { negated: !among.negated, ..among };
                let changed = required(Expr::InSubquery(opposite), schema, alternative)?;
                Ok(Transformed::yes(changed.data))
            }
            other => exact(Expr::Not(Box::new(other)), schema, Place::Condition),
        },
        Expr::InSubquery(among) if !among.negated => Ok(Transformed::no(Expr::InSubquery(among))),
        Expr::InSubquery(among) => {
            let of_outer_row = !among.subquery.outer_ref_columns.is_empty();
            let of_row = among.expr.column_refs().iter().any(|column| schema.has_column(column));
            match (of_outer_row, of_row && !alternative) {
                (false, true) => Ok(Transformed::no(Expr::InSubquery(among))),
                (true, _) => is_not_among(&among, schema).map(Transformed::yes),
                (false, false) => is_among(among, schema, Place::Condition).map(Transformed::yes),
            }
        }
        other => exact(other, schema, Place::Condition),
    }
}

/// The expression with the three answers wherever it asks.
pub(super) fn exact(expr: Expr, schema: &DFSchema, place: Place) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        Ok(match expr {
            Expr::InSubquery(among) => Transformed::yes(is_among(among, schema, place)?),
            other => Transformed::no(other),
        })
    })
}

/// An expression as it is seen from inside a subquery, and the columns of the row outside that it is of.
fn seen_from_inside(expr: &Expr, schema: &DFSchema) -> Result<(Expr, Vec<Expr>)> {
    let mut outer = Vec::new();
    let seen = expr.clone().transform_up(|part| {
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
    Ok((seen.data, outer))
}

/// The subquery's rows, those that its LIMIT leaves, with its column under our name.
fn named(subquery: &Subquery) -> Result<LogicalPlan> {
    let plan = subquery.subquery.as_ref();
    let value = Expr::Column(plan.schema().columns().swap_remove(0));
    LogicalPlanBuilder::from(plan.clone()).project(vec![value.alias(VALUE)])?.build()
}

/// Whether the subquery, narrowed, has a row, for a place in a condition.
fn exists(subquery: &Subquery, narrow: Option<Expr>, more_outer: &[Expr]) -> Result<Expr> {
    let mut plan = LogicalPlanBuilder::from(named(subquery)?);
    if let Some(narrow) = narrow {
        plan = plan.filter(narrow)?;
    }
    let mut outer_ref_columns = subquery.outer_ref_columns.clone();
    outer_ref_columns.extend(more_outer.iter().filter(|of| !subquery.outer_ref_columns.contains(of)).cloned());
    let subquery = Subquery { subquery: Arc::new(plan.build()?), outer_ref_columns, spans: subquery.spans.clone() };
    Ok(Expr::Exists(Exists { subquery, negated: false }))
}

/// No value of the subquery is x, and none might be.
fn is_not_among(among: &InSubquery, schema: &DFSchema) -> Result<Expr> {
    let (seen, outer) = seen_from_inside(&among.expr, schema)?;
    let might_be = Expr::IsNotFalse(Box::new(col(VALUE).eq(seen)));
    Ok(Expr::Not(Box::new(exists(&among.subquery, Some(might_be), &outer)?)))
}

fn is_among(among: InSubquery, schema: &DFSchema, place: Place) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = among;
    let (seen, outer) = seen_from_inside(&expr, schema)?;
    let of_outer_row = !subquery.outer_ref_columns.is_empty();
    let has = |narrow: Option<Expr>, outer: &[Expr]| match place {
        Place::Condition if of_outer_row || !outer.is_empty() => exists(&subquery, narrow, outer),
        Place::Condition | Place::List => {
            let renamed = Subquery { subquery: Arc::new(named(&subquery)?), ..subquery.clone() };
            let narrowed = |plan: LogicalPlanBuilder| match narrow {
                Some(narrow) => plan.filter(narrow),
                None => Ok(plan),
            };
            counted(&renamed, narrowed, outer.to_vec())
        }
    };
    let found = has(Some(col(VALUE).eq(seen)), &outer)?;
    let open = has(Some(col(VALUE).is_null()), &[])?;
    let any = has(None, &[])?;
    let undecided = open.or(expr.as_ref().clone().is_null().and(any));
    let unknown = lit(ScalarValue::Boolean(None));
    let answer = when(found, lit(true)).when(undecided, unknown).otherwise(lit(false))?;
    Ok(if negated { Expr::Not(Box::new(answer)) } else { answer })
}
