//! `ARRAY(SELECT ..)`: the values of a query's one column as an array, in the words of `array_agg`.

use std::ops::ControlFlow;

use datafusion::execution::SessionStateDefaults;
use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::build::call;
use crate::sql::walk;

/// Gives an array without elements for NULL, which `array_agg` gives of no rows.
const ELEMENTS: &str = "__elements";

/// The array in other words, if the expression is one.
pub fn array_of_rows(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let ast::FunctionArguments::Subquery(query) = &function.args else { return None };
    if !function.name.to_string().eq_ignore_ascii_case("array") {
        return None;
    }
    if let Some(gathered) = in_place(query) {
        return Some(call(ELEMENTS, vec![ast::Expr::Subquery(Box::new(gathered))]));
    }
    let mut rows = query.clone();
    let order = ordered(&mut rows)?;
    let names: Vec<String> = (0..order.len()).map(|at| format!(", __o{at}")).collect();
    let sorted: Vec<String> = order.iter().enumerate().map(|(at, options)| format!("__o{at}{options}")).collect();
    let sorted = if sorted.is_empty() { String::new() } else { format!(" ORDER BY {}", sorted.join(", ")) };
    let text = format!("SELECT array_agg(__v{sorted}) FROM (SELECT 1) AS __s(__v{})", names.concat());
    let mut gathered = Parser::new(&PostgreSqlDialect {}).try_with_sql(&text).ok()?.parse_query().ok()?;
    if let ast::SetExpr::Select(select) = gathered.body.as_mut()
        && let Some(ast::TableWithJoins { relation: ast::TableFactor::Derived { subquery, .. }, .. }) =
            select.from.first_mut()
    {
        *subquery = rows;
    }
    Some(call(ELEMENTS, vec![ast::Expr::Subquery(gathered)]))
}

/// The query with its rows gathered where they stand, so that it may name columns of a query outside; `None` if it groups, cuts or
/// tells rows apart.
fn in_place(query: &ast::Query) -> Option<ast::Query> {
    let mut gathered = query.clone();
    let sorted = match gathered.order_by.take() {
        None => Vec::new(),
        Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(sorted), .. }) => sorted,
        Some(_) => return None,
    };
    let is_whole = query.with.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    let ast::SetExpr::Select(select) = gathered.body.as_mut() else { return None };
    let is_ungrouped = matches!(&select.group_by, ast::GroupByExpr::Expressions(by, _) if by.is_empty());
    if !is_whole || !is_ungrouped || select.distinct.is_some() || select.having.is_some() || select.from.is_empty() {
        return None;
    }
    let (value, alias) = item_of(select)?;
    if computes_over_rows(&value) {
        return None;
    }
    let sorted = sorted.into_iter().map(|by| ast::OrderByExpr {
        expr: if is_value(&by.expr, &value, alias.as_ref()) { value.clone() } else { by.expr },
        ..by
    });
    let sorted: Vec<ast::OrderByExpr> = sorted.collect();
    let mut aggregate = call("array_agg", vec![value.clone()]);
    if let ast::Expr::Function(function) = &mut aggregate
        && let ast::FunctionArguments::List(list) = &mut function.args
        && !sorted.is_empty()
    {
        list.clauses.push(ast::FunctionArgumentClause::OrderBy(sorted));
    }
    select.projection = vec![ast::SelectItem::UnnamedExpr(aggregate)];
    Some(gathered)
}

/// Whether an expression has an aggregate or a window, or a list that becomes rows.
fn computes_over_rows(expr: &ast::Expr) -> bool {
    let aggregates = SessionStateDefaults::default_aggregate_functions();
    let found = walk::expressions(expr, |part| match part {
        ast::Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let is_aggregate = aggregates.iter().any(|of| of.name() == name || of.aliases().contains(&name));
            let gives_rows = ["unnest", "generate_series", "generate_subscripts"].contains(&name.as_str());
            match is_aggregate || gives_rows || function.over.is_some() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The one column of a SELECT, with its name.
fn item_of(select: &ast::Select) -> Option<(ast::Expr, Option<ast::Ident>)> {
    match select.projection.as_slice() {
        [ast::SelectItem::UnnamedExpr(expr)] => Some((expr.clone(), None)),
        [ast::SelectItem::ExprWithAlias { expr, alias }] => Some((expr.clone(), Some(alias.clone()))),
        _ => None,
    }
}

/// Whether rows are sorted by their value itself: by its place, its name, or as it is.
fn is_value(by: &ast::Expr, value: &ast::Expr, alias: Option<&ast::Ident>) -> bool {
    match by {
        ast::Expr::Value(number) => matches!(&number.value, ast::Value::Number(one, _) if one == "1"),
        ast::Expr::Identifier(name) if alias.is_some_and(|alias| alias.value == name.value) => true,
        other => other == value,
    }
}

/// Puts what the rows are sorted by into columns of their own, and tells how each is sorted; `None` for a query whose order
/// cannot be told so.
fn ordered(query: &mut ast::Query) -> Option<Vec<ast::OrderByOptions>> {
    let Some(order) = &query.order_by else { return Some(Vec::new()) };
    let ast::OrderByKind::Expressions(sorted) = &order.kind else { return None };
    let (sorted, is_cut) = (sorted.clone(), query.limit_clause.is_some() || query.fetch.is_some());
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return None };
    let (value, alias) = item_of(select)?;
    for (at, by) in sorted.iter().enumerate() {
        let expr = if is_value(&by.expr, &value, alias.as_ref()) { value.clone() } else { by.expr.clone() };
        select.projection.push(ast::SelectItem::ExprWithAlias { expr, alias: ast::Ident::new(format!("__o{at}")) });
    }
    if !is_cut {
        query.order_by = None;
    }
    Some(sorted.into_iter().map(|by| by.options).collect())
}
