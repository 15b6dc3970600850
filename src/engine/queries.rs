//! The life of standing queries: made, started again when the server starts, stopped, dropped.
//!
//! DDL of one node is serial (`Engine::ddl`), and each runs in a task of its own: a client that vanishes in the middle
//! leaves a query that runs or none, never one that exists and stands still.

use std::sync::Arc;

use tracing::error;
use tracing::info;

use super::core::Engine;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::QueryDefinition;
use crate::catalog::QueryState;
use crate::catalog::Relation;
use crate::cluster::CleanupPolicy;
use crate::cluster::MetadataRecord;
use crate::cluster::TopicConfig;
use crate::cluster::TopicRecord;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::exec::QuerySpec;
use crate::model::OperatorId;
use crate::model::QueryId;
use crate::model::RelationId;
use crate::model::TopicId;
use crate::plan::Node;
use crate::plan::StandingPlan;
use crate::plan::plan_bound;
use crate::security::Principal;

/// A query and what it runs as.
pub(super) struct NewQuery {
    pub(super) definition: QueryDefinition,
    pub(super) plan: Arc<StandingPlan>,
    pub(super) sink: Arc<Relation>,
}

impl Engine {
    /// Starts every query that shall run. One that cannot stays stopped, with its reason, and others serve.
    pub(super) async fn start_queries(&self) -> Result<()> {
        let catalog = self.catalog()?;
        for query in catalog.queries().filter(|query| query.state == QueryState::Running) {
            if let Err(cause) = self.start_again(&catalog, query).await {
                error!(query = %query.id, error = ?cause, "query is not started");
                self.note_stopped(query.id, cause.message().to_string());
            }
        }
        Ok(())
    }

    /// Plans a query again from its bound text; what it writes and keeps must be what it was.
    async fn start_again(&self, catalog: &Catalog, query: &QueryDefinition) -> Result<()> {
        let plan = plan_bound(&query.bound_text, catalog, self.functions())?;
        let sink = catalog.relation_by_id(query.sink).cloned();
        let sink = sink.ok_or_else(|| Error::internal("a query without its sink"))?;
        let kept = sink.query == Some(query.id);
        if plan.state_layouts != query.state_layouts || (kept && plan.output.columns != sink.columns) {
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "needs_rebuild: this version plans the query in another way",
            ));
        }
        let new = NewQuery { definition: query.clone(), plan: Arc::new(plan), sink };
        self.start_query(new).await
    }

    /// Sets a query to work; its view is readable when this returns.
    pub(super) async fn start_query(&self, query: NewQuery) -> Result<()> {
        let NewQuery { definition, plan, sink } = query;
        let (id, internal_topics) = (definition.id, definition.internal_topics);
        self.runtime().start(QuerySpec { id, plan, sink, internal_topics }).await?;
        info!(query = %id, name = definition.name, "query started");
        Ok(())
    }

    /// Stops a query and forgets what only it kept. Its records are already gone from the metadata.
    pub(super) async fn forget_query(&self, id: QueryId) {
        if let Err(cause) = self.client(&Principal::server()).delete_group(&id.group()).await {
            // Ids are never reused: a group that stays is waste, not danger.
            error!(query = %id, error = %cause, "group of a dropped query stays");
        }
        let stores = Arc::clone(&self.runtime().parts().stores);
        if let Err(cause) = self.env().threads.blocking(move || stores.remove(id)).await {
            error!(query = %id, error = %cause, "store of a dropped query stays");
        }
    }

    /// Drops a query with all that it keeps to itself; `and` are further records of the same batch.
    pub(super) fn drop_query_records(query: &QueryDefinition) -> Vec<MetadataRecord> {
        let topics = query.internal_topics.iter().map(|(_, _, topic)| MetadataRecord::DropTopic(*topic));
        let change = Change::DropQuery(query.id).encode().into();
        std::iter::once(MetadataRecord::Catalog(change)).chain(topics).collect()
    }

    /// Why a query does not work, if it does not: it could not be started, or it failed.
    pub(super) fn stopped_because(&self, id: QueryId) -> Option<String> {
        if let Some(reason) = self.noted_stop(id) {
            return Some(reason);
        }
        match self.runtime().status(id)?.state {
            crate::exec::QueryState::Running => None,
            crate::exec::QueryState::Failed(reason) => Some(reason),
        }
    }
}

/// A query's definition, and the records of its internal topics.
pub(super) fn define(
    id: QueryId,
    name: String,
    sink: RelationId,
    statement: &str,
    plan: &StandingPlan,
    new_id: impl Fn() -> TopicId,
) -> (QueryDefinition, Vec<MetadataRecord>) {
    let mut internal_topics = Vec::new();
    let mut records = Vec::new();
    for (operator, role, partitions) in internal_topics_of(plan) {
        let topic = new_id();
        let name = format!("__tidemill.q{}.{operator}.{role}", id.0);
        let cleanup = if role == "changelog" { CleanupPolicy::Compact } else { CleanupPolicy::Delete };
        let config = TopicConfig::internal(cleanup);
        records.push(MetadataRecord::Topic(TopicRecord { id: topic, name, partitions, config }));
        internal_topics.push((operator, role.to_string(), topic));
    }
    let definition = QueryDefinition {
        id,
        name,
        sink,
        sources: plan.sources.clone(),
        statement: statement.to_string(),
        bound_text: plan.bound_text.clone(),
        semantics: plan.semantics,
        internal_topics,
        state_layouts: plan.state_layouts.clone(),
        state: QueryState::Running,
    };
    records.push(MetadataRecord::Catalog(Change::CreateQuery(Box::new(definition.clone())).encode().into()));
    (definition, records)
}

/// Operators that keep state have a changelog with a partition per task; exchanges have a repartition topic.
fn internal_topics_of(plan: &StandingPlan) -> Vec<(OperatorId, &'static str, i32)> {
    let mut topics = Vec::new();
    for fragment in &plan.fragments {
        collect(&fragment.root, fragment.partitions, &mut topics);
    }
    topics
}

fn collect(
    plan: &datafusion::logical_expr::LogicalPlan,
    partitions: i32,
    topics: &mut Vec<(OperatorId, &'static str, i32)>,
) {
    match Node::of(plan) {
        Some(Node::Aggregate(aggregate)) => topics.push((aggregate.id.clone(), "changelog", partitions)),
        Some(Node::Join(join)) => topics.push((join.id.clone(), "changelog", partitions)),
        Some(Node::StreamJoin(join)) => topics.push((join.id.clone(), "changelog", partitions)),
        Some(Node::TableJoin(join)) => topics.push((join.id.clone(), "changelog", partitions)),
        Some(Node::ForeignJoin(join)) => topics.push((join.id.clone(), "changelog", partitions)),
        Some(Node::Consolidate(node)) => topics.push((node.id.clone(), "changelog", partitions)),
        Some(Node::Normalise(normalise)) => topics.push((normalise.id.clone(), "changelog", partitions)),
        Some(Node::Retain(retain)) => topics.push((retain.id.clone(), "changelog", partitions)),
        Some(Node::Exchange(exchange)) => topics.push((exchange.id.clone(), "repartition", exchange.partitions)),
        Some(Node::Source(_) | Node::ExchangeSource(_) | Node::Explode(_) | Node::Sink(_)) | None => {}
    }
    for input in plan.inputs() {
        collect(input, partitions, topics);
    }
}
