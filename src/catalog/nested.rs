//! Which nested columns the formats of a relation can carry.

use super::Compatibility;
use super::Format;
use super::Formats;
use super::kafka_format::type_name;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;

/// Refuses (42P16) maps in keys, nested types in DELIMITED, and maps in JSON whose keys are not texts.
pub fn check_nested(columns: &[Column], formats: &Formats, rules: Compatibility) -> Result<()> {
    for column in columns.iter().filter(|column| column.sql_type.is_nested()) {
        let (Column { name, sql_type, .. }, is_key) = (column, column.role == ColumnRole::Key);
        if is_key {
            check_key(name, sql_type, rules)?;
        }
        let refuse = |message: String| Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
        match if is_key { formats.key } else { formats.value } {
            Format::Delimited { .. } => {
                let kind = sql_type.ksqldb_base_name();
                return refuse(format!("The 'DELIMITED' format does not support type '{kind}', column: `{name}`"))
                    .map_err(|error: Error| error.hint("Say value_format = 'JSON'."));
            }
            Format::Json if has_other_keys(sql_type) => {
                return refuse("JSON only supports MAP types with STRING keys".to_string())
                    .map_err(|error: Error| error.detail(format!("Column \"{name}\" is of type {sql_type}.")));
            }
            Format::Json | Format::Kafka | Format::None => {}
        }
    }
    Ok(())
}

/// Refuses (42P16) a key that is or holds a map.
pub fn check_key(name: &str, sql_type: &SqlType, rules: Compatibility) -> Result<()> {
    if !sql_type.holds_map() {
        return Ok(());
    }
    let column = format!("Key column name: `{name}`. Column type: {}.", type_name(sql_type, rules));
    let refused = "Map keys, including types that contain maps, are not supported";
    let message = match rules {
        Compatibility::Postgres => format!("{refused}. {column}"),
        Compatibility::Ksqldb => format!(
            "{refused} as they may lead to unexpected behavior due to inconsistent serialization. {column} See https://github.com/confluentinc/ksql/issues/6621 for more."
        ),
    };
    Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message).detail("Equal maps may have different bytes."))
}

fn has_other_keys(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Map(key, value) => **key != SqlType::Text || has_other_keys(value),
        SqlType::Array(item) => has_other_keys(item),
        SqlType::Struct(fields) => fields.iter().any(|field| has_other_keys(&field.sql_type)),
        _ => false,
    }
}
