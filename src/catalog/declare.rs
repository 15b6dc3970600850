//! From a CREATE over a topic to a relation's columns and formats.

use std::collections::BTreeMap;

use sqlparser::ast::ArrayElemTypeDef;
use sqlparser::ast::DataType;

use super::Compatibility;
use super::Format;
use super::Formats;
use super::Identity;
use super::RelationKind;
use super::RelationOptions;
use super::TextKind;
use super::check_nested;
use super::fold;
use super::kafka_format::check_kafka;
use super::kafka_format::type_name;
use super::options::delimited;
use super::options::kafka_can_write;
use super::sql_type;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::ROW_KEY;
use crate::model::SqlType;
use crate::sql::ColumnDefault;
use crate::sql::CreateSource;
use crate::sql::DeclaredIdentity;
use crate::sql::DeclaredRole;
use crate::sql::Name;
use crate::sql::ObjectKind;

/// Names that ksqlDB gives to what each row carries besides its columns.
pub const KSQLDB_RESERVED: [&str; 5] = ["ROWTIME", "ROWPARTITION", "ROWOFFSET", "WINDOWSTART", "WINDOWEND"];

/// What a declaration says, before there is a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Stream or table.
    pub kind: RelationKind,
    /// In the order of the declaration, window bounds last.
    pub columns: Vec<Column>,
    /// How records are written.
    pub formats: Formats,
    /// The column that gives the event time.
    pub timestamp_column: Option<usize>,
    /// Value columns of a table that hold no null, by index into `columns`.
    pub not_null: Vec<usize>,
    /// What text columns are declared as, by index into `columns`.
    pub text_kinds: BTreeMap<usize, TextKind>,
    /// The texts of DEFAULT, by index into `columns`.
    pub defaults: BTreeMap<usize, String>,
    /// The column of numbers that are given.
    pub identity: Option<Identity>,
}

/// Checks a declaration and gives names, types and formats their final form.
pub fn declare(create: &CreateSource, options: &RelationOptions, compatibility: Compatibility) -> Result<Declared> {
    let kind = match create.kind {
        ObjectKind::Stream => RelationKind::Stream,
        ObjectKind::Table | ObjectKind::MaterializedView => RelationKind::Table,
    };
    let mut columns: Vec<Column> = Vec::with_capacity(create.columns.len() + 2);
    let (mut not_null, mut text_kinds, mut defaults) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    let mut identity = None;
    for definition in &create.columns {
        let name = column_name(&columns, &definition.name, compatibility)?;
        let position = definition.name.position;
        let role =
            role(kind, &definition.role).map_err(|error| in_words(error, &name, kind, compatibility).at(position))?;
        let length = TextKind::declared(&definition.data_type, compatibility).map_err(|error| error.at(position))?;
        text_kinds.extend(length.map(|length| (columns.len(), length)));
        let sql_type = column_type(&definition.data_type, length, compatibility).map_err(|error| error.at(position))?;
        if let Some(declared) = definition.identity {
            check_identity(create, &declared, &sql_type, compatibility)?;
            let DeclaredIdentity { always, start, position } = declared;
            if identity.replace(Identity { column: columns.len(), always, start, next: start }).is_some() {
                return Err(Error::unsupported("a table has one column of numbers that are given").at(position));
            }
        }
        check_headers(&columns, &role, &sql_type, compatibility).map_err(|error| error.at(position))?;
        if let Some(position) = definition.not_null.filter(|_| role.is_of_headers()) {
            return Err(Error::unsupported("NOT NULL is not supported for a column of headers").at(position));
        }
        if let Some(position) = definition.not_null.filter(|_| role == ColumnRole::Value) {
            if kind == RelationKind::Stream {
                // A promise that nobody keeps would be worse than none: what a stream has comes from records.
                let error = Error::unsupported("NOT NULL is not supported for a stream").at(position);
                return Err(error.hint("Leave it out, or CREATE TABLE."));
            }
            not_null.push(columns.len());
        }
        if let Some(default) = &definition.default {
            check_default(create, default, &role, compatibility)?;
            defaults.insert(columns.len(), default.text.clone());
        }
        columns.push(Column { name, sql_type, role });
    }
    if let (RelationKind::Stream, Some((_, position))) = (kind, options.ttl_ms) {
        return Err(not_for_streams(position));
    }
    let keyed = columns.iter().any(|column| column.role == ColumnRole::Key);
    if kind == RelationKind::Table && !keyed {
        refuse_without_key(create, options, compatibility)?;
        columns.push(Column::row_key());
    }
    if options.window.is_some() {
        if !keyed {
            let message = match compatibility {
                Compatibility::Postgres => "a windowed relation needs a key",
                Compatibility::Ksqldb => "Windowed sources require a key column.",
            };
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message).at(create.name.position));
        }
        columns.extend(window_bounds(compatibility));
    }
    let formats = formats(&columns, options, compatibility).map_err(|error| error.at(create.name.position))?;
    check_nested(&columns, &formats, compatibility).map_err(|error| error.at(create.name.position))?;
    let timestamp_column = timestamp_column(&columns, options, compatibility)?;
    Ok(Declared { kind, columns, formats, timestamp_column, not_null, text_kinds, defaults, identity })
}

