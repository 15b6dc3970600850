//! The life of standing queries: made, started again when the server starts, stopped, dropped.
//!
//! DDL of one node is serial (`Engine::ddl`), and each runs in a task of its own: a client that vanishes in the middle
//! leaves a query that runs or none, never one that exists and stands still.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::StreamExt;
use futures::stream;
use tracing::error;
use tracing::info;

use super::core::Engine;
use crate::broker::BrokerError;
use crate::broker::Client;
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
use crate::exec::ExecError;
use crate::exec::QuerySpec;
use crate::model::OperatorId;
use crate::model::QueryId;
use crate::model::RelationId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::plan::Node;
use crate::plan::Relocate;
use crate::plan::StandingPlan;
use crate::plan::plan_bound;
use crate::security::Principal;

/// Queries that are started at a time.
const STARTS_AT_ONCE: usize = 4;

/// A query and what it runs as.
pub(super) struct NewQuery {
    pub(super) definition: QueryDefinition,
    pub(super) plan: Arc<StandingPlan>,
    pub(super) sink: Arc<Relation>,
}

/// Another query for what one keeps.
pub(super) struct Replacement {
    /// The one that is there.
    pub(super) query: Arc<QueryDefinition>,
    pub(super) statement: String,
    pub(super) plan: Arc<StandingPlan>,
    /// What it keeps, as it will be.
    pub(super) sink: Relation,
    /// From where it stands, with what it keeps; else from the beginning of what it reads.
    pub(super) goes_on: bool,
}

/// A query for what none keeps.
pub(super) struct Taking<'a> {
    /// The query's name, of its number.
    pub(super) name: &'a (dyn Fn(QueryId) -> String + Sync),
    pub(super) statement: String,
    pub(super) plan: &'a StandingPlan,
    /// What it keeps, as it will be.
    pub(super) sink: Relation,
    /// After what is there; else it takes the place of that.
    pub(super) goes_on: bool,
}

impl Engine {
    /// Starts every query that shall run, some at a time, so that one with much to read does not stand before the others. One
    /// that cannot stays stopped, with its reason, and others serve.
    pub(super) async fn start_queries(&self) -> Result<()> {
        let catalog = self.catalog()?;
        let start = async |query: &Arc<QueryDefinition>| {
            let start = async {
                match query.state {
                    QueryState::Running => self.start_again(&catalog, query).await,
                    QueryState::Paused => self.begin_anew(query.id).await,
                }
            };
            // A bug that one query meets must not keep the others, and all DDL, from starting.
            let started = AssertUnwindSafe(start).catch_unwind().await;
            let started = started.unwrap_or_else(|panic| Err(ExecError::of_panic(panic.as_ref()).into()));
            if let Err(cause) = started {
                error!(query = %query.id, error = ?cause, "query is not started");
                self.note_stopped(query.id, cause.message().to_string());
            }
        };
        stream::iter(catalog.queries()).for_each_concurrent(STARTS_AT_ONCE, start).await;
        Ok(())
    }

