//! `JOIN .. USING` and `NATURAL JOIN` as PostgreSQL reads them: a column that both sides have is one column, of the side that has
//! a row, and stands first in `*`. DataFusion's planner takes the one of the table whose name sorts first.
//!
//! What cannot be told apart here, such as the columns of a table function, is left as it is.

use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast;

use super::bind::fold;
use super::bind::postgres_name;
use super::build::call;
use super::whole_rows::Relation;
use crate::catalog::Compatibility;
use crate::sql::walk;

/// The columns of a relation of the catalog.
pub type Columns<'a> = dyn Fn(&str) -> Option<Vec<String>> + 'a;

/// What the relations of a query are made of.
pub(super) struct Names<'a> {
    catalog: &'a Columns<'a>,
    /// The names that WITH gives, which hide those of the catalog, and their columns where they are known.
    common: HashMap<String, Option<Vec<String>>>,
}

/// What FROM gives, in the order of `*`.
enum Part {
    Merged { name: String, expr: Box<ast::Expr> },
    Table(Table),
}

struct Table {
    /// Its alias, or its name as FROM has it.
    name: Vec<ast::Ident>,
    columns: Option<Vec<String>>,
    /// Those that are merged.
    merged: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Both,
}

impl<'a> Names<'a> {
    /// The names of a query.
    pub(super) fn of(query: &ast::Query, catalog: &'a Columns<'a>) -> Self {
        let mut names = Self { catalog, common: HashMap::new() };
        let with = |query: &ast::Query| query.with.iter().flat_map(|with| with.cte_tables.clone()).collect::<Vec<_>>();
        let mut found = Vec::new();
        let flow = walk::walk(query, |node| {
            if let walk::Node::Query(query) = node {
                found.extend(with(query));
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
        for table in &found {
            names.common.insert(folded(&table.alias.name), None);
        }
        let mut seen = HashSet::new();
        for table in &found {
            let name = folded(&table.alias.name);
            let renamed = table.alias.columns.iter().map(|column| folded(&column.name));
            let columns = renamed_columns(renamed.collect(), names.columns_of(&table.query));
            // Of two with one name it is not known which is meant.
            let columns = if seen.insert(name.clone()) { columns } else { None };
            names.common.insert(name, columns);
        }
        names
    }

    /// Rewords all joins of a query.
    pub(super) fn reword(&self, query: &mut ast::Query) {
        let flow = walk::walk_mut(query, |node| {
            if let walk::NodeMut::Query(query) = node {
                let order = query.order_by.as_mut();
                self.reword_body(query.body.as_mut(), order);
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
    }

    /// The columns that the FROM of a SELECT gives, if all are known.
    pub(super) fn inputs(&self, select: &ast::Select) -> Option<Vec<String>> {
        let mut from = select.from.clone();
        let parts = from.iter_mut().map(|table| self.parts_of(table)).collect::<Option<Vec<_>>>()?;
        visible(&parts.into_iter().flatten().collect::<Vec<_>>())
    }

    /// The relations that FROM names, with their columns; none of them if those of one are not known.
    pub(super) fn relations(&self, select: &ast::Select) -> Vec<Relation> {
        let mut from = select.from.clone();
        let parts = from.iter_mut().map(|table| self.parts_of(table)).collect::<Option<Vec<_>>>();
        let relation = |part: Part| match part {
            Part::Table(Table { name, columns, .. }) => Some((name.last()?.clone(), columns?)),
            Part::Merged { .. } => None,
        };
        parts.into_iter().flatten().flatten().filter_map(relation).collect()
    }

    fn reword_body(&self, body: &mut ast::SetExpr, order: Option<&mut ast::OrderBy>) {
        match body {
            ast::SetExpr::Select(select) => {
                self.reword_select(select, order);
            }
            ast::SetExpr::SetOperation { left, right, .. } => {
                self.reword_body(left, None);
                self.reword_body(right, None);
            }
            _ => {}
        }
    }

    fn reword_select(&self, select: &mut ast::Select, order: Option<&mut ast::OrderBy>) -> Option<()> {
        let mut from = select.from.clone();
        let parts = from.iter_mut().map(|table| self.parts_of(table)).collect::<Option<Vec<_>>>()?;
        let parts: Vec<Part> = parts.into_iter().flatten().collect();
        let merged: HashMap<&str, &ast::Expr> = parts.iter().filter_map(Part::merged).collect();
        if merged.is_empty() {
            return None;
        }
        select.from = from;
        let outputs: HashSet<String> = select.projection.iter().filter_map(output_name).collect();
        let items = std::mem::take(&mut select.projection);
        select.projection = items.into_iter().flat_map(|item| expanded(item, &parts, &merged)).collect();
        replace(&mut select.selection, &merged);
        replace(&mut select.group_by, &merged);
        replace(&mut select.having, &merged);
        replace(&mut select.distinct, &merged);
        replace(&mut select.named_window, &merged);
        if let Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(by), .. }) = order {
            for ast::OrderByExpr { expr, .. } in by {
                let is_output = matches!(expr, ast::Expr::Identifier(ident) if outputs.contains(&folded(ident)));
                if !is_output {
                    replace(expr, &merged);
                }
            }
        }
        Some(())
    }

    /// The parts of a table and what is joined to it. Where more than one table could be meant, USING becomes ON.
    fn parts_of(&self, table: &mut ast::TableWithJoins) -> Option<Vec<Part>> {
        let mut parts = self.parts_of_factor(&mut table.relation)?;
        for join in &mut table.joins {
            let right = self.parts_of_factor(&mut join.relation)?;
            parts = joined(parts, right, &mut join.join_operator)?;
        }
        Some(parts)
    }

    fn parts_of_factor(&self, factor: &mut ast::TableFactor) -> Option<Vec<Part>> {
        let (alias, name, columns) = match factor {
            ast::TableFactor::NestedJoin { table_with_joins, alias: None } => return self.parts_of(table_with_joins),
            ast::TableFactor::Table { name, alias, args: None, .. } => {
                let ident = name.0.last()?.as_ident()?;
                let columns = if name.0.len() == 1 { self.table(&folded(ident)) } else { None };
                let name = name.0.iter().map(|part| part.as_ident().cloned()).collect::<Option<Vec<_>>>();
                (alias.as_ref(), name, columns)
            }
            ast::TableFactor::Derived { subquery, alias, .. } => (alias.as_ref(), None, self.columns_of(subquery)),
            ast::TableFactor::Table { alias, .. }
            | ast::TableFactor::Function { alias, .. }
            | ast::TableFactor::UNNEST { alias, .. } => (alias.as_ref(), None, None),
            _ => return None,
        };
        let name = alias.map(|alias| vec![alias.name.clone()]).or(name)?;
        let renamed: Vec<String> =
            alias.iter().flat_map(|alias| &alias.columns).map(|column| folded(&column.name)).collect();
        let columns = renamed_columns(renamed, columns);
        Some(vec![Part::Table(Table { name, columns, merged: Vec::new() })])
    }

    pub(super) fn table(&self, name: &str) -> Option<Vec<String>> {
        match self.common.get(name) {
            Some(columns) => columns.clone(),
            None => (self.catalog)(name),
        }
    }

    pub(super) fn columns_of(&self, query: &ast::Query) -> Option<Vec<String>> {
        let mut body = query.body.as_ref();
        let select = loop {
            body = match body {
                ast::SetExpr::Select(select) => break select,
                ast::SetExpr::SetOperation { left, .. } => left,
                ast::SetExpr::Query(inner) => return self.columns_of(inner),
                ast::SetExpr::Values(values) => {
                    return Some((1..=values.rows.first()?.content.len()).map(|at| format!("column{at}")).collect());
                }
                _ => return None,
            };
        };
        let mut columns = Vec::new();
        for item in &select.projection {
            match item {
                ast::SelectItem::Wildcard(_) => columns.extend(self.inputs(select)?),
                other => columns.push(output_name(other)?),
            }
        }
        Some(columns)
    }
}

impl Part {
    fn merged(&self) -> Option<(&str, &ast::Expr)> {
        match self {
            Part::Merged { name, expr } => Some((name, expr)),
            Part::Table(_) => None,
        }
    }

    fn columns(&self) -> Option<Vec<String>> {
        match self {
            Part::Merged { name, .. } => Some(vec![name.clone()]),
            Part::Table(table) => {
                let left = table.columns.as_ref()?.iter().filter(|column| !table.merged.contains(column));
                Some(left.cloned().collect())
            }
        }
    }
}

/// The columns of a table whose alias has names for the first of them.
fn renamed_columns(renamed: Vec<String>, columns: Option<Vec<String>>) -> Option<Vec<String>> {
    match columns {
        columns if renamed.is_empty() => columns,
        Some(columns) if renamed.len() < columns.len() => {
            Some(renamed.iter().chain(&columns[renamed.len()..]).cloned().collect())
        }
        _ => Some(renamed),
    }
}

fn visible(parts: &[Part]) -> Option<Vec<String>> {
    Some(parts.iter().map(Part::columns).collect::<Option<Vec<_>>>()?.concat())
}

fn folded(ident: &ast::Ident) -> String {
    fold(ident, Compatibility::Postgres)
}

/// How an item of a SELECT list is called; `None` for several.
fn output_name(item: &ast::SelectItem) -> Option<String> {
    match item {
        ast::SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(ident)) => Some(folded(ident)),
        ast::SelectItem::UnnamedExpr(ast::Expr::CompoundIdentifier(idents)) => idents.last().map(folded),
        ast::SelectItem::UnnamedExpr(expr) => Some(postgres_name(expr)),
        _ => None,
    }
}

fn constraint_of(operator: &mut ast::JoinOperator) -> Option<(&mut ast::JoinConstraint, Side)> {
    use ast::JoinOperator as Join;
    Some(match operator {
        Join::Join(on) | Join::Inner(on) | Join::Left(on) | Join::LeftOuter(on) | Join::CrossJoin(on) => {
            (on, Side::Left)
        }
        Join::Right(on) | Join::RightOuter(on) => (on, Side::Right),
        Join::FullOuter(on) => (on, Side::Both),
        _ => return None,
    })
}

fn joined(mut left: Vec<Part>, mut right: Vec<Part>, operator: &mut ast::JoinOperator) -> Option<Vec<Part>> {
    let (constraint, side) = constraint_of(operator)?;
    let names: Vec<ast::Ident> = match constraint {
        ast::JoinConstraint::Using(names) => {
            names.iter().map(|name| name.0.last()?.as_ident().cloned()).collect::<Option<_>>()?
        }
        ast::JoinConstraint::Natural => {
            let right: HashSet<String> = visible(&right)?.into_iter().collect();
            let both = visible(&left)?.into_iter().filter(|name| right.contains(name));
            both.map(|name| ast::Ident::with_quote('"', name)).collect()
        }
        ast::JoinConstraint::On(_) | ast::JoinConstraint::None => Vec::new(),
    };
    let is_of_two = left.len() == 1 && right.len() == 1;
    let mut merged = Vec::new();
    let mut equal: Option<ast::Expr> = None;
    for name in &names {
        let (first, second) = (taken(&mut left, name)?, taken(&mut right, name)?);
        let same = ast::Expr::BinaryOp {
            left: Box::new(first.clone()),
            op: ast::BinaryOperator::Eq,
            right: Box::new(second.clone()),
        };
        equal = Some(match equal {
            None => same,
            Some(before) => {
                ast::Expr::BinaryOp { left: Box::new(before), op: ast::BinaryOperator::And, right: Box::new(same) }
            }
        });
        let expr = match side {
            Side::Left => first,
            Side::Right => second,
            Side::Both => call("coalesce", vec![first, second]),
        };
        merged.push(Part::Merged { name: folded(name), expr: Box::new(expr) });
    }
    if let Some(equal) = equal.filter(|_| !is_of_two) {
        *constraint = ast::JoinConstraint::On(equal);
    }
    let parts: Vec<Part> = merged.into_iter().chain(left).chain(right).collect();
    if let ast::JoinConstraint::On(condition) = constraint
        && names.is_empty()
    {
        replace(condition, &parts.iter().filter_map(Part::merged).collect());
    }
    Some(parts)
}

/// The column of that name, which is merged now; `None` if it is not known which.
fn taken(parts: &mut Vec<Part>, name: &ast::Ident) -> Option<ast::Expr> {
    let wanted = folded(name);
    if let Some(at) = parts.iter().position(|part| part.merged().is_some_and(|(name, _)| name == wanted)) {
        return match parts.remove(at) {
            Part::Merged { expr, .. } => Some(*expr),
            Part::Table(_) => None,
        };
    }
    let is_only = parts.len() == 1;
    let mut found = None;
    for part in parts {
        let Part::Table(table) = part else { continue };
        let has = match &table.columns {
            Some(columns) => columns.contains(&wanted),
            None if is_only => true,
            None => return None,
        };
        if has && found.is_some() {
            return None;
        }
        if has {
            found = Some(table);
        }
    }
    let table = found?;
    table.merged.push(wanted);
    Some(ast::Expr::CompoundIdentifier(table.name.iter().chain([name]).cloned().collect()))
}

/// The merged columns in an expression's own words, not in those of queries inside it.
fn replace(root: &mut impl ast::VisitMut, merged: &HashMap<&str, &ast::Expr>) {
    let flow = walk::own_expressions_mut(root, |expr| {
        if let ast::Expr::Identifier(ident) = expr
            && let Some(new) = merged.get(folded(ident).as_str())
        {
            *expr = (*new).clone();
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// One item, or those that `*` stands for.
fn expanded(mut item: ast::SelectItem, parts: &[Part], merged: &HashMap<&str, &ast::Expr>) -> Vec<ast::SelectItem> {
    if let ast::SelectItem::Wildcard(options) = &item
        && *options == ast::WildcardAdditionalOptions::default()
    {
        return parts.iter().map(part_item).collect();
    }
    let name = output_name(&item);
    replace(&mut item, merged);
    match (item, name) {
        (ast::SelectItem::UnnamedExpr(expr), Some(name)) if !matches!(expr, ast::Expr::CompoundIdentifier(_)) => {
            vec![ast::SelectItem::ExprWithAlias { expr, alias: ast::Ident::with_quote('"', name) }]
        }
        (item, _) => vec![item],
    }
}

fn part_item(part: &Part) -> ast::SelectItem {
    match part {
        Part::Merged { expr, .. } if matches!(expr.as_ref(), ast::Expr::CompoundIdentifier(_)) => {
            ast::SelectItem::UnnamedExpr(expr.as_ref().clone())
        }
        Part::Merged { name, expr } => ast::SelectItem::ExprWithAlias {
            expr: expr.as_ref().clone(),
            alias: ast::Ident::with_quote('"', name.clone()),
        },
        Part::Table(table) => {
            let name = |name: &String| ast::ObjectName::from(vec![ast::Ident::with_quote('"', name.clone())]);
            let excluded: Vec<ast::ObjectName> = table.merged.iter().map(name).collect();
            let options = ast::WildcardAdditionalOptions {
                opt_exclude: (!excluded.is_empty()).then_some(ast::ExcludeSelectItem::Multiple(excluded)),
                ..ast::WildcardAdditionalOptions::default()
            };
            let kind = ast::SelectItemQualifiedWildcardKind::ObjectName(ast::ObjectName::from(table.name.clone()));
            ast::SelectItem::QualifiedWildcard(kind, options)
        }
    }
}
