//! SELECT: a pull query, or a push query with EMIT.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlparser::ast;

use super::aligned;
use super::changing_with;
use super::push;
use super::set_config;
use super::views;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::QueryState;
use crate::catalog::Relation;
use crate::engine::outcome::Description;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::Value;
use crate::engine::prepared::Prepared;
use crate::engine::read::KeyRead;
use crate::engine::read::KeyReadCache;
use crate::engine::read::Planner;
use crate::engine::read::Reading;
use crate::engine::session::Session;
use crate::engine::shape::Shape;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::RelationId;
use crate::model::SqlType;
use crate::model::TopicPartition;
use crate::plan::Scans;
use crate::plan::check_pull_keys;
use crate::plan::fold;
use crate::plan::nulls;
use crate::plan::uuid_casts;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql;
use crate::sql::Select;
use crate::sql::Statement;
use crate::sql::walk;
use crate::state::Frontier;

pub(super) async fn execute(session: &mut Session, select: &Select, parameters: &[Value]) -> Result<Outcome> {
    if select.emit.is_some() {
        return push::execute(session, select, parameters).await;
    }
    let select = &*set_config::applied(session, select, parameters)?;
    if session.settings.compatibility() == Compatibility::Ksqldb {
        let scans = match session.settings.is("ksql_query_pull_table_scan_enabled", "off") {
            true => Scans::Refused,
            false => Scans::Allowed,
        };
        check_pull_keys(select, &*session.catalog()?, scans)?;
    }
    let reading = pin(session, select).await?;
    execute_pinned(session, select, &reading, parameters).await
}

/// A pull query over what was pinned.
pub(super) async fn execute_pinned(
    session: &Session,
    select: &Select,
    reading: &Reading,
    parameters: &[Value],
) -> Result<Outcome> {
    let planned = session.engine.planner().plan(session, select, reading, parameters).await?;
    let planned = planned.bind(session, parameters).await?;
    let (fields, rows) = planned.run(session, session.settings.zone_name()).await?;
    Ok(Outcome::Rows { fields, rows, push: false, tag: "SELECT" })
}

/// As `execute`, of the text as it was written.
pub(super) async fn execute_prepared(
    session: &mut Session,
    select: &Select,
    prepared: &Prepared,
    parameters: &[Value],
) -> Result<Outcome> {
    if changing_with::is_one(&select.ast) {
        return changing_with::execute(session, &select.ast, parameters).await;
    }
    match prepared.numbers {
        Some(_) => execute(session, &as_written(session, prepared)?, parameters).await,
        None => execute(session, select, parameters).await,
    }
}

/// The statement of a text whose shape stands in its place; what was a table then may be a view by now.
fn as_written(session: &Session, prepared: &Prepared) -> Result<Select> {
    let mut parsed = sql::parse(&prepared.text)?;
    let mut statement = parsed.pop().map(|parsed| parsed.statement);
    if let Some(statement) = &mut statement {
        views::expand(session, &*session.catalog()?, statement)?;
    }
    match statement {
        Some(Statement::Select(select)) if parsed.is_empty() => Ok(select),
        _ => Err(Error::internal("a text of another shape than its own")),
    }
}

/// The statement of a text's shape, if what the text says is read by key.
pub(in crate::engine) fn shape_by_key(session: &Session, written: &[Prepared], shape: &Shape) -> Option<Prepared> {
    let by_key = |prepared: &Prepared| match prepared.statement.as_ref() {
        Statement::Select(select) => recognised(session, select, &prepared.by_key).ok().flatten(),
        _ => None,
    };
    let [written] = written else { return None };
    by_key(written)?;
    let mut parsed = sql::parse(&shape.text).ok()?;
    let statement = Prepared::from(parsed.pop().filter(|_| parsed.is_empty())?);
    by_key(&statement)?.values_of(&shape.numbers)?;
    Some(statement)
}

/// The rows of a statement that is read by key, `None` if it must be planned, if only for its error.
pub(super) async fn read_by_key(
    session: &Session,
    select: &Select,
    prepared: &Prepared,
    parameters: &[Value],
) -> Result<Option<Outcome>> {
    let Some(read) = recognised(session, select, &prepared.by_key)? else { return Ok(None) };
    let values = match &prepared.numbers {
        None => Cow::Borrowed(parameters),
        Some(numbers) => match read.values_of(numbers) {
            Some(values) if parameters.is_empty() => Cow::Owned(values),
            _ => return Ok(None),
        },
    };
    let Some(asked) = read.asked(&values, session.zone()) else { return Ok(None) };
    let reading = pin_relations(session, std::slice::from_ref(read.relation())).await?;
    // A name may mean another relation by now, and a stream has no view.
    if reading.catalog.relation(&read.relation().name).is_none_or(|now| !Arc::ptr_eq(now, read.relation())) {
        return Ok(None);
    }
    let Some(view) = reading.published.view(read.relation().id) else { return Ok(None) };
    let rows = read.rows(view, asked, &reading.published, &session.engine)?;
    Ok(Some(Outcome::Rows { fields: read.fields().to_vec(), rows, push: false, tag: "SELECT" }))
}

fn recognised(session: &Session, select: &Select, cache: &KeyReadCache) -> Result<Option<Arc<KeyRead>>> {
    let catalog = session.catalog()?;
    let read = cache.of(select, &catalog, &session.settings);
    let may_read = |read: &Arc<KeyRead>| {
        authorize(&session.principal, Operation::Read, Resource::Relation(&read.relation().name)).is_ok()
    };
    Ok(read.filter(may_read))
}

