//! CREATE STREAM|TABLE|MATERIALIZED VIEW .. AS: a standing query and what it keeps, made as one batch of metadata.

use std::sync::Arc;

use super::backfill;
use super::create_filled;
use super::create_source::already_exists;
use super::create_source::dead_letter_topic;
use super::create_source::owns_topic;
use super::create_source::sink_topic;
use super::create_source::topic_name;
use super::create_source::unwraps_by_default;
use super::done;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::catalog::Formats;
use crate::catalog::OnError;
use crate::catalog::Relation;
use crate::catalog::RelationKind;
use crate::catalog::RelationOptions;
use crate::catalog::Semantics;
use crate::catalog::check_ksqldb_query_options;
use crate::catalog::fold;
use crate::catalog::no_time;
use crate::catalog::no_time_column;
use crate::catalog::not_for_streams;
use crate::catalog::timestamp_format_misplaced;
use crate::cluster::ClusterMetadata;
use crate::cluster::MetadataRecord;
use crate::cluster::TopicRecord;
use crate::engine::apart::run_apart;
use crate::engine::core::Engine;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::Value;
use crate::engine::queries::NewQuery;
use crate::engine::queries::define;
use crate::engine::queries::record;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::ColumnRole;
use crate::model::QueryId;
use crate::model::SqlType;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::plan::Destination;
use crate::plan::Output;
use crate::plan::StandingPlan;
use crate::plan::StandingRequest;
use crate::plan::plan_standing;
use crate::security::Operation;
use crate::security::Principal;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::CreateAs;
use crate::sql::Name;
use crate::sql::ObjectKind;
use crate::sql::WithOption;

/// A CREATE .. AS with all that it takes from its session.
pub(super) struct Making {
    pub(super) engine: Arc<Engine>,
    principal: Principal,
    pub(super) create: CreateAs,
    name: String,
    /// How its topic is called where WITH does not say.
    topic_name: String,
    pub(super) options: RelationOptions,
    request: StandingRequest,
    pub(super) text: String,
}

/// What the planner is asked for a CREATE .. AS.
pub(super) fn request(session: &Session, create: &CreateAs, options: &RelationOptions) -> StandingRequest {
    let settings = session.settings.semantics();
    let semantics = Semantics { emit: options.emit.unwrap_or(settings.emit), ..settings };
    let name = fold(&create.name, semantics.compatibility);
    StandingRequest {
        key_format: options.key_format,
        default_key_format: default_key_format(session, create),
        value_format: options.value_format,
        key_delimiter: options.key_delimiter,
        value_delimiter: options.value_delimiter,
        partitions: options.partitions,
        ttl_ms: options.ttl_ms.map(|(ttl_ms, _)| ttl_ms),
        options: shown_options(&create.options),
        timestamp: options.timestamp.as_ref().map(|typed| fold(typed, semantics.compatibility)),
        ..StandingRequest::new(semantics, Destination::Create { kind: create.kind, name })
    }
}

/// The windows of what a query writes are those of the query: nobody else tells them.
fn check_options(options: &[WithOption], rules: Compatibility) -> Result<()> {
    if rules == Compatibility::Ksqldb {
        return check_ksqldb_query_options(options);
    }
    let is_window = |option: &&WithOption| {
        ["window_type", "window_size"].iter().any(|name| option.name.value.eq_ignore_ascii_case(name))
    };
    let Some(option) = options.iter().find(is_window) else { return Ok(()) };
    let message = format!("option \"{}\" is not for what a query writes", option.name.value.to_lowercase());
    Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(option.name.position).hint("Write a WINDOW clause."))
}

