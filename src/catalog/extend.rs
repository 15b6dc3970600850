//! What may become of a relation that is there: columns come after those that it has, and nothing else of its records changes.

use super::Compatibility;
use super::Format;
use super::Relation;
use super::TextKind;
use super::WindowOfKey;
use super::check_nested;
use super::declare::column_type;
use super::fold;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::sql::AddedColumn;
use crate::sql::DeclaredRole;

/// The relation with further columns of the value, which are NULL in the records that it has.
pub fn with_columns(relation: &Relation, added: &[AddedColumn], compatibility: Compatibility) -> Result<Relation> {
    let mut extended = relation.clone();
    for AddedColumn { definition, if_not_exists } in added {
        let position = definition.name.position;
        let name = fold(&definition.name, compatibility);
        if extended.columns.iter().any(|column| column.name == name) {
            if *if_not_exists {
                continue;
            }
            let message = format!("column \"{name}\" of relation \"{}\" already exists", relation.name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(position));
        }
        if definition.role != DeclaredRole::Value {
            let message = "only columns of the value can be added";
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message).at(position));
        }
        if let Some(position) = definition.not_null {
            let error = Error::unsupported("NOT NULL is not supported for a column that is added");
            return Err(error.at(position).detail("It is NULL in the rows that are there."));
        }
        if let Some(default) = &definition.default {
            let error = Error::unsupported("DEFAULT is not supported for a column that is added").at(default.position);
            return Err(error
                .detail("It is NULL in the rows that are there.")
                .hint("ALTER COLUMN .. SET DEFAULT comes after it."));
        }
        let length = TextKind::declared(&definition.data_type, compatibility).map_err(|error| error.at(position))?;
        let sql_type = column_type(&definition.data_type, length, compatibility).map_err(|error| error.at(position))?;
        let bounds = extended.columns.iter().position(|column| column.role.is_window_bound() || column.is_hidden());
        let place = bounds.unwrap_or(extended.columns.len());
        extended.columns.insert(place, Column { name, sql_type, role: ColumnRole::Value });
        extended.text_kinds.extend(length.map(|length| (place, length)));
        check_nested(&extended.columns, &extended.formats, compatibility).map_err(|error| error.at(position))?;
        check_extends(relation, &extended).map_err(|error| error.at(position))?;
    }
    Ok(extended)
}

/// Refuses a relation that would read the records of the one that is there, or of whoever reads them, in another way.
pub fn check_extends(known: &Relation, new: &Relation) -> Result<()> {
    let of_role = |relation: &Relation, value: bool| -> Vec<Column> {
        let columns = relation.columns.iter().filter(|column| (column.role == ColumnRole::Value) == value);
        columns.cloned().collect()
    };
    let timestamp = |relation: &Relation| {
        let column = relation.timestamp_column.map(|column| relation.columns[column].name.clone());
        (column, relation.timestamp_format.clone())
    };
    let (values, new_values) = (of_role(known, true), of_role(new, true));
    let formats = |relation: &Relation| (relation.formats.key, relation.formats.value);
    let (bare, new_bare) = (known.formats.wrap_single_value, new.formats.wrap_single_value);
    // A line with fewer fields than columns is a bad record; ksqlDB's users know that.
    let is_line = matches!(known.formats.value, Format::Delimited { .. });
    let is_line = is_line && known.compatibility == Compatibility::Postgres;
    let one_value = |format: Format| matches!(format, Format::Kafka | Format::None);
    let differs = if known.kind != new.kind {
        "kind"
    } else if known.topic_id != new.topic_id {
        "topic"
    } else if known.window != new.window {
        "window"
    } else if of_role(known, false) != of_role(new, false) {
        "key"
    } else if formats(known) != formats(new) || (values.len() == 1 && bare != new_bare) {
        "formats"
    } else if timestamp(known) != timestamp(new) {
        "timestamp"
    } else if !new_values.starts_with(&values) {
        "columns"
    } else if values.len() < new_values.len() && is_line {
        "number of fields"
    } else if values.len() < new_values.len() && (one_value(known.formats.value) || (values.len() == 1 && !bare)) {
        "form of its single value"
    } else {
        return Ok(());
    };
    let list = |relation: &Relation| {
        let columns = relation.columns.iter().map(|column| format!("{} {}", column.name, column.sql_type));
        let columns = columns.collect::<Vec<_>>().join(", ");
        match relation.window {
            None => format!("({columns})"),
            Some(WindowOfKey { size_ms: Some(size_ms) }) => format!("({columns}) by windows of {size_ms} ms"),
            Some(WindowOfKey { size_ms: None }) => format!("({columns}) by sessions"),
        }
    };
    let kind = if known.is_table() { "table" } else { "stream" };
    let message = format!("{kind} \"{}\" cannot be replaced: its {differs} would change", known.name);
    Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message)
        .detail(format!("It has {}, and would have {}.", list(known), list(new)))
        .hint("Columns of the value can be added after the others; for anything else DROP it first."))
}
