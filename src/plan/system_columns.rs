//! ROWTIME, ROWPARTITION and ROWOFFSET in queries that are read once: tables have them only where a query asks, and a star never means them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast;

use super::bind::fold;
use super::bind::place_in_star;
use super::node::PseudoColumn;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::model::Column;
use crate::sql::walk;

/// Whether a query names one of them.
pub fn are_asked(query: &ast::Query) -> bool {
    let natural = walk::walk(query, |node| match node {
        walk::Node::Query(query) if joins_by_name(query) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let named = walk::expressions(query, |expr| {
        let ident = match expr {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(idents) => idents.last(),
            _ => None,
        };
        match ident.and_then(|ident| PseudoColumn::of_word(&ident.value)) {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    named.is_break() && natural.is_continue()
}

/// NATURAL would take them for columns that both sides have.
fn joins_by_name(query: &ast::Query) -> bool {
    let ast::SetExpr::Select(select) = query.body.as_ref() else { return false };
    let is_natural = |join: &ast::Join| matches!(constraint(join), Some(ast::JoinConstraint::Natural));
    select.from.iter().any(|table| table.joins.iter().any(is_natural))
}

/// Those that a relation has no columns of its own for.
pub fn of_relation(relation: &Relation) -> Vec<PseudoColumn> {
    let is_own =
        |column: &PseudoColumn| relation.columns.iter().any(|own| own.name.eq_ignore_ascii_case(column.word()));
    PseudoColumn::ALL.into_iter().filter(|column| !is_own(column)).collect()
}

/// Which stars are made lists of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stars {
    /// All, for relations have more columns than a star means.
    All,
    /// Those that do not have the columns in the order in which relations do.
    OutOfOrder,
}

/// Makes stars over relations lists of their columns.
pub fn write_out_stars(query: &mut ast::Query, stars: Stars, catalog: &Catalog, rules: Compatibility) {
    let mut common = BTreeSet::new();
    let flow = walk::walk(&*query, |node| {
        if let walk::Node::Query(query) = node {
            let tables = query.with.iter().flat_map(|with| &with.cte_tables);
            common.extend(tables.map(|table| fold(&table.alias.name, rules)));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    let flow = walk::walk_mut(query, |node| {
        if let walk::NodeMut::Select(select) = node {
            let tables = tables(select, catalog, &common, rules);
            let is_out_of_order = tables.iter().flatten().any(|table| table.is_out_of_order);
            if stars == Stars::OutOfOrder && !is_out_of_order {
                return ControlFlow::<()>::Continue(());
            }
            let list = std::mem::take(&mut select.projection);
            select.projection = list.into_iter().flat_map(|item| written_out(item, &tables, rules)).collect();
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// What a star may mean: the name of something in FROM, and its columns if it is a relation.
struct Table {
    alias: String,
    columns: Option<Vec<String>>,
    is_out_of_order: bool,
}

impl Table {
    fn unknown(alias: String) -> Self {
        Self { alias, columns: None, is_out_of_order: false }
    }
}

/// `None` where something cannot be named.
fn tables(
    select: &ast::Select,
    catalog: &Catalog,
    common: &BTreeSet<String>,
    rules: Compatibility,
) -> Option<Vec<Table>> {
    let mut tables = Vec::new();
    for from in &select.from {
        add_tables(from, catalog, common, rules, &mut tables)?;
    }
    Some(tables)
}

fn add_tables(
    from: &ast::TableWithJoins,
    catalog: &Catalog,
    common: &BTreeSet<String>,
    rules: Compatibility,
    tables: &mut Vec<Table>,
) -> Option<()> {
    let factors =
        std::iter::once((&from.relation, None)).chain(from.joins.iter().map(|join| (&join.relation, constraint(join))));
    for (factor, constraint) in factors {
        if let ast::TableFactor::NestedJoin { table_with_joins, alias: None } = factor {
            add_tables(table_with_joins, catalog, common, rules, tables)?;
            continue;
        }
        let mut table = table(factor, catalog, common, rules)?;
        if let (Some(ast::JoinConstraint::Using(names)), Some(columns)) = (constraint, &mut table.columns) {
            let merged = folded(names, rules);
            columns.retain(|column| !merged.contains(column));
        }
        tables.push(table);
    }
    Some(())
}

fn folded(names: &[ast::ObjectName], rules: Compatibility) -> Vec<String> {
    names.iter().filter_map(|name| name.0.last()?.as_ident().map(|ident| fold(ident, rules))).collect()
}

/// `None` for what cannot be named.
fn table(
    factor: &ast::TableFactor,
    catalog: &Catalog,
    common: &BTreeSet<String>,
    rules: Compatibility,
) -> Option<Table> {
    match factor {
        ast::TableFactor::Table { name, alias, args: None, .. } => {
            let name = fold(name.0.last()?.as_ident()?, rules);
            let relation = catalog.relation(&name).filter(|_| !common.contains(&name));
            let alias = alias.as_ref().map_or(name, |alias| fold(&alias.name, rules));
            let Some(relation) = relation else { return Some(Table::unknown(alias)) };
            let mut columns: Vec<&Column> = relation.shown_columns().iter().collect();
            let is_out_of_order =
                rules == Compatibility::Ksqldb && !columns.is_sorted_by_key(|column| place_in_star(column));
            if is_out_of_order {
                columns.sort_by_key(|column| place_in_star(column));
            }
            let columns = Some(columns.into_iter().map(|column| column.name.clone()).collect());
            Some(Table { alias, columns, is_out_of_order })
        }
        ast::TableFactor::Table { alias: Some(alias), .. }
        | ast::TableFactor::Derived { alias: Some(alias), .. }
        | ast::TableFactor::Function { alias: Some(alias), .. }
        | ast::TableFactor::UNNEST { alias: Some(alias), .. } => Some(Table::unknown(fold(&alias.name, rules))),
        _ => None,
    }
}

fn written_out(item: ast::SelectItem, tables: &Option<Vec<Table>>, rules: Compatibility) -> Vec<ast::SelectItem> {
    let Some(tables) = tables else { return vec![item] };
    let mut excluded = Vec::new();
    let meant: Vec<&Table> = match &item {
        ast::SelectItem::Wildcard(_) => tables.iter().collect(),
        ast::SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            if let Some(ast::ExcludeSelectItem::Multiple(names)) = &options.opt_exclude {
                excluded = folded(names, rules);
            }
            let alias = name.0.last().and_then(|part| part.as_ident()).map(|ident| fold(ident, rules));
            tables.iter().filter(|table| Some(&table.alias) == alias.as_ref()).collect()
        }
        _ => return vec![item],
    };
    if meant.is_empty() || meant.iter().all(|table| table.columns.is_none()) {
        return vec![item];
    }
    let quoted = |value: &str| ast::Ident::with_quote('"', value);
    let mut items = Vec::new();
    for table in meant {
        match &table.columns {
            Some(columns) => items.extend(columns.iter().filter(|column| !excluded.contains(column)).map(|column| {
                let idents = vec![quoted(&table.alias), quoted(column)];
                ast::SelectItem::UnnamedExpr(ast::Expr::CompoundIdentifier(idents))
            })),
            None => items.push(ast::SelectItem::QualifiedWildcard(
                ast::SelectItemQualifiedWildcardKind::ObjectName(ast::ObjectName::from(vec![quoted(&table.alias)])),
                ast::WildcardAdditionalOptions::default(),
            )),
        }
    }
    items
}

fn constraint(join: &ast::Join) -> Option<&ast::JoinConstraint> {
    use ast::JoinOperator as Operator;
    match &join.join_operator {
        Operator::Join(constraint)
        | Operator::Inner(constraint)
        | Operator::Left(constraint)
        | Operator::LeftOuter(constraint)
        | Operator::Right(constraint)
        | Operator::RightOuter(constraint)
        | Operator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}
