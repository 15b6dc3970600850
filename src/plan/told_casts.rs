//! `sum(qty), sum(qty::numeric)`, `GROUP BY at::date, at`: DataFusion leaves casts out of the names of what it computes, and would take
//! such two for one. In a SELECT that has them each cast tells its type in a call, `__of_type(at::date, 'DATE')`, for as long as
//! names are made of expressions.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast;

use super::bind::fold;
use super::build::call;
use crate::catalog::Compatibility;
use crate::sql::walk;

/// The function that stands around a cast: its first argument.
pub const OF_TYPE: &str = "__of_type";

/// Tells the types of casts wherever names would hide them.
pub(super) fn tell(query: &mut ast::Query) {
    let flow = walk::walk_mut(query, |node| {
        if let walk::NodeMut::Query(query) = node {
            in_body(query.body.as_mut(), query.order_by.as_mut());
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn in_body(body: &mut ast::SetExpr, mut order: Option<&mut ast::OrderBy>) {
    match body {
        ast::SetExpr::Select(select) => {
            if !is_needed(select, order.as_deref_mut()) {
                return;
            }
            tell_types(&mut select.projection);
            tell_types(&mut select.group_by);
            tell_types(&mut select.having);
            tell_types(&mut select.distinct);
            tell_types(&mut select.named_window);
            if let Some(order) = order {
                tell_types(order);
            }
        }
        ast::SetExpr::SetOperation { left, right, .. } => {
            in_body(left, None);
            in_body(right, None);
        }
        _ => {}
    }
}

/// Whether two groups or two calls differ in their casts alone.
fn is_needed(select: &mut ast::Select, order: Option<&mut ast::OrderBy>) -> bool {
    let mut units = groups(select);
    let mut is_set = false;
    if let ast::GroupByExpr::Expressions(groups, _) = &mut select.group_by {
        let mut sets = groups
            .iter_mut()
            .filter(|group| matches!(group, ast::Expr::Rollup(_) | ast::Expr::Cube(_) | ast::Expr::GroupingSets(_)));
        // They stand beside the columns that they are made of.
        is_set = sets.any(has_cast);
    }
    calls(&mut select.projection, &mut units);
    calls(&mut select.having, &mut units);
    calls(&mut select.distinct, &mut units);
    if let Some(order) = order {
        calls(order, &mut units);
    }
    let mut seen: HashMap<String, String> = HashMap::new();
    is_set
        || units.into_iter().any(|unit| {
            let told = in_short(unit.clone(), false).to_string();
            let before = seen.entry(in_short(unit, true).to_string()).or_insert_with(|| told.clone());
            *before != told
        })
}

/// What a SELECT groups by. A group may be told by its place in the list, or by a name given there.
fn groups(select: &ast::Select) -> Vec<ast::Expr> {
    let ast::GroupByExpr::Expressions(groups, _) = &select.group_by else { return Vec::new() };
    let item = |at: usize| match select.projection.get(at)? {
        ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => Some(expr.clone()),
        _ => None,
    };
    let mut found = Vec::new();
    for group in groups {
        match group {
            ast::Expr::Value(value) => {
                let ast::Value::Number(number, _) = &value.value else { continue };
                found.extend(number.parse::<usize>().ok().and_then(|number| item(number.checked_sub(1)?)));
            }
            ast::Expr::Identifier(ident) => {
                found.push(group.clone());
                found.extend(select.projection.iter().filter_map(|item| match item {
                    ast::SelectItem::ExprWithAlias { expr, alias } if folded(alias) == folded(ident) => {
                        Some(expr.clone())
                    }
                    _ => None,
                }));
            }
            other => found.push(other.clone()),
        }
    }
    found
}

fn calls(root: &mut impl ast::VisitMut, found: &mut Vec<ast::Expr>) {
    let flow = walk::own_expressions_mut(root, |expr| {
        if matches!(expr, ast::Expr::Function(_)) {
            found.push(expr.clone());
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn has_cast(expr: &mut ast::Expr) -> bool {
    walk::own_expressions_mut(expr, |part| match part {
        ast::Expr::Cast { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// An expression with its columns by their own names alone; with or without its casts.
fn in_short(mut expr: ast::Expr, without_casts: bool) -> ast::Expr {
    let flow = walk::own_expressions_mut(&mut expr, |part| {
        let short = match part {
            ast::Expr::CompoundIdentifier(idents) => idents.last().map(short_name),
            ast::Expr::Identifier(ident) => Some(short_name(ident)),
            ast::Expr::Nested(inner) => Some(inner.as_ref().clone()),
            ast::Expr::Cast { expr, .. } if without_casts => Some(expr.as_ref().clone()),
            _ => None,
        };
        if let Some(short) = short {
            *part = short;
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    expr
}

fn short_name(ident: &ast::Ident) -> ast::Expr {
    ast::Expr::Identifier(ast::Ident::with_quote('"', folded(ident)))
}

fn folded(ident: &ast::Ident) -> String {
    fold(ident, Compatibility::Postgres)
}

fn tell_types(root: &mut impl ast::VisitMut) {
    let flow = walk::own_expressions_mut(root, |expr| {
        if let ast::Expr::Cast { expr: of, data_type, .. } = &*expr
            && !is_constant(of)
        {
            let told = ast::Value::SingleQuotedString(data_type.to_string());
            *expr = call(OF_TYPE, vec![expr.clone(), ast::Expr::value(told)]);
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn is_constant(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Value(_) | ast::Expr::TypedString(_) | ast::Expr::Interval(_) => true,
        ast::Expr::Nested(inner) | ast::Expr::UnaryOp { expr: inner, .. } | ast::Expr::Cast { expr: inner, .. } => {
            is_constant(inner)
        }
        _ => false,
    }
}
