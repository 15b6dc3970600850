//! DESCRIBE name: its columns, one row each.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::StringArray;

use super::lookup;
use super::show::table;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::session::Session;
use crate::error::Result;
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
    let catalog = session.engine.catalog()?;
    let relation = lookup::relation(session, &catalog, name)?;
    authorize(&session.principal, Operation::Read, Resource::Relation(&relation.name))?;
    let role = |role: &ColumnRole| match role {
        ColumnRole::Key if relation.is_table() => "primary key",
        ColumnRole::Key => "key",
        ColumnRole::WindowStart | ColumnRole::WindowEnd => "window",
        ColumnRole::Headers | ColumnRole::Header(_) => "header",
        ColumnRole::Value => "",
    };
    let columns = &relation.columns;
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(columns.iter().map(|column| column.name.as_str()))),
        Arc::new(StringArray::from_iter_values(columns.iter().map(|column| column.sql_type.to_string()))),
        Arc::new(StringArray::from_iter_values(columns.iter().map(|column| role(&column.role)))),
    ];
    table(fields(), arrays, "DESCRIBE")
}
