//! CREATE STREAM|TABLE over a topic, which is made if it is not there.

use super::alter::apply;
use super::alter::check_kept;
use super::alter::check_together;
use super::done;
use super::temporary;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::Compatibility;
use crate::catalog::Declared;
use crate::catalog::Flush;
use crate::catalog::OnError;
use crate::catalog::Relation;
use crate::catalog::RelationKind;
use crate::catalog::RelationOptions;
use crate::catalog::check_extends;
use crate::catalog::check_ksqldb_options;
use crate::catalog::declare;
use crate::catalog::fold;
use crate::cluster::CleanupPolicy;
use crate::cluster::ClusterMetadata;
use crate::cluster::FlushPolicy;
use crate::cluster::MetadataRecord;
use crate::cluster::TopicConfig;
use crate::cluster::TopicRecord;
use crate::engine::defaults;
use crate::engine::lock_timeout::LockTimeout;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::queries::LATE_ROLE;
use crate::engine::queries::record;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::exec::TableLock;
use crate::model::ROW_KEY;
use crate::model::TopicId;
use crate::plan::Output;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::CreateSource;
use crate::sql::Name;
use crate::sql::ObjectKind;
use crate::sql::WithOption;

const PARTITIONS_DEFAULT: i32 = 1;

/// What a CREATE made.
enum Made {
    /// It was there already.
    Nothing,
    /// A relation, and its topic.
    Relation,
    /// A relation over a topic of that name.
    OverTopicThatWasThere(String),
}

pub(super) async fn execute(session: &mut Session, create: &CreateSource, text: &str) -> Result<Outcome> {
    if create.temporary.is_some() {
        return temporary::create(session, create, text).await;
    }
    let tag = if create.kind == ObjectKind::Stream { "CREATE STREAM" } else { "CREATE TABLE" };
    let compatibility = session.settings.compatibility();
    let name = fold(&create.name, compatibility);
    authorize(&session.principal, Operation::Create, Resource::Relation(&name))?;
    if create.or_replace && create.read_only {
        return Err(not_replaced(create, &name));
    }
    let options = options(session, create)?;
    refuse_incomplete(create, &options, compatibility)?;
    let declared = declared(session, create, &options).await?;
    let engine = session.engine.clone();
    // A table is kept from its CREATE to its DROP: no DROP comes in between.
    let _turn = match create.kind {
        ObjectKind::Stream if !create.or_replace => None,
        _ => Some(engine.ddl().await),
    };
    let _claim = claim_replaced(session, create, &name).await?;
    let random = engine.env().random.clone();
    let made = engine
        .change(|metadata, catalog| {
            let known = catalog.relation(&name);
            if let Some(known) = known.filter(|_| create.or_replace) {
                return Ok((replaced(known, metadata, catalog, create, &declared, &options, text)?, Made::Relation));
            }
            if catalog.id_of(&name).is_some() {
                return match create.if_not_exists {
                    true => Ok((Vec::new(), Made::Nothing)),
                    false => Err(already_exists(catalog, &name, create.kind, compatibility).at(create.name.position)),
                };
            }
            let new_id = || TopicId::from_random(random.uuid_bytes());
            let mut records = Vec::new();
            let topic = match late_topic(metadata, catalog, create, &options) {
                Some(late) => late,
                None => {
                    let topic_name = match declared.columns.iter().any(|column| column.name == ROW_KEY) {
                        // The records of others have no numbers of rows.
                        true => first_free(&name, |name| metadata.topic(name).is_some()),
                        false => topic_name(metadata, catalog, &name, &options),
                    };
                    topic(metadata, &topic_name, &declared, &options, new_id, &mut records)?
                }
            };
            let mut relation = relation(catalog, &name, &declared, &options, &topic);
            relation.compatibility = compatibility;
            relation.read_only = create.read_only;
            relation.owns_topic = owns_topic(&relation, &records);
            relation.statement = text.to_string();
            relation.owner = session.principal.name().to_string();
            let made = match records.is_empty() {
                true => Made::OverTopicThatWasThere(topic.name),
                false => Made::Relation,
            };
            if relation.on_error == OnError::DeadLetter {
                relation.dead_letter_topic = Some(dead_letter_topic(&relation, new_id(), &mut records));
            }
            records.push(record(Change::CreateRelation(Box::new(relation))));
            Ok((records, made))
        })
        .await?;
    if tell(session, made, &name, is_postgres_table(create, &options, compatibility)) {
        engine.keep_again(&name).await?;
    }
    Ok(done(tag))
}

