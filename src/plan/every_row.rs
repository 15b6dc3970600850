//! `EXCEPT ALL` and `INTERSECT ALL`: how often a row comes is counted. DataFusion would only ask whether it comes.
//!
//! Equal rows are numbered on both sides, and rows with their numbers are compared: the third of a kind stays if the other
//! side has no third, or goes if it has one.

use datafusion::common::Column;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprFunctionExt;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::planner::PlannedRelation;
use datafusion::logical_expr::planner::RelationPlanner;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::planner::RelationPlanning;
use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use crate::error::Error;
use crate::error::SqlState;

/// The number of a row among its equals.
const NUMBER: &str = "__number";

/// Makes each such operation of a query's body a table of its own, which `EveryRow` plans.
pub(super) fn reword(body: &mut ast::SetExpr) {
    let ast::SetExpr::SetOperation { left, right, .. } = body else { return };
    reword(left);
    reword(right);
    if is_counted(body).is_none() {
        return;
    }
    if let Some((mut outer, mut subquery)) = table_of_query() {
        std::mem::swap(subquery.body.as_mut(), body);
        if let Some(ast::TableFactor::Derived { subquery: place, .. }) = relation_of(&mut outer) {
            *place = subquery;
        }
        let ast::Query { body: made, .. } = *outer;
        *body = *made;
    }
}

/// The operation of a body, if it counts rows.
fn is_counted(body: &ast::SetExpr) -> Option<ast::SetOperator> {
    match body {
        ast::SetExpr::SetOperation {
            op: op @ (ast::SetOperator::Except | ast::SetOperator::Intersect),
            set_quantifier: ast::SetQuantifier::All,
            ..
        } => Some(*op),
        _ => None,
    }
}

/// `SELECT * FROM (..)`, and a query to put there.
fn table_of_query() -> Option<(Box<ast::Query>, Box<ast::Query>)> {
    let query = |text| Parser::new(&PostgreSqlDialect {}).try_with_sql(text).ok()?.parse_query().ok();
    Some((query("SELECT * FROM (SELECT 1)")?, query("SELECT 1")?))
}

fn relation_of(query: &mut ast::Query) -> Option<&mut ast::TableFactor> {
    match query.body.as_mut() {
        ast::SetExpr::Select(select) => select.from.first_mut().map(|from| &mut from.relation),
        _ => None,
    }
}

/// Plans the tables that `reword` made.
#[derive(Debug)]
pub struct EveryRow;

impl RelationPlanner for EveryRow {
    fn plan_relation(
        &self,
        relation: ast::TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let ast::TableFactor::Derived { subquery, alias, .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let (Some(op), ast::SetExpr::SetOperation { left, right, .. }) =
            (is_counted(&subquery.body), subquery.body.as_ref())
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let mut side = |body: &ast::SetExpr| {
            let query = Box::new(ast::Query { body: Box::new(body.clone()), ..subquery.as_ref().clone() });
            context.plan(ast::TableFactor::Derived { lateral: false, subquery: query, alias: None, sample: None })
        };
        let (left, right) = (side(left.as_ref())?, side(right.as_ref())?);
        let plan = compared(op, left, right)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

/// The rows of the left side that the operation leaves, under their own names.
fn compared(op: ast::SetOperator, left: LogicalPlan, right: LogicalPlan) -> Result<LogicalPlan> {
    if left.schema().fields().len() != right.schema().fields().len() {
        let message = format!("each {op} query must have the same number of columns");
        return Err(DataFusionError::External(Box::new(Error::new(SqlState::SYNTAX_ERROR, message))));
    }
    let names: Vec<String> = left.schema().fields().iter().map(|field| field.name().clone()).collect();
    let (left, right) = (numbered(left)?, numbered(right)?);
    let plan = match op {
        ast::SetOperator::Except => LogicalPlanBuilder::except(left, right, true)?,
        _ => LogicalPlanBuilder::intersect(left, right, true)?,
    };
    let columns = plan.schema().columns();
    let named = columns.into_iter().zip(names).map(|(column, name)| Expr::Column(column).alias(name));
    LogicalPlanBuilder::from(plan).project(named.collect::<Vec<_>>())?.build()
}

/// The rows with names that tell their places alone, each with its number among its equals.
fn numbered(plan: LogicalPlan) -> Result<LogicalPlan> {
    let columns = plan.schema().columns();
    let name = |at: usize| format!("__column{at}");
    let count = columns.len();
    let named = columns.into_iter().enumerate().map(|(at, column)| Expr::Column(column).alias(name(at)));
    let equals = (0..count).map(|at| Expr::Column(Column::from_name(name(at)))).collect();
    let number = Expr::from(WindowFunction::new(row_number_udwf(), Vec::new()));
    let number = number.partition_by(equals).build()?.alias(NUMBER);
    LogicalPlanBuilder::from(plan).project(named.collect::<Vec<_>>())?.window([number])?.build()
}
