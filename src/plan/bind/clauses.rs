//! The white list: what a standing query may say. All else is refused by the name of its clause.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use super::rank::RANK_HINT;
use super::scope::at;
use super::scope::with_nearest;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::plan::build::is_reworded;
use crate::plan::functions::Functions;
use crate::plan::functions::TABLE_FUNCTIONS;
use crate::sql::ALL_FIELDS;
use crate::sql::walk;

/// What a standing query may not say yet.
pub(super) fn not_there(what: &str, span: Span) -> Error {
    at(Error::unsupported(format!("{what} is not there yet in standing queries")), span)
}

/// The query's only SELECT, if it has nothing around it.
pub fn only_select(query: &ast::Query) -> Result<ast::Select> {
    check_around(query)?;
    match query.body.as_ref() {
        ast::SetExpr::Select(select) => Ok(select.as_ref().clone()),
        ast::SetExpr::Query(inner) => only_select(inner),
        ast::SetExpr::SetOperation { op, .. } => Err(not_there(&op.to_string(), query.body.span())),
        ast::SetExpr::Values(_) => Err(not_there("VALUES", query.body.span())),
        other => Err(not_there("such a query", other.span())),
    }
}

/// Refuses what stands around a query's body.
pub fn check_around(query: &ast::Query) -> Result<()> {
    if let Some(with) = &query.with {
        return Err(not_there("WITH", with.span()));
    }
    if let Some(order_by) = &query.order_by {
        return Err(not_there("ORDER BY", order_by.span())
            .hint("A kept view has no order: put ORDER BY into the query that reads it."));
    }
    if let Some(limit) = &query.limit_clause {
        return Err(not_there("LIMIT", limit.span()));
    }
    if query.fetch.is_some() {
        return Err(not_there("FETCH", query.span()));
    }
    if !query.locks.is_empty() {
        return Err(not_there("FOR UPDATE", query.span()));
    }
    Ok(())
}

/// Refuses what the binder would not see.
pub fn check(select: &ast::Select, functions: &Functions, rules: Compatibility) -> Result<()> {
    if let Some(distinct) = &select.distinct {
        let what = match distinct {
            ast::Distinct::On(_) => "DISTINCT ON",
            _ => "DISTINCT",
        };
        return Err(not_there(what, select.select_token.0.span));
    }
    if let Some(first) = select.named_window.first() {
        return Err(not_there("WINDOW .. AS", first.0.span));
    }
    if let ast::GroupByExpr::Expressions(exprs, _) = &select.group_by {
        let sets = exprs.iter().find_map(|expr| match expr {
            ast::Expr::Rollup(_) => Some(("ROLLUP", expr.span())),
            ast::Expr::Cube(_) => Some(("CUBE", expr.span())),
            ast::Expr::GroupingSets(_) => Some(("GROUPING SETS", expr.span())),
            _ => None,
        });
        if let Some((clause, span)) = sets {
            return Err(not_there(clause, span).hint("Make a query for each of its groupings."));
        }
    }
    if let Some(qualify) = &select.qualify {
        return Err(not_there("QUALIFY", qualify.span()));
    }
    if let Some(sort) = select.sort_by.first() {
        return Err(not_there("SORT BY", sort.span()));
    }
    if let Some(cluster) = select.cluster_by.first() {
        return Err(not_there("CLUSTER BY", cluster.span()));
    }
    if select.top.is_some() || select.into.is_some() || select.prewhere.is_some() || !select.connect_by.is_empty() {
        return Err(not_there("such a clause", select.select_token.0.span));
    }
    let mut check = |expr: &ast::Expr| match check_expression(expr, functions, rules) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    };
    // A sub-query that stays in FROM is looked at where it is bound.
    let own = ast::Select { from: Vec::new(), ..select.clone() };
    let mut flow = walk::expressions(&own, &mut check);
    for join in select.from.iter().flat_map(|table| &table.joins) {
        if flow.is_continue() {
            flow = walk::expressions(&join.join_operator, &mut check);
        }
    }
    flow.break_value().map_or(Ok(()), Err)
}

