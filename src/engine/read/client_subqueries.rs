//! Scalar sub-queries of catalogs in a SELECT list. The catalog's rewriter puts NULL in the place of each that seems to see a row outside;
//! those that DataFusion can join are kept from it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast;

use crate::sql::walk;

/// Puts parentheses around sub-queries that are items of a list: the rewriter knows bare ones only. Whether there were any.
pub(super) fn keep(statement: &mut ast::Statement) -> bool {
    let mut kept = false;
    let flow = walk::walk_mut(statement, |node| {
        let walk::NodeMut::Select(select) = node else { return ControlFlow::<()>::Continue(()) };
        for item in &mut select.projection {
            let (ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. }) = item else {
                continue;
            };
            if matches!(&*expr, ast::Expr::Subquery(query) if !is_correlated(query) || is_joined_by_equality(query)) {
                *expr = ast::Expr::Nested(Box::new(expr.clone()));
                kept = true;
            }
        }
        ControlFlow::Continue(())
    });
    debug_assert!(flow.is_continue());
    kept
}

/// Whether a sub-query names a table that is none of its own.
pub(super) fn is_correlated(query: &ast::Query) -> bool {
    sees_outside(query, &own_tables(query))
}

/// Whether all that it sees of rows outside is in equalities of its WHERE.
fn is_joined_by_equality(query: &ast::Query) -> bool {
    let ast::SetExpr::Select(select) = query.body.as_ref() else { return false };
    let own = own_tables(query);
    let is_plain = query.limit_clause.is_none() && query.fetch.is_none() && select.having.is_none();
    let elsewhere = sees_outside(&select.projection, &own) || sees_outside(&select.from, &own);
    let mut conditions: Vec<&ast::Expr> = select.selection.iter().collect();
    while let Some(condition) = conditions.pop() {
        match condition {
            ast::Expr::Nested(inner) => conditions.push(inner),
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
                conditions.push(left);
                conditions.push(right);
            }
            ast::Expr::BinaryOp { op: ast::BinaryOperator::Eq, .. } => {}
            other if sees_outside(other, &own) => return false,
            _ => {}
        }
    }
    is_plain && !elsewhere
}

/// What a query calls the tables that it reads, those of queries inside it too.
fn own_tables(query: &ast::Query) -> BTreeSet<String> {
    let mut own = BTreeSet::new();
    let flow = walk::walk(query, |node| {
        if let walk::Node::TableFactor(table) = node {
            let name = match table {
                ast::TableFactor::Table { alias: Some(alias), .. }
                | ast::TableFactor::Derived { alias: Some(alias), .. }
                | ast::TableFactor::UNNEST { alias: Some(alias), .. }
                | ast::TableFactor::Function { alias: Some(alias), .. } => Some(&alias.name),
                ast::TableFactor::Table { name, .. } => name.0.last().and_then(ast::ObjectNamePart::as_ident),
                _ => None,
            };
            own.extend(name.map(|name| name.value.to_lowercase()));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    own
}

fn sees_outside(root: &impl ast::Visit, own: &BTreeSet<String>) -> bool {
    let flow = walk::expressions(root, |expr| match expr {
        ast::Expr::CompoundIdentifier(idents) if idents.len() < 2 => ControlFlow::Continue(()),
        ast::Expr::CompoundIdentifier(idents) if !own.contains(&idents[idents.len() - 2].value.to_lowercase()) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    flow.is_break()
}
