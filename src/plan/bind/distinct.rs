//! DISTINCT, and GROUP BY without an aggregate, as groups that are there while they have rows; PostgreSQL's aggregates under
//! the names of those that a standing query keeps.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::columns::Derived;
use super::flatten::Flattener;
use super::flatten::has_window_function;
use super::items::postgres_name;
use super::ordered;
use crate::catalog::Compatibility;
use crate::error::Result;
use crate::plan::build::call;
use crate::sql::walk;

/// Groups by the list where DISTINCT says so, and lets groups be without an aggregate, as PostgreSQL does.
pub fn grouped(mut select: ast::Select, flattener: &Flattener<'_>) -> Result<ast::Select> {
    if flattener.rules == Compatibility::Ksqldb || has_window_function(&select) {
        return Ok(select);
    }
    let groups = match &select.group_by {
        ast::GroupByExpr::Expressions(exprs, modifiers) if modifiers.is_empty() => exprs.len(),
        _ => return Ok(select),
    };
    let is_plain = !flattener.is_grouped(&select) && select.distribute_by.is_empty();
    if matches!(select.distinct, Some(ast::Distinct::Distinct)) && is_plain {
        select.distinct = None;
        let list = std::mem::take(&mut select.projection);
        select.projection =
            Derived::new(String::new(), &ast::Select { projection: list, ..select.clone() }, flattener)?.into_items();
        let number = |place: usize| ast::Expr::value(ast::Value::Number((place + 1).to_string(), false));
        let places = (0..select.projection.len()).map(number).collect();
        select.group_by = ast::GroupByExpr::Expressions(places, Vec::new());
    } else if groups == 0 || flattener.folds(&select) {
        return Ok(select);
    }
    let count = match call("count", Vec::new()) {
        ast::Expr::Function(count) => counted(count),
        other => other,
    };
    let there = above_zero(count);
    select.having = Some(match select.having.take() {
        None => there,
        Some(having) => ast::Expr::BinaryOp {
            left: Box::new(there),
            op: ast::BinaryOperator::And,
            right: Box::new(ast::Expr::Nested(Box::new(having))),
        },
    });
    Ok(select)
}

/// `ARRAY_AGG`, `BOOL_AND`, `EVERY`, `BOOL_OR` and `STRING_AGG` in words of other aggregates.
pub fn rename_aggregates(select: &mut ast::Select, rules: Compatibility) {
    if rules == Compatibility::Ksqldb {
        return;
    }
    let groups = match &select.group_by {
        ast::GroupByExpr::Expressions(exprs, _) if exprs.is_empty() => Groups::All,
        _ => Groups::Each,
    };
    for item in &mut select.projection {
        if let ast::SelectItem::UnnamedExpr(expr) = item
            && renames(expr, groups)
        {
            let alias = ast::Ident::with_quote('"', postgres_name(expr));
            *item = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
    let from = std::mem::take(&mut select.from);
    let flow = walk::expressions_mut(select, |expr| {
        if let Some(new) = renamed(expr, groups) {
            *expr = new;
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    select.from = from;
}

/// What a SELECT folds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Groups {
    /// All rows, of which there may be none.
    All,
    /// Groups, each of which has a row.
    Each,
}

fn renames(expr: &ast::Expr, groups: Groups) -> bool {
    walk::expressions(expr, |part| match renamed(part, groups) {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    })
    .is_break()
}

fn renamed(expr: &ast::Expr, groups: Groups) -> Option<ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    if function.over.is_some() {
        return None;
    }
    let under = |name: &str| {
        let name = ast::ObjectName::from(vec![ast::Ident { value: name.to_string(), ..name_of(function) }]);
        ast::Function { name, ..function.clone() }
    };
    if let Some(ordered) = ordered::reworded(function, list, groups, under) {
        return Some(ordered);
    }
    if !list.clauses.is_empty() || !function.within_group.is_empty() {
        return None;
    }
    let is_distinct = matches!(list.duplicate_treatment, Some(ast::DuplicateTreatment::Distinct));
    match (function.name.to_string().to_lowercase().as_str(), list.args.len()) {
        ("bool_and" | "every", 1) if !is_distinct => Some(ast::Expr::Function(under("min"))),
        ("bool_or", 1) if !is_distinct => Some(ast::Expr::Function(under("max"))),
        ("array_agg", 1) if !is_distinct => {
            let array = ast::Expr::Function(under("collect_list"));
            let has_rows = groups == Groups::Each && function.filter.is_none();
            Some(if has_rows { array } else { unless_none(counted(under("count")), array) })
        }
        ("string_agg", 2) if !is_distinct => Some(joined(list, under)),
        _ => None,
    }
}

/// `CASE WHEN COUNT(x) > 0 THEN ARRAY_TO_STRING(COLLECT_LIST(x), d) END`: of nothing but nulls the text is NULL.
fn joined(list: &ast::FunctionArgumentList, under: impl Fn(&str) -> ast::Function) -> ast::Expr {
    let of_text = |name: &str| {
        let mut function = under(name);
        function.args = ast::FunctionArguments::List(ast::FunctionArgumentList {
            args: vec![list.args[0].clone()],
            ..list.clone()
        });
        ast::Expr::Function(function)
    };
    let mut text = call("array_to_string", vec![of_text("collect_list")]);
    if let ast::Expr::Function(ast::Function { args: ast::FunctionArguments::List(arguments), .. }) = &mut text {
        arguments.args.push(list.args[1].clone());
    }
    unless_none(of_text("count"), text)
}

/// A call of COUNT that counts rows, whatever its argument was.
pub(super) fn counted(mut count: ast::Function) -> ast::Expr {
    if let ast::FunctionArguments::List(list) = &mut count.args {
        list.args = vec![ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard)];
    }
    ast::Expr::Function(count)
}

/// `CASE WHEN count > 0 THEN value END`.
pub(super) fn unless_none(count: ast::Expr, value: ast::Expr) -> ast::Expr {
    let token = || ast::helpers::attached_token::AttachedToken::empty();
    ast::Expr::Case {
        case_token: token(),
        end_token: token(),
        operand: None,
        conditions: vec![ast::CaseWhen { condition: above_zero(count), result: value }],
        else_result: None,
    }
}

fn above_zero(count: ast::Expr) -> ast::Expr {
    ast::Expr::BinaryOp {
        left: Box::new(count),
        op: ast::BinaryOperator::Gt,
        right: Box::new(ast::Expr::value(ast::Value::Number("0".to_string(), false))),
    }
}

fn name_of(function: &ast::Function) -> ast::Ident {
    match function.name.0.last() {
        Some(ast::ObjectNamePart::Identifier(ident)) => ident.clone(),
        _ => ast::Ident::new(""),
    }
}