/// As `describe`, without a plan where the statement is read by key.
pub(super) async fn describe_prepared(
    session: &mut Session,
    select: &Select,
    prepared: &Prepared,
    known: &[Option<SqlType>],
) -> Result<Description> {
    if changing_with::is_one(&select.ast) {
        return changing_with::describe(session, &select.ast, known).await;
    }
    let read = recognised(session, select, &prepared.by_key)?;
    let described = read.and_then(|read| {
        let params = match &prepared.numbers {
            None => read.parameters(known)?,
            Some(numbers) => read.values_of(numbers).filter(|_| known.is_empty()).map(|_| Vec::new())?,
        };
        // Which of them are UUIDs the plan knows.
        (params.is_empty() || read.relation().text_kinds.is_empty())
            .then(|| Description::new(params, Some(read.fields().to_vec())))
    });
    match (described, &prepared.numbers) {
        (Some(described), _) => Ok(described),
        (None, Some(_)) => describe(session, &as_written(session, prepared)?, known).await,
        (None, None) => describe(session, select, known).await,
    }
}

/// How a pull query would run, as EXPLAIN shows it.
pub(super) async fn explain(session: &Session, select: &Select, parameters: &[Value]) -> Result<String> {
    let reading = Planner::pin(session)?;
    if let Some(read) = recognised(session, select, &KeyReadCache::default())?
        && let Some(asked) = read.asked(parameters, session.zone())
        && reading.published.view(read.relation().id).is_some()
    {
        return Ok(read.explain(&asked));
    }
    let planned = session.engine.planner().plan(session, select, &reading, parameters).await?;
    planned.bind(session, parameters).await?.explain().await
}

pub(super) async fn describe(session: &Session, select: &Select, known: &[Option<SqlType>]) -> Result<Description> {
    if select.emit.is_some() {
        return push::describe(session, select, known);
    }
    let reading = Planner::pin(session)?;
    let planned = session.engine.planner().plan_typed(session, select, &reading, &[], known).await?;
    let params = planned.parameters(known)?;
    let uuids = planned.uuid_parameters().into_iter().chain(uuid_casts(&select.ast)).collect();
    // The types of columns may follow from those of parameters, so they are asked of the plan that has both.
    let typed = match params.is_empty() {
        true => planned,
        false => planned.bind(session, &nulls(&params)?).await?,
    };
    Ok(Description::new(params, Some(typed.fields())).with_uuids(uuids))
}

/// Pins what is read; under `read_your_writes` not before it covers what the session wrote.
pub(super) async fn pin(session: &Session, select: &Select) -> Result<Reading> {
    let relations = named(&*session.catalog()?, select, session.settings.compatibility());
    pin_relations(session, &relations).await
}

async fn pin_relations(session: &Session, relations: &[Arc<Relation>]) -> Result<Reading> {
    if session.settings.reads_own_writes() {
        let written: Frontier = session.written.ends().into_iter().collect();
        let catalog = session.catalog()?;
        let mut waits = Waits { session, catalog: &catalog, written, seen: BTreeMap::new() };
        for relation in relations {
            waits.cover(relation.id).await?;
        }
    }
    // Tables show what their topics have now, whoever wrote it.
    for relation in relations {
        if let Some(kept) = session.engine.runtime().kept(relation.id) {
            kept.catch_up().await?;
        }
    }
    match session.settings.is_aligned() {
        true => aligned::pin(session, relations).await,
        false => Planner::pin(session),
    }
}

/// The relations that a query names.
fn named(catalog: &Catalog, select: &Select, rules: Compatibility) -> Vec<Arc<Relation>> {
    let mut found: Vec<Arc<Relation>> = Vec::new();
    let _ = walk::relations(select.ast.as_ref(), |name: &ast::ObjectName| {
        if let Some(ast::ObjectNamePart::Identifier(name)) = name.0.last() {
            found.extend(catalog.relation(&fold(name, rules)).cloned());
        }
        ControlFlow::<()>::Continue(())
    });
    found
}

/// What a SELECT of a session waits for: each query between what the session wrote and what it reads.
struct Waits<'a> {
    session: &'a Session,
    catalog: &'a Catalog,
    written: Frontier,
    /// What is known of relations: whether they depend on what was written. One that is being asked does not yet.
    seen: BTreeMap<RelationId, bool>,
}

impl Waits<'_> {
    /// Waits for the queries that write a relation, sources first; whether any of them reads what was written.
    fn cover(&mut self, relation: RelationId) -> BoxFuture<'_, Result<bool>> {
        async move {
            if let Some(depends) = self.seen.get(&relation) {
                return Ok(*depends);
            }
            self.seen.insert(relation, false);
            let mut depends = false;
            let catalog = self.catalog;
            for query in catalog.writers(relation) {
                let mut wanted = Frontier::new();
                for source in query.sources.iter().filter_map(|id| catalog.relation_by_id(*id)) {
                    let is_behind = self.cover(source.id).await?;
                    let partitions = (0..source.partitions).map(|number| TopicPartition::new(source.topic_id, number));
                    for partition in partitions {
                        let wrote = self.written.get(&partition).copied();
                        let end = match is_behind {
                            // Its query has caught up: what it wrote lies below the end.
                            true => Some(self.session.client.ends(partition).await?.readable_end()),
                            false => wrote,
                        };
                        wanted.extend(end.max(wrote).map(|end| (partition, end)));
                    }
                }
                if !wanted.is_empty() {
                    depends = true;
                    if query.state == QueryState::Paused {
                        let message = format!("query \"{}\" is paused", query.name);
                        let error = Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message);
                        return Err(error.hint("RESUME it, or SET read_your_writes = off."));
                    }
                    self.session.engine.started().await;
                    self.session.engine.runtime().wait_covered(query.id, &wanted).await?;
                }
            }
            self.seen.insert(relation, depends);
            Ok(depends)
        }
        .boxed()
    }
}
