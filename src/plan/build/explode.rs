//! Functions of the SELECT list that give several rows: EXPLODE, UNNEST by PostgreSQL's name, and CUBE_EXPLODE.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use sqlparser::ast;

use super::expression::Expressions;
use super::failure;
use super::rows::Changes;
use super::rows::Rows;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::BoundRank;
use crate::plan::functions::TABLE_FUNCTIONS;
use crate::plan::node::Explode;
use crate::plan::node::plan_of;
use crate::sql::walk;

/// What the columns of elements begin with.
const COLUMN: &str = "__explode";

/// The rows with a column for each such function, and the query that names these in place of the functions, if it has any.
pub fn build(rows: Rows, query: &BoundQuery, expressions: &Expressions<'_>) -> Result<(Rows, Option<BoundQuery>)> {
    let lists = query.group_by.iter().chain(&query.partition_by).flatten();
    let ranks = query.rank.iter().flat_map(BoundRank::expressions);
    let joins = query.joins.iter().map(|join| &join.on);
    let others = lists.chain(&query.filter).chain(&query.having).chain(joins).chain(ranks);
    for expr in others {
        if calls(expr) {
            let error = Error::unsupported("a function that gives several rows can only stand in the SELECT list");
            return Err(failure::at(error, expr));
        }
    }
    let Some(first) = query.items.iter().find(|item| calls(&item.expr)) else { return Ok((rows, None)) };
    if rows.changes != Changes::Append {
        return Err(failure::at(Error::unsupported("Table source is not supported with table functions"), &first.expr));
    }
    if let Some(item) = query.items.iter().find(|item| is_in_case(&item.expr)) {
        let message = "Table functions cannot be used in CASE";
        return Err(failure::at(Error::new(SqlState::SYNTAX_ERROR, message), &item.expr));
    }
    let mut exploded = query.clone();
    let mut found: Vec<Expr> = Vec::new();
    for item in &mut exploded.items {
        let flow = walk::expressions_mut(&mut item.expr, |part| {
            let ast::Expr::Function(function) = &*part else { return ControlFlow::Continue(()) };
            if !is_one(function) {
                return ControlFlow::Continue(());
            }
            match list(function, part, &rows, expressions) {
                Ok(list) => {
                    *part = ast::Expr::Identifier(ast::Ident::with_quote('"', format!("{COLUMN}{}", found.len())));
                    found.push(list);
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            }
        });
        if let ControlFlow::Break(error) = flow {
            return Err(error);
        }
    }
    let names = (0..found.len()).map(|number| format!("{COLUMN}{number}")).collect();
    let node = Explode::new(query.operator("explode"), rows.plan.clone(), found, names)
        .map_err(|error| failure::of_datafusion(error, None))?;
    Ok((Rows { plan: plan_of(node), ..rows }, Some(exploded)))
}

/// Refuses such functions in a query that aggregates or ranks.
pub fn check(explodes: bool, aggregates: bool, ranks: bool) -> Result<()> {
    let refused = |message: &str, hint: &str| Err(Error::unsupported(message).hint(hint));
    match explodes {
        true if aggregates => refused(
            "Table functions cannot be used with aggregations.",
            "Make a stream of the rows first, and group that.",
        ),
        true if ranks => refused(
            "a function that gives several rows cannot stand in a query that ranks rows",
            "Make a stream of the rows first, and rank that.",
        ),
        _ => Ok(()),
    }
}

fn is_one(function: &ast::Function) -> bool {
    TABLE_FUNCTIONS.iter().any(|name| function.name.to_string().eq_ignore_ascii_case(name))
}

fn calls(expr: &ast::Expr) -> bool {
    let flow = walk::expressions(expr, |part| match part {
        ast::Expr::Function(function) if is_one(function) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    flow.is_break()
}

fn is_in_case(expr: &ast::Expr) -> bool {
    let flow = walk::expressions(expr, |part| match part {
        ast::Expr::Case { .. } if calls(part) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    flow.is_break()
}

/// The array that a call takes.
fn list(function: &ast::Function, origin: &ast::Expr, rows: &Rows, expressions: &Expressions<'_>) -> Result<Expr> {
    let name = function.name.to_string().to_uppercase();
    let only = match &function.args {
        ast::FunctionArguments::List(list) => match list.args.as_slice() {
            [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr))] => Some(expr),
            _ => None,
        },
        _ => None,
    };
    let wrong = |message: String| failure::at(Error::new(SqlState::UNDEFINED_FUNCTION, message), origin);
    let Some(argument) = only else { return Err(wrong(format!("{name} takes one array"))) };
    let nests = walk::expressions(argument, |part| match part {
        ast::Expr::Identifier(ident) if ident.value.starts_with(COLUMN) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    if nests.is_break() {
        let message = format!("Table functions cannot be nested: {name}");
        // ksqlDB has no such thing; PostgreSQL has.
        let error = match expressions.rules() {
            Compatibility::Ksqldb => Error::new(SqlState::SYNTAX_ERROR, message),
            Compatibility::Postgres => Error::unsupported(message),
        };
        return Err(failure::at(error, origin));
    }
    let planned = expressions.plan(argument, rows.schema())?;
    let aggregates = planned.exists(|part| Ok(matches!(part, Expr::AggregateFunction(_))));
    let aggregates = aggregates.map_err(|error| failure::of_datafusion(error, Some(argument)))?;
    check(true, aggregates, false).map_err(|error| failure::at(error, origin))?;
    let data_type = planned.get_type(rows.schema()).map_err(|error| failure::of_datafusion(error, Some(argument)))?;
    match data_type {
        DataType::List(_) if name == "CUBE_EXPLODE" => expressions.cube(planned),
        DataType::List(_) => Ok(planned),
        other => Err(wrong(match expressions.rules() {
            Compatibility::Postgres => {
                format!("function {}({}) does not exist", name.to_lowercase(), SqlType::postgres_name_of(&other))
            }
            Compatibility::Ksqldb => {
                format!("Function '{name}' does not accept parameters ({}).", crate::functions::ksqldb_name(&other))
            }
        })),
    }
}
