//! DESCRIBE name: its columns, one row each; EXTENDED: all that is told of it.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::StringArray;

use super::lookup;
use super::show::table;
use crate::catalog::Catalog;
use crate::catalog::PlainView;
use crate::catalog::QueryDefinition;
use crate::catalog::Relation;
use crate::catalog::WindowOfKey;
use crate::catalog::fold;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::session::Session;
use crate::engine::system::format;
use crate::error::Result;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::Name;

pub(super) fn fields() -> Vec<OutputField> {
    ["column", "type", "role"].into_iter().map(|name| OutputField::new(name, SqlType::Text)).collect()
}

pub(super) fn execute(session: &Session, name: &Name) -> Result<Outcome> {
    let catalog = session.catalog()?;
    if let Some(view) = view_named(session, &catalog, name)? {
        let columns = &view.columns;
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(columns.iter().map(|column| column.name.as_str()))),
            Arc::new(StringArray::from_iter_values(columns.iter().map(|column| column.sql_type.to_string()))),
            Arc::new(StringArray::from_iter_values(columns.iter().map(|_| ""))),
        ];
        return table(fields(), arrays, "DESCRIBE");
    }
    let relation = readable(session, &catalog, name)?;
    let columns = relation.shown_columns();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(columns.iter().map(|column| column.name.as_str()))),
        Arc::new(StringArray::from_iter_values(columns.iter().map(|column| column.sql_type.to_string()))),
        Arc::new(StringArray::from_iter_values(columns.iter().map(|column| role(&relation, column)))),
    ];
    table(fields(), arrays, "DESCRIBE")
}

pub(super) fn extended_fields() -> Vec<OutputField> {
    ["property", "value"].into_iter().map(|name| OutputField::new(name, SqlType::Text)).collect()
}

/// What a relation is and who reads and writes it, then its columns.
pub(super) fn extended(session: &Session, name: &Name) -> Result<Outcome> {
    let catalog = session.catalog()?;
    if let Some(view) = view_named(session, &catalog, name)? {
        return extended_view(view);
    }
    let relation = readable(session, &catalog, name)?;
    let kind = match (relation.is_table(), relation.materialized_view) {
        (false, _) => "stream",
        (true, false) => "table",
        (true, true) => "materialized view",
    };
    let window = match relation.window {
        None => String::new(),
        Some(WindowOfKey { size_ms: Some(size_ms) }) => format!("{size_ms} ms"),
        Some(WindowOfKey { size_ms: None }) => "session".to_string(),
    };
    let timestamp = relation.timestamp_column.map(|column| relation.columns[column].name.clone());
    let names = |queries: &mut dyn Iterator<Item = &Arc<QueryDefinition>>| {
        queries.map(|query| query.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut properties = vec![
        ("name".to_string(), relation.name.clone()),
        ("kind".to_string(), kind.to_string()),
        ("topic".to_string(), relation.topic.clone()),
        ("partitions".to_string(), relation.partitions.to_string()),
        ("key format".to_string(), format(relation.formats.key).to_string()),
        ("value format".to_string(), format(relation.formats.value).to_string()),
        ("window".to_string(), window),
        ("timestamp".to_string(), timestamp.unwrap_or_default()),
        ("read by".to_string(), names(&mut catalog.readers(relation.id))),
        ("written by".to_string(), names(&mut catalog.writers(relation.id))),
        ("owner".to_string(), relation.owner.clone()),
        ("statement".to_string(), relation.statement.clone()),
    ];
    properties.extend(relation.shown_columns().iter().map(|column| {
        let told = format!("{} {}", column.sql_type, role(&relation, column));
        (format!("column {}", column.name), told.trim_end().to_string())
    }));
    told(properties)
}

fn told(properties: Vec<(String, String)>) -> Result<Outcome> {
    let (properties, values): (Vec<_>, Vec<_>) = properties.into_iter().unzip();
    let arrays: Vec<ArrayRef> = vec![Arc::new(StringArray::from(properties)), Arc::new(StringArray::from(values))];
    table(extended_fields(), arrays, "DESCRIBE")
}

fn extended_view(view: &PlainView) -> Result<Outcome> {
    let mut properties = vec![
        ("name".to_string(), view.name.clone()),
        ("kind".to_string(), "view".to_string()),
        ("owner".to_string(), view.owner.clone()),
        ("statement".to_string(), view.statement.clone()),
    ];
    let column = |column: &Column| (format!("column {}", column.name), column.sql_type.to_string());
    properties.extend(view.columns.iter().map(column));
    told(properties)
}

/// The view of that name, if there is one.
fn view_named<'a>(session: &Session, catalog: &'a Catalog, name: &Name) -> Result<Option<&'a PlainView>> {
    let Some(view) = catalog.view(&fold(name, session.settings.compatibility())) else { return Ok(None) };
    authorize(&session.principal, Operation::Read, Resource::Relation(&view.name))?;
    Ok(Some(view))
}

fn readable(session: &Session, catalog: &Catalog, name: &Name) -> Result<Arc<Relation>> {
    let relation = lookup::relation(session, catalog, name)?;
    authorize(&session.principal, Operation::Read, Resource::Relation(&relation.name))?;
    Ok(relation)
}

fn role(relation: &Relation, column: &Column) -> &'static str {
    match column.role {
        ColumnRole::Key if relation.is_table() => "primary key",
        ColumnRole::Key => "key",
        ColumnRole::WindowStart | ColumnRole::WindowEnd => "window",
        ColumnRole::Headers | ColumnRole::Header(_) => "header",
        ColumnRole::Value => "",
    }
}
