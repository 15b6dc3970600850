//! The types that columns can be declared with.

use sqlparser::ast;
use sqlparser::ast::ArrayElemTypeDef;
use sqlparser::ast::DataType;
use sqlparser::ast::ExactNumberInfo;
use sqlparser::ast::TimezoneInfo;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::model::StructField;
use crate::sql::nearest;
use crate::sql::parse_type;

/// What `DECIMAL` without digits is: PostgreSQL's has no bound, ours has 38 digits.
const DECIMAL_UNTOLD: SqlType = SqlType::Decimal { precision: 38, scale: 10 };
/// How deep types may nest.
const DEPTH_MAX: usize = 16;
const PRECISION_MAX: u64 = 38;
/// The most digits that PostgreSQL lets a declaration name.
const POSTGRES_PRECISION_MAX: u64 = 1000;

/// The type that a declaration or a cast names.
///
/// Names of fields are folded by the rules. 54001 for a type that nests deeper than `DEPTH_MAX`.
pub fn sql_type(data_type: &DataType, rules: Compatibility) -> Result<SqlType> {
    nested(data_type, rules, 0)
}

fn nested(data_type: &DataType, rules: Compatibility, depth: usize) -> Result<SqlType> {
    if DEPTH_MAX < depth {
        let message = format!("the type nests deeper than {DEPTH_MAX} levels");
        return Err(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message));
    }
    let inner = |data_type: &DataType| nested(data_type, rules, depth + 1).map(Box::new);
    Ok(match data_type {
        DataType::Array(ArrayElemTypeDef::AngleBracket(item) | ArrayElemTypeDef::SquareBracket(item, _)) => {
            SqlType::Array(inner(item)?)
        }
        DataType::Map(key, value) => match (inner(key)?, inner(value)?) {
            (key, _) if key.is_nested() => {
                return Err(
                    Error::unsupported(format!("keys of a MAP of type {key} are not supported")).hint("Use TEXT.")
                );
            }
            (key, value) => SqlType::Map(key, value),
        },
        DataType::Struct(fields, _) => SqlType::Struct(struct_fields(fields, rules, &inner)?),
        // ksqlDB takes a length, and keeps texts of any.
        DataType::Varchar(Some(_)) | DataType::CharacterVarying(Some(_)) | DataType::String(Some(_))
            if rules == Compatibility::Ksqldb =>
        {
            SqlType::Text
        }
        simple => match (simple_type(simple), rules) {
            (Ok(sql_type), _) => sql_type,
            (Err(error), Compatibility::Postgres) => return Err(error),
            (Err(error), Compatibility::Ksqldb) => return Err(in_ksqldb_words(error, simple)),
        },
    })
}

/// What ksqlDB says of a type that is not there.
fn in_ksqldb_words(error: Error, data_type: &DataType) -> Error {
    let digits = match data_type {
        DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)) => Some((*precision, *scale)),
        _ => None,
    };
    match (error.state(), digits) {
        (SqlState::UNDEFINED_OBJECT, _) => error.reworded(format!("Cannot resolve unknown type: {data_type}")),
        (SqlState::INVALID_PARAMETER_VALUE, Some((precision, scale))) => {
            let wanted = match (precision, scale) {
                (0, _) => "precision must be >= 1",
                (_, ..0) => "scale must be >= 0",
                _ => "precision must be >= scale",
            };
            error.reworded(format!("DECIMAL {wanted}: DECIMAL({precision},{scale})"))
        }
        _ => error,
    }
}

fn struct_fields(
    declared: &[ast::StructField],
    rules: Compatibility,
    inner: &dyn Fn(&DataType) -> Result<Box<SqlType>>,
) -> Result<Vec<StructField>> {
    if declared.is_empty() {
        return Err(Error::unsupported("an empty STRUCT is not supported").hint("Write STRUCT<name TEXT, age INT>."));
    }
    let mut fields: Vec<StructField> = Vec::with_capacity(declared.len());
    for field in declared {
        let Some(ident) = &field.field_name else {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "a field of a STRUCT needs a name and a type")
                .hint("Write STRUCT<name TEXT, age INT>."));
        };
        let name = match (ident.quote_style, rules) {
            (Some(_), _) => ident.value.clone(),
            (None, Compatibility::Postgres) => ident.value.to_lowercase(),
            (None, Compatibility::Ksqldb) => ident.value.to_uppercase(),
        };
        if fields.iter().any(|known| known.name == name) {
            let message = format!("field \"{name}\" of a STRUCT specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        fields.push(StructField { name, sql_type: *inner(&field.field_type)? });
    }
    Ok(fields)
}

fn simple_type(data_type: &DataType) -> Result<SqlType> {
    Ok(match data_type {
        DataType::Boolean | DataType::Bool => SqlType::Boolean,
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) | DataType::Int32 => SqlType::Int,
        // 16 bits are kept in 32: every value fits.
        DataType::SmallInt(_) | DataType::Int2(_) => SqlType::Int,
        DataType::BigInt(_) | DataType::Int8(_) | DataType::Int64 => SqlType::BigInt,
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 | DataType::Float64 => SqlType::Double,
        // 32 bits are kept in 64, as ksqlDB has no smaller one.
        DataType::Real | DataType::Float4 | DataType::Float(_) => SqlType::Double,
        DataType::Decimal(digits) | DataType::Numeric(digits) | DataType::Dec(digits) => decimal(*digits)?,
        DataType::Text | DataType::String(None) => SqlType::Text,
        // A length that nobody checks would be a promise not kept: a relation keeps those of its columns.
        DataType::Varchar(None) | DataType::CharacterVarying(None) | DataType::CharVarying(None) => SqlType::Text,
        DataType::Varchar(Some(_))
        | DataType::CharacterVarying(Some(_))
        | DataType::CharVarying(Some(_))
        | DataType::Char(_)
        | DataType::Character(_)
        | DataType::String(Some(_)) => {
            return Err(Error::unsupported(format!("type {data_type} is not supported"))
                .hint("Only columns have lengths. Use TEXT."));
        }
        DataType::Bytes(None) | DataType::Bytea => SqlType::Bytes,
        DataType::JSON => SqlType::Json,
        DataType::JSONB => SqlType::Jsonb,
        DataType::Date => SqlType::Date,
        DataType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => SqlType::Time,
        DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => SqlType::Timestamp,
        DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => SqlType::TimestampTz,
        DataType::Custom(name, modifiers) => return custom(&name.to_string(), modifiers, data_type),
        other => return Err(unsupported(other)),
    })
}