/// What a statement declares; its defaults give what their columns take.
pub(super) async fn declared(session: &Session, create: &CreateSource, options: &RelationOptions) -> Result<Declared> {
    let declared = declare(create, options, session.settings.compatibility())?;
    for (definition, column) in create.columns.iter().zip(&declared.columns) {
        if let Some(default) = &definition.default {
            defaults::check(session, default, column).await?;
        }
    }
    Ok(declared)
}

/// Keeps others from changing rows of a table while it is replaced.
async fn claim_replaced(session: &Session, create: &CreateSource, name: &str) -> Result<Option<TableLock>> {
    match session.engine.catalog()?.relation(name).filter(|_| create.or_replace) {
        Some(known) => LockTimeout::of(session).bound(session.engine.claim_table(known.id)).await,
        None => Ok(None),
    }
}

/// Refuses a statement that leaves out what has no default: ksqlDB's topic, and columns.
fn refuse_incomplete(create: &CreateSource, options: &RelationOptions, rules: Compatibility) -> Result<()> {
    if rules == Compatibility::Ksqldb && options.topic.is_none() {
        let message = "Missing required property \"KAFKA_TOPIC\" which has no default value.";
        return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message).at(create.name.position));
    }
    match create.columns.is_empty() {
        true => Err(without_columns(create, rules)),
        false => Ok(()),
    }
}

/// Tells of what was not made, or is not empty; whether a relation was made.
fn tell(session: &mut Session, made: Made, name: &str, is_postgres_table: bool) -> bool {
    match made {
        Made::Nothing => {
            session.notice(Notice::new(format!("relation \"{name}\" already exists, skipping")));
            return false;
        }
        Made::OverTopicThatWasThere(topic) if is_postgres_table => {
            let notice = Notice::new(format!("table \"{name}\" shows what topic \"{topic}\" holds already"));
            session.notice(notice.hint("WITH (kafka_topic = '..') names another one, and says so without a notice."));
        }
        Made::Relation | Made::OverTopicThatWasThere(_) => {}
    }
    true
}

/// Whether a statement makes a table as PostgreSQL knows it: nothing is said of a topic.
fn is_postgres_table(create: &CreateSource, options: &RelationOptions, rules: Compatibility) -> bool {
    rules == Compatibility::Postgres && create.kind != ObjectKind::Stream && options.topic.is_none()
}

/// Whether the topic of a new relation is nobody else's and nobody named it: the statement's records make it.
pub(super) fn owns_topic(relation: &Relation, records: &[MetadataRecord]) -> bool {
    let makes = |made: &MetadataRecord| matches!(made, MetadataRecord::Topic(topic) if topic.id == relation.topic_id);
    relation.is_table()
        && relation.compatibility == Compatibility::Postgres
        && !relation.names_topic
        && records.iter().any(makes)
}

/// What the topic of a new relation is called: as the relation, unless another one was called so and took its topic along to
/// another name.
pub(super) fn topic_name(
    metadata: &ClusterMetadata,
    catalog: &Catalog,
    relation: &str,
    options: &RelationOptions,
) -> String {
    if let Some(named) = &options.topic {
        return named.clone();
    }
    first_free(relation, |name| {
        metadata.topic(name).is_some_and(|topic| catalog.users_of_topic(topic.id).any(|other| other.owns_topic))
    })
}

/// A name that is not taken: the relation's, or that with a number behind it.
fn first_free(relation: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = relation.to_string();
    let mut number = 2;
    while is_taken(&name) {
        name = format!("{relation}_{number}");
        number += 1;
    }
    name
}

