//! ALTER STREAM|TABLE .. SET (..)|RESET (..): how the relation's topic is kept, .. ADD COLUMN and .. ALTER COLUMN. It takes effect at
//! once.

use super::create_source::default_config;
use super::done;
use super::drop::check_kind;
use super::lookup::no_such_relation;
use super::lookup::written_column;
use crate::broker::TopicSetting;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::Compatibility;
use crate::catalog::Limit;
use crate::catalog::MessageTimestamps;
use crate::catalog::Relation;
use crate::catalog::TopicSettings;
use crate::catalog::fold;
use crate::catalog::with_columns;
use crate::cluster::ClusterMetadata;
use crate::cluster::MetadataRecord;
use crate::cluster::TimestampType;
use crate::cluster::TopicConfig;
use crate::engine::defaults;
use crate::engine::lock_timeout::LockTimeout;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::queries::record;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::AddedColumn;
use crate::sql::AlterAction;
use crate::sql::AlterRelation;
use crate::sql::ColumnDefault;
use crate::sql::ObjectKind;

pub(super) async fn execute(session: &mut Session, alter: &AlterRelation) -> Result<Outcome> {
    let tag = match alter.kind {
        ObjectKind::Stream => "ALTER STREAM",
        ObjectKind::Table => "ALTER TABLE",
        ObjectKind::MaterializedView => "ALTER MATERIALIZED VIEW",
    };
    let name = fold(&alter.name, session.settings.compatibility());
    let scope = session.temporary.session();
    let principal = session.principal.clone();
    let engine = session.engine.clone();
    let _turn = engine.ddl().await;
    if let AlterAction::Default(column, Some(default)) = &alter.action
        && let Some(relation) = session.catalog()?.relation(&name)
    {
        let at = written_column(session, relation, column)?;
        defaults::check(session, default, &relation.columns[at]).await?;
    }
    let change = |metadata: &ClusterMetadata, catalog: &Catalog| {
        let catalog = &catalog.seen_by(scope);
        let Some(relation) = catalog.relation(&name) else {
            return match alter.if_exists {
                true => Ok((Vec::new(), None)),
                false => Err(no_such_relation(catalog, &alter.name, &name)),
            };
        };
        authorize(&principal, Operation::Create, Resource::Relation(&relation.name))?;
        check_kind(alter.kind, &alter.name, relation, "ALTER")?;
        let records = match &alter.action {
            AlterAction::AddColumns(added) => added_columns(relation, alter, added)?,
            AlterAction::Default(column, default) => {
                let column = written_column(session, relation, column)?;
                changed_default(relation, alter, column, default.as_deref())?
            }
            AlterAction::Set(_) | AlterAction::Reset(_) => topic_records(metadata, catalog, relation, alter)?,
        };
        Ok((records, Some(relation.id)))
    };
    let _claim = match alter.action {
        AlterAction::AddColumns(_) => {
            // What is refused makes nobody wait.
            match change(&engine.metadata(), engine.catalog()?.as_ref())? {
                (_, Some(relation)) => LockTimeout::of(session).bound(engine.claim_table(relation)).await?,
                (_, None) => None,
            }
        }
        AlterAction::Default(..) | AlterAction::Set(_) | AlterAction::Reset(_) => None,
    };
    let found = engine.change(change).await?;
    match (found, &alter.action) {
        (None, _) => session.notice(Notice::new(format!("relation \"{name}\" does not exist, skipping"))),
        (Some(relation), AlterAction::AddColumns(_)) => engine.keep_without_query(relation).await?,
        (Some(_), AlterAction::Set(_) | AlterAction::Reset(_) | AlterAction::Default(..)) => {}
    }
    Ok(done(tag))
}

fn added_columns(relation: &Relation, alter: &AlterRelation, added: &[AddedColumn]) -> Result<Vec<MetadataRecord>> {
    if relation.read_only {
        let kind = if relation.is_table() { "table" } else { "stream" };
        let message =
            format!("Cannot alter {kind} '{}': ALTER operations are not supported on source {kind}s.", relation.name);
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(alter.name.position));
    }
    if relation.query.is_some() {
        let message = match relation.compatibility {
            Compatibility::Postgres => {
                format!("columns cannot be added to \"{}\", which a query keeps", relation.name)
            }
            Compatibility::Ksqldb => "ALTER command is not supported for CREATE ... AS statements.".to_string(),
        };
        let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(alter.name.position);
        return Err(error.hint("CREATE OR REPLACE .. AS SELECT gives it another query."));
    }
    let extended = with_columns(relation, added, relation.compatibility)?;
    if extended == *relation {
        return Ok(Vec::new());
    }
    Ok(vec![record(Change::ReplaceRelation(Box::new(extended)))])
}

