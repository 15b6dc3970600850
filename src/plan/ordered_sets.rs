//! `percentile_cont(..)`, `percentile_disc(..)` and `mode()` `WITHIN GROUP (ORDER BY ..)`: functions of the sorted values of a
//! group, which `array_agg` gathers. NULLs are no values.
//!
//! `array_agg(DISTINCT x ORDER BY x)` and `string_agg(DISTINCT x, ..)` sort what they have gathered, each for itself: DataFusion would
//! hand them the rows in the order that another aggregate asked for. Nor could it sort twice for two `string_agg(x, ',' ORDER BY ..)`.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::build::call;
use crate::sql::walk;

/// The functions, and those over a sorted list that stand for them.
const FUNCTIONS: [(&str, &str); 3] =
    [("percentile_cont", "__percentile_cont"), ("percentile_disc", "__percentile_disc"), ("mode", "__mode")];

/// The call in other words, if it is one of them.
pub(super) fn reworded(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let name = function.name.to_string().to_lowercase();
    let (_, of_list) = FUNCTIONS.iter().find(|(known, _)| *known == name)?;
    let ([sorted], None) = (function.within_group.as_slice(), &function.over) else { return None };
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let fractions = list.args.iter().map(|argument| match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    let fractions = fractions.collect::<Option<Vec<_>>>()?;
    let mut gathered = call("array_agg", vec![sorted.expr.clone()]);
    if let ast::Expr::Function(gathered) = &mut gathered {
        if let ast::FunctionArguments::List(list) = &mut gathered.args {
            list.clauses.push(ast::FunctionArgumentClause::OrderBy(vec![sorted.clone()]));
        }
        let is_value = ast::Expr::IsNotNull(Box::new(ast::Expr::Nested(Box::new(sorted.expr.clone()))));
        gathered.filter = Some(Box::new(both(is_value, function.filter.as_deref())));
    }
    Some(call(of_list, std::iter::once(gathered).chain(fractions).collect()))
}

/// The function over a sorted list that stands for one.
pub(super) fn of_list(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, of_list)| *of_list)
}

/// The condition that a row has a value, and meets FILTER.
pub(super) fn of_values(value: &ast::Expr, filter: Option<&ast::Expr>) -> ast::Expr {
    both(ast::Expr::IsNotNull(Box::new(ast::Expr::Nested(Box::new(value.clone())))), filter)
}

fn both(is_value: ast::Expr, filter: Option<&ast::Expr>) -> ast::Expr {
    match filter {
        None => is_value,
        Some(filter) => ast::Expr::BinaryOp {
            left: Box::new(is_value),
            op: ast::BinaryOperator::And,
            right: Box::new(ast::Expr::Nested(Box::new(filter.clone()))),
        },
    }
}

/// The call in other words, if it gathers different values, which come in an order.
pub(super) fn distinct(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let is_distinct = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
    if !is_distinct || function.over.is_some() {
        return None;
    }
    let arguments: Vec<&ast::Expr> = list
        .args
        .iter()
        .map(|argument| match argument {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let name = function.name.to_string().to_lowercase();
    let (value, delimiter) = match (name.as_str(), arguments.as_slice()) {
        ("array_agg", [value]) => (*value, None),
        ("string_agg", [value, delimiter]) => (*value, Some((*delimiter).clone())),
        _ => return None,
    };
    // PostgreSQL tells values apart by sorting them.
    let (down, nulls_first) = match list.clauses.as_slice() {
        [] => (false, false),
        [ast::FunctionArgumentClause::OrderBy(by)] => match by.as_slice() {
            [sorted] if *value == sorted.expr && sorted.with_fill.is_none() => {
                let down = sorted.options.asc == Some(false);
                (down, sorted.options.nulls_first.unwrap_or(down))
            }
            _ => return None,
        },
        _ => return None,
    };
    let mut gathered = call("array_agg", vec![value.clone()]);
    if let ast::Expr::Function(gathered) = &mut gathered {
        if let ast::FunctionArguments::List(list) = &mut gathered.args {
            list.duplicate_treatment = Some(ast::DuplicateTreatment::Distinct);
        }
        gathered.filter = match delimiter.is_some() {
            true => {
                let is_value = ast::Expr::IsNotNull(Box::new(ast::Expr::Nested(Box::new(value.clone()))));
                Some(Box::new(both(is_value, function.filter.as_deref())))
            }
            false => function.filter.clone(),
        };
    }
    let text = |text: &str| ast::Expr::value(ast::Value::SingleQuotedString(text.to_string()));
    let order = text(if down { "DESC" } else { "ASC" });
    let nulls = text(if nulls_first { "NULLS FIRST" } else { "NULLS LAST" });
    let in_order = call("array_sort", vec![gathered, order, nulls]);
    Some(match delimiter {
        None => in_order,
        Some(delimiter) => call("array_to_string", vec![in_order, delimiter]),
    })
}

/// `rank(x) WITHIN GROUP (ORDER BY y)`: which rank x would have among the rows, by how many of them come before it.
pub(super) fn rank_of(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let ([sorted], [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value))]) =
        (function.within_group.as_slice(), list.args.as_slice())
    else {
        return None;
    };
    let down = sorted.options.asc == Some(false);
    let nulls_first = sorted.options.nulls_first.unwrap_or(down);
    let filter = function.filter.as_deref().map_or(String::new(), |filter| format!(" AND ({filter})"));
    let (by, sign) = (&sorted.expr, if down { ">" } else { "<" });
    let nulls = if nulls_first { format!(" OR ({by}) IS NULL") } else { String::new() };
    let before =
        |what: &str, sign: &str| format!("count({what}) FILTER (WHERE (({by}) {sign} ({value}){nulls}){filter})");
    let rows = match &function.filter {
        Some(filter) => format!("count(*) FILTER (WHERE {filter})"),
        None => "count(*)".to_string(),
    };
    let text = match function.name.to_string().to_lowercase().as_str() {
        "rank" => format!("({} + 1)", before("*", sign)),
        "dense_rank" => format!("({} + 1)", before(&format!("DISTINCT {by}"), sign)),
        "percent_rank" => format!("coalesce({}::float8 / nullif({rows}, 0), 0)", before("*", sign)),
        "cume_dist" => format!("(({} + 1)::float8 / ({rows} + 1))", before("*", &format!("{sign}="))),
        _ => return None,
    };
    parsed(&text)
}