/// 42P07, in the words of the rules.
pub(super) fn already_exists(catalog: &Catalog, name: &str, kind: ObjectKind, rules: Compatibility) -> Error {
    let word = |is_table: bool| if is_table { "table" } else { "stream" };
    let message = match (rules, catalog.relation(name)) {
        (Compatibility::Ksqldb, Some(known)) => format!(
            "Cannot add {} '{name}': A {} with the same name already exists",
            word(kind != ObjectKind::Stream),
            word(known.is_table())
        ),
        _ => format!("relation \"{name}\" already exists"),
    };
    Error::new(SqlState::DUPLICATE_TABLE, message)
}

/// What no list of columns says; the formats that are there keep no schemas.
fn without_columns(create: &CreateSource, compatibility: Compatibility) -> Error {
    let error = match compatibility {
        Compatibility::Ksqldb => Error::new(SqlState::INVALID_TABLE_DEFINITION, "No columns supplied."),
        Compatibility::Postgres => Error::unsupported("columns cannot be read from a schema registry yet"),
    };
    error.at(create.name.position).hint("List the columns in parentheses.")
}

/// The topic with the late rows of a query, if a SOURCE stream is to read it: of internal topics only these are for people.
fn late_topic(
    metadata: &ClusterMetadata,
    catalog: &Catalog,
    create: &CreateSource,
    options: &RelationOptions,
) -> Option<TopicRecord> {
    let topic = options.topic.as_deref().and_then(|name| metadata.topic(name))?;
    let is_late = |(_, role, id): &(_, String, TopicId)| role == LATE_ROLE && *id == topic.id;
    let holds_late_rows = catalog.queries().any(|query| query.internal_topics.iter().any(is_late));
    (create.read_only && create.kind == ObjectKind::Stream && holds_late_rows).then(|| topic.clone())
}

fn not_replaced(create: &CreateSource, name: &str) -> Error {
    let kind = if create.kind == ObjectKind::Stream { "stream" } else { "table" };
    let message = format!("Cannot add {kind} '{name}': CREATE OR REPLACE is not supported on source {kind}s.");
    Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(create.name.position).hint("DROP it first.")
}

/// A relation that is declared anew, over the topic that it has.
fn replaced(
    known: &Relation,
    metadata: &ClusterMetadata,
    catalog: &Catalog,
    create: &CreateSource,
    declared: &Declared,
    options: &RelationOptions,
    text: &str,
) -> Result<Vec<MetadataRecord>> {
    let name = &known.name;
    let refused = |message: String| Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(create.name.position);
    if known.read_only {
        return Err(not_replaced(create, name));
    }
    if known.query.is_some() {
        return Err(
            refused(format!("\"{name}\" is kept by a query")).hint("CREATE OR REPLACE .. AS SELECT replaces it.")
        );
    }
    let topic = topic_again(known, metadata, options).map_err(|error| error.at(create.name.position))?;
    let on_error = options.on_error.unwrap_or(known.on_error);
    let mut records = Vec::new();
    let mut new = Relation {
        id: known.id,
        names_topic: known.names_topic,
        owns_topic: known.owns_topic,
        on_error,
        dead_letter_topic: known.dead_letter_topic.clone(),
        query: None,
        compatibility: known.compatibility,
        statement: text.to_string(),
        owner: known.owner.clone(),
        ..relation(catalog, name, declared, options, &topic)
    };
    check_extends(known, &new).map_err(|error| error.at(create.name.position))?;
    if on_error == OnError::DeadLetter && new.dead_letter_topic.is_none() {
        return Err(Error::unsupported("on_error = dlq for what had no dead letters is not supported by OR REPLACE")
            .at(create.name.position)
            .hint("DROP it first."));
    }
    new.not_null.retain(|column| known.not_null.contains(column));
    if let (Some(new), Some(known)) = (&mut new.identity, &known.identity) {
        new.next = new.next.max(known.next);
    }
    records.push(record(Change::ReplaceRelation(Box::new(new))));
    Ok(records)
}