/// What statements write from now on that do not tell the column.
fn changed_default(
    relation: &Relation,
    alter: &AlterRelation,
    column: usize,
    default: Option<&ColumnDefault>,
) -> Result<Vec<MetadataRecord>> {
    if relation.read_only || relation.query.is_some() || relation.compatibility == Compatibility::Ksqldb {
        let message = format!("columns of \"{}\" have no defaults: no statement writes it", relation.name);
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(alter.name.position));
    }
    let mut changed = relation.clone();
    match default {
        Some(default) => changed.defaults.insert(column, default.text.clone()),
        None => changed.defaults.remove(&column),
    };
    if changed == *relation {
        return Ok(Vec::new());
    }
    Ok(vec![record(Change::ReplaceRelation(Box::new(changed)))])
}

fn topic_records(
    metadata: &ClusterMetadata,
    catalog: &Catalog,
    relation: &Relation,
    alter: &AlterRelation,
) -> Result<Vec<MetadataRecord>> {
    let Some(topic) = metadata.topic_by_id(relation.topic_id) else {
        let message = format!("topic \"{}\" does not exist", relation.topic);
        return Err(Error::new(SqlState::UNDEFINED_OBJECT, message));
    };
    let config = match &alter.action {
        AlterAction::Set(options) => {
            let settings = TopicSettings::read(options)?;
            let is_kept = catalog.relations().any(|other| other.topic_id == topic.id && other.query.is_some());
            if is_kept {
                check_kept(&settings)?;
            }
            apply(&settings, topic.config)
        }
        AlterAction::Reset(names) => {
            let mut defaults = default_config(relation.kind);
            if relation.query.is_some() {
                defaults.retention_ms = None;
            }
            let names = TopicSettings::names_to_reset(names)?;
            names.into_iter().fold(topic.config, |config, name| reset(name, config, &defaults))
        }
        AlterAction::AddColumns(_) | AlterAction::Default(..) => topic.config,
    };
    if config == topic.config {
        return Ok(Vec::new());
    }
    check_together(&config)?;
    Ok(vec![MetadataRecord::ConfigureTopic(topic.id, config)])
}

/// Refuses settings that contradict one another.
pub(super) fn check_together(config: &TopicConfig) -> Result<()> {
    match config.compaction.lags_fit() {
        true => Ok(()),
        false => {
            let message = "min_compaction_lag_ms must be no more than max_compaction_lag_ms";
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
        }
    }
}

/// Refuses what would change the rows of a relation that a query keeps: its state is restored from its topic.
pub(super) fn check_kept(settings: &TopicSettings) -> Result<()> {
    match settings.message_timestamp_type {
        Some(MessageTimestamps::LogAppendTime) => {
            Err(Error::unsupported("message_timestamp_type = LogAppendTime is not supported for what a query writes")
                .hint("Set it for the stream that the query reads."))
        }
        Some(MessageTimestamps::CreateTime) | None => Ok(()),
    }
}

