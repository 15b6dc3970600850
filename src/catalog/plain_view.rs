//! Views that nothing keeps: a name for a query, which is put in the name's place where a statement reads it.
//!
//! What the query reads is known by number, so a view goes on to mean what it meant when something else is renamed, and
//! nothing that it reads can be dropped below it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use sqlparser::ast;
use sqlparser::ast::ObjectNamePart;

use super::Catalog;
use super::Compatibility;
use super::name::fold;
use super::value::permanent_name;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::RelationId;
use crate::sql::DATABASE;
use crate::sql::Name;
use crate::sql::Nodes;
use crate::sql::check_depth;
use crate::sql::parse_view_query;
use crate::sql::walk;

/// Views over views over views: each is at least one query more around what is read.
const VIEWS_DEEP_MAX: usize = 50;

/// The text of a view's query with those of all views that it reads: two of each double it.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A name for a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainView {
    /// Never reused, by relations neither.
    pub id: RelationId,
    /// The name, folded.
    pub name: String,
    /// The columns as they were when it was made: a star means these for ever.
    pub columns: Vec<Column>,
    /// Whether the statement named columns.
    pub names_columns: bool,
    /// The query as it was written.
    pub query: String,
    /// What names of relations and views in it mean.
    pub reads: Vec<(String, RelationId)>,
    /// The statement, for people.
    pub statement: String,
    /// Who made it.
    pub owner: String,
}

type Find<'a> = &'a dyn Fn(&str) -> Option<&'a Arc<PlainView>>;

impl Catalog {
    /// What the names of relations and views in a query mean.
    pub fn read_by(&self, query: &ast::Query) -> Vec<(String, RelationId)> {
        let names = relations_named(&mut query.clone());
        names.into_iter().filter_map(|name| self.id_of(&name).map(|id| (name, id))).collect()
    }

    /// Puts the queries of views in the places of their names; whether there were any.
    pub fn expand_views(&self, statement: &mut impl Nodes) -> Result<bool> {
        self.expand(statement, &|name| self.view(name), 0)
    }

    fn expand(&self, nodes: &mut dyn Nodes, find: Find<'_>, level: usize) -> Result<bool> {
        let mut named: BTreeMap<String, &Arc<PlainView>> = BTreeMap::new();
        nodes.nodes_mut(&mut |node, place| {
            if let Some(name) = meant(&node, place)
                && let Some(view) = find(&name)
            {
                named.insert(name, view);
            }
        });
        let mut queries: BTreeMap<String, (&Arc<PlainView>, ast::Query)> = BTreeMap::new();
        let mut read = BTreeSet::new();
        for (name, view) in named {
            let query = self.query_of(view, level + 1)?;
            let flow = walk::relations(&query, |relation| {
                read.extend(bare(relation).map(folded));
                ControlFlow::<()>::Continue(())
            });
            debug_assert!(flow.is_continue());
            queries.insert(name, (view, query));
        }
        if queries.is_empty() {
            return Ok(false);
        }
        hide_common_names(nodes, &read);
        let mut within = None;
        nodes.nodes_mut(&mut |node, place| {
            let Some(name) = meant(&node, place) else { return };
            let (walk::NodeMut::TableFactor(factor), Some((view, query))) = (node, queries.get(&name)) else { return };
            let ast::TableFactor::Table { name, alias, with_hints, .. } = factor else { return };
            if !with_hints.is_empty() {
                within = Some(Error::unsupported(format!("WITHIN beside the view \"{}\" is not supported", view.name)));
            }
            let called = || name.0.last().and_then(ObjectNamePart::as_ident).cloned();
            let alias = alias.take().or_else(|| Some(alias_of(called()?)));
            *factor = derived(query.clone(), alias);
        });
        within.map_or(Ok(true), Err)
    }

