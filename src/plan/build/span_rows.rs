//! Rows that are grouped, made distinct or joined by intervals: by how long they are. Of a group of equal intervals the first
//! is told, as PostgreSQL does.

use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::functions_aggregate::first_last::first_value;
use datafusion::logical_expr::Aggregate;
use datafusion::logical_expr::Distinct;
use datafusion::logical_expr::DistinctOn;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Join;
use datafusion::logical_expr::JoinConstraint;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::col;
use datafusion::logical_expr::utils::merge_schema;

use super::spans::is_span;
use super::spans::length;
use super::spans::sorted;
use crate::error::Error;
use crate::plan::functions::Functions;

/// The names of columns that only stand between here and the planner.
const LENGTH: &str = "__length";
const FIRST: &str = "__first";

/// A node whose expressions follow the rules, with its intervals compared by their lengths.
pub(super) fn by_length(functions: &Functions, node: LogicalPlan) -> Result<LogicalPlan> {
    match node {
        LogicalPlan::Aggregate(aggregate) => grouped(functions, aggregate),
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let columns: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
            if !any_span(&columns, input.schema())? {
                return Ok(LogicalPlan::Distinct(Distinct::All(input)));
            }
            let none = Vec::<Expr>::new();
            match LogicalPlanBuilder::from(input.as_ref().clone()).aggregate(columns, none)?.build()? {
                LogicalPlan::Aggregate(aggregate) => grouped(functions, aggregate),
                other => Ok(other),
            }
        }
        LogicalPlan::Distinct(Distinct::On(on)) => distinct_on(functions, on),
        LogicalPlan::Join(join) => joined(functions, join),
        other => Ok(other),
    }
}

fn any_span(exprs: &[Expr], schema: &DFSchema) -> Result<bool> {
    for expr in exprs {
        if is_span(expr, schema)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn grouped(functions: &Functions, aggregate: Aggregate) -> Result<LogicalPlan> {
    let schema = aggregate.input.schema();
    let sets = aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
    let parts: Vec<Expr> = match &aggregate.group_expr[..] {
        [Expr::GroupingSet(set)] => set.distinct_expr().into_iter().cloned().collect(),
        all => all.to_vec(),
    };
    if !any_span(&parts, schema)? {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    if sets {
        let error =
            Error::unsupported("grouping sets of intervals are not supported").hint("Group by EXTRACT(EPOCH FROM ..).");
        return Err(DataFusionError::External(Box::new(error)));
    }
    let mut groups = Vec::with_capacity(parts.len());
    let mut aggregates = aggregate.aggr_expr.clone();
    let mut told: Vec<Expr> = Vec::with_capacity(aggregate.schema.fields().len());
    let mut fields = aggregate.schema.iter();
    for (place, part) in parts.into_iter().enumerate() {
        let Some((qualifier, field)) = fields.next() else { break };
        if !is_span(&part, schema)? {
            told.push(Expr::Column((qualifier, field).into()));
            groups.push(part);
            continue;
        }
        let (grouped, first) = (format!("{LENGTH}{place}"), format!("{FIRST}{place}"));
        let part = part.unalias();
        groups.push(length(functions, part.clone()).alias(grouped));
        aggregates.push(first_value(part, Vec::new()).alias(&first));
        told.push(col(first).alias_qualified(qualifier.cloned(), field.name()));
    }
    told.extend(fields.map(|column| Expr::Column(column.into())));
    LogicalPlanBuilder::from(aggregate.input.as_ref().clone()).aggregate(groups, aggregates)?.project(told)?.build()
}

fn distinct_on(functions: &Functions, mut on: DistinctOn) -> Result<LogicalPlan> {
    let schema = on.input.schema().clone();
    let by_length = |expr: Expr| sorted(functions, expr, &schema);
    on.on_expr = on.on_expr.into_iter().map(by_length).collect::<Result<_>>()?;
    if let Some(order) = &mut on.sort_expr {
        for by in order {
            by.expr = by_length(std::mem::take(&mut by.expr))?;
        }
    }
    Ok(LogicalPlan::Distinct(Distinct::On(on)))
}

fn joined(functions: &Functions, mut join: Join) -> Result<LogicalPlan> {
    let schema = merge_schema(&[join.left.as_ref(), join.right.as_ref()]);
    for (left, right) in &mut join.on {
        if is_span(left, &schema)? && is_span(right, &schema)? {
            *left = length(functions, std::mem::take(left));
            *right = length(functions, std::mem::take(right));
            // What USING joins by are columns.
            join.join_constraint = JoinConstraint::On;
        }
    }
    Ok(LogicalPlan::Join(join))
}
