//! What ksqlDB says of a WITH clause that it does not take.

use super::options::option_names;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::WithOption;

/// Options of ksqlDB that are not there yet: they are refused as such.
const LATER: [&str; 9] = [
    "key_protobuf_nullable_representation",
    "key_schema_full_name",
    "key_schema_id",
    "sourced_by_connector",
    "source_connector",
    "value_avro_schema_full_name",
    "value_protobuf_nullable_representation",
    "value_schema_full_name",
    "value_schema_id",
];

/// Options of windows, which a query tells by itself.
const OF_WINDOWS: [&str; 2] = ["window_size", "window_type"];

/// Refuses in ksqlDB's words what it refuses; other mistakes are told by what reads the clause.
pub fn check_ksqldb_options(clause: &[WithOption]) -> Result<()> {
    let known = option_names();
    let is_unknown = |name: &str| !known.contains(&name) && !LATER.contains(&name);
    refuse_names(clause, is_unknown)?;
    check_formats(clause)?;
    check_delimiters(clause)?;
    check_window(clause)
}

/// The same of the clause of a query, whose windows are its own.
pub fn check_ksqldb_query_options(clause: &[WithOption]) -> Result<()> {
    check_ksqldb_options(clause)?;
    refuse_names(clause, |name| OF_WINDOWS.contains(&name))
}

fn refused(message: String, option: &WithOption) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(option.name.position)
}

fn told<'a>(clause: &'a [WithOption], name: &str) -> Option<&'a WithOption> {
    clause.iter().find(|option| option.name.value.eq_ignore_ascii_case(name))
}

fn refuse_names(clause: &[WithOption], is_refused: impl Fn(&str) -> bool) -> Result<()> {
    let is_refused = |option: &&WithOption| is_refused(&option.name.value.to_lowercase());
    let Some(first) = clause.iter().find(is_refused) else { return Ok(()) };
    let mut names: Vec<String> =
        clause.iter().filter(is_refused).map(|option| option.name.value.to_uppercase()).collect();
    names.sort_unstable();
    Err(refused(format!("Invalid config variable(s) in the WITH clause: {}", names.join(",")), first))
}

fn check_formats(clause: &[WithOption]) -> Result<()> {
    let Some(both) = told(clause, "format") else { return Ok(()) };
    let half = ["key_format", "value_format"].into_iter().find(|half| told(clause, half).is_some());
    half.map_or(Ok(()), |half| {
        let message = format!(
            "Cannot supply both '{}' and 'FORMAT' properties, as 'FORMAT' sets both key and value formats.\nEither use just 'FORMAT', or use 'KEY_FORMAT' and 'VALUE_FORMAT'.",
            half.to_uppercase()
        );
        Err(refused(message, both))
    })
}

fn check_delimiters(clause: &[WithOption]) -> Result<()> {
    for option in ["key_delimiter", "value_delimiter"].into_iter().filter_map(|name| told(clause, name)) {
        let is_named = ["SPACE", "TAB"].iter().any(|name| option.value.eq_ignore_ascii_case(name));
        let message = match option.value.chars().count() {
            0 => "Delimiter cannot be empty, if you meant to have a tab or space for delimiter, please use the special values 'TAB' or 'SPACE'".to_owned(),
            1 => continue,
            _ if is_named => continue,
            _ => format!(
                "Invalid delimiter value: '{}'. Delimiter must be a single character or TAB or SPACE",
                option.value
            ),
        };
        return Err(refused(message, option));
    }
    Ok(())
}

fn check_window(clause: &[WithOption]) -> Result<()> {
    let Some(kind) = told(clause, "window_type") else { return Ok(()) };
    let name = kind.value.to_uppercase();
    let message = match (name.as_str(), told(clause, "window_size")) {
        ("SESSION", Some(_)) => "'WINDOW_SIZE' should not be set for SESSION windows.".to_owned(),
        ("HOPPING" | "TUMBLING", None) => format!(
            "{name} windows require 'WINDOW_SIZE' to be provided in the WITH clause. For example: 'WINDOW_SIZE'='10 SECONDS'"
        ),
        _ => return Ok(()),
    };
    Err(refused(message, kind))
}