    /// The query of a view with those of the views that it reads, its columns under their names.
    fn query_of(&self, view: &PlainView, level: usize) -> Result<ast::Query> {
        let too_complex = |message: String| {
            Error::new(SqlState::STATEMENT_TOO_COMPLEX, message).hint("A MATERIALIZED VIEW in between keeps its rows.")
        };
        if VIEWS_DEEP_MAX < level {
            return Err(too_complex(format!("views over views are more than {VIEWS_DEEP_MAX} deep")));
        }
        let mut query = parse_view_query(&view.query)?;
        let by_number = |name: &str| {
            let (_, id) = view.reads.iter().find(|(known, _)| known == name)?;
            self.view_by_id(*id)
        };
        self.name_anew(query.as_mut(), view);
        self.expand(query.as_mut(), &by_number, level)?;
        let query = with_names(*query, view)?;
        let text = query.to_string();
        if TEXT_BYTES_MAX < text.len() {
            return Err(too_complex(format!("the query of view \"{}\" is too long when written out", view.name)));
        }
        check_depth(&text)?;
        Ok(query)
    }

    /// Relations that are called otherwise since a view was made, by the names that they have now, and their columns by the
    /// old ones.
    fn name_anew(&self, nodes: &mut dyn Nodes, view: &PlainView) {
        let now = |name: &str| {
            let (_, id) = view.reads.iter().find(|(known, _)| known == name)?;
            let now = &self.relation_by_id(*id)?.name;
            let now = self.temporary(now).map_or_else(|| now.clone(), |_| permanent_name(now));
            Some(now).filter(|now| now != name)
        };
        nodes.nodes_mut(&mut |node, place| {
            if let Some(new) = meant(&node, place).and_then(|name| now(&name)) {
                call_anew(node, new);
            }
        });
    }

    /// The views that read a relation or a view themselves.
    pub fn views_over(&self, id: RelationId) -> impl Iterator<Item = &Arc<PlainView>> {
        self.views().filter(move |view| view.reads.iter().any(|(_, read)| *read == id))
    }

    /// Whether a view reads another one, by way of others too.
    pub fn reads_view(&self, reads: &[(String, RelationId)], wanted: RelationId) -> bool {
        let mut seen = BTreeSet::new();
        let mut left: Vec<RelationId> = reads.iter().map(|(_, id)| *id).collect();
        while let Some(id) = left.pop() {
            if id == wanted {
                return true;
            }
            if seen.insert(id)
                && let Some(view) = self.view_by_id(id)
            {
                left.extend(view.reads.iter().map(|(_, id)| *id));
            }
        }
        false
    }
}

/// Names another relation where a node names one; the statement goes on to speak of it as before.
fn call_anew(node: walk::NodeMut<'_>, new: String) {
    let walk::NodeMut::TableFactor(ast::TableFactor::Table { name, alias, .. }) = node else { return };
    let called = name.0.last().and_then(ObjectNamePart::as_ident).cloned();
    *alias = alias.take().or_else(|| called.map(alias_of));
    *name = ast::ObjectName::from(vec![ast::Ident::with_quote('"', new)]);
}

/// Has names in queries mean permanent relations, whatever temporary tables are called so: those for which `is_meant`, given a
/// folded name and whether a schema stands before it.
pub fn mean_permanent(nodes: &mut dyn Nodes, is_meant: &dyn Fn(&str, bool) -> bool) {
    nodes.nodes_mut(&mut |node, place| {
        let Some(name) = meant(&node, place) else { return };
        let has_schema =
            matches!(&node, walk::NodeMut::TableFactor(ast::TableFactor::Table { name, .. }) if 1 < name.0.len());
        if is_meant(&name, has_schema) {
            call_anew(node, permanent_name(&name));
        }
    });
}

/// The folded names of relations and views that a statement's queries read, once each.
pub fn relations_named(statement: &mut impl Nodes) -> Vec<String> {
    let mut names = BTreeSet::new();
    statement.nodes_mut(&mut |node, place| names.extend(meant(&node, place)));
    names.into_iter().collect()
}

/// The folded name of a relation or a view that a node names, unless WITH gives the name.
fn meant(node: &walk::NodeMut<'_>, place: &walk::Place) -> Option<String> {
    let walk::NodeMut::TableFactor(ast::TableFactor::Table { name, args: None, .. }) = node else { return None };
    let ident = bare(name)?;
    (1 < name.0.len() || !place.gives(ident)).then(|| folded(ident))
}

/// A name without a schema, or in the schema `public` of the database that there is.
fn bare(name: &ast::ObjectName) -> Option<&ast::Ident> {
    let parts: Option<Vec<&ast::Ident>> = name.0.iter().map(ObjectNamePart::as_ident).collect();
    let (name, before) = parts.as_ref()?.split_last()?;
    let is_here = match before {
        [] => true,
        [schema] => folded(schema) == "public",
        [database, schema] => folded(database) == DATABASE && folded(schema) == "public",
        _ => false,
    };
    is_here.then_some(*name)
}

