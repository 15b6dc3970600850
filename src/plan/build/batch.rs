//! The rules of values in a whole plan of DataFusion's planner: what a query that is read once gets, so that it answers as
//! the same expressions do in a standing query.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::logical_expr::Aggregate;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Filter;
use datafusion::logical_expr::Limit;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::Union;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercionRewriter;

use super::correlated;
use super::expression::Expressions;
use super::expression::is_text;
use super::grouping_sets;
use super::outer_types;
use super::span_rows;
use super::spans;
use super::subqueries;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::SqlType;

impl Expressions<'_> {
    /// The plan with the rules of all its expressions made explicit. An expression with a parameter whose type is not known
    /// yet stays as it is; so do the halves of a recursive query, which must keep the types that they were planned with.
    pub fn explicit_plan(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|node| subqueries::reworded(self.functions(), node))?.data;
        let plan = match self.rules() {
            Compatibility::Postgres => {
                let joined = plan.transform_up_with_subqueries(correlated::joined)?.data;
                joined.transform_up_with_subqueries(grouping_sets::over_columns)?.data
            }
            Compatibility::Ksqldb => plan.transform_up_with_subqueries(without_null_groups)?.data,
        };
        let recursive = plan.exists(|node| Ok(matches!(node, LogicalPlan::RecursiveQuery(_))))?;
        if recursive {
            return self.explicit_around_recursive(plan).map(|transformed| transformed.data);
        }
        let explicit = plan.transform_up_with_subqueries(|node| self.explicit_node(node))?.data;
        outer_types::refreshed(explicit)
    }

    /// All but what is below recursive queries.
    fn explicit_around_recursive(&self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        if matches!(node, LogicalPlan::RecursiveQuery(_)) {
            return Ok(Transformed::no(node));
        }
        let node = node.map_subqueries(|plan| self.explicit_around_recursive(plan))?.data;
        let node = node.map_children(|plan| self.explicit_around_recursive(plan))?.data;
        self.explicit_node(node)
    }

    fn explicit_node(&self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let node = match (node, self.rules()) {
            (LogicalPlan::Values(values), Compatibility::Postgres) => {
                return Ok(Transformed::yes(LogicalPlan::Values(self.met_values(values)?)));
            }
            (LogicalPlan::Union(union), Compatibility::Postgres) => LogicalPlan::Union(self.met_union(union)?),
            (LogicalPlan::Join(join), Compatibility::Postgres) => LogicalPlan::Join(self.met_join(join)?),
            (LogicalPlan::Limit(limit), Compatibility::Postgres) => {
                let limit =
                    Limit { fetch: counted("LIMIT", limit.fetch)?, skip: counted("OFFSET", limit.skip)?, ..limit };
                return Ok(Transformed::yes(LogicalPlan::Limit(limit)));
            }
            (node, _) => node,
        };
        match &node {
            // Under ksqlDB's rules VALUES keeps the types that it was planned with; LIMIT's numbers are no values.
            LogicalPlan::Values(_) | LogicalPlan::Limit(_) => return Ok(Transformed::no(node)),
            // Its columns have the types in which those of all its queries meet.
            LogicalPlan::Union(union) if meet(union) => {
                return TypeCoercionRewriter::coerce_union(union.clone()).map(Transformed::yes);
            }
            _ => {}
        }
        let mut schema = merge_schema(&node.inputs());
        if let LogicalPlan::TableScan(scan) = &node {
            schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
        }
        let is_sort = matches!(node, LogicalPlan::Sort(_)) && self.rules() == Compatibility::Postgres;
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            if !has_types(&expr, &schema)? {
                return Ok(Transformed::no(expr));
            }
            let name = names.save(&expr);
            let explicit = expr.transform_up(|expr| self.explicit(expr, &schema))?;
            let explicit = match is_sort {
                true => explicit.map_data(|expr| spans::sorted(self.functions(), expr, &schema))?,
                false => explicit,
            };
            Ok(explicit.update_data(|expr| name.restore(expr)))
        })?
        .map_data(LogicalPlan::recompute_schema)?
        .map_data(|node| match self.rules() {
            Compatibility::Postgres => span_rows::by_length(self.functions(), node),
            Compatibility::Ksqldb => Ok(node),
        })
    }
}

/// Under ksqlDB's rules a row of which a group is NULL is in no group. Without an aggregate groups are DISTINCT's.
fn without_null_groups(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let aggregate = match node {
        LogicalPlan::Aggregate(aggregate) if !aggregate.aggr_expr.is_empty() => aggregate,
        other => return Ok(Transformed::no(other)),
    };
    let told = aggregate.group_expr.iter().filter(|group| !matches!(group, Expr::GroupingSet(_)));
    let Some(all) = told.map(|group| group.clone().is_not_null()).reduce(Expr::and) else {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    };
    let rows = LogicalPlan::Filter(Filter::try_new(all, Arc::clone(&aggregate.input))?);
    let Aggregate { group_expr, aggr_expr, .. } = aggregate;
    Aggregate::try_new(Arc::new(rows), group_expr, aggr_expr).map(LogicalPlan::Aggregate).map(Transformed::yes)
}

/// A number of rows: one that is written as a decimal is rounded, and a text is read.
fn counted(clause: &str, count: Option<Box<Expr>>) -> Result<Option<Box<Expr>>> {
    let Some(count) = count else { return Ok(None) };
    let number = |number: i64| Ok(Some(Box::new(Expr::Literal(ScalarValue::Int64(Some(number)), None))));
    let refused = |error: Error| DataFusionError::External(Box::new(error));
    match *count {
        Expr::Literal(ScalarValue::Decimal128(Some(digits), _, scale), _) if 0 <= scale => {
            let unit = 10_i128.pow(scale.unsigned_abs().into());
            let rest = digits % unit;
            let rounded = digits / unit + i128::from(unit - rest <= rest);
            number(i64::try_from(rounded).unwrap_or(i64::MAX))
        }
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => match text.trim().parse() {
            Ok(count) => number(count),
            Err(_) => {
                let message = format!("invalid input syntax for type bigint: \"{text}\"");
                Err(refused(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)))
            }
        },
        Expr::Literal(value, _) if !value.is_null() && !value.data_type().is_numeric() => {
            let of = SqlType::postgres_name_of(&value.data_type());
            let message = format!("argument of {clause} must be type bigint, not type {of}");
            Err(refused(Error::new(SqlState::DATATYPE_MISMATCH, message)))
        }
        other => Ok(Some(Box::new(other))),
    }
}

/// Whether the queries of a UNION have types that meet. A text is read as the type of the first query, or refused, but
/// nothing becomes a text.
fn meet(union: &Union) -> bool {
    (0..union.schema.fields().len()).all(|at| {
        let types = union.inputs.iter().map(|input| input.schema().field(at).data_type());
        let told: Vec<bool> = types.filter(|data_type| !data_type.is_null()).map(is_text).collect();
        told.iter().all(|text| *text) || told.iter().all(|text| !text)
    })
}

/// Whether the types of all parts are known: no open parameter, and no column of an outer query.
pub(super) fn has_types(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    let mut known = true;
    expr.apply(|part| {
        known &= match part {
            Expr::Placeholder(placeholder) => placeholder.field.is_some(),
            Expr::Column(column) => schema.has_column(column),
            _ => true,
        };
        Ok(if known { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(known)
}