    /// Plans a query again from its bound text; what it writes and keeps must be what it was.
    async fn start_again(&self, catalog: &Catalog, query: &QueryDefinition) -> Result<()> {
        self.begin_anew(query.id).await?;
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

    /// Wipes what a query keeps and makes it again: from its changelogs and the topic that it writes if they can still be
    /// read, else from the beginning of what it reads. All refusals come before the query is stopped.
    pub(super) async fn rebuild_query(&self, id: QueryId) -> Result<()> {
        let catalog = self.catalog()?;
        let query = catalog.query(id).cloned().ok_or_else(|| Error::internal("a query that is gone"))?;
        let sink = catalog.relation_by_id(query.sink).cloned();
        let sink = sink.ok_or_else(|| Error::internal("a query without its sink"))?;
        let plan = plan_bound(&query.bound_text, &catalog, self.functions())?;
        let replays = plan.state_layouts != query.state_layouts;
        if replays {
            refuse_replay(&catalog, &query, &sink, &plan)?;
        }
        self.runtime().stop(id).await;
        self.forget_view(sink.id);
        let made = match replays {
            true => self.start_over(&query, &sink, &plan).await,
            false => self.remove_store(id).await.map(|()| id),
        };
        let id = self.or_as_before(&query, made).await?;
        info!(query = %id, replays, "query is rebuilt");
        match query.state {
            QueryState::Running => self.resume_query(id).await,
            QueryState::Paused => Ok(()),
        }
    }

    /// Has a query run otherwise from now on.
    pub(super) async fn replace_query(&self, replacement: Replacement) -> Result<()> {
        let Replacement { query, statement, plan, sink, goes_on } = replacement;
        self.runtime().stop(query.id).await;
        if sink.is_table() {
            self.forget_view(sink.id);
        }
        let definition = QueryDefinition { statement, ..QueryDefinition::clone(&query) };
        let made = match goes_on {
            true => self.go_on(definition, &sink, &plan).await,
            false => self.start_over(&definition, &sink, &plan).await,
        };
        let id = self.or_as_before(&query, made).await?;
        info!(query = %id, goes_on, "query is replaced");
        if query.state == QueryState::Paused {
            return Ok(());
        }
        self.resume_query(id).await
    }

    /// Has a new query write what one wrote that was terminated. It has no positions and no state.
    pub(super) async fn take_over(&self, known: &Relation, taking: Taking<'_>) -> Result<()> {
        let Taking { name, statement, plan, sink, goes_on } = taking;
        let random = self.env().random.clone();
        let new_id = || TopicId::from_random(random.uuid_bytes());
        self.forget_table(known.id).await;
        let made = self
            .change(|_, catalog| {
                let id = catalog.next_query_id();
                let (definition, topics) = define(id, name(id), sink.id, &statement, plan, new_id);
                let definition = QueryDefinition { begins_anew: !goes_on, ..definition };
                let sink = Relation { query: Some(id), ..sink.clone() };
                let changes =
                    [Change::ReplaceRelation(Box::new(sink)), Change::CreateQuery(Box::new(definition.clone()))];
                Ok((topics.into_iter().chain(changes.map(record)).collect(), definition))
            })
            .await;
        let Ok(definition) = made else { return self.keep_without_query(known.id).await.and(made.map(|_| ())) };
        let Err(cause) = self.resume_query(definition.id).await else { return Ok(()) };
        let undone = record(Change::ReplaceRelation(Box::new(known.clone())));
        self.change(|_, _| {
            Ok((Self::drop_query_records(&definition).into_iter().chain([undone.clone()]).collect(), ()))
        })
        .await?;
        self.forget_query(definition.id).await;
        self.keep_without_query(known.id).await?;
        Err(cause)
    }

    /// What became of a query that was stopped for a change; without the change it goes on as it was.
    async fn or_as_before(&self, query: &QueryDefinition, made: Result<QueryId>) -> Result<QueryId> {
        if let Err(cause) = &made
            && query.state == QueryState::Running
            && let Err(again) = self.resume_query(query.id).await
        {
            error!(query = %query.id, error = ?again, "query does not go on after {cause:?}");
        }
        made
    }

    /// A stopped query has another plan from now on, and keeps what it has.
    async fn go_on(&self, query: QueryDefinition, sink: &Relation, plan: &StandingPlan) -> Result<QueryId> {
        let id = query.id;
        if sink.is_table() {
            self.remove_store(id).await?;
        }
        let query = QueryDefinition {
            bound_text: plan.bound_text.clone(),
            semantics: plan.semantics,
            state_layouts: plan.state_layouts.clone(),
            ..query
        };
        let changes = [Change::ReplaceRelation(Box::new(sink.clone())), Change::ReplaceQuery(Box::new(query))];
        let records = changes.map(record).to_vec();
        self.change(|_, _| Ok((records.clone(), ()))).await?;
        Ok(id)
    }

    async fn remove_store(&self, id: QueryId) -> Result<()> {
        let stores = Arc::clone(&self.runtime().parts().stores);
        Ok(self.env().threads.blocking(move || stores.remove(id.into())).await?)
    }

    /// A query stands still; its table is read from its topic meanwhile.
    pub(super) async fn pause_query(&self, id: QueryId) {
        self.runtime().stop(id).await;
        self.forget_stop(id);
        if let Some(query) = self.catalog().ok().and_then(|catalog| catalog.query(id).cloned()) {
            self.forget_view(query.sink);
        }
        info!(query = %id, "query is paused");
    }

    /// A query that stood still goes on from where it stood.
    pub(super) async fn resume_query(&self, id: QueryId) -> Result<()> {
        let catalog = self.catalog()?;
        let Some(query) = catalog.query(id) else { return Ok(()) };
        self.forget_stop(id);
        self.start_again(&catalog, query).await.inspect_err(|cause| {
            error!(query = %id, error = ?cause, "query is not started");
            self.note_stopped(id, cause.message().to_string());
        })?;
        // One that cannot go on where it stood is restored all the same, so that what it keeps can be read.
        match self.stopped_because(id) {
            None => Ok(()),
            Some(reason) => {
                let message = format!("query \"{}\" does not run: {reason}", query.name);
                Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                    .detail("What it keeps stays readable.")
                    .hint("If what it has to read is gone, DROP what it keeps and CREATE it again."))
            }
        }
    }