/// Whether SQL has a type of this name, supported here or not.
pub fn is_known(name: &str) -> bool {
    if !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return false;
    }
    match parse_type(name) {
        Ok(DataType::Custom(named, modifiers)) => {
            let found = custom(&named.to_string(), &modifiers, &DataType::Unspecified);
            found.map_or_else(|error| error.state() != SqlState::UNDEFINED_OBJECT, |_| true)
        }
        // Of some that have parts the name alone is not a type.
        Ok(_) | Err(_) => true,
    }
}

/// Names of types that a hint may tell.
const NAMES: [&str; 17] = [
    "BIGINT",
    "BOOLEAN",
    "BYTEA",
    "BYTES",
    "DATE",
    "DECIMAL",
    "DOUBLE",
    "INT",
    "INTEGER",
    "NUMERIC",
    "SMALLINT",
    "STRING",
    "TEXT",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "VARCHAR",
];

fn custom(name: &str, modifiers: &[String], data_type: &DataType) -> Result<SqlType> {
    if let Some(named) = name.strip_prefix("pg_catalog.") {
        return of_pg_catalog(named, data_type);
    }
    match (name.to_ascii_uppercase().as_str(), modifiers) {
        ("STRING", []) => Ok(SqlType::Text),
        ("BYTES" | "BYTEA", []) => Ok(SqlType::Bytes),
        ("TIMESTAMPTZ", []) => Ok(SqlType::TimestampTz),
        ("SERIAL" | "BIGSERIAL" | "SMALLSERIAL" | "ARRAY" | "MAP" | "STRUCT" | "UUID" | "HSTORE" | "MONEY", _) => {
            Err(unsupported(data_type))
        }
        _ => Err(unknown_type(&data_type.to_string())),
    }
}

/// Types that PostgreSQL has, and what to write instead.
const INSTEAD: [(&[&str], &str); 3] = [
    (&["SMALLSERIAL"], "SERIAL is the type of a table's column whose numbers are given."),
    (&["UUID"], "Use TEXT; uuid() makes one."),
    (&["INTERVAL"], "Keep both TIMESTAMPs, whose difference is an interval, or a BIGINT."),
];

/// 0A000, with what to write instead.
fn unsupported(data_type: &DataType) -> Error {
    let name = data_type.to_string().to_ascii_uppercase();
    let error = Error::unsupported(format!("type {data_type} is not supported"));
    match INSTEAD.iter().find(|(names, _)| names.contains(&name.as_str())) {
        Some((_, instead)) => error.hint(*instead),
        None => error,
    }
}

/// 42704, with the nearest type.
pub fn unknown_type(name: &str) -> Error {
    let error = Error::new(SqlState::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"));
    match nearest(name, NAMES) {
        Some(known) => error.hint(format!("Did you mean {known}?")),
        None => error,
    }
}

/// A type by its place in PostgreSQL's catalog, as psql and drivers write it.
fn of_pg_catalog(name: &str, data_type: &DataType) -> Result<SqlType> {
    match name {
        // Short texts of the catalog.
        "name" | "\"char\"" => Ok(SqlType::Text),
        _ => {
            match Parser::new(&PostgreSqlDialect {}).try_with_sql(name).and_then(|mut parser| parser.parse_data_type())
            {
                Ok(DataType::Custom(..)) | Err(_) => {
                    Err(Error::new(SqlState::UNDEFINED_OBJECT, format!("type \"{data_type}\" does not exist")))
                }
                Ok(known) => simple_type(&known),
            }
        }
    }
}

fn decimal(digits: ExactNumberInfo) -> Result<SqlType> {
    let (precision, scale) = match digits {
        ExactNumberInfo::None => return Ok(DECIMAL_UNTOLD),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    let invalid = |message: String| Error::new(SqlState::INVALID_PARAMETER_VALUE, message);
    if (PRECISION_MAX + 1..=POSTGRES_PRECISION_MAX).contains(&precision) {
        return Err(Error::unsupported(format!("DECIMAL of more than {PRECISION_MAX} digits is not supported")));
    }
    if !(1..=PRECISION_MAX).contains(&precision) {
        return Err(invalid(format!("DECIMAL precision {precision} must be between 1 and {PRECISION_MAX}")));
    }
    let narrow = u8::try_from(precision).ok().zip(i8::try_from(scale).ok());
    match narrow {
        Some((precision, scale)) if 0 <= scale && i16::from(scale) <= i16::from(precision) => {
            Ok(SqlType::Decimal { precision, scale })
        }
        _ => Err(invalid(format!("DECIMAL scale {scale} must be between 0 and precision {precision}"))),
    }
}