fn check_expression(expr: &ast::Expr, functions: &Functions, rules: Compatibility) -> Result<()> {
    match expr {
        ast::Expr::Subquery(_) | ast::Expr::InSubquery { .. } | ast::Expr::Exists { .. } => {
            Err(not_there("a subquery", expr.span()))
        }
        ast::Expr::Struct { values, .. } => match repeated_field(values) {
            Some(name) => {
                let message = format!("Duplicate field names found in STRUCT: {name}");
                Err(at(Error::new(SqlState::DUPLICATE_COLUMN, message), expr.span()))
            }
            None => Ok(()),
        },
        ast::Expr::Function(function) => check_function(function, functions, rules),
        _ => Ok(()),
    }
}

/// A name that two fields of `STRUCT(name := value, ..)` have.
fn repeated_field(values: &[ast::Expr]) -> Option<String> {
    let mut seen = HashSet::new();
    values.iter().find_map(|value| match value {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Assignment, .. } => {
            let name = left.to_string();
            let quoted = matches!(left.as_ref(), ast::Expr::Identifier(ident) if ident.quote_style.is_some());
            let folded = if quoted { name.trim_matches(['"', '`']).to_owned() } else { name.to_uppercase() };
            (!seen.insert(folded)).then_some(name)
        }
        _ => None,
    })
}

fn has_star(function: &ast::Function) -> bool {
    let ast::FunctionArguments::List(list) = &function.args else { return false };
    list.args.iter().any(|argument| matches!(argument, ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard)))
}

fn check_function(function: &ast::Function, functions: &Functions, rules: Compatibility) -> Result<()> {
    let span = function.name.span();
    if function.over.is_some() {
        return Err(not_there("OVER", span).hint(RANK_HINT));
    }
    if !function.within_group.is_empty() {
        return Err(not_there("WITHIN GROUP", span));
    }
    let name = function.name.to_string().to_lowercase();
    if name == "__within" {
        // The carrier of WITHIN, which `from` reads.
        return Ok(());
    }
    if functions.is_standing_aggregate(&name) {
        if let ast::FunctionArguments::List(list) = &function.args {
            let is_distinct = matches!(list.duplicate_treatment, Some(ast::DuplicateTreatment::Distinct));
            if is_distinct && rules == Compatibility::Ksqldb {
                return Err(not_there(&format!("{name}(DISTINCT ..)"), span));
            }
            if !list.clauses.is_empty() {
                return Err(not_there(&format!("ORDER BY in {name}"), span));
            }
        }
        return Ok(());
    }
    if functions.is_aggregate(&name) {
        return Err(not_there(&format!("the aggregate function {name}"), span)
            .hint("COUNT, SUM, AVG, MIN, MAX, COLLECT_LIST, TOPK and others are."));
    }
    if TABLE_FUNCTIONS.contains(&name.as_str()) && (rules == Compatibility::Postgres || name != "unnest") {
        return Ok(());
    }
    if function.filter.is_some() {
        return Err(at(
            Error::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("FILTER specified, but {name} is not an aggregate function"),
            ),
            span,
        ));
    }
    if rules == Compatibility::Ksqldb && functions.is_scalar(&name) && has_star(function) {
        let message = format!("Function '{name}' does not accept parameters ().");
        return Err(at(Error::new(SqlState::UNDEFINED_FUNCTION, message), span));
    }
    let is_there = functions.is_scalar(&name) || name == ALL_FIELDS;
    if is_there || (rules == Compatibility::Postgres && is_reworded(function)) {
        return Ok(());
    }
    let message = match rules {
        Compatibility::Postgres => format!("function {name} does not exist"),
        Compatibility::Ksqldb => format!("Can't find any functions with the name '{}'", name.to_uppercase()),
    };
    let error = Error::new(SqlState::UNDEFINED_FUNCTION, message);
    Err(at(with_nearest(error, &name, functions.names()), span))
}