/// The topic of a relation that is replaced, if the statement does not want another one.
pub(super) fn topic_again(
    known: &Relation,
    metadata: &ClusterMetadata,
    options: &RelationOptions,
) -> Result<TopicRecord> {
    let refused = |wanted: &str, has: &str| {
        let message = format!("\"{}\" cannot be replaced: it has {has}, not {wanted}", known.name);
        Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint("DROP it first."))
    };
    if let Some(wanted) = options.topic.as_deref().filter(|wanted| *wanted != known.topic) {
        return refused(&format!("topic \"{wanted}\""), &format!("topic \"{}\"", known.topic));
    }
    if let Some(wanted) = options.partitions.filter(|wanted| *wanted != known.partitions) {
        return refused(&wanted.to_string(), &format!("{} partitions", known.partitions));
    }
    let topic = metadata
        .topic_by_id(known.topic_id)
        .ok_or_else(|| Error::new(SqlState::UNDEFINED_OBJECT, format!("topic \"{}\" does not exist", known.topic)))?;
    let flush = flush_policy(options).unwrap_or(topic.config.flush);
    if apply(&options.settings, TopicConfig { flush, ..topic.config }) != topic.config {
        let message = format!("\"{}\" cannot be replaced: the settings of its topic would change", known.name);
        let hint = format!("ALTER {} {} SET (..) changes them.", kind_word(known), known.name);
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(hint));
    }
    Ok(topic.clone())
}

fn kind_word(relation: &Relation) -> &'static str {
    if relation.is_table() { "TABLE" } else { "STREAM" }
}

/// What WITH says, and where it says nothing what the session's settings do.
fn options(session: &Session, create: &CreateSource) -> Result<RelationOptions> {
    let mut clause = create.options.clone();
    for (option, setting) in [
        ("key_format", "ksql_persistence_default_format_key"),
        ("value_format", "ksql_persistence_default_format_value"),
    ] {
        let is_told =
            |told: &WithOption| [option, "format"].iter().any(|name| told.name.value.eq_ignore_ascii_case(name));
        let default = session.settings.get(setting).filter(|format| !format.is_empty());
        if let Some(value) = default.filter(|_| !create.options.iter().any(is_told)) {
            let name = Name { value: option.to_string(), quoted: false, position: create.name.position, schema: None };
            clause.push(WithOption { name, value });
        }
    }
    if session.settings.semantics().compatibility == Compatibility::Ksqldb {
        check_ksqldb_options(&create.options)?;
    }
    let options = RelationOptions::read(&clause)?;
    Ok(RelationOptions { unwraps_by_default: unwraps_by_default(session), ..options })
}

/// Whether the session wants single values bare.
pub(super) fn unwraps_by_default(session: &Session) -> bool {
    session.settings.is("ksql_persistence_wrap_single_values", "off")
}

/// The topic that is there, or a new one.
fn topic(
    metadata: &ClusterMetadata,
    relation: &str,
    declared: &Declared,
    options: &RelationOptions,
    new_id: impl Fn() -> TopicId,
    records: &mut Vec<MetadataRecord>,
) -> Result<TopicRecord> {
    let config = topic_config(declared.kind, options);
    topic_with(metadata, relation, config, PARTITIONS_DEFAULT, options, new_id, records)
}

/// The topic that a query writes: kept for ever unless told, since the log has no other copy of a view.
pub(super) fn sink_topic(
    metadata: &ClusterMetadata,
    default_name: &str,
    output: &Output,
    options: &RelationOptions,
    new_id: impl Fn() -> TopicId,
    records: &mut Vec<MetadataRecord>,
) -> Result<TopicRecord> {
    let mut config = topic_config(output.kind, options);
    check_kept(&options.settings)?;
    if options.settings.retention_ms.is_none() {
        config.retention_ms = None;
    }
    topic_with(metadata, default_name, config, output.partitions, options, new_id, records)
}