/// The options as ksqlDB's errors show them: names in upper case, texts in quotes.
fn shown_options(options: &[WithOption]) -> String {
    let shown = |option: &WithOption| {
        let name = option.name.value.to_uppercase();
        match option.value.parse::<i64>() {
            Ok(number) => format!("{name}={number}"),
            Err(_) => format!("{name}='{}'", option.value),
        }
    };
    options.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// What `SET 'ksql.persistence.default.format.key'` says.
fn default_key_format(session: &Session, create: &CreateAs) -> Option<Format> {
    let value = session.settings.get("ksql_persistence_default_format_key").filter(|format| !format.is_empty())?;
    let name = Name { value: "key_format".to_string(), quoted: false, position: create.name.position, schema: None };
    RelationOptions::read(&[WithOption { name, value }]).ok()?.key_format
}

pub(super) async fn execute(
    session: &mut Session,
    create: &CreateAs,
    text: &str,
    parameters: &[Value],
) -> Result<Outcome> {
    if create_filled::is_one(session, create) {
        return create_filled::execute(session, create, parameters).await;
    }
    let tag = match create.kind {
        ObjectKind::Stream => "CREATE STREAM",
        ObjectKind::Table => "CREATE TABLE",
        ObjectKind::MaterializedView => "CREATE MATERIALIZED VIEW",
    };
    check_options(&create.options, session.settings.semantics().compatibility)?;
    let options = RelationOptions::read(&create.options)?;
    let options = RelationOptions { unwraps_by_default: unwraps_by_default(session), ..options };
    let request = request(session, create, &options);
    let name = fold(&create.name, request.semantics.compatibility);
    authorize(&session.principal, Operation::Create, Resource::Relation(&name))?;
    let making = Making {
        engine: session.engine.clone(),
        principal: session.principal.clone(),
        create: create.clone(),
        name: name.clone(),
        topic_name: format!("{}{name}", session.settings.get("ksql_output_topic_name_prefix").unwrap_or_default()),
        options,
        request,
        text: text.to_string(),
    };
    match run_apart(making.run()).await? {
        Some(warnings) => {
            warnings.into_iter().for_each(|warning| session.notice(Notice::warning(SqlState::WARNING, warning)));
            backfill::wait(session, &name).await?.into_iter().for_each(|notice| session.notice(notice));
        }
        None => session.notice(Notice::new(format!("relation \"{name}\" already exists, skipping"))),
    }
    Ok(done(tag))
}

impl Making {
    /// The warnings, `None` if the relation was there and may be.
    async fn run(self) -> Result<Option<Vec<String>>> {
        let _turn = self.engine.ddl().await;
        if self.create.or_replace
            && let Some(known) = self.engine.catalog()?.relation(&self.name).cloned()
        {
            return self.replace(&known).await.map(Some);
        }
        let before = self.engine.metadata();
        self.refuse_topic_in_use(&before).await?;
        let made = self.engine.change(|metadata, catalog| self.records(metadata, catalog)).await?;
        let Some(query) = made else { return Ok(None) };
        let made_topic = Some(query.sink.topic_id).filter(|topic| before.topic_by_id(*topic).is_none());
        let (warnings, definition, sink) = (query.plan.warnings.clone(), query.definition.clone(), query.sink.clone());
        if let Err(cause) = self.engine.start_query(query).await {
            // It never ran: nobody shall find half of it.
            let undone = self.engine.change(|_, _| {
                let mut records = Engine::drop_query_records(&definition);
                records.push(record(Change::DropRelation(sink.id)));
                records.extend(sink.dead_letter_topic.iter().map(|(_, topic)| MetadataRecord::DropTopic(*topic)));
                records.extend(made_topic.map(MetadataRecord::DropTopic));
                Ok((records, ()))
            });
            undone.await?;
            return Err(cause);
        }
        Ok(Some(warnings))
    }

    /// A query writes into a topic of its own: records of another origin would be rows of its view after a restart, and a
    /// topic that it reads would feed it without end.
    async fn refuse_topic_in_use(&self, metadata: &ClusterMetadata) -> Result<()> {
        let catalog = self.engine.catalog()?;
        let name = topic_name(metadata, &catalog, &self.topic_name, &self.options);
        let Some(topic) = metadata.topic(&name).filter(|_| catalog.relation(&self.name).is_none()) else {
            return Ok(());
        };
        let mut detail = catalog
            .relations()
            .find(|relation| relation.topic_id == topic.id)
            .map(|relation| format!("\"{}\" stands over it.", relation.name));
        let client = self.engine.client(&Principal::server());
        for partition in 0..topic.partitions {
            let ends = client.ends(TopicPartition::new(topic.id, partition)).await?;
            if detail.is_none() && ends.log_start_offset < ends.log_end_offset {
                detail = Some("It holds records, which are not this query's.".to_string());
            }
        }
        let Some(detail) = detail else { return Ok(()) };
        let error = Error::new(SqlState::DUPLICATE_TABLE, format!("topic \"{name}\" is in use"))
            .at(self.create.name.position)
            .detail(detail);
        Err(error.hint(
            "Name another one, WITH (kafka_topic = '..'). DROP .. DELETE TOPIC takes a relation's topic away with it.",
        ))
    }

    fn records(
        &self,
        metadata: &ClusterMetadata,
        catalog: &Catalog,
    ) -> Result<(Vec<MetadataRecord>, Option<NewQuery>)> {
        let name = &self.name;
        if catalog.id_of(name).is_some() {
            return match self.create.if_not_exists {
                true => Ok((Vec::new(), None)),
                false => {
                    Err(already_exists(catalog, name, self.create.kind, self.create_rules())
                        .at(self.create.name.position))
                }
            };
        }
        let plan = self.plan(catalog)?;
        let random = self.engine.env().random.clone();
        let new_id = || TopicId::from_random(random.uuid_bytes());
        let mut records = Vec::new();
        let topic_name = topic_name(metadata, catalog, &self.topic_name, &self.options);
        let topic = sink_topic(metadata, &topic_name, &plan.output, &self.options, new_id, &mut records)?;
        let id = catalog.next_query_id();
        let mut sink = self.sink(catalog, &plan.output, &topic, id)?;
        sink.owns_topic = owns_topic(&sink, &records);
        if sink.on_error == OnError::DeadLetter {
            sink.dead_letter_topic = Some(dead_letter_topic(&sink, new_id(), &mut records));
        }
        records.push(MetadataRecord::Catalog(Change::CreateRelation(Box::new(sink.clone())).encode().into()));
        let (definition, topics) = define(id, self.query_name(&plan, id), sink.id, &self.text, &plan, new_id);
        records.extend(topics);
        records.push(record(Change::CreateQuery(Box::new(definition.clone()))));
        Ok((records, Some(NewQuery { definition, plan: Arc::new(plan), sink: Arc::new(sink) })))
    }

    /// The rules of its session.
    pub(super) fn create_rules(&self) -> Compatibility {
        self.request.semantics.compatibility
    }

    /// The query, planned.
    pub(super) fn plan(&self, catalog: &Catalog) -> Result<StandingPlan> {
        let plan = plan_standing(&self.create.select, catalog, self.engine.functions(), &self.request)?;
        for source in plan.sources.iter().filter_map(|id| catalog.relation_by_id(*id)) {
            authorize(&self.principal, Operation::Read, Resource::Relation(&source.name))?;
        }
        self.check_ttl(&plan)?;
        Ok(plan)
    }

    fn check_ttl(&self, plan: &StandingPlan) -> Result<()> {
        match self.options.ttl_ms {
            Some((_, position)) if plan.output.kind == RelationKind::Stream => Err(not_for_streams(position)),
            _ => Ok(()),
        }
    }

    pub(super) fn query_name(&self, plan: &StandingPlan, id: QueryId) -> String {
        let kind = if plan.output.kind == RelationKind::Stream { "csas" } else { "ctas" };
        let name = format!("{kind}_{}_{}", self.name, id.0);
        match plan.semantics.compatibility {
            Compatibility::Postgres => name,
            Compatibility::Ksqldb => name.to_uppercase(),
        }
    }

    /// What the query writes.
    pub(super) fn sink(
        &self,
        catalog: &Catalog,
        output: &Output,
        topic: &TopicRecord,
        query: QueryId,
    ) -> Result<Relation> {
        let values = output.columns.iter().filter(|column| column.role == ColumnRole::Value).count();
        let wrap_single_value = self.options.wrap_of(output.value_format, values)?;
        Ok(Relation {
            id: catalog.next_relation_id(),
            name: self.name.clone(),
            kind: output.kind,
            read_only: false,
            names_topic: self.options.topic.is_some(),
            owns_topic: false,
            not_null: Vec::new(),
            text_kinds: Default::default(),
            defaults: Default::default(),
            identity: None,
            ttl_ms: self.options.ttl_ms.map(|(ttl_ms, _)| ttl_ms),
            session: None,
            materialized_view: self.create.kind == ObjectKind::MaterializedView,
            columns: output.columns.clone(),
            formats: Formats { key: output.key_format, value: output.value_format, wrap_single_value },
            topic: topic.name.clone(),
            topic_id: topic.id,
            partitions: topic.partitions,
            timestamp_column: self.timestamp_column(output)?,
            timestamp_format: self.options.timestamp_format.clone(),
            window: output.window,
            on_error: self.options.on_error.unwrap_or(OnError::DeadLetter),
            dead_letter_topic: None,
            query: Some(query),
            compatibility: self.request.semantics.compatibility,
            statement: self.text.clone(),
            owner: self.principal.name().to_string(),
        })
    }

    fn timestamp_column(&self, output: &Output) -> Result<Option<usize>> {
        let Some(typed) = &self.options.timestamp else { return Ok(None) };
        let name = fold(typed, self.request.semantics.compatibility);
        let found = output.columns.iter().position(|column| column.name == name).ok_or_else(|| {
            Error::new(SqlState::UNDEFINED_COLUMN, no_time_column(&name, self.create_rules())).at(typed.position)
        })?;
        let fits = match output.columns[found].sql_type {
            SqlType::BigInt | SqlType::Timestamp | SqlType::TimestampTz => match self.options.timestamp_format {
                Some(_) => return Err(timestamp_format_misplaced(typed.position, self.create_rules())),
                None => true,
            },
            SqlType::Text => self.options.timestamp_format.is_some(),
            _ => false,
        };
        if fits {
            return Ok(Some(found));
        }
        let message = no_time(&name, self.create_rules());
        Err(Error::new(SqlState::DATATYPE_MISMATCH, message).at(typed.position))
    }
}