fn folded(ident: &ast::Ident) -> String {
    let name =
        Name { value: ident.value.clone(), quoted: ident.quote_style.is_some(), position: Position(1), schema: None };
    fold(&name, Compatibility::Postgres)
}

/// Gives names of WITH that a view's query has for relations other names, so that they do not mean something in there.
fn hide_common_names(nodes: &mut dyn Nodes, read: &BTreeSet<String>) {
    let hidden = |name: &ast::Ident| ast::Ident::with_quote('"', format!("?with_{}", folded(name)));
    nodes.nodes_mut(&mut |node, place| match node {
        walk::NodeMut::TableFactor(ast::TableFactor::Table { name, alias, args: None, .. }) => {
            let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return };
            if place.gives(ident) && read.contains(&folded(ident)) {
                let ident = ident.clone();
                alias.get_or_insert_with(|| alias_of(ident.clone()));
                *name = ast::ObjectName::from(vec![hidden(&ident)]);
            }
        }
        walk::NodeMut::Query(query) => {
            for table in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
                if read.contains(&folded(&table.alias.name)) {
                    table.alias.name = hidden(&table.alias.name);
                }
            }
        }
        _ => {}
    });
}

fn alias_of(name: ast::Ident) -> ast::TableAlias {
    ast::TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}

fn derived(query: ast::Query, alias: Option<ast::TableAlias>) -> ast::TableFactor {
    ast::TableFactor::Derived { lateral: false, subquery: Box::new(query), alias, sample: None }
}

/// The query with its columns under the view's names, and no others.
fn with_names(mut query: ast::Query, view: &PlainView) -> Result<ast::Query> {
    let quoted = |column: &Column| ast::Ident::with_quote('"', column.name.clone());
    if let Some(select) = first_select(&mut query.body)
        && select.projection.len() == view.columns.len()
        && select.projection.iter().zip(&view.columns).all(|(item, column)| can_be_called(item, &column.name))
    {
        for (item, column) in select.projection.iter_mut().zip(&view.columns) {
            if let ast::SelectItem::UnnamedExpr(expr) = item
                && !is_column(expr, &column.name)
            {
                *item = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias: quoted(column) };
            }
        }
        return Ok(query);
    }
    let is_select = first_select(&mut query.body).is_some();
    let mut alias = alias_of(ast::Ident::with_quote('"', view.name.clone()));
    if view.names_columns || !is_select {
        let named = |column: &Column| ast::TableAliasColumnDef { name: quoted(column), data_type: None };
        alias.columns = view.columns.iter().map(named).collect();
    }
    let list: Vec<String> = view.columns.iter().map(|column| quoted(column).to_string()).collect();
    let mut around = parse_view_query(&format!("SELECT {} FROM (SELECT 1) AS v", list.join(", ")))?;
    if let ast::SetExpr::Select(select) = around.body.as_mut() {
        for table in &mut select.from {
            table.relation = derived(query.clone(), Some(alias.clone()));
        }
    }
    Ok(*around)
}

/// The SELECT that names a query's columns.
fn first_select(body: &mut ast::SetExpr) -> Option<&mut ast::Select> {
    match body {
        ast::SetExpr::Select(select) => Some(select),
        ast::SetExpr::SetOperation { left, .. } => first_select(left),
        ast::SetExpr::Query(query) => first_select(&mut query.body),
        _ => None,
    }
}

/// Whether an item has that name, or none: another name may be one that ORDER BY means.
fn can_be_called(item: &ast::SelectItem, name: &str) -> bool {
    match item {
        ast::SelectItem::UnnamedExpr(_) => true,
        ast::SelectItem::ExprWithAlias { alias, .. } => folded(alias) == name,
        _ => false,
    }
}

fn is_column(expr: &ast::Expr, name: &str) -> bool {
    match expr {
        ast::Expr::Identifier(ident) => folded(ident) == name,
        ast::Expr::CompoundIdentifier(idents) => idents.last().is_some_and(|ident| folded(ident) == name),
        _ => false,
    }
}