fn parsed(text: &str) -> Option<ast::Expr> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(text).ok()?.parse_expr().ok()
}

/// `string_agg(x, y)` whose delimiters are of the rows: values and delimiters are gathered in one order, and joined.
pub(super) fn with_delimiters(expr: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let is_plain = list.duplicate_treatment.is_none() && function.over.is_none();
    let [
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)),
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(delimiter)),
    ] = list.args.as_slice()
    else {
        return None;
    };
    let is_ours = is_plain && function.name.to_string().eq_ignore_ascii_case("string_agg");
    if !is_ours || matches!(delimiter, ast::Expr::Value(_)) {
        return None;
    }
    let is_value = ast::Expr::IsNotNull(Box::new(ast::Expr::Nested(Box::new(value.clone()))));
    let filter = both(is_value, function.filter.as_deref());
    let gathered = |what: &ast::Expr| {
        let mut gathered = function.clone();
        gathered.name = ast::ObjectName::from(vec![ast::Ident::new("array_agg")]);
        gathered.filter = Some(Box::new(filter.clone()));
        if let ast::FunctionArguments::List(list) = &mut gathered.args {
            list.args = vec![ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(what.clone()))];
        }
        ast::Expr::Function(gathered)
    };
    Some(call("__joined", vec![gathered(value), gathered(delimiter)]))
}

/// Each `string_agg` of a SELECT whose aggregates ask for several orders joins an array that was sorted for it alone.
pub(super) fn sort_each_for_itself(select: &mut ast::Select) {
    let mut orders = HashSet::new();
    let flow = walk::own_expressions_mut(&mut select.projection, |expr| {
        if let ast::Expr::Function(function) = expr
            && let Some(order) = order_of(function)
        {
            orders.insert(order);
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    if orders.len() < 2 {
        return;
    }
    let flow = walk::own_expressions_mut(&mut select.projection, |expr| {
        if let ast::Expr::Function(function) = expr
            && let Some(joined) = joined(function)
        {
            *expr = joined;
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// The order of an aggregate that is not of a window.
fn order_of(function: &ast::Function) -> Option<String> {
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let [ast::FunctionArgumentClause::OrderBy(by)] = list.clauses.as_slice() else { return None };
    let by: Vec<String> = by.iter().map(ToString::to_string).collect();
    function.over.is_none().then(|| by.join(", "))
}

/// `array_to_string(array_agg(x ORDER BY ..) FILTER (WHERE x IS NOT NULL), ',')`
fn joined(function: &ast::Function) -> Option<ast::Expr> {
    order_of(function)?;
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let is_plain = list.duplicate_treatment.is_none() && function.name.to_string().eq_ignore_ascii_case("string_agg");
    let [
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)),
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(delimiter @ ast::Expr::Value(_))),
    ] = list.args.as_slice()
    else {
        return None;
    };
    let mut gathered = function.clone();
    gathered.name = ast::ObjectName::from(vec![ast::Ident::new("array_agg")]);
    if let ast::FunctionArguments::List(list) = &mut gathered.args {
        list.args.truncate(1);
    }
    let is_value = ast::Expr::IsNotNull(Box::new(ast::Expr::Nested(Box::new(value.clone()))));
    gathered.filter = Some(Box::new(both(is_value, function.filter.as_deref())));
    is_plain.then(|| call("array_to_string", vec![ast::Expr::Function(gathered), delimiter.clone()]))
}
