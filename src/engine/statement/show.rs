//! SHOW STREAMS|TABLES|QUERIES|TOPICS|FUNCTIONS|TYPES, SHOW ALL, SHOW setting.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::StringArray;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use futures::stream;

use super::define;
use super::select;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::model::SqlType;
use crate::sql;
use crate::sql::ShowObject;

const EXTENDED: &[&str] =
    &["name", "topic", "partitions", "key_format", "value_format", "windowed", "query", "statement"];

const QUERIES_EXTENDED: &[&str] =
    &["name", "query_id", "sink", "sources", "state", "reason", "lag", "emit", "statement"];

const TOPICS_EXTENDED: &[&str] =
    &["name", "partitions", "replicas", "cleanup_policy", "retention_ms", "internal", "consumer_groups"];

/// `$kinds` is a condition on the topics. A group reads a topic if it has committed a position in it.
macro_rules! topics_extended {
    ($kinds:literal) => {
        concat!(
            "SELECT t.name, t.partitions::text AS partitions, '1' AS replicas, t.cleanup_policy, ",
            "t.retention_ms::text AS retention_ms, t.internal::text AS internal, ",
            "count(DISTINCT o.\"group\")::text AS consumer_groups ",
            "FROM tidemill.topics t LEFT JOIN tidemill.offsets o ON o.topic = t.name WHERE ",
            $kinds,
            " GROUP BY t.name, t.partitions, t.cleanup_policy, t.retention_ms, t.internal ORDER BY t.name"
        )
    };
}

/// The query over the system tables that an object's list is, and its columns.
fn listing(object: &ShowObject) -> Option<(&'static str, &'static [&'static str])> {
    match object {
        ShowObject::Streams => Some((
            "SELECT name, topic, key_format, value_format FROM tidemill.streams ORDER BY name",
            &["name", "topic", "key_format", "value_format"],
        )),
        ShowObject::Tables => Some((
            "SELECT name, topic, key_format, value_format, windowed::text AS windowed FROM tidemill.tables WHERE name NOT LIKE 'pg\\_temp\\_%.%' ORDER BY name",
            &["name", "topic", "key_format", "value_format", "windowed"],
        )),
        ShowObject::StreamsExtended => Some((
            "SELECT name, topic, partitions::text AS partitions, key_format, value_format, windowed::text AS windowed, query, statement FROM tidemill.streams ORDER BY name",
            EXTENDED,
        )),
        ShowObject::TablesExtended => Some((
            "SELECT name, topic, partitions::text AS partitions, key_format, value_format, windowed::text AS windowed, query, statement FROM tidemill.tables WHERE name NOT LIKE 'pg\\_temp\\_%.%' ORDER BY name",
            EXTENDED,
        )),
        ShowObject::Queries => Some((
            "SELECT name, sink, state, reason, statement FROM tidemill.queries ORDER BY name",
            &["name", "sink", "state", "reason", "statement"],
        )),
        ShowObject::QueriesExtended => Some((
            "SELECT name, query_id::text AS query_id, sink, sources, state, reason, lag::text AS lag, emit, statement FROM tidemill.queries ORDER BY name",
            QUERIES_EXTENDED,
        )),
        ShowObject::Topics => Some((
            "SELECT name, partitions::text AS partitions FROM tidemill.topics WHERE NOT internal ORDER BY name",
            &["name", "partitions"],
        )),
        ShowObject::AllTopics => Some((
            "SELECT name, partitions::text AS partitions FROM tidemill.topics ORDER BY name",
            &["name", "partitions"],
        )),
        ShowObject::TopicsExtended => Some((topics_extended!("NOT t.internal"), TOPICS_EXTENDED)),
        ShowObject::AllTopicsExtended => Some((topics_extended!("true"), TOPICS_EXTENDED)),
        ShowObject::Functions => Some((
            "SELECT name, kind, min(description) AS description FROM tidemill.functions GROUP BY name, kind ORDER BY name, kind",
            &["name", "kind", "description"],
        )),
        ShowObject::Types => Some(("SELECT name, type FROM tidemill.types ORDER BY name", &["name", "type"])),
        ShowObject::Views => Some(("SELECT name, statement FROM tidemill.views ORDER BY name", &["name", "statement"])),
        ShowObject::AllSettings | ShowObject::Setting(_) | ShowObject::Variables => None,
    }
}

pub(super) fn fields(object: &ShowObject) -> Vec<OutputField> {
    let text = |name: &str| OutputField::new(name, SqlType::Text);
    match object {
        ShowObject::AllSettings => ["name", "setting", "description"].map(text).to_vec(),
        ShowObject::Setting(name) => vec![text(name)],
        ShowObject::Variables => define::fields(),
        listed => listing(listed).map_or(Vec::new(), |(_, names)| names.iter().map(|name| text(name)).collect()),
    }
}

pub(super) async fn execute(session: &mut Session, object: &ShowObject) -> Result<Outcome> {
    match object {
        ShowObject::AllSettings => {
            let all = session.settings.all();
            let arrays: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from_iter_values(all.iter().map(|(name, _, _)| name))),
                Arc::new(StringArray::from_iter_values(all.iter().map(|(_, value, _)| value))),
                Arc::new(StringArray::from_iter_values(all.iter().map(|(_, _, description)| description))),
            ];
            table(fields(object), arrays, "SHOW")
        }
        ShowObject::Variables => define::show(session),
        ShowObject::Setting(name) => {
            let value = session.settings.show(name).map_err(|error| listing_hint(error, name))?;
            table(fields(object), vec![Arc::new(StringArray::from(vec![value]))], "SHOW")
        }
        list => {
            let (text, _) = listing(list).ok_or_else(|| Error::internal("a list without a query"))?;
            listed(session, text, "SHOW").await
        }
    }
}

/// What SHOW lists, if that was meant and no setting.
fn listing_hint(error: Error, name: &str) -> Error {
    let lists = ["FUNCTIONS", "QUERIES", "STREAMS", "TABLES", "TOPICS", "TYPES", "VIEWS"];
    match sql::nearest(name, lists).filter(|_| error.hint_text().is_none()) {
        Some(list) => error.hint(format!("Did you mean SHOW {list}?")),
        None => error,
    }
}

/// The answer of a query over the system tables, under another tag.
pub(super) async fn listed(session: &mut Session, text: &str, tag: &'static str) -> Result<Outcome> {
    let answer = select::execute(session, &sql::parse_select(text)?, &[]).await?;
    match answer {
        Outcome::Rows { fields, rows, push, .. } => Ok(Outcome::Rows { fields, rows, push, tag }),
        other => Ok(other),
    }
}

/// An answer that is there at once.
pub(super) fn table(fields: Vec<OutputField>, arrays: Vec<ArrayRef>, tag: &'static str) -> Result<Outcome> {
    let columns = fields.iter().zip(&arrays);
    let columns: Vec<Field> =
        columns.map(|(field, array)| Field::new(&field.name, array.data_type().clone(), true)).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(columns)), arrays)
        .map_err(|error| Error::internal("an answer's columns do not fit").caused_by(error))?;
    Ok(Outcome::Rows { fields, rows: stream::iter([Ok(batch)]).boxed(), push: false, tag })
}
