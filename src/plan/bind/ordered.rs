//! ORDER BY in aggregates, and those WITHIN GROUP, in words of a list that a standing query keeps: rows of what they are ordered by
//! and the value, which are sorted when they are read.

use sqlparser::ast;

use super::distinct::Groups;
use super::distinct::counted;
use super::distinct::unless_none;
use crate::plan::build::call;
use crate::plan::ordered_sets;

/// The call in other words, if it is of an order; `under` is the same aggregate by another name.
pub(super) fn reworded(
    function: &ast::Function,
    list: &ast::FunctionArgumentList,
    groups: Groups,
    under: impl Fn(&str) -> ast::Function,
) -> Option<ast::Expr> {
    let name = function.name.to_string().to_lowercase();
    let arguments = list.args.iter().map(|argument| match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    let mut arguments = arguments.collect::<Option<Vec<ast::Expr>>>()?.into_iter();
    if !function.within_group.is_empty() {
        let [sorted] = function.within_group.as_slice() else { return None };
        let of_list = ordered_sets::of_list(&name)?;
        let gathered = ast::Function {
            within_group: Vec::new(),
            filter: Some(Box::new(ordered_sets::of_values(&sorted.expr, function.filter.as_deref()))),
            ..under("collect_list")
        };
        let list = in_order(gathered, &function.within_group, sorted.expr.clone(), false);
        return Some(call(of_list, std::iter::once(list).chain(arguments).collect()));
    }
    let is_distinct = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
    let value = arguments.next()?;
    let by = match list.clauses.as_slice() {
        [ast::FunctionArgumentClause::OrderBy(by)] => by.clone(),
        // PostgreSQL tells values apart by sorting them.
        [] if is_distinct => vec![up(value.clone())],
        _ => return None,
    };
    if is_distinct && by.iter().any(|sorted| sorted.expr != value) {
        return None;
    }
    let delimiter = arguments.next();
    if arguments.next().is_some() {
        return None;
    }
    let gathered = |value| in_order(under("collect_list"), &by, value, is_distinct);
    let count = || {
        let mut count = under("count");
        if let ast::FunctionArguments::List(list) = &mut count.args {
            list.clauses.clear();
            list.duplicate_treatment = None;
            list.args.truncate(1);
        }
        count
    };
    match (name.as_str(), delimiter) {
        ("array_agg", None) => {
            let array = gathered(value);
            let has_rows = groups == Groups::Each && function.filter.is_none();
            Some(if has_rows { array } else { unless_none(counted(count()), array) })
        }
        ("string_agg", Some(delimiter)) => {
            let text = call("array_to_string", vec![gathered(value), delimiter]);
            Some(unless_none(ast::Expr::Function(count()), text))
        }
        _ => None,
    }
}

/// The list that a call gathers of rows of keys and a value, as values by their keys.
fn in_order(mut gathered: ast::Function, by: &[ast::OrderByExpr], value: ast::Expr, is_distinct: bool) -> ast::Expr {
    let text = |text: String| ast::Expr::value(ast::Value::SingleQuotedString(text));
    let mut fields = Vec::with_capacity(2 * by.len() + 2);
    for (place, sorted) in by.iter().enumerate() {
        fields.extend([text(format!("k{place}")), sorted.expr.clone()]);
    }
    fields.extend([text("v".to_string()), value]);
    gathered.args = ast::FunctionArguments::List(ast::FunctionArgumentList {
        duplicate_treatment: is_distinct.then_some(ast::DuplicateTreatment::Distinct),
        args: vec![ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(call("__struct", fields)))],
        clauses: Vec::new(),
    });
    let directions = by.iter().map(direction).collect();
    call("__in_order", vec![ast::Expr::Function(gathered), text(directions)])
}

/// As `__in_order` is told it.
fn direction(sorted: &ast::OrderByExpr) -> char {
    let down = sorted.options.asc == Some(false);
    match (down, sorted.options.nulls_first.unwrap_or(down)) {
        (false, false) => 'a',
        (false, true) => 'A',
        (true, false) => 'd',
        (true, true) => 'D',
    }
}

fn up(expr: ast::Expr) -> ast::OrderByExpr {
    ast::OrderByExpr { expr, options: ast::OrderByOptions { asc: None, nulls_first: None }, with_fill: None }
}
