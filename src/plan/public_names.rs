//! `FROM public.t`: relations live in the schema public, so its name says nothing. Without it `t.*` and `t.id` name the
//! table, as they do in PostgreSQL.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast;

use super::bind::fold;
use crate::catalog::Compatibility;
use crate::sql::walk;

const PUBLIC: &str = "public";

/// Leaves the schema's name out, but where a name of WITH would be meant instead.
pub(super) fn leave_out(query: &mut ast::Query) {
    let mut hidden: HashSet<String> = HashSet::new();
    let mut is_named = false;
    let flow = walk::walk(query, |node| {
        match node {
            walk::Node::Query(query) => {
                let with = query.with.iter().flat_map(|with| &with.cte_tables);
                hidden.extend(with.map(|table| folded(&table.alias.name)));
            }
            walk::Node::TableFactor(
                ast::TableFactor::Table { alias: Some(alias), .. }
                | ast::TableFactor::Derived { alias: Some(alias), .. },
            ) if folded(&alias.name) == PUBLIC => is_named = true,
            walk::Node::TableFactor(ast::TableFactor::Table { name, alias: None, .. }) if matches!(name.0.as_slice(), [ast::ObjectNamePart::Identifier(only)] if folded(only) == PUBLIC) =>
            {
                is_named = true;
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    if is_named {
        return;
    }
    let flow = walk::walk_mut(query, |node| {
        match node {
            walk::NodeMut::TableFactor(ast::TableFactor::Table { name, args: None, .. }) => shorten(name, &hidden),
            walk::NodeMut::Select(select) => {
                for item in &mut select.projection {
                    if let ast::SelectItem::QualifiedWildcard(
                        ast::SelectItemQualifiedWildcardKind::ObjectName(name),
                        _,
                    ) = item
                    {
                        shorten(name, &hidden);
                    }
                }
            }
            walk::NodeMut::Expression(ast::Expr::CompoundIdentifier(idents))
                if 3 <= idents.len() && folded(&idents[0]) == PUBLIC && !hidden.contains(&folded(&idents[1])) =>
            {
                idents.remove(0);
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn shorten(name: &mut ast::ObjectName, hidden: &HashSet<String>) {
    if let [ast::ObjectNamePart::Identifier(schema), ast::ObjectNamePart::Identifier(table)] = name.0.as_slice()
        && folded(schema) == PUBLIC
        && !hidden.contains(&folded(table))
    {
        name.0.remove(0);
    }
}

fn folded(ident: &ast::Ident) -> String {
    fold(ident, Compatibility::Postgres)
}
