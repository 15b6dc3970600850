//! The first rows of an order, as ranked rows:
//!
//! | clause | becomes |
//! |---|---|
//! | `SELECT list .. ORDER BY x LIMIT 10` | `SELECT list FROM (SELECT list, ROW_NUMBER() OVER (ORDER BY x) AS n ..) WHERE n <= 10` |
//! | `SELECT DISTINCT ON (k) list .. ORDER BY k, x` | the same, `OVER (PARTITION BY k ORDER BY x)` and `n <= 1` |

use sqlparser::ast;
use sqlparser::ast::Ident;
use sqlparser::ast::Spanned;

use super::clauses;
use super::clauses::not_there;
use super::columns::Derived;
use super::flatten::Common;
use super::flatten::Flattener;
use super::flatten::around;
use super::flatten::as_query;
use super::scope::at;
use super::scope::fold;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::plan::build::call;

/// The number of a row, and the rows that have one, under names that no word can be.
const NUMBER: &str = "?number";
const NUMBERED: &str = "?numbered";

/// A SELECT over the ranked rows of a query, which are flat, `None` if it asks for no first rows.
pub fn ranked(query: &ast::Query, common: &Common, flattener: &Flattener<'_>) -> Result<Option<ast::Select>> {
    let ast::SetExpr::Select(body) = query.body.as_ref() else { return Ok(None) };
    let on = match &body.distinct {
        Some(ast::Distinct::On(exprs)) => Some(exprs.clone()),
        _ => None,
    };
    let limit = limit(query);
    if flattener.rules == Compatibility::Ksqldb || on.is_none() && (query.order_by.is_none() || limit.is_none()) {
        return Ok(None);
    }
    let mut inner = query.clone();
    let order_by = inner.order_by.take();
    if on.is_none() {
        inner.limit_clause = None;
    }
    let mut select = clauses::only_select(&inner)?;
    if on.is_none() && select.distinct.is_some() {
        return Err(
            not_there("LIMIT of DISTINCT", select.select_token.0.span).hint("Write GROUP BY instead of DISTINCT.")
        );
    }
    select.distinct = None;
    let list = select.projection.clone();
    let on: Vec<ast::Expr> = on.unwrap_or_default().into_iter().map(|expr| written(expr, &list, flattener)).collect();
    let mut order = order_of(order_by, &list, flattener)?;
    if !on.is_empty() {
        order = behind(&on, order, select.select_token.0.span)?;
    }
    let limit = limit.filter(|_| on.is_empty()).unwrap_or_else(|| number("1"));
    select.projection.push(ast::SelectItem::ExprWithAlias { expr: row_number(on, order), alias: quoted(NUMBER) });
    let numbered = flattener.flat(&as_query(&inner, select), common)?;
    let names = Derived::new(String::new(), &numbered, flattener)?.names();
    let column = |name: &String| ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(quoted(name)));
    let list = names.iter().filter(|name| *name != NUMBER).map(column).collect();
    let relation = ast::TableFactor::Derived {
        lateral: false,
        subquery: Box::new(as_query(&inner, numbered.clone())),
        alias: Some(ast::TableAlias { explicit: true, name: quoted(NUMBERED), columns: Vec::new(), at: None }),
        sample: None,
    };
    let condition = ast::Expr::BinaryOp {
        left: Box::new(ast::Expr::Identifier(quoted(NUMBER))),
        op: ast::BinaryOperator::LtEq,
        right: Box::new(limit),
    };
    Ok(Some(ast::Select { selection: Some(condition), ..around(&numbered, list, relation) }))
}

/// The number of LIMIT, if there is nothing else.
fn limit(query: &ast::Query) -> Option<ast::Expr> {
    match &query.limit_clause {
        Some(ast::LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by }) if limit_by.is_empty() => {
            Some(limit.clone())
        }
        _ => None,
    }
}

/// The items of ORDER BY, in words of what is selected.
fn order_of(
    order_by: Option<ast::OrderBy>,
    list: &[ast::SelectItem],
    flattener: &Flattener<'_>,
) -> Result<Vec<ast::OrderByExpr>> {
    let Some(order_by) = order_by else { return Ok(Vec::new()) };
    match order_by.kind {
        ast::OrderByKind::Expressions(items) => Ok(items
            .into_iter()
            .map(|item| ast::OrderByExpr { expr: written(item.expr, list, flattener), ..item })
            .collect()),
        ast::OrderByKind::All(_) => Err(Error::unsupported("ORDER BY ALL is not there yet in standing queries")),
    }
}

/// What ORDER BY means by a place in the list or by a name that the list gives.
fn written(expr: ast::Expr, list: &[ast::SelectItem], flattener: &Flattener<'_>) -> ast::Expr {
    let of_item = |item: &ast::SelectItem| match item {
        ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => Some(expr.clone()),
        _ => None,
    };
    let found = match &expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(place, _) => {
                place.parse::<usize>().ok().and_then(|place| list.get(place.checked_sub(1)?))
            }
            _ => None,
        },
        ast::Expr::Identifier(ident) => list.iter().find(|item| match item {
            ast::SelectItem::ExprWithAlias { alias, .. } => {
                fold(alias, flattener.rules) == fold(ident, flattener.rules)
            }
            _ => false,
        }),
        _ => None,
    };
    found.and_then(of_item).unwrap_or(expr)
}

/// What ORDER BY says behind the expressions of DISTINCT ON, which come first in it.
fn behind(
    on: &[ast::Expr],
    order: Vec<ast::OrderByExpr>,
    span: sqlparser::tokenizer::Span,
) -> Result<Vec<ast::OrderByExpr>> {
    let is_on = |item: &ast::OrderByExpr| on.iter().any(|expr| expr.to_string() == item.expr.to_string());
    let leading = order.iter().take_while(|item| is_on(item)).count();
    if order.len() == leading {
        return Err(not_there("DISTINCT ON without an order of the rows that are alike", span)
            .hint("Say behind its expressions in ORDER BY which row of each is first."));
    }
    if on.iter().any(|expr| !order[..leading].iter().any(|item| item.expr.to_string() == expr.to_string())) {
        let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
        return Err(at(Error::new(SqlState("42P10"), message.to_string()), order[leading].expr.span()));
    }
    Ok(order.into_iter().skip(leading).collect())
}

fn row_number(partition_by: Vec<ast::Expr>, order_by: Vec<ast::OrderByExpr>) -> ast::Expr {
    let mut call = call("row_number", Vec::new());
    if let ast::Expr::Function(function) = &mut call {
        let spec = ast::WindowSpec { window_name: None, partition_by, order_by, window_frame: None };
        function.over = Some(ast::WindowType::WindowSpec(spec));
    }
    call
}

fn number(text: &str) -> ast::Expr {
    ast::Expr::value(ast::Value::Number(text.to_string(), false))
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}