    /// Another query, under a new number, takes the place of a stopped one in one batch: it has no positions, new changelogs
    /// and repartition topics, and empties the sink before it first runs (`begin_anew`). The sink is declared as it is said here.
    async fn start_over(&self, query: &QueryDefinition, sink: &Relation, plan: &StandingPlan) -> Result<QueryId> {
        let random = self.env().random.clone();
        let new_id = || TopicId::from_random(random.uuid_bytes());
        let id = self
            .change(|_, catalog| {
                let id = catalog.next_query_id();
                let (definition, topics) = define(id, query.name.clone(), sink.id, &query.statement, plan, new_id);
                let definition = QueryDefinition { state: query.state, begins_anew: true, ..definition };
                let sink = Relation { query: Some(id), ..sink.clone() };
                let changes =
                    [Change::ReplaceRelation(Box::new(sink)), Change::CreateQuery(Box::new(definition))].map(record);
                Ok((Self::drop_query_records(query).into_iter().chain(topics).chain(changes).collect(), id))
            })
            .await?;
        self.forget_query(query.id).await;
        // RESUME, and the next start, do it again.
        self.begin_anew(id).await.inspect_err(|cause| self.note_stopped(id, cause.message().to_string()))?;
        Ok(id)
    }

    /// Takes away what the sink of a query holds of the one before it. A crash in the middle has it done again: the query runs
    /// only after the metadata say that it is done.
    async fn begin_anew(&self, id: QueryId) -> Result<()> {
        let catalog = self.catalog()?;
        let Some(query) = catalog.query(id).filter(|query| query.begins_anew) else { return Ok(()) };
        let Some(sink) = catalog.relation_by_id(query.sink) else { return Ok(()) };
        let client = self.client(&Principal::server());
        for partition in 0..sink.partitions {
            let partition = TopicPartition::new(sink.topic_id, partition);
            client.delete_records(partition, client.ends(partition).await?.readable_end()).await?;
        }
        let done = QueryDefinition { begins_anew: false, ..QueryDefinition::clone(query) };
        let done = record(Change::ReplaceQuery(Box::new(done)));
        self.change(|_, _| Ok((vec![done.clone()], ()))).await
    }

    /// Sets a query to work; its view is readable when this returns.
    pub(super) async fn start_query(&self, query: NewQuery) -> Result<()> {
        let NewQuery { definition, plan, sink } = query;
        let awaited = self.awaited(&definition)?;
        let (id, internal_topics) = (definition.id, definition.internal_topics);
        self.runtime().start(QuerySpec { id, plan, sink, internal_topics, awaited }).await?;
        info!(query = %id, name = definition.name, "query started");
        Ok(())
    }

    /// The other queries that write streams which a query reads, with the topic.
    fn awaited(&self, query: &QueryDefinition) -> Result<Vec<(TopicId, QueryId)>> {
        let catalog = self.catalog()?;
        let sources = query.sources.iter().filter_map(|source| catalog.relation_by_id(*source));
        let writers = |source: &Arc<Relation>| -> Vec<(TopicId, QueryId)> {
            let writers = catalog.writers(source.id).filter(|writer| writer.id != query.id);
            let writers =
                writers.filter(|writer| catalog.relation_by_id(writer.sink).is_some_and(|sink| !sink.is_table()));
            writers.map(|writer| (source.topic_id, writer.id)).collect()
        };
        Ok(sources.flat_map(writers).collect())
    }

    /// Forgets what only a query kept that was stopped. Its records are already gone from the metadata.
    pub(super) async fn forget_query(&self, id: QueryId) {
        self.forget_stop(id);
        if let Err(cause) = delete_groups(self.client(&Principal::server()).as_ref(), id).await {
            // Ids are never reused: a group that stays is waste, not danger.
            error!(query = %id, error = %cause, "a group of a dropped query stays");
        }
        if let Err(cause) = self.remove_store(id).await {
            error!(query = %id, error = %cause, "store of a dropped query stays");
        }
    }

