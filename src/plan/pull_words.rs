//! What is wrong with a query that is read once, in ksqlDB's words.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::bind::fold;
use super::ksqldb_text::Columns;
use super::ksqldb_text::shown;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::SqlState;
use crate::sql::walk;

/// The error of planning a query as ksqlDB would tell it; what it has no words for stays as it is.
pub fn in_ksqldb_words(error: Error, query: &ast::Query) -> Error {
    let ast::SetExpr::Select(select) = query.body.as_ref() else { return error };
    let told = match error.state() {
        SqlState::GROUPING_ERROR => not_grouped(&error),
        SqlState::UNDEFINED_COLUMN => unknown_column(&error, select),
        SqlState::DATATYPE_MISMATCH => in_condition(&error, select),
        _ => None,
    };
    match told {
        Some(message) if error.state() == SqlState::UNDEFINED_COLUMN => error.reworded(message).tells_place(""),
        Some(message) => error.reworded(message),
        None => error,
    }
}

/// Columns are grouped by here, or stand in aggregates; ksqlDB's pull queries have no groups at all.
fn not_grouped(error: &Error) -> Option<String> {
    let (column, _) = error.message().strip_prefix("column \"")?.split_once("\" must appear")?;
    Some(format!("Pull queries don't support GROUP BY clauses that leave a selected column out: {column}"))
}

fn unknown_column(error: &Error, select: &ast::Select) -> Option<String> {
    let name = error.message().strip_prefix("column \"")?.strip_suffix("\" does not exist")?;
    let is_asked = |expr: &ast::Expr| {
        let found = walk::expressions(expr, |part| match part {
            ast::Expr::Identifier(ident) if fold(ident, Compatibility::Ksqldb) == name => ControlFlow::Break(()),
            ast::Expr::CompoundIdentifier(idents)
                if idents.last().is_some_and(|ident| fold(ident, Compatibility::Ksqldb) == name) =>
            {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        });
        found.is_break()
    };
    let is_selected = |item: &ast::SelectItem| match item {
        ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => is_asked(expr),
        _ => false,
    };
    let clause = match select.selection.as_ref().is_some_and(is_asked) {
        true => "WHERE",
        false if select.projection.iter().any(is_selected) => "SELECT",
        false => return None,
    };
    Some(format!("{clause} column '{name}' cannot be resolved."))
}

/// A comparison that the condition makes, where no item of the list makes one.
fn in_condition(error: &Error, select: &ast::Select) -> Option<String> {
    let condition = select.selection.as_ref()?;
    let compares = |item: &ast::SelectItem| match item {
        ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => {
            !matches!(expr, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))
        }
        _ => false,
    };
    let is_comparison =
        ["Cannot compare ", "Comparison with NULL "].iter().any(|words| error.message().starts_with(words));
    if !is_comparison || select.projection.iter().any(compares) {
        return None;
    }
    let mut condition = condition.clone();
    let flow = walk::expressions_mut(&mut condition, |part| {
        let idents = match part {
            ast::Expr::Identifier(ident) => std::slice::from_mut(ident),
            ast::Expr::CompoundIdentifier(idents) => idents.as_mut_slice(),
            _ => &mut [],
        };
        for ident in idents {
            *ident = ast::Ident::with_quote('"', fold(ident, Compatibility::Ksqldb));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    let statement = shown(&condition, Columns::Bare);
    Some(format!("Error in WHERE expression: {}\nStatement: {statement}", error.message()))
}