/// The folded name of a column, which none before it has.
fn column_name(before: &[Column], told: &Name, compatibility: Compatibility) -> Result<String> {
    let name = fold(told, compatibility);
    let (state, message) = if before.iter().any(|column| column.name == name) {
        (SqlState::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once"))
    } else if name == ROW_KEY {
        (SqlState::DUPLICATE_COLUMN, format!("column name \"{name}\" conflicts with a system column name"))
    } else if compatibility == Compatibility::Ksqldb && KSQLDB_RESERVED.contains(&name.as_str()) {
        (SqlState::INVALID_TABLE_DEFINITION, format!("\"{name}\" is a reserved system column name"))
    } else {
        return Ok(name);
    };
    Err(Error::new(state, message).at(told.position))
}

/// DEFAULT is for what SQL statements write.
fn check_default(
    create: &CreateSource,
    default: &ColumnDefault,
    role: &ColumnRole,
    rules: Compatibility,
) -> Result<()> {
    let why = match rules {
        Compatibility::Ksqldb => "under ksqlDB's rules",
        Compatibility::Postgres if role.is_of_headers() => "for a column of headers",
        Compatibility::Postgres if create.read_only => "for what no statement writes",
        Compatibility::Postgres => return Ok(()),
    };
    let error = Error::unsupported(format!("DEFAULT is not supported {why}")).at(default.position);
    Err(error.hint("Give the value with each row."))
}

/// Numbers are given to rows that SQL statements write.
fn check_identity(
    create: &CreateSource,
    identity: &DeclaredIdentity,
    sql_type: &SqlType,
    rules: Compatibility,
) -> Result<()> {
    let error = if rules == Compatibility::Ksqldb {
        Error::unsupported("SERIAL and IDENTITY are not supported under ksqlDB's rules")
    } else if create.kind == ObjectKind::Stream {
        Error::unsupported("SERIAL and IDENTITY are not supported for a stream").hint("CREATE TABLE numbers its rows.")
    } else if create.read_only {
        Error::unsupported("SERIAL and IDENTITY are not supported for what no statement writes")
    } else if !matches!(sql_type, SqlType::Int | SqlType::BigInt) {
        let message = "identity column type must be smallint, integer, or bigint";
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
    } else {
        return Ok(());
    };
    Err(error.at(identity.position))
}

/// Only a table that makes its topic can do without a key: in the records of others nobody gave the rows a number.
fn refuse_without_key(create: &CreateSource, options: &RelationOptions, rules: Compatibility) -> Result<()> {
    let message = match rules {
        Compatibility::Ksqldb => "Tables require a PRIMARY KEY. Please define the PRIMARY KEY.",
        Compatibility::Postgres if create.read_only => "a SOURCE table needs a PRIMARY KEY",
        Compatibility::Postgres if options.topic.is_some() => "a table over a named topic needs a PRIMARY KEY",
        Compatibility::Postgres if options.window.is_some() => "a windowed relation needs a key",
        Compatibility::Postgres => return Ok(()),
    };
    Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message)
        .at(create.name.position)
        .hint("Mark one or more columns PRIMARY KEY, or create a STREAM."))
}

/// The type of a column that is declared with a length, or without one.
pub(super) fn column_type(
    data_type: &DataType,
    length: Option<TextKind>,
    compatibility: Compatibility,
) -> Result<SqlType> {
    match length {
        Some(_) => Ok(SqlType::Text),
        None => sql_type(data_type, compatibility),
    }
}

/// The type that a cast or a client names for a value: kinds of texts, and arrays of them, are texts.
pub fn cast_type(data_type: &DataType, rules: Compatibility) -> Result<SqlType> {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) => {
            Ok(SqlType::Array(Box::new(cast_type(item, rules)?)))
        }
        _ => column_type(data_type, TextKind::declared(data_type, rules)?, rules),
    }
}

/// Rows of streams are facts.
pub fn not_for_streams(position: Position) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, "ttl is for tables and views")
        .at(position)
        .hint("retention_ms says how long a stream's records are kept.")
}

