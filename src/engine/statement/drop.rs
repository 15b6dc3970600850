//! DROP STREAM|TABLE|MATERIALIZED VIEW, with the query that keeps it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::done;
use super::lookup::no_such_relation;
use super::terminate::terminate;
use super::views::over_relation;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::Compatibility;
use crate::catalog::PlainView;
use crate::catalog::QueryDefinition;
use crate::catalog::Relation;
use crate::catalog::fold;
use crate::catalog::permanent_name;
use crate::cluster::ClusterMetadata;
use crate::cluster::MetadataRecord;
use crate::engine::apart::run_apart;
use crate::engine::core::Engine;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::queries::record;
use crate::engine::queries::refuse_read_topics;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::RelationId;
use crate::model::SessionNumber;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::security::Operation;
use crate::security::Principal;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::DropRelation;
use crate::sql::Name;
use crate::sql::ObjectKind;

#[derive(Clone)]
struct Dropping {
    engine: Arc<Engine>,
    principal: Principal,
    drop: DropRelation,
    name: String,
    rules: Compatibility,
    /// Whose temporary tables names mean.
    session: Option<SessionNumber>,
}

/// What is dropped.
struct Dropped {
    relation: Arc<Relation>,
    query: Option<Arc<QueryDefinition>>,
}

/// What a DROP tells of.
struct Gone {
    topic: String,
    dead_letters: bool,
    topic_stays: bool,
}

pub(super) async fn execute(session: &mut Session, drop: &DropRelation) -> Result<Outcome> {
    let tag = match drop.kind {
        ObjectKind::Stream => "DROP STREAM",
        ObjectKind::Table => "DROP TABLE",
        ObjectKind::MaterializedView => "DROP MATERIALIZED VIEW",
    };
    let rules = session.settings.compatibility();
    let names = std::iter::once(&drop.name).chain(&drop.more);
    let all: Vec<Dropping> = names
        .map(|name| Dropping {
            engine: session.engine.clone(),
            principal: session.principal.clone(),
            drop: DropRelation { name: name.clone(), more: Vec::new(), ..drop.clone() },
            name: fold(name, rules),
            rules,
            session: session.temporary.session(),
        })
        .collect();
    let all = if 1 < all.len() { in_order(session, all)? } else { all };
    for dropping in all {
        run(session, dropping).await?;
    }
    Ok(done(tag))
}

/// Several in an order in which none is below another that still stands. One that cannot go keeps the others.
fn in_order(session: &Session, mut left: Vec<Dropping>) -> Result<Vec<Dropping>> {
    let (metadata, mut catalog) = (session.engine.metadata(), Catalog::clone(&*session.catalog()?));
    if left.iter().any(|dropping| dropping.drop.cascade) {
        for dropping in &left {
            dropping.named(&catalog)?;
        }
        return Ok(left);
    }
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let mut refused = None;
        let next = left.iter().position(|dropping| match dropping.without(&metadata, &catalog) {
            Ok((_, rest, _)) => {
                catalog = rest;
                true
            }
            Err(error) => {
                refused.get_or_insert(error);
                false
            }
        });
        match (next, refused) {
            (Some(next), _) => order.push(left.remove(next)),
            (None, Some(error)) => return Err(error),
            (None, None) => break,
        }
    }
    Ok(order)
}

async fn run(session: &mut Session, dropping: Dropping) -> Result<()> {
    let (name, drop) = (dropping.name.clone(), dropping.drop.clone());
    if drop.cascade {
        let gone = run_apart(cascade(dropping.clone())).await?;
        if !gone.is_empty() {
            session.notice(Notice::new(format!("drop cascades to {}", gone.join(", "))));
        }
    }
    match run_apart(dropping.run()).await? {
        None => session.notice(Notice::new(format!("relation \"{name}\" does not exist, skipping"))),
        Some(gone) if gone.dead_letters => {
            let notice = Notice::new(format!("the dead letters of \"{name}\" are dropped with it"));
            session.notice(match gone.topic_stays {
                true => notice.hint(format!("The records themselves stay in topic \"{}\".", gone.topic)),
                false => notice,
            });
        }
        Some(_) => {}
    }
    Ok(())
}

