//! `SELECT t.*, count(*) .. GROUP BY t.id`: the primary key of a table tells its other columns. Those that the query names are
//! grouped by too, which makes no other groups.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::bind::fold;
use crate::catalog::Compatibility;
use crate::sql::walk;

/// A table's columns and those of its key, `None` if it has no key.
pub type Keys<'a> = dyn Fn(&str) -> Option<(Vec<String>, Vec<String>)> + 'a;

/// A table of a FROM clause.
struct Table {
    name: ast::Ident,
    columns: Vec<String>,
    /// The columns of its key; none if it has no key.
    key: Vec<String>,
}

/// Rewords the groups of all SELECTs of a query. ORDER BY may name columns too.
pub(super) fn group_by_them(query: &mut ast::Query, keys: &Keys<'_>) {
    let mut common: Vec<String> = Vec::new();
    let flow = walk::walk(query, |node| {
        if let walk::Node::Query(query) = node {
            let with = query.with.iter().flat_map(|with| &with.cte_tables);
            common.extend(with.map(|table| folded(&table.alias.name)));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    let flow = walk::walk_mut(query, |node| {
        if let walk::NodeMut::Query(query) = node {
            let mut named = Vec::new();
            if let Some(order) = &query.order_by {
                names(order, &mut named);
            }
            if let ast::SetExpr::Select(select) = query.body.as_mut() {
                reword(select, named, keys, &common);
            } else {
                in_operation(&mut query.body, keys, &common);
            }
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn in_operation(body: &mut ast::SetExpr, keys: &Keys<'_>, common: &[String]) {
    match body {
        ast::SetExpr::Select(select) => reword(select, Vec::new(), keys, common),
        ast::SetExpr::SetOperation { left, right, .. } => {
            in_operation(left, keys, common);
            in_operation(right, keys, common);
        }
        _ => {}
    }
}

fn reword(select: &mut ast::Select, mut named: Vec<Vec<String>>, keys: &Keys<'_>, common: &[String]) {
    let ast::GroupByExpr::Expressions(groups, modifiers) = &select.group_by else { return };
    let is_set =
        |expr: &ast::Expr| matches!(expr, ast::Expr::Rollup(_) | ast::Expr::Cube(_) | ast::Expr::GroupingSets(_));
    if groups.is_empty() || !modifiers.is_empty() || groups.iter().any(is_set) {
        return;
    }
    let mut tables = Vec::new();
    if !select.from.iter().all(|table| tables_of(table, keys, common, &mut tables)) {
        return;
    }
    let grouped: Vec<Option<(usize, String)>> = groups.iter().map(|group| column(group, select, &tables)).collect();
    names(&select.projection, &mut named);
    names(&select.having, &mut named);
    names(&select.distinct, &mut named);
    names(&select.named_window, &mut named);
    let mut more = Vec::new();
    for (place, table) in tables.iter().enumerate() {
        let has = |name: &String| grouped.iter().flatten().any(|(of, column)| *of == place && column == name);
        if table.key.is_empty() || !table.key.iter().all(has) {
            continue;
        }
        let all = select.projection.iter().any(|item| is_star_of(item, table));
        for name in table.columns.iter().filter(|name| !has(name)) {
            let is_asked = named.iter().any(|parts| match parts.as_slice() {
                [of, column, ..] if *of == folded(&table.name) => column == name,
                [column, ..] => column == name,
                [] => false,
            });
            if all || is_asked {
                let parts = vec![table.name.clone(), ast::Ident::with_quote('"', name.clone())];
                more.push(ast::Expr::CompoundIdentifier(parts));
            }
        }
    }
    if let ast::GroupByExpr::Expressions(groups, _) = &mut select.group_by {
        groups.extend(more);
    }
}

fn folded(ident: &ast::Ident) -> String {
    fold(ident, Compatibility::Postgres)
}

/// The names of columns below `root`, in queries inside it too.
fn names(root: &impl ast::Visit, found: &mut Vec<Vec<String>>) {
    let flow = walk::expressions(root, |expr: &ast::Expr| {
        match expr {
            ast::Expr::Identifier(ident) => found.push(vec![folded(ident)]),
            ast::Expr::CompoundIdentifier(idents) => found.push(idents.iter().map(folded).collect()),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn is_star_of(item: &ast::SelectItem, table: &Table) -> bool {
    match item {
        ast::SelectItem::Wildcard(_) => true,
        ast::SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            let name = name.0.last().and_then(ast::ObjectNamePart::as_ident);
            name.is_some_and(|name| folded(name) == folded(&table.name))
        }
        _ => false,
    }
}

/// The tables of a FROM item; false if the columns of one are not known, which may be any.
fn tables_of(table: &ast::TableWithJoins, keys: &Keys<'_>, common: &[String], found: &mut Vec<Table>) -> bool {
    let mut factors = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
    factors.all(|factor| match factor {
        ast::TableFactor::NestedJoin { table_with_joins, alias: None } => {
            tables_of(table_with_joins, keys, common, found)
        }
        ast::TableFactor::Table { name, alias, args: None, .. } => {
            let [ast::ObjectNamePart::Identifier(relation)] = name.0.as_slice() else { return true };
            let known = match common.contains(&folded(relation)) {
                true => None,
                false => keys(&folded(relation)),
            };
            // Without a key, and with other names of its columns, it says nothing of its own.
            let renamed = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
            let (columns, key) = known.filter(|_| !renamed).unwrap_or_default();
            let name = alias.as_ref().map_or_else(|| relation.clone(), |alias| alias.name.clone());
            found.push(Table { name, columns, key });
            true
        }
        _ => true,
    })
}

/// The column that a group is: by its table's place. A group may be told by its place in the list, or by a name given there.
fn column(group: &ast::Expr, select: &ast::Select, tables: &[Table]) -> Option<(usize, String)> {
    match group {
        ast::Expr::Nested(inner) => column(inner, select, tables),
        ast::Expr::Value(value) => {
            let ast::Value::Number(number, _) = &value.value else { return None };
            let item = select.projection.get(number.parse::<usize>().ok()?.checked_sub(1)?)?;
            let (ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. }) = item else {
                return None;
            };
            named_column(expr, tables)
        }
        ast::Expr::Identifier(ident) => named_column(group, tables).or_else(|| {
            let given = select.projection.iter().find_map(|item| match item {
                ast::SelectItem::ExprWithAlias { expr, alias } if folded(alias) == folded(ident) => Some(expr),
                _ => None,
            });
            named_column(given?, tables)
        }),
        other => named_column(other, tables),
    }
}

fn named_column(expr: &ast::Expr, tables: &[Table]) -> Option<(usize, String)> {
    match expr {
        ast::Expr::Nested(inner) => named_column(inner, tables),
        ast::Expr::Identifier(ident) => {
            let name = folded(ident);
            let mut places = (0..tables.len()).filter(|place| tables[*place].columns.contains(&name));
            let place = places.next()?;
            places.next().is_none().then_some((place, name))
        }
        ast::Expr::CompoundIdentifier(idents) => {
            let [of, ident] = idents.as_slice() else { return None };
            let place = tables.iter().position(|table| folded(&table.name) == folded(of))?;
            Some((place, folded(ident)))
        }
        _ => None,
    }
}