fn role(kind: RelationKind, declared: &DeclaredRole) -> Result<ColumnRole> {
    match (kind, declared) {
        (_, DeclaredRole::Value) => Ok(ColumnRole::Value),
        (_, DeclaredRole::Headers) => Ok(ColumnRole::Headers),
        (_, DeclaredRole::Header(name)) => Ok(ColumnRole::Header(name.clone())),
        (RelationKind::Stream, DeclaredRole::Key) | (RelationKind::Table, DeclaredRole::PrimaryKey) => {
            Ok(ColumnRole::Key)
        }
        (RelationKind::Stream, DeclaredRole::PrimaryKey) => {
            Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, "a stream cannot have a PRIMARY KEY")
                .hint("Say KEY: rows of a stream with the same key do not replace each other."))
        }
        (RelationKind::Table, DeclaredRole::Key) => {
            Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, "a table's key is its PRIMARY KEY")
                .hint("Say PRIMARY KEY."))
        }
    }
}

/// A key of the other kind of relation, in the words of the rules.
fn in_words(error: Error, name: &str, kind: RelationKind, rules: Compatibility) -> Error {
    let (wrong, right, whose) = match kind {
        RelationKind::Stream => ("PRIMARY KEY", "KEY", "streams"),
        RelationKind::Table => ("KEY", "PRIMARY KEY", "tables"),
    };
    match rules {
        Compatibility::Postgres => error,
        Compatibility::Ksqldb => error
            .reworded(format!(
                "Column `{name}` is a '{wrong}' column: please use '{right}' for {whose}.\nTables have PRIMARY KEYs, which are unique and NON NULL.\nStreams have KEYs, which have no uniqueness or NON NULL constraints."
            ))
            .tells_place(""),
    }
}

/// A column of headers has one type, and is declared once; all of them, or some by name.
fn check_headers(before: &[Column], role: &ColumnRole, sql_type: &SqlType, rules: Compatibility) -> Result<()> {
    let (declared, fits, wanted) = match (role, rules) {
        (ColumnRole::Headers, Compatibility::Ksqldb) => {
            ("HEADERS".to_string(), is_headers(sql_type), "ARRAY<STRUCT<`KEY` STRING, `VALUE` BYTES>>")
        }
        (ColumnRole::Headers, Compatibility::Postgres) => {
            ("HEADERS".to_string(), is_headers(sql_type), "ARRAY<STRUCT<\"key\" TEXT, \"value\" BYTES>>")
        }
        (ColumnRole::Header(name), _) => (format!("HEADER('{name}')"), *sql_type == SqlType::Bytes, "BYTES"),
        _ => return Ok(()),
    };
    if !fits {
        let invalid = if rules == Compatibility::Ksqldb { "Invalid" } else { "invalid" };
        let found = type_name(sql_type, rules);
        let message = format!("{invalid} type for {declared} column: expected {wanted}, got {found}");
        return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
    }
    let mut others = before.iter().map(|column| &column.role).filter(|other| other.is_of_headers());
    let taken = |other: &ColumnRole| other == role || [other, role].contains(&&ColumnRole::Headers);
    match others.any(taken) {
        true => Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, format!("{declared} beside another such column"))
            .hint("Declare HEADERS once, or HEADER('name') once for each name.")),
        false => Ok(()),
    }
}

/// `ARRAY<STRUCT<key TEXT, value BYTES>>`, the names in any case.
fn is_headers(sql_type: &SqlType) -> bool {
    let SqlType::Array(item) = sql_type else { return false };
    let SqlType::Struct(fields) = item.as_ref() else { return false };
    let found = fields.iter().map(|field| (field.name.to_ascii_lowercase(), &field.sql_type)).collect::<Vec<_>>();
    found == [("key".to_string(), &SqlType::Text), ("value".to_string(), &SqlType::Bytes)]
}

/// The two columns that a window in the key adds.
fn window_bounds(compatibility: Compatibility) -> [Column; 2] {
    let (names, sql_type) = match compatibility {
        Compatibility::Postgres => (["windowstart", "windowend"], SqlType::TimestampTz),
        Compatibility::Ksqldb => (["WINDOWSTART", "WINDOWEND"], SqlType::BigInt),
    };
    [
        Column { name: names[0].to_string(), sql_type: sql_type.clone(), role: ColumnRole::WindowStart },
        Column { name: names[1].to_string(), sql_type, role: ColumnRole::WindowEnd },
    ]
}

