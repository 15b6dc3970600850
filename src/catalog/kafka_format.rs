//! What Kafka's own serializers cannot write, in ksqlDB's words.

use super::Compatibility;
use super::options::kafka_can_write;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;

/// Refuses (42P16) columns of one half of a record, all of role `KEY` or all values, that the format KAFKA cannot hold.
pub fn check_kafka(columns: &[&Column]) -> Result<()> {
    let is_key = columns.iter().any(|column| column.role == ColumnRole::Key);
    let shown: Vec<String> = columns.iter().map(|column| shown(column)).collect();
    let list = shown.join(", ");
    let reason = match columns {
        [] => return Ok(()),
        [only] if kafka_can_write(&only.sql_type) => return Ok(()),
        [only] => format!("The 'KAFKA' format does not support type '{}'", only.sql_type.ksqldb_base_name()),
        _ => format!("The 'KAFKA' format only supports a single field. Got: [{list}]"),
    };
    let half = if is_key { "Key" } else { "Value" };
    let message = format!(
        "{half} format does not support schema.\nformat: KAFKA\nschema: Persistence{{columns=[{list}], features=[]}}\nreason: {reason}"
    );
    let hint = format!("Say {}_format = 'JSON'.", half.to_lowercase());
    Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message).hint(hint))
}

/// A column as ksqlDB's schemas show it.
pub fn shown(column: &Column) -> String {
    let key = if column.role == ColumnRole::Key { " KEY" } else { "" };
    format!("`{}` {}{key}", column.name, column.sql_type.ksqldb_name())
}

/// A type as the rules' messages name it.
pub(super) fn type_name(sql_type: &crate::model::SqlType, rules: Compatibility) -> String {
    match rules {
        Compatibility::Postgres => sql_type.to_string(),
        Compatibility::Ksqldb => sql_type.ksqldb_name(),
    }
}