    /// Drops a query with all that it keeps to itself; `and` are further records of the same batch.
    pub(super) fn drop_query_records(query: &QueryDefinition) -> Vec<MetadataRecord> {
        let topics = query.internal_topics.iter().map(|(_, _, topic)| MetadataRecord::DropTopic(*topic));
        std::iter::once(record(Change::DropQuery(query.id))).chain(topics).collect()
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

/// Refuses to begin a query anew where what it wrote could not be taken back, or would not be what it was.
fn refuse_replay(catalog: &Catalog, query: &QueryDefinition, sink: &Relation, plan: &StandingPlan) -> Result<()> {
    let refused = |message: &str, hint: &str| Err(Error::unsupported(message).hint(hint));
    if sink.query != Some(query.id) || !sink.is_table() {
        return refused(
            "a query that writes a stream is not rebuilt from its inputs: its rows would be written twice",
            "DROP the stream with DELETE TOPIC and CREATE it again.",
        );
    }
    if plan.output.columns != sink.columns {
        return refused("the columns of the query are other ones now", "DROP the table and CREATE it again.");
    }
    refuse_read_topics(catalog, query, "rebuild")?;
    refuse_others(catalog, Some(query), sink)
}

/// Refuses to begin a table anew under those who read or write it too.
pub(super) fn refuse_others(catalog: &Catalog, query: Option<&QueryDefinition>, sink: &Relation) -> Result<()> {
    let own = query.map(|query| query.id);
    let other = catalog.readers(sink.id).chain(catalog.writers(sink.id)).find(|other| Some(other.id) != own);
    let Some(other) = other else { return Ok(()) };
    let message = format!("query \"{}\" reads or writes \"{}\" and would not see it begin anew", other.name, sink.name);
    Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
        .hint("TERMINATE it, or DROP what it keeps, first."))
}

/// Refuses to take topics of a query from streams that stand over them; `verb` is what is done to the query.
pub(super) fn refuse_read_topics(catalog: &Catalog, query: &QueryDefinition, verb: &str) -> Result<()> {
    let is_own = |relation: &&Arc<Relation>| query.internal_topics.iter().any(|(.., id)| *id == relation.topic_id);
    match catalog.relations().find(is_own) {
        Some(reader) => {
            let message =
                format!("cannot {verb} query \"{}\" because \"{}\" reads its late rows", query.name, reader.name);
            Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message).hint("DROP that first."))
        }
        None => Ok(()),
    }
}

/// A query's definition, and the records of its internal topics, which go before it into the metadata.
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
        let config = internal_config(role);
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
        begins_anew: false,
    };
    (definition, records)
}

/// A change of the catalog as the metadata carry it.
pub(super) fn record(change: Change) -> MetadataRecord {
    MetadataRecord::Catalog(change.encode().into())
}

/// Forgets the positions of a query, those of each of its readers.
async fn delete_groups(client: &dyn Client, id: QueryId) -> Result<(), BrokerError> {
    let groups = client.groups().await?.into_iter();
    for group in groups.filter(|group| QueryId::of_group(&group.group) == Some(id)) {
        client.delete_group(&group.group).await?;
    }
    Ok(())
}

/// The role of a topic that keeps rows that came too late.
pub(super) const LATE_ROLE: &str = "late";
/// How long late rows are kept, in milliseconds: nobody commits positions in them.
const LATE_RETENTION_MS: i64 = 7 * 24 * 60 * 60 * 1000;

fn internal_config(role: &str) -> TopicConfig {
    match role {
        "changelog" => TopicConfig::internal(CleanupPolicy::Compact),
        LATE_ROLE => {
            TopicConfig { retention_ms: Some(LATE_RETENTION_MS), ..TopicConfig::internal(CleanupPolicy::Delete) }
        }
        _ => TopicConfig::internal(CleanupPolicy::Delete),
    }
}

/// Operators that keep state have a changelog with a partition per task; exchanges have a repartition topic; operators
/// for which a row can be too late have a topic for those.
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
        Some(Node::Aggregate(aggregate)) => {
            topics.push((aggregate.id.clone(), "changelog", partitions));
            if aggregate.window.is_some() {
                topics.push((aggregate.id.clone(), LATE_ROLE, 1));
            }
        }
        Some(Node::Join(join)) => topics.push((join.id.clone(), "changelog", partitions)),
        Some(Node::StreamJoin(join)) => {
            topics.push((join.id.clone(), "changelog", partitions));
            topics.push((join.id.clone(), LATE_ROLE, 1));
        }
        Some(Node::TableJoin(join)) => topics.push((join.id.clone(), "changelog", partitions)),
        Some(Node::ForeignJoin(join)) => topics.push((join.id.clone(), "changelog", partitions)),
        Some(Node::Consolidate(node)) => topics.push((node.id.clone(), "changelog", partitions)),
        Some(Node::TopN(top)) => topics.push((top.id.clone(), "changelog", partitions)),
        Some(Node::Normalise(normalise)) => topics.push((normalise.id.clone(), "changelog", partitions)),
        Some(Node::Retain(retain)) => topics.push((retain.id.clone(), "changelog", partitions)),
        Some(Node::Exchange(exchange) | Node::Relocate(Relocate { exchange, .. })) => {
            topics.push((exchange.id.clone(), "repartition", exchange.partitions));
        }
        Some(Node::Source(_) | Node::ExchangeSource(_) | Node::Explode(_) | Node::Union(_) | Node::Sink(_)) | None => {}
    }
    for input in plan.inputs() {
        collect(input, partitions, topics);
    }
}
