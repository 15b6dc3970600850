//! `atttypid::regtype`: numbers of types shown by their names, where a SELECT list shows them. Elsewhere they stay the numbers that other
//! columns are compared with, as those of `regclass` do everywhere.

use std::ops::ControlFlow;

use sqlparser::ast;

use crate::plan::call;
use crate::sql::walk;

/// Shows them by name: in the list of the query itself, and in all lists where they are cast to a text.
pub(super) fn show(statement: &mut ast::Statement) {
    let ast::Statement::Query(query) = statement else { return };
    if let ast::SetExpr::Select(select) = query.body.as_mut() {
        each_item(select, |expr| named(expr).is_none().then(|| name_of(expr)).flatten());
    }
    let flow = walk::walk_mut(query.as_mut(), |node| {
        if let walk::NodeMut::Select(select) = node {
            each_item(select, |expr| name_of(named(expr)?));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// Puts others in the place of items, which are named by now. Groups are of what was written.
fn each_item(select: &mut ast::Select, shown: impl Fn(&ast::Expr) -> Option<ast::Expr>) {
    if !matches!(&select.group_by, ast::GroupByExpr::Expressions(groups, _) if groups.is_empty()) {
        return;
    }
    for item in &mut select.projection {
        if let ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } = item
            && let Some(shown) = shown(expr)
        {
            *expr = shown;
        }
    }
}

/// What is cast to a text.
fn named(expr: &ast::Expr) -> Option<&ast::Expr> {
    match expr {
        ast::Expr::Nested(inner) => named(inner),
        ast::Expr::Cast { expr, data_type: ast::DataType::Text | ast::DataType::Varchar(None), .. } => Some(expr),
        _ => None,
    }
}

/// The name of a type by its number in the catalog.
fn name_of(expr: &ast::Expr) -> Option<ast::Expr> {
    match expr {
        ast::Expr::Nested(inner) => name_of(inner),
        ast::Expr::Cast { data_type, .. } => {
            let kind = data_type.to_string().to_lowercase();
            let is_type = kind.strip_prefix("pg_catalog.").unwrap_or(&kind) == "regtype";
            is_type.then(|| call("format_type", vec![expr.clone(), ast::Expr::value(ast::Value::Null)]))
        }
        _ => None,
    }
}
