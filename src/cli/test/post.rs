//! What must hold after a case: relations with their columns and formats, topics that are there or are not.

use serde_json::Value;

use super::case::PostNode;
use super::case::SourceNode;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::catalog::Relation;
use crate::catalog::RelationOptions;
use crate::catalog::declare;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::sql;
use crate::sql::Statement;

/// Says what does not hold.
pub(super) fn check(post: &PostNode, catalog: &Catalog, topics: &[String]) -> Result<(), String> {
    for source in &post.sources {
        check_source(source, catalog).map_err(|reason| format!("{}: {reason}", source.name))?;
    }
    let Some(wanted) = &post.topics else { return Ok(()) };
    for topic in &wanted.topics {
        // ksqlDB's names of internal topics are its own.
        let internal = topic.name.starts_with("_confluent-ksql-") || topic.name.contains("-repartition");
        if !internal && !topics.contains(&topic.name) {
            return Err(format!("topic {} is not there", topic.name));
        }
    }
    let forbidden = wanted.blacklist.as_deref().is_some_and(|pattern| pattern.contains("repartition"));
    match topics.iter().find(|topic| forbidden && topic.ends_with(".repartition")) {
        Some(topic) => Err(format!("topic {topic} should not be there")),
        None => Ok(()),
    }
}

fn check_source(source: &SourceNode, catalog: &Catalog) -> Result<(), String> {
    let relation = catalog.relation(&source.name).ok_or("it is not there")?;
    if let Some(kind) = &source.kind {
        let found = if relation.is_table() { "table" } else { "stream" };
        if !kind.eq_ignore_ascii_case(found) {
            return Err(format!("wanted a {kind}, got a {found}"));
        }
    }
    if let Some(format) = &source.key_format {
        check_format(format, relation.formats.key).map_err(|reason| format!("key format: {reason}"))?;
        check_window(format, relation)?;
    }
    if let Some(format) = &source.value_format {
        check_format(format, relation.formats.value).map_err(|reason| format!("value format: {reason}"))?;
    }
    if let Some(wanted) = source.is_source.filter(|wanted| *wanted != relation.read_only) {
        return Err(format!("wanted isSource {wanted}"));
    }
    match &source.schema {
        Some(schema) => check_schema(schema, relation),
        None => Ok(()),
    }
}

fn check_format(wanted: &Value, found: Format) -> Result<(), String> {
    let found = match found {
        Format::None => "NONE",
        Format::Kafka => "KAFKA",
        Format::Json => "JSON",
        Format::Delimited { .. } => "DELIMITED",
    };
    let wanted = wanted.as_str().or_else(|| wanted.get("format").and_then(Value::as_str));
    match wanted {
        Some(wanted) if wanted != found => Err(format!("wanted {wanted}, got {found}")),
        _ => Ok(()),
    }
}

fn check_window(wanted: &Value, relation: &Relation) -> Result<(), String> {
    let size = wanted.get("windowSize").and_then(Value::as_i64);
    let found = relation.window.and_then(|window| window.size_ms);
    match size {
        Some(size) if Some(size) != found => Err(format!("wanted a window of {size} ms, got {found:?}")),
        _ if wanted.get("windowType").is_some() && relation.window.is_none() => Err("it has no window".to_owned()),
        _ => Ok(()),
    }
}

/// Columns in order, with their types and whether they are in the key.
fn check_schema(schema: &str, relation: &Relation) -> Result<(), String> {
    let declared = columns(&schema.replace("PRIMARY ", ""))?;
    let line = |columns: &mut dyn Iterator<Item = &Column>| {
        columns
            .map(|column| {
                format!(
                    "{} {}{}",
                    column.name,
                    column.sql_type,
                    if column.role == ColumnRole::Key { " KEY" } else { "" }
                )
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let wanted = line(&mut declared.iter());
    let own = relation.columns.iter().filter(|column| matches!(column.role, ColumnRole::Key | ColumnRole::Value));
    let found = line(&mut own.into_iter());
    if wanted == found { Ok(()) } else { Err(format!("wanted ({wanted}), got ({found})")) }
}

/// The columns of a list as in CREATE STREAM.
pub(super) fn columns(schema: &str) -> Result<Vec<Column>, String> {
    let wrong = |reason: String| format!("schema \"{schema}\": {reason}");
    let text = format!("CREATE STREAM X ({schema}) WITH (KAFKA_TOPIC = 'x', FORMAT = 'JSON');");
    let parsed = sql::parse(&text).map_err(|error| wrong(error.to_string()))?;
    let Some(Statement::CreateSource(create)) = parsed.into_iter().next().map(|parsed| parsed.statement) else {
        return Err(wrong("it is not a list of columns".to_owned()));
    };
    RelationOptions::read(&create.options)
        .and_then(|options| declare(&create, &options, Compatibility::Ksqldb))
        .map(|declared| declared.columns)
        .map_err(|error| wrong(error.to_string()))
}