fn formats(columns: &[Column], options: &RelationOptions, compatibility: Compatibility) -> Result<Formats> {
    let keys: Vec<&Column> = columns.iter().filter(|column| column.role == ColumnRole::Key).collect();
    let values: Vec<&Column> = columns.iter().filter(|column| column.role == ColumnRole::Value).collect();
    let kafka_fits = |columns: &[&Column]| matches!(columns, [only] if kafka_can_write(&only.sql_type));
    delimited("key_delimiter", options.key_format, options.key_delimiter)?;
    delimited("value_delimiter", options.value_format, options.value_delimiter)?;
    let key = match options.key_format {
        _ if keys.is_empty() => Format::None,
        // The number of a row is nobody's to format.
        _ if keys.iter().any(|key| key.name == ROW_KEY) => Format::Kafka,
        Some(format) => format,
        // Kafka's own serializers write one column; a key that they cannot write is a JSON document unless told.
        None if kafka_fits(&keys) || compatibility == Compatibility::Ksqldb => Format::Kafka,
        None => Format::Json,
    };
    let value = match options.value_format {
        Some(format) => format,
        None if compatibility == Compatibility::Postgres => Format::Json,
        None => return Err(value_format_missing()),
    };
    let misfit = |half: &str, format: &str| {
        Error::new(SqlState::INVALID_TABLE_DEFINITION, format!("the format {format} cannot hold this {half}"))
            .detail("KAFKA holds one column of type INT, BIGINT, DOUBLE PRECISION, TEXT or BYTES; NONE holds none.")
            .hint(format!("Say {half}_format = 'JSON'."))
    };
    if compatibility == Compatibility::Ksqldb {
        let halves = [(key, &keys), (value, &values)];
        halves
            .into_iter()
            .filter(|(format, _)| *format == Format::Kafka)
            .try_for_each(|(_, half)| check_kafka(half))?;
    }
    match key {
        Format::Kafka if !kafka_fits(&keys) => return Err(misfit("key", "KAFKA")),
        Format::None if !keys.is_empty() => return Err(misfit("key", "NONE")),
        _ => {}
    }
    match value {
        Format::Kafka if !values.is_empty() && !kafka_fits(&values) => return Err(misfit("value", "KAFKA")),
        Format::None if !values.is_empty() => return Err(misfit("value", "NONE")),
        _ => {}
    }
    let wrap_single_value = options.wrap_of(value, values.len())?;
    Ok(Formats { key, value, wrap_single_value })
}

fn value_format_missing() -> Error {
    let message = "Statement is missing the 'VALUE_FORMAT' property from the WITH clause. Either provide one or set a default via the 'ksql.persistence.default.format.value' config.";
    Error::new(SqlState::INVALID_TABLE_DEFINITION, message).hint("Say value_format = 'JSON', DELIMITED or KAFKA.")
}

fn timestamp_column(
    columns: &[Column],
    options: &RelationOptions,
    compatibility: Compatibility,
) -> Result<Option<usize>> {
    let Some(typed) = &options.timestamp else {
        return match options.timestamp_format {
            Some(_) => Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, "timestamp_format needs timestamp")),
            None => Ok(None),
        };
    };
    let name = fold(typed, compatibility);
    let index = columns.iter().position(|column| column.name == name).ok_or_else(|| {
        Error::new(SqlState::UNDEFINED_COLUMN, no_time_column(&name, compatibility)).at(typed.position)
    })?;
    let fits = match (&columns[index].sql_type, &options.timestamp_format) {
        (SqlType::BigInt | SqlType::Timestamp | SqlType::TimestampTz, None) | (SqlType::Text, Some(_)) => true,
        (SqlType::BigInt | SqlType::Timestamp | SqlType::TimestampTz, Some(_)) => {
            return Err(timestamp_format_misplaced(typed.position, compatibility));
        }
        (SqlType::Text, None) if compatibility == Compatibility::Postgres => {
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, "a text timestamp needs timestamp_format")
                .at(typed.position));
        }
        _ => false,
    };
    if fits {
        return Ok(Some(index));
    }
    let message = no_time(&name, compatibility);
    Err(Error::new(SqlState::DATATYPE_MISMATCH, message)
        .at(typed.position)
        .hint("It takes a TIMESTAMP, a BIGINT of milliseconds, or a TEXT with timestamp_format."))
}

/// What is wrong with a pattern for what is no text.
pub fn timestamp_format_misplaced(position: Position, rules: Compatibility) -> Error {
    let message = match rules {
        Compatibility::Postgres => "timestamp_format is for a timestamp of type text",
        Compatibility::Ksqldb => {
            "'TIMESTAMP_FORMAT' set in the WITH clause can only be used when the timestamp column is of type STRING."
        }
    };
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(position)
}

/// What is wrong with a column of the event time that is not there.
pub fn no_time_column(name: &str, rules: Compatibility) -> String {
    match rules {
        Compatibility::Postgres => format!("column \"{name}\" does not exist"),
        Compatibility::Ksqldb => {
            format!("The TIMESTAMP column set in the WITH clause does not exist in the schema: '{name}'")
        }
    }
}

/// What is wrong with one whose type tells no time.
pub fn no_time(name: &str, rules: Compatibility) -> String {
    match rules {
        Compatibility::Postgres => format!("column \"{name}\" cannot give the event time"),
        Compatibility::Ksqldb => format!(
            "Timestamp column, `{name}`, should be LONG(INT64), TIMESTAMP, or a String with a timestamp_format specified"
        ),
    }
}
