//! `o.qty` where a relation is called `o` and another has a column `o`: the relation is meant, as in PostgreSQL. DataFusion's
//! planner looks for a field of the nearer column first, but not where the relation's schema is told too.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast;

use super::bind::fold;
use super::using::Columns;
use crate::catalog::Compatibility;
use crate::sql::walk;

const PUBLIC: &str = "public";

/// Tells the schema in the names of columns whose relation is called as a column of the query is.
pub(super) fn before_columns(query: &mut ast::Query, catalog: &Columns<'_>) {
    let (mut relations, mut columns) = (HashSet::new(), HashSet::new());
    let flow = walk::walk(query, |node| {
        match node {
            walk::Node::TableFactor(
                ast::TableFactor::Derived { alias: Some(alias), .. }
                | ast::TableFactor::Function { alias: Some(alias), .. }
                | ast::TableFactor::UNNEST { alias: Some(alias), .. },
            ) => take_alias(alias, &mut relations, &mut columns),
            walk::Node::TableFactor(ast::TableFactor::Table { name, alias, .. }) => {
                if let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() {
                    columns.extend(catalog(&folded(ident)).into_iter().flatten());
                    if alias.is_none() {
                        relations.insert(folded(ident));
                    }
                }
                if let Some(alias) = alias {
                    take_alias(alias, &mut relations, &mut columns);
                }
            }
            walk::Node::Query(query) => named_items(&query.body, &mut columns),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    if relations.contains(PUBLIC) || relations.is_disjoint(&columns) {
        return;
    }
    let flow = walk::expressions_mut(query, |expr| {
        if let ast::Expr::CompoundIdentifier(idents) = expr
            && let [relation, _] = idents.as_slice()
            && let name = folded(relation)
            && relations.contains(&name)
            && columns.contains(&name)
        {
            idents.insert(0, ast::Ident { value: PUBLIC.to_string(), quote_style: None, span: relation.span });
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn take_alias(alias: &ast::TableAlias, relations: &mut HashSet<String>, columns: &mut HashSet<String>) {
    relations.insert(folded(&alias.name));
    columns.extend(alias.columns.iter().map(|column| folded(&column.name)));
}

/// The names that the lists of a query give.
fn named_items(body: &ast::SetExpr, columns: &mut HashSet<String>) {
    match body {
        ast::SetExpr::Select(select) => columns.extend(select.projection.iter().filter_map(|item| match item {
            ast::SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            _ => None,
        })),
        ast::SetExpr::SetOperation { left, right, .. } => {
            named_items(left, columns);
            named_items(right, columns);
        }
        _ => {}
    }
}

fn folded(ident: &ast::Ident) -> String {
    fold(ident, Compatibility::Postgres)
}