/// Drops what stands on a relation, and tells what that was.
async fn cascade(dropping: Dropping) -> Result<Vec<String>> {
    let catalog = dropping.engine.catalog()?.seen_by(dropping.session);
    let mut dependants = Vec::new();
    if let Some(relation) = catalog.relation(&dropping.name) {
        authorize(&dropping.principal, Operation::Drop, Resource::Relation(&relation.name))?;
        check_kind(dropping.drop.kind, &dropping.drop.name, relation, "DROP")?;
        let mut seen = BTreeSet::from([relation.id]);
        add_dependants(&catalog, relation, &mut seen, &mut dependants);
    }
    let mut gone = Vec::new();
    for dependant in dependants {
        match dependant {
            Dependant::Query(query) => {
                authorize(&dropping.principal, Operation::Drop, Resource::Cluster)?;
                gone.push(format!("query {}", query.name));
                terminate(Arc::clone(&dropping.engine), query).await?;
            }
            Dependant::View(view) => {
                authorize(&dropping.principal, Operation::Drop, Resource::Relation(&view.name))?;
                gone.push(format!("view {}", view.name));
                let change = |catalog: &Catalog| match catalog.view_by_id(view.id) {
                    Some(_) => vec![record(Change::DropView(view.id))],
                    None => Vec::new(),
                };
                dropping.engine.change(|_, catalog| Ok((change(catalog), ()))).await?;
            }
            Dependant::Relation(relation) => {
                let (kind, word) = match (relation.is_table(), relation.materialized_view) {
                    (false, _) => (ObjectKind::Stream, "stream"),
                    (true, false) => (ObjectKind::Table, "table"),
                    (true, true) => (ObjectKind::MaterializedView, "materialized view"),
                };
                gone.push(format!("{word} {}", relation.name));
                let delete_topic = dropping.drop.delete_topic && !relation.read_only && relation.query.is_some();
                let drop = DropRelation { kind, if_exists: true, delete_topic, ..dropping.drop.clone() };
                Dropping { drop, name: permanent_name(&relation.name), ..dropping.clone() }.run().await?;
            }
        }
    }
    Ok(gone)
}

/// What goes with a relation.
enum Dependant {
    Query(Arc<QueryDefinition>),
    View(Arc<PlainView>),
    Relation(Arc<Relation>),
}

/// The queries that read or feed a relation and what they keep, and what stands on that, last readers first.
fn add_dependants(catalog: &Catalog, relation: &Relation, seen: &mut BTreeSet<RelationId>, found: &mut Vec<Dependant>) {
    for view in over_relation(catalog, relation.id) {
        if seen.insert(view.id) {
            found.push(Dependant::View(Arc::clone(view)));
        }
    }
    let own = relation.query.and_then(|id| catalog.query(id));
    let late: Vec<TopicId> = own.iter().flat_map(|query| &query.internal_topics).map(|(.., topic)| *topic).collect();
    for over in catalog.relations().filter(|other| late.contains(&other.topic_id)) {
        if seen.insert(over.id) {
            add_dependants(catalog, over, seen, found);
            found.push(Dependant::Relation(Arc::clone(over)));
        }
    }
    for query in catalog.queries() {
        let feeds = query.sink == relation.id && relation.query != Some(query.id);
        if !feeds && !query.sources.contains(&relation.id) {
            continue;
        }
        match catalog.relation_by_id(query.sink).filter(|sink| sink.query == Some(query.id)) {
            Some(sink) if seen.insert(sink.id) => {
                add_dependants(catalog, sink, seen, found);
                found.push(Dependant::Relation(Arc::clone(sink)));
            }
            Some(_) => {}
            None if found.iter().any(|other| matches!(other, Dependant::Query(other) if other.id == query.id)) => {}
            None => found.push(Dependant::Query(Arc::clone(query))),
        }
    }
}

impl Dropping {
    /// What went, `None` if there was nothing to drop.
    async fn run(self) -> Result<Option<Gone>> {
        let _turn = self.engine.ddl().await;
        // All refusals come before the query is stopped. Its topics must not vanish under it.
        let (records, dropped) = self.records(&self.engine.metadata(), self.engine.catalog()?.as_ref())?;
        let Some(dropped) = dropped else { return Ok(None) };
        let goes =
            |gone: &MetadataRecord| matches!(gone, MetadataRecord::DropTopic(id) if *id == dropped.relation.topic_id);
        let topic_stays = !records.iter().any(goes);
        if let Some(query) = &dropped.query {
            match topic_stays {
                false => self.engine.runtime().stop(query.id).await,
                true => self.engine.runtime().retire(query.id, &dropped.relation).await,
            }
        }
        let gone = Gone {
            topic: dropped.relation.topic.clone(),
            dead_letters: self.has_dead_letters(&dropped.relation).await?,
            topic_stays,
        };
        self.engine.change(|metadata, catalog| self.records(metadata, catalog)).await?;
        self.engine.forget_table(dropped.relation.id).await;
        if let Some(query) = &dropped.query {
            self.engine.publisher().remove(dropped.relation.id);
            self.engine.forget_query(query.id).await;
        }
        Ok(Some(gone))
    }

