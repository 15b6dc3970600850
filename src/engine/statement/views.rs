//! CREATE VIEW, DROP VIEW, and statements that read views: their queries stand in the places of their names before
//! anything else is looked up, so that the rest of the engine knows of none.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::done;
use super::drop;
use super::lookup::no_such_relation;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::Compatibility;
use crate::catalog::PlainView;
use crate::catalog::fold;
use crate::catalog::relations_named;
use crate::cluster::MetadataRecord;
use crate::engine::outcome::Description;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::prepared::Prepared;
use crate::engine::queries::record;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::RelationId;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::CreateView;
use crate::sql::DropRelation;
use crate::sql::DropView;
use crate::sql::Name;
use crate::sql::ObjectKind;
use crate::sql::Parsed;
use crate::sql::Statement;

pub(super) async fn create(session: &mut Session, create: &CreateView, text: &str) -> Result<Outcome> {
    let rules = session.settings.compatibility();
    if rules == Compatibility::Ksqldb {
        return Err(Error::unsupported("CREATE VIEW is not supported under ksqlDB's rules").at(create.name.position));
    }
    if create.select.emit.is_some() {
        return Err(Error::unsupported("a view with EMIT is not supported")
            .at(create.name.position)
            .hint("Say EMIT where the view is read, or CREATE MATERIALIZED VIEW, which is always kept up to date."));
    }
    let name = fold(&create.name, rules);
    authorize(&session.principal, Operation::Create, Resource::Relation(&name))?;
    let columns = columns(session, create).await?;
    let owner = session.principal.name().to_string();
    let engine = session.engine.clone();
    let at = create.name.position;
    // No DROP of what it reads comes in between.
    let _turn = engine.ddl().await;
    engine
        .change(|_, catalog| {
            let known = catalog.view(&name).filter(|_| create.or_replace);
            if create.or_replace && catalog.relation(&name).is_some() {
                return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a view")).at(at));
            }
            let view = PlainView {
                id: known.map_or_else(|| catalog.next_relation_id(), |known| known.id),
                name: name.clone(),
                columns: columns.clone(),
                names_columns: !create.columns.is_empty(),
                query: create.select.text.clone(),
                reads: catalog.read_by(&create.select.ast),
                statement: text.to_string(),
                owner: known.map_or_else(|| owner.clone(), |known| known.owner.clone()),
            };
            let change = match known {
                Some(known) => {
                    check_columns(known, &view.columns).map_err(|error| error.at(at))?;
                    if catalog.reads_view(&view.reads, known.id) {
                        let message = format!("infinite recursion detected in view \"{name}\"");
                        return Err(Error::new(SqlState::INVALID_OBJECT_DEFINITION, message).at(at));
                    }
                    Change::ReplaceView(Box::new(view))
                }
                None => Change::CreateView(Box::new(view)),
            };
            catalog.apply(&change).map_err(|error| Error::from(error).at(at))?;
            Ok((vec![record(change)], ()))
        })
        .await?;
    Ok(done("CREATE VIEW"))
}