fn topic_with(
    metadata: &ClusterMetadata,
    default_name: &str,
    config: TopicConfig,
    partitions: i32,
    options: &RelationOptions,
    new_id: impl Fn() -> TopicId,
    records: &mut Vec<MetadataRecord>,
) -> Result<TopicRecord> {
    check_together(&config)?;
    let name = options.topic.as_deref().unwrap_or(default_name);
    if let Some(topic) = metadata.topic(name) {
        if topic.config.internal {
            let message = format!("topic \"{name}\" is internal");
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message));
        }
        if let Some(wanted) = options.partitions.filter(|wanted| *wanted != topic.partitions) {
            let message = format!("topic \"{name}\" has {} partitions, not {wanted}", topic.partitions);
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint("Leave partitions out."));
        }
        return Ok(topic.clone());
    }
    if let Some(replicas) = options.replicas.filter(|replicas| *replicas != 1) {
        let message = format!("topic \"{name}\" cannot have {replicas} replicas on one node");
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    let partitions = options.partitions.unwrap_or(partitions);
    let topic = TopicRecord { id: new_id(), name: name.to_string(), partitions, config };
    records.push(MetadataRecord::Topic(topic.clone()));
    Ok(topic)
}

/// What a topic is told by default: a table's keeps the newest record of each key, for ever; a stream's has the broker's
/// retention.
pub(super) fn default_config(kind: RelationKind) -> TopicConfig {
    match kind {
        RelationKind::Table => {
            TopicConfig { cleanup_policy: CleanupPolicy::Compact, retention_ms: None, ..TopicConfig::default() }
        }
        RelationKind::Stream => TopicConfig::default(),
    }
}

fn flush_policy(options: &RelationOptions) -> Option<FlushPolicy> {
    Some(match options.flush? {
        Flush::Ack => FlushPolicy::Ack,
        Flush::Interval => FlushPolicy::Interval(std::time::Duration::from_secs(1)),
        Flush::Os => FlushPolicy::Os,
    })
}

fn topic_config(kind: RelationKind, options: &RelationOptions) -> TopicConfig {
    let flush = flush_policy(options).unwrap_or(FlushPolicy::Ack);
    apply(&options.settings, TopicConfig { flush, ..default_config(kind) })
}

/// Where a relation's bad records go; its id makes the name its own, since relations can share a topic.
pub(super) fn dead_letter_topic(
    relation: &Relation,
    id: TopicId,
    records: &mut Vec<MetadataRecord>,
) -> (String, TopicId) {
    let name = format!("__tidemill.r{}.dead-letters", relation.id.0);
    let config = TopicConfig::internal(CleanupPolicy::Delete);
    records.push(MetadataRecord::Topic(TopicRecord { id, name: name.clone(), partitions: 1, config }));
    (name, id)
}

pub(super) fn relation(
    catalog: &Catalog,
    name: &str,
    declared: &Declared,
    options: &RelationOptions,
    topic: &TopicRecord,
) -> Relation {
    Relation {
        id: catalog.next_relation_id(),
        name: name.to_string(),
        kind: declared.kind,
        materialized_view: false,
        read_only: false,
        names_topic: options.topic.is_some(),
        owns_topic: false,
        not_null: declared.not_null.clone(),
        text_kinds: declared.text_kinds.clone(),
        defaults: declared.defaults.clone(),
        identity: declared.identity.clone(),
        ttl_ms: options.ttl_ms.map(|(ttl_ms, _)| ttl_ms),
        session: None,
        columns: declared.columns.clone(),
        formats: declared.formats,
        topic: topic.name.clone(),
        topic_id: topic.id,
        partitions: topic.partitions,
        timestamp_column: declared.timestamp_column,
        timestamp_format: options.timestamp_format.clone(),
        window: options.window,
        on_error: options.on_error.unwrap_or(OnError::DeadLetter),
        dead_letter_topic: None,
        query: None,
        compatibility: Default::default(),
        statement: String::new(),
        owner: String::new(),
    }
}