    /// The relation, if there is one, which may be dropped.
    fn named<'a>(&self, catalog: &'a Catalog) -> Result<Option<&'a Arc<Relation>>> {
        let Some(relation) = catalog.relation(&self.name) else {
            return match self.drop.if_exists && catalog.view(&self.name).is_none() {
                true => Ok(None),
                false => Err(no_such_relation(catalog, &self.drop.name, &self.name)),
            };
        };
        authorize(&self.principal, Operation::Drop, Resource::Relation(&relation.name))?;
        check_kind(self.drop.kind, &self.drop.name, relation, "DROP")?;
        Ok(Some(relation))
    }

    async fn has_dead_letters(&self, relation: &Relation) -> Result<bool> {
        let Some((_, topic)) = &relation.dead_letter_topic else { return Ok(false) };
        let partition = TopicPartition::new(*topic, 0);
        let client = self.engine.client(&Principal::server());
        let start = client.ends(partition).await?.log_start_offset;
        Ok(0 < client.lag(partition, start).await?.records)
    }

    fn records(&self, metadata: &ClusterMetadata, catalog: &Catalog) -> Result<(Vec<MetadataRecord>, Option<Dropped>)> {
        self.without(metadata, catalog).map(|(records, _, dropped)| (records, dropped))
    }

    /// The records of a drop, and the catalog behind it.
    fn without(
        &self,
        metadata: &ClusterMetadata,
        catalog: &Catalog,
    ) -> Result<(Vec<MetadataRecord>, Catalog, Option<Dropped>)> {
        let catalog = &catalog.seen_by(self.session);
        let Some(relation) = self.named(catalog)? else { return Ok((Vec::new(), catalog.clone(), None)) };
        if self.drop.delete_topic && relation.read_only {
            let message = format!("Cannot delete topic for read-only source: {}", relation.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .at(self.drop.name.position)
                .hint("Leave DELETE TOPIC out."));
        }
        let query = relation.query.and_then(|id| catalog.query(id)).cloned();
        if let Some(query) = &query {
            refuse_read_topics(catalog, query, "drop")?;
        }
        let (mut records, mut rest) = (Vec::new(), catalog.clone());
        if let Some(query) = &query {
            rest = rest.apply(&Change::DropQuery(query.id))?;
            records.extend(Engine::drop_query_records(query));
        }
        let change = Change::DropRelation(relation.id);
        // The catalog knows what depends on it.
        rest = rest.apply(&change).map_err(|error| Error::from(error).at(self.drop.name.position))?;
        records.push(record(change));
        records.extend(relation.dead_letter_topic.iter().map(|(_, topic)| MetadataRecord::DropTopic(*topic)));
        let is_internal = metadata.topic_by_id(relation.topic_id).is_some_and(|topic| topic.config.internal);
        // PostgreSQL's tables leave nothing behind; what others stand on is theirs.
        let is_own = relation.owns_topic
            && self.rules == Compatibility::Postgres
            && metadata.topic_by_id(relation.topic_id).is_some();
        if (is_internal || is_own && !self.drop.delete_topic) && !is_used(&rest, relation.topic_id) {
            records.push(MetadataRecord::DropTopic(relation.topic_id));
        } else if self.drop.delete_topic {
            if let Some(other) = rest.relations().find(|other| other.topic_id == relation.topic_id) {
                let message = format!("cannot delete topic \"{}\" because \"{}\" uses it", relation.topic, other.name);
                return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message));
            }
            if metadata.topic_by_id(relation.topic_id).is_some() {
                records.push(MetadataRecord::DropTopic(relation.topic_id));
            }
        }
        Ok((records, rest, Some(Dropped { relation: Arc::clone(relation), query })))
    }
}

/// Whether somebody writes or reads a topic. Late rows of a query that was terminated belong to the
/// streams that read them, and go with the last one: nobody could drop their topic any more.
fn is_used(catalog: &Catalog, topic: TopicId) -> bool {
    let of_query = |query: &Arc<QueryDefinition>| query.internal_topics.iter().any(|(.., id)| *id == topic);
    let of_relation = |relation: &Arc<Relation>| {
        relation.topic_id == topic || relation.dead_letter_topic.as_ref().is_some_and(|(_, id)| *id == topic)
    };
    catalog.queries().any(of_query) || catalog.relations().any(of_relation)
}

/// Refuses a statement that calls a relation what it is not; `verb` is what it does.
pub(super) fn check_kind(kind: ObjectKind, name: &Name, relation: &Relation, verb: &str) -> Result<()> {
    let (is, say) = match (relation.is_table(), relation.materialized_view) {
        (false, _) => ("a stream", "STREAM"),
        (true, false) => ("a table", "TABLE"),
        (true, true) => ("a materialized view", "MATERIALIZED VIEW"),
    };
    let fits = match kind {
        ObjectKind::Stream => !relation.is_table(),
        // What ksqlDB calls a table can be either here; only PostgreSQL's own word for a view is strict.
        ObjectKind::Table => relation.is_table(),
        ObjectKind::MaterializedView => relation.is_table() && (relation.query.is_some() || relation.materialized_view),
    };
    if fits {
        return Ok(());
    }
    Err(Error::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is {is}", relation.name))
        .at(name.position)
        .hint(format!("Use {verb} {say}.")))
}
