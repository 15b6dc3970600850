//! `FROM (SELECT 1, 2) t(a)`, `FROM relation t(a)`, `WITH t(a) AS ..`: fewer names than columns. The other columns keep theirs; DataFusion
//! wants a name for each.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::bind::fold;
use super::using::Names;
use crate::catalog::Compatibility;
use crate::sql::walk;

impl Names<'_> {
    /// Adds the names that are missing, where the columns are known.
    pub(super) fn complete_aliases(&self, query: &mut ast::Query) {
        let flow = walk::walk_mut(query, |node| {
            match node {
                walk::NodeMut::TableFactor(ast::TableFactor::Derived { subquery, alias: Some(alias), .. }) => {
                    add(alias, || self.columns_of(subquery));
                }
                walk::NodeMut::TableFactor(ast::TableFactor::Table {
                    name, alias: Some(alias), args: None, ..
                }) => {
                    if let [ast::ObjectNamePart::Identifier(name)] = name.0.as_slice() {
                        add(alias, || self.table(&fold(name, Compatibility::Postgres)));
                    }
                }
                walk::NodeMut::Query(query) => {
                    for table in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
                        add(&mut table.alias, || self.columns_of(&table.query));
                    }
                }
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
    }
}

fn add(alias: &mut ast::TableAlias, columns: impl FnOnce() -> Option<Vec<String>>) {
    if alias.columns.is_empty() {
        return;
    }
    let missing = columns().unwrap_or_default().into_iter().skip(alias.columns.len());
    let column = |name| ast::TableAliasColumnDef { name: ast::Ident::with_quote('"', name), data_type: None };
    alias.columns.extend(missing.map(column));
}
