//! Statements into what a pipeline is made of: topics, relations, standing queries.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;

use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::Compatibility;
use crate::catalog::EmitMode;
use crate::catalog::Formats;
use crate::catalog::OnError;
use crate::catalog::QueryDefinition;
use crate::catalog::QueryState;
use crate::catalog::Relation;
use crate::catalog::RelationKind;
use crate::catalog::RelationOptions;
use crate::catalog::Semantics;
use crate::catalog::WindowOfKey;
use crate::catalog::declare;
use crate::catalog::fold;
use crate::cluster::CleanupPolicy;
use crate::cluster::MetadataRecord;
use crate::cluster::TopicConfig;
use crate::cluster::TopicRecord;
use crate::env::Random;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::exec::QuerySpec;
use crate::model::Column;
use crate::model::OperatorId;
use crate::model::RelationId;
use crate::model::TopicId;
use crate::plan::Destination;
use crate::plan::Functions;
use crate::plan::Node;
use crate::plan::StandingPlan;
use crate::plan::StandingRequest;
use crate::plan::plan_standing;
use crate::sql::CreateAs;
use crate::sql::CreateSource;
use crate::sql::Statement;

/// What a statement adds, in one batch of metadata, and the query that is to be started.
#[derive(Default)]
pub(super) struct Definition {
    pub(super) records: Vec<MetadataRecord>,
    pub(super) query: Option<QuerySpec>,
}

/// Makes definitions under some rules.
pub(super) struct Definitions<'a> {
    pub(super) catalog: Catalog,
    pub(super) topic_of: &'a dyn Fn(&str) -> Option<TopicRecord>,
    pub(super) functions: &'a Functions,
    pub(super) random: &'a dyn Random,
    pub(super) semantics: Semantics,
}

