//! SELECT: a pull query, or a push query with EMIT.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlparser::ast;

use super::push;
use super::set_config;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::engine::outcome::Description;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::Value;
use crate::engine::read::Planned;
use crate::engine::read::Planner;
use crate::engine::read::Reading;
use crate::engine::session::Session;
use crate::error::Result;
use crate::model::RelationId;
use crate::model::SqlType;
use crate::model::TopicPartition;
use crate::plan::fold;
use crate::plan::nulls;
use crate::sql::Select;
use crate::sql::walk;
use crate::state::Frontier;

pub(super) async fn execute(session: &mut Session, select: &Select, parameters: &[Value]) -> Result<Outcome> {
    if select.emit.is_some() {
        return push::execute(session, select, parameters).await;
    }
    let select = &*set_config::applied(session, select, parameters)?;
    let reading = pin(session, select).await?;
    let planned = session.engine.planner().plan(session, select, &reading, parameters).await?;
    let planned = planned.bind(session, parameters).await?;
    let (fields, rows) = planned.run(session.engine.query_threads()?, &session.settings.zone_name()).await?;
    Ok(Outcome::Rows { fields, rows, push: false, tag: "SELECT" })
}

/// The plan of a pull query, as EXPLAIN wants it.
pub(super) async fn plan(session: &Session, select: &Select, parameters: &[Value]) -> Result<Planned> {
    let reading = Planner::pin(session)?;
    session.engine.planner().plan(session, select, &reading, parameters).await?.bind(session, parameters).await
}

pub(super) async fn describe(session: &Session, select: &Select, known: &[Option<SqlType>]) -> Result<Description> {
    if select.emit.is_some() {
        return push::describe(session, select, known);
    }
    let reading = Planner::pin(session)?;
    let planned = session.engine.planner().plan(session, select, &reading, &[]).await?;
    let params = planned.parameters(known)?;
    // The types of columns may follow from those of parameters, so they are asked of the plan that has both.
    let typed = match params.is_empty() {
        true => planned,
        false => planned.bind(session, &nulls(&params)?).await?,
    };
    Ok(Description { fields: Some(typed.fields()), params })
}

/// Pins what is read; under `read_your_writes` not before it covers what the session wrote.
pub(super) async fn pin(session: &Session, select: &Select) -> Result<Reading> {
    if session.settings.is("read_your_writes", "on") {
        let written: Frontier = session.written.ends().into_iter().collect();
        let catalog = session.engine.catalog()?;
        let mut waits = Waits { session, catalog: &catalog, written, seen: BTreeMap::new() };
        for relation in named(&catalog, select, session.settings.compatibility()) {
            waits.cover(relation.id).await?;
        }
    }
    see_tables(session, select).await?;
    Planner::pin(session)
}

/// Waits until the tables that a query names show what their topics have now, whoever wrote it.
async fn see_tables(session: &Session, select: &Select) -> Result<()> {
    let catalog = session.engine.catalog()?;
    for relation in named(&catalog, select, session.settings.compatibility()) {
        if let Some(kept) = session.engine.runtime().kept(relation.id) {
            kept.catch_up().await?;
        }
    }
    Ok(())
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
                    self.session.engine.runtime().wait_covered(query.id, &wanted).await?;
                }
            }
            self.seen.insert(relation, depends);
            Ok(depends)
        }
        .boxed()
    }
}