/// A topic's configuration with what was said of it.
pub(super) fn apply(settings: &TopicSettings, mut config: TopicConfig) -> TopicConfig {
    fn set<T>(field: &mut T, told: Option<T>) {
        if let Some(told) = told {
            *field = told;
        }
    }
    set(&mut config.retention_ms, settings.retention_ms.map(at_most));
    let retention_bytes = settings.retention_bytes.map(at_most);
    set(&mut config.retention_bytes, retention_bytes.map(|bytes| bytes.and_then(|bytes| u64::try_from(bytes).ok())));
    set(&mut config.segment_bytes, settings.segment_bytes);
    set(&mut config.index_bytes_max, settings.segment_index_bytes);
    set(&mut config.segment_ms, settings.segment_ms.map(Some));
    set(&mut config.batch_bytes_max, settings.max_message_bytes);
    let timestamp_type = settings.message_timestamp_type.map(|kind| match kind {
        MessageTimestamps::CreateTime => TimestampType::CreateTime,
        MessageTimestamps::LogAppendTime => TimestampType::LogAppendTime,
    });
    set(&mut config.timestamp_type, timestamp_type);
    set(&mut config.timestamp_before_max_ms, settings.message_timestamp_before_max_ms.map(at_most));
    set(&mut config.timestamp_after_max_ms, settings.message_timestamp_after_max_ms.map(at_most));
    set(&mut config.compaction.lag_min_ms, settings.min_compaction_lag_ms);
    set(&mut config.compaction.lag_max_ms, settings.max_compaction_lag_ms.map(at_most));
    set(&mut config.compaction.delete_retention_ms, settings.delete_retention_ms);
    set(&mut config.compaction.dirty_permille_min, settings.dirty_permille_min);
    config
}

fn at_most(limit: Limit) -> Option<i64> {
    match limit {
        Limit::AtMost(most) => Some(most),
        Limit::None => None,
    }
}

/// A topic's configuration with one option as it is by default.
fn reset(name: &str, config: TopicConfig, default: &TopicConfig) -> TopicConfig {
    let (mut config, compaction) = (config, &default.compaction);
    match name {
        "delete_retention_ms" => config.compaction.delete_retention_ms = compaction.delete_retention_ms,
        "max_compaction_lag_ms" => config.compaction.lag_max_ms = compaction.lag_max_ms,
        "max_message_bytes" => config.batch_bytes_max = default.batch_bytes_max,
        "message_timestamp_after_max_ms" => config.timestamp_after_max_ms = default.timestamp_after_max_ms,
        "message_timestamp_before_max_ms" => config.timestamp_before_max_ms = default.timestamp_before_max_ms,
        "message_timestamp_type" => config.timestamp_type = default.timestamp_type,
        "min_cleanable_dirty_ratio" => config.compaction.dirty_permille_min = compaction.dirty_permille_min,
        "min_compaction_lag_ms" => config.compaction.lag_min_ms = compaction.lag_min_ms,
        "retention_bytes" => config.retention_bytes = default.retention_bytes,
        "retention_ms" => config.retention_ms = default.retention_ms,
        "segment_bytes" => config.segment_bytes = default.segment_bytes,
        "segment_index_bytes" => config.index_bytes_max = default.index_bytes_max,
        "segment_ms" => config.segment_ms = default.segment_ms,
        other => unreachable!("the catalog knows no option {other}"),
    }
    // A Kafka client may have given it.
    let setting = TopicSetting::named(&name.replace('_', ".")).expect("an option is Kafka's setting, with underscores");
    setting.forget(&mut config);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_that_can_be_set_can_be_reset() {
        let names: Vec<_> = TopicSettings::names().collect();
        let default = TopicConfig::default();
        for name in &names {
            assert_eq!(reset(name, default, &default), default, "{name}");
        }
        let other = TopicConfig {
            retention_ms: Some(1),
            retention_bytes: Some(1),
            segment_bytes: 1,
            index_bytes_max: 1,
            segment_ms: Some(1),
            batch_bytes_max: 1,
            timestamp_type: TimestampType::LogAppendTime,
            timestamp_before_max_ms: Some(1),
            timestamp_after_max_ms: Some(1),
            compaction: crate::cluster::CompactionConfig {
                lag_min_ms: 1,
                lag_max_ms: Some(1),
                delete_retention_ms: 1,
                dirty_permille_min: 1,
            },
            ..default
        };
        let all_reset = names.iter().fold(other, |config, name| reset(name, config, &default));
        assert_eq!(all_reset, default);
        let mut given = default;
        TopicSetting::named("retention.ms").and_then(|it| it.set(&mut given, "604800000")).expect("it takes it");
        assert_ne!(given, default);
        assert_eq!(reset("retention_ms", given, &default), default);
        for (at, name) in names.iter().enumerate() {
            let others = names.iter().enumerate().filter(|(other, _)| *other != at);
            let left = others.fold(other, |config, (_, name)| reset(name, config, &default));
            assert_ne!(left, default, "{name} changes one field of its own");
        }
    }
}