impl Definitions<'_> {
    /// What a statement adds.
    pub(super) fn define(mut self, statement: &Statement, text: &str) -> Result<Definition> {
        let mut definition = Definition::default();
        match statement {
            Statement::CreateSource(create) => self.source(create, text, &mut definition)?,
            Statement::CreateAs(create) => self.query(create, text, &mut definition)?,
            _ => return Err(Error::unsupported("such a statement is not there yet in pipeline tests")),
        }
        Ok(definition)
    }

    fn source(&mut self, create: &CreateSource, text: &str, definition: &mut Definition) -> Result<()> {
        let options = RelationOptions::read(&create.options)?;
        let declared = declare(create, &options, self.semantics.compatibility)?;
        let made = Made {
            name: fold(&create.name, self.semantics.compatibility),
            kind: declared.kind,
            columns: declared.columns,
            formats: declared.formats,
            window: options.window,
            timestamp_column: declared.timestamp_column,
            partitions: options.partitions.unwrap_or(1),
            statement: text.to_owned(),
        };
        self.relation(made, &options, definition).map(|_| ())
    }

    fn query(&mut self, create: &CreateAs, text: &str, definition: &mut Definition) -> Result<()> {
        let options = RelationOptions::read(&create.options)?;
        let compatibility = self.semantics.compatibility;
        let name = fold(&create.name, compatibility);
        let semantics = Semantics { emit: options.emit.unwrap_or(self.semantics.emit), ..self.semantics };
        let destination = Destination::Create { kind: create.kind, name: name.clone() };
        let mut request = StandingRequest::new(semantics, destination);
        request.key_format = options.key_format;
        request.value_format = options.value_format;
        request.partitions = options.partitions;
        let plan = plan_standing(&create.select, &self.catalog, self.functions, &request)?;
        let made = Made {
            name: name.clone(),
            kind: plan.output.kind,
            columns: plan.output.columns.clone(),
            formats: Formats {
                key: plan.output.key_format,
                value: plan.output.value_format,
                wrap_single_value: options.wrap_single_value.unwrap_or(true),
            },
            window: plan.output.window,
            timestamp_column: None,
            partitions: plan.output.partitions,
            statement: text.to_owned(),
        };
        let sink = self.relation(made, &options, definition)?;
        let internal_topics = self.internal_topics(&plan, definition)?;
        let id = self.catalog.next_query_id();
        let query = QueryDefinition {
            id,
            name: format!("query_{name}"),
            sink: sink.id,
            sources: plan.sources.clone(),
            statement: text.to_owned(),
            bound_text: plan.bound_text.clone(),
            semantics,
            internal_topics: internal_topics.clone(),
            state_layouts: plan.state_layouts.clone(),
            state: QueryState::Running,
        };
        self.change(Change::CreateQuery(Box::new(query)), definition)?;
        definition.query = Some(QuerySpec { id, plan: Arc::new(plan), sink, internal_topics });
        Ok(())
    }

    fn change(&mut self, change: Change, definition: &mut Definition) -> Result<()> {
        self.catalog = self.catalog.apply(&change)?;
        definition.records.push(MetadataRecord::Catalog(Bytes::from(change.encode())));
        Ok(())
    }

    fn topic(&self, name: String, partitions: i32, config: TopicConfig, definition: &mut Definition) -> TopicId {
        let id = TopicId::from_random(self.random.uuid_bytes());
        definition.records.push(MetadataRecord::Topic(TopicRecord { id, name, partitions, config }));
        id
    }

    fn relation(
        &mut self,
        made: Made,
        options: &RelationOptions,
        definition: &mut Definition,
    ) -> Result<Arc<Relation>> {
        if self.catalog.relation(&made.name).is_some() {
            let message = format!("relation \"{}\" already exists", made.name);
            return Err(Error::new(SqlState::DUPLICATE_TABLE, message));
        }
        let topic = options.topic.clone().unwrap_or_else(|| made.name.clone());
        let (topic_id, partitions) = match (self.topic_of)(&topic) {
            Some(found) => (found.id, found.partitions),
            None => {
                let config = TopicConfig { retention_ms: None, ..TopicConfig::default() };
                (self.topic(topic.clone(), made.partitions, config, definition), made.partitions)
            }
        };
        let relation = Relation {
            id: self.catalog.next_relation_id(),
            name: made.name,
            kind: made.kind,
            materialized_view: false,
            columns: made.columns,
            formats: made.formats,
            topic,
            topic_id,
            partitions,
            timestamp_column: made.timestamp_column,
            timestamp_format: options.timestamp_format.clone(),
            window: made.window,
            on_error: OnError::Skip,
            dead_letter_topic: None,
            query: None,
            compatibility: self.semantics.compatibility,
            statement: made.statement,
            owner: "tidemill".to_owned(),
        };
        let id = relation.id;
        self.change(Change::CreateRelation(Box::new(relation)), definition)?;
        self.catalog.relation_by_id(id).cloned().ok_or_else(|| Error::internal("a relation that was just made is gone"))
    }

    fn internal_topics(
        &self,
        plan: &StandingPlan,
        definition: &mut Definition,
    ) -> Result<Vec<(OperatorId, String, TopicId)>> {
        let query = self.catalog.next_query_id();
        let mut topics = Vec::new();
        for fragment in &plan.fragments {
            let mut wanted: Vec<(OperatorId, &str, i32, CleanupPolicy)> = Vec::new();
            fragment
                .root
                .apply(|plan: &LogicalPlan| {
                    let changelog =
                        |id: &OperatorId| (id.clone(), "changelog", fragment.partitions, CleanupPolicy::Compact);
                    wanted.extend(match Node::of(plan) {
                        Some(Node::Aggregate(node)) => Some(changelog(&node.id)),
                        Some(Node::Join(node)) => Some(changelog(&node.id)),
                        Some(Node::Normalise(node)) => Some(changelog(&node.id)),
                        Some(Node::Exchange(node)) => {
                            Some((node.id.clone(), "repartition", node.partitions, CleanupPolicy::Delete))
                        }
                        Some(Node::Source(_) | Node::ExchangeSource(_) | Node::Sink(_)) | None => None,
                    });
                    Ok(TreeNodeRecursion::Continue)
                })
                .map_err(|error| Error::internal("a plan that cannot be walked").caused_by(error))?;
            for (operator, role, partitions, policy) in wanted {
                let name = format!("__tidemill.q{query}.{operator}.{role}");
                let id = self.topic(name, partitions, TopicConfig::internal(policy), definition);
                topics.push((operator, role.to_owned(), id));
            }
        }
        Ok(topics)
    }
}

/// A relation before it has a topic.
struct Made {
    name: String,
    kind: RelationKind,
    columns: Vec<Column>,
    formats: Formats,
    window: Option<WindowOfKey>,
    timestamp_column: Option<usize>,
    partitions: i32,
    statement: String,
}

/// The rules that a `SET` chooses.
pub(super) fn set(semantics: &mut Semantics, name: &str, value: Option<&str>) -> Result<()> {
    match (name, value.map(str::to_lowercase).as_deref()) {
        ("compatibility", Some("ksqldb")) => semantics.compatibility = Compatibility::Ksqldb,
        ("compatibility", Some("postgres") | None) => semantics.compatibility = Compatibility::Postgres,
        ("emit", Some("all")) => semantics.emit = EmitMode::All,
        ("emit", Some("net") | None) => semantics.emit = EmitMode::Net,
        _ => return Err(Error::unsupported(format!("SET {name} is not there in pipeline tests"))),
    }
    Ok(())
}

/// The spec of a query that the catalog has, planned again, as at a start.
pub(super) fn again(catalog: &Catalog, functions: &Functions, query: &QueryDefinition) -> Result<QuerySpec> {
    let plan = crate::plan::plan_bound(&query.bound_text, catalog, functions)?;
    let missing = |id: RelationId| Error::internal(format!("relation {} of a query is gone", id.0));
    let sink = catalog.relation_by_id(query.sink).cloned().ok_or_else(|| missing(query.sink))?;
    Ok(QuerySpec { id: query.id, plan: Arc::new(plan), sink, internal_topics: query.internal_topics.clone() })
}