/// The columns of a view's query, the first of them under the names that the statement gives.
async fn columns(session: &mut Session, create: &CreateView) -> Result<Vec<Column>> {
    let statement = Statement::Select(create.select.clone());
    let (text, position) = (create.select.text.clone(), create.name.position);
    let prepared = Prepared::from(Parsed { statement, text, position, place: (1, 1) });
    let Description { params, fields, .. } = Box::pin(super::describe(session, &prepared, &[])).await?;
    if !params.is_empty() {
        let message = "there is no parameter $1";
        return Err(Error::new(SqlState::UNDEFINED_PARAMETER, message).detail("A view has no parameters."));
    }
    let fields = fields.unwrap_or_default();
    if let Some(more) = create.columns.get(fields.len()) {
        let message = "CREATE VIEW specifies more column names than columns";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(more.position));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(fields.len());
    for (place, OutputField { name, sql_type, .. }) in fields.into_iter().enumerate() {
        let named = create.columns.get(place);
        let name = named.map_or(name, |named| fold(named, Compatibility::Postgres));
        if columns.iter().any(|column| column.name == name) {
            let error = Error::new(SqlState::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once"));
            return Err(error.at(named.unwrap_or(&create.name).position));
        }
        columns.push(Column { name, sql_type, role: ColumnRole::Value });
    }
    Ok(columns)
}

/// What stands on a view must find its columns as they were.
fn check_columns(known: &PlainView, columns: &[Column]) -> Result<()> {
    let refused = |message: String| Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
    if columns.len() < known.columns.len() {
        return refused("cannot drop columns from view".to_string());
    }
    for (old, new) in known.columns.iter().zip(columns) {
        if old.name != new.name {
            let message = format!("cannot change name of view column \"{}\" to \"{}\"", old.name, new.name);
            return refused(message);
        }
        if old.sql_type != new.sql_type {
            let change = format!("from {} to {}", old.sql_type, new.sql_type);
            return refused(format!("cannot change data type of view column \"{}\" {change}", old.name));
        }
    }
    Ok(())
}

pub(super) async fn drop(session: &mut Session, dropped: &DropView) -> Result<Outcome> {
    let rules = session.settings.compatibility();
    let catalog = session.engine.catalog()?;
    let is_kept = |name: &Name| {
        let relation = catalog.relation(&fold(name, rules));
        relation.is_some_and(|relation| relation.materialized_view)
    };
    // The catalogs show materialized views among views, so that is what clients call them.
    let (kept, names): (Vec<Name>, Vec<Name>) = dropped.names.iter().cloned().partition(is_kept);
    for name in &names {
        view_named(&catalog, name, &fold(name, rules), dropped.if_exists)?;
    }
    if let [first, more @ ..] = kept.as_slice() {
        let drop = DropRelation {
            kind: ObjectKind::MaterializedView,
            if_exists: dropped.if_exists,
            name: first.clone(),
            more: more.to_vec(),
            delete_topic: false,
            cascade: dropped.cascade,
        };
        drop::execute(session, &drop).await?;
    }
    match names.is_empty() {
        true => Ok(done("DROP VIEW")),
        false => drop_plain(session, &DropView { names, ..dropped.clone() }).await,
    }
}

/// Views that nothing keeps go.
async fn drop_plain(session: &mut Session, drop: &DropView) -> Result<Outcome> {
    let rules = session.settings.compatibility();
    let principal = session.principal.clone();
    let engine = session.engine.clone();
    let _turn = engine.ddl().await;
    let (missing, others) = engine
        .change(|_, catalog| {
            let (mut named, mut missing) = (Vec::new(), Vec::new());
            for name in &drop.names {
                match view_named(catalog, name, &fold(name, rules), drop.if_exists)? {
                    Some(view) => {
                        authorize(&principal, Operation::Drop, Resource::Relation(&view.name))?;
                        named.push((view, name));
                    }
                    None => missing.push(fold(name, rules)),
                }
            }
            let ids: BTreeSet<RelationId> = named.iter().map(|(view, _)| view.id).collect();
            let mut all: Vec<&Arc<PlainView>> = Vec::new();
            for (view, _) in &named {
                add_over(catalog, view, &mut all);
            }
            let others: Vec<String> =
                all.iter().filter(|view| !ids.contains(&view.id)).map(|view| view.name.clone()).collect();
            if !drop.cascade && !others.is_empty() {
                // The catalog says what depends on it.
                for (view, name) in &named {
                    let others = catalog.views_over(view.id).any(|over| !ids.contains(&over.id));
                    if others {
                        let error = catalog.apply(&Change::DropView(view.id)).map(|_| ());
                        error.map_err(|error| Error::from(error).at(name.position))?;
                    }
                }
            }
            let records: Vec<MetadataRecord> = all.iter().map(|view| record(Change::DropView(view.id))).collect();
            Ok((records, (missing, others)))
        })
        .await?;
    for name in missing {
        session.notice(Notice::new(format!("view \"{name}\" does not exist, skipping")));
    }
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|name| format!("view {name}")).collect();
        session.notice(Notice::new(format!("drop cascades to {}", others.join(", "))));
    }
    Ok(done("DROP VIEW"))
}

/// A view and all that stand on it, each before what it reads.
fn add_over<'a>(catalog: &'a Catalog, view: &'a Arc<PlainView>, found: &mut Vec<&'a Arc<PlainView>>) {
    if found.iter().any(|known| known.id == view.id) {
        return;
    }
    for over in catalog.views_over(view.id) {
        add_over(catalog, over, found);
    }
    found.push(view);
}

/// The views that stand on a relation, each before what it reads.
pub(super) fn over_relation(catalog: &Catalog, relation: RelationId) -> Vec<&Arc<PlainView>> {
    let mut found = Vec::new();
    for view in catalog.views_over(relation) {
        add_over(catalog, view, &mut found);
    }
    found
}

/// The view that a statement names, `None` for one that need not exist.
pub(super) fn view_named<'a>(
    catalog: &'a Catalog,
    name: &Name,
    folded: &str,
    if_exists: bool,
) -> Result<Option<&'a Arc<PlainView>>> {
    if let Some(view) = catalog.view(folded) {
        return Ok(Some(view));
    }
    if let Some(relation) = catalog.relation(folded) {
        let kind = match (relation.is_table(), relation.materialized_view) {
            (false, _) => "STREAM",
            (true, false) => "TABLE",
            (true, true) => "MATERIALIZED VIEW",
        };
        let message = format!("\"{folded}\" is not a view");
        let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(name.position);
        return Err(error.hint(format!("It is a {kind}.")));
    }
    match if_exists {
        true => Ok(None),
        false => Err(no_such_relation(catalog, name, folded)),
    }
}

/// The statement with the queries of views in the places of their names; `None` if it names no view.
pub(super) fn expanded(session: &Session, prepared: &Prepared) -> Result<Option<Prepared>> {
    let catalog = session.catalog()?;
    if catalog.views().len() == 0 || !prepared.reads().iter().any(|name| catalog.view(name).is_some()) {
        return Ok(None);
    }
    let mut statement = prepared.statement.as_ref().clone();
    Ok(expand(session, &catalog, &mut statement)?.then(|| prepared.with_statement(Arc::new(statement))))
}

/// Puts the queries of views in the places of their names in a statement; whether there were any.
pub(super) fn expand(session: &Session, catalog: &Catalog, statement: &mut Statement) -> Result<bool> {
    for view in relations_named(statement).iter().filter_map(|name| catalog.view(name)) {
        authorize(&session.principal, Operation::Read, Resource::Relation(&view.name))?;
        if session.settings.compatibility() == Compatibility::Ksqldb {
            return Err(Error::unsupported(format!("view \"{}\" cannot be read under ksqlDB's rules", view.name))
                .hint("SET compatibility = 'postgres'."));
        }
    }
    if !catalog.expand_views(statement)? {
        return Ok(false);
    }
    if let Some(select) = statement.select_mut() {
        select.text = select.ast.to_string();
    }
    Ok(true)
}
