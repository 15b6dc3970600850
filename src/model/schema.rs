//! SQL types and columns, and the one Arrow type that carries each.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Fields;
use arrow::datatypes::TimeUnit;
use serde::Deserialize;
use serde::Serialize;

/// A column's type as SQL names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SqlType {
    /// `BOOLEAN`
    Boolean,
    /// `INT`, 32 bits
    Int,
    /// `BIGINT`, 64 bits
    BigInt,
    /// `DOUBLE PRECISION`, 64 bits
    Double,
    /// `DECIMAL(precision, scale)`, precision 1..=38, scale 0..=precision
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// `TEXT`, UTF-8
    Text,
    /// `BYTES`
    Bytes,
    /// `JSON`: a document as it was written
    Json,
    /// `JSONB`: a document in its one form
    Jsonb,
    /// `DATE`, days since 1970-01-01
    Date,
    /// `TIME`, microseconds of the day
    Time,
    /// `TIMESTAMP`, microseconds since 1970-01-01, no zone
    Timestamp,
    /// `TIMESTAMP WITH TIME ZONE`, microseconds since 1970-01-01 UTC
    TimestampTz,
    /// `ARRAY<T>`, `T[]`: values of one type in an order, each of which may be null
    Array(Box<SqlType>),
    /// `MAP<K, V>`: a value, which may be null, for each of a set of keys
    Map(Box<SqlType>, Box<SqlType>),
    /// `STRUCT<name T, ..>`: fields with names, in an order; each may be null
    Struct(Vec<StructField>),
}

/// A field of a STRUCT.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StructField {
    /// The name, already folded.
    pub name: String,
    /// The type.
    pub sql_type: SqlType,
}

impl SqlType {
    /// The Arrow type that carries values of this type, everywhere in the engine.
    pub fn arrow(&self) -> DataType {
        match self {
            SqlType::Boolean => DataType::Boolean,
            SqlType::Int => DataType::Int32,
            SqlType::BigInt => DataType::Int64,
            SqlType::Double => DataType::Float64,
            SqlType::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
            SqlType::Text => DataType::Utf8,
            SqlType::Bytes => DataType::Binary,
            // Nothing else that SQL has is carried by these two: operators and functions know a document by them.
            SqlType::Json => DataType::LargeUtf8,
            SqlType::Jsonb => DataType::LargeBinary,
            SqlType::Date => DataType::Date32,
            SqlType::Time => DataType::Time64(TimeUnit::Microsecond),
            SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            SqlType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            SqlType::Array(item) => DataType::new_list(item.arrow(), true),
            SqlType::Map(key, value) => {
                let entry = [Field::new("key", key.arrow(), false), Field::new("value", value.arrow(), true)];
                let entries = Field::new("entries", DataType::Struct(Fields::from_iter(entry)), false);
                DataType::Map(Arc::new(entries), false)
            }
            SqlType::Struct(fields) => DataType::Struct(
                fields.iter().map(|field| Field::new(&field.name, field.sql_type.arrow(), true)).collect(),
            ),
        }
    }

    /// Whether it is made of other types.
    pub fn is_nested(&self) -> bool {
        matches!(self, SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_))
    }

    /// Whether it is a MAP or made of one: such a value has no order, and no bytes of its own as a key.
    pub fn holds_map(&self) -> bool {
        match self {
            SqlType::Map(..) => true,
            SqlType::Array(item) => item.holds_map(),
            SqlType::Struct(fields) => fields.iter().any(|field| field.sql_type.holds_map()),
            _ => false,
        }
    }

    /// The name that PostgreSQL's messages have for it; a MAP or STRUCT as it is declared.
    pub fn postgres_name(&self) -> Cow<'static, str> {
        match self {
            SqlType::Array(item) => Cow::Owned(format!("{}[]", item.postgres_name())),
            SqlType::Map(..) | SqlType::Struct(_) => Cow::Owned(self.to_string()),
            other => Cow::Borrowed(other.simple_name()),
        }
    }

    /// The name that ksqlDB's messages have for it.
    pub fn ksqldb_name(&self) -> String {
        match self {
            SqlType::Decimal { precision, scale } => format!("DECIMAL({precision}, {scale})"),
            SqlType::Array(item) => format!("ARRAY<{}>", item.ksqldb_name()),
            SqlType::Map(key, value) => format!("MAP<{}, {}>", key.ksqldb_name(), value.ksqldb_name()),
            SqlType::Struct(fields) => {
                let fields = fields.iter().map(|field| format!("`{}` {}", field.name, field.sql_type.ksqldb_name()));
                format!("STRUCT<{}>", fields.collect::<Vec<_>>().join(", "))
            }
            simple => simple.ksqldb_base_name().to_string(),
        }
    }

    /// The same without what stands in brackets.
    pub fn ksqldb_base_name(&self) -> &'static str {
        match self {
            SqlType::Boolean => "BOOLEAN",
            SqlType::Int => "INTEGER",
            SqlType::BigInt => "BIGINT",
            SqlType::Double => "DOUBLE",
            SqlType::Decimal { .. } => "DECIMAL",
            SqlType::Text => "STRING",
            SqlType::Bytes => "BYTES",
            SqlType::Json => "JSON",
            SqlType::Jsonb => "JSONB",
            SqlType::Date => "DATE",
            SqlType::Time => "TIME",
            SqlType::Timestamp | SqlType::TimestampTz => "TIMESTAMP",
            SqlType::Array(_) => "ARRAY",
            SqlType::Map(..) => "MAP",
            SqlType::Struct(_) => "STRUCT",
        }
    }

    /// The name that PostgreSQL's input functions have for it, which say less.
    pub fn input_name(&self) -> &'static str {
        match self {
            SqlType::Time => "time",
            SqlType::Timestamp => "timestamp",
            // PostgreSQL reads both with one function.
            SqlType::Jsonb => "json",
            other => other.simple_name(),
        }
    }

    /// PostgreSQL's name of a type that is not nested; of the others, what their text is.
    fn simple_name(&self) -> &'static str {
        match self {
            SqlType::Boolean => "boolean",
            SqlType::Int => "integer",
            SqlType::BigInt => "bigint",
            SqlType::Double => "double precision",
            SqlType::Decimal { .. } => "numeric",
            SqlType::Text => "text",
            SqlType::Bytes => "bytea",
            SqlType::Json => "json",
            SqlType::Jsonb => "jsonb",
            SqlType::Date => "date",
            SqlType::Time => "time without time zone",
            SqlType::Timestamp => "timestamp without time zone",
            SqlType::TimestampTz => "timestamp with time zone",
            SqlType::Array(_) => "array",
            SqlType::Map(..) | SqlType::Struct(_) => "json",
        }
    }

    /// The name that PostgreSQL's messages have for the type of an Arrow value; Arrow's own where SQL has none.
    pub fn postgres_name_of(data_type: &DataType) -> String {
        match data_type {
            DataType::Interval(_) | DataType::Duration(_) => "interval".to_string(),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                format!("{}[]", Self::postgres_name_of(item.data_type()))
            }
            other => {
                Self::from_arrow(other).map_or_else(|| other.to_string(), |found| found.postgres_name().into_owned())
            }
        }
    }

    /// The SQL type that an Arrow type of a query's result stands for, `None` if there is none.
    pub fn from_arrow(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => SqlType::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => SqlType::Int,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => SqlType::BigInt,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => SqlType::Double,
            DataType::Decimal128(precision, scale) => SqlType::Decimal { precision: *precision, scale: *scale },
            DataType::Utf8 | DataType::Utf8View | DataType::Null => SqlType::Text,
            DataType::LargeUtf8 => SqlType::Json,
            DataType::Binary | DataType::BinaryView => SqlType::Bytes,
            DataType::LargeBinary => SqlType::Jsonb,
            DataType::Date32 => SqlType::Date,
            DataType::Time32(_) | DataType::Time64(_) => SqlType::Time,
            DataType::Timestamp(_, None) => SqlType::Timestamp,
            DataType::Timestamp(_, Some(_)) => SqlType::TimestampTz,
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                SqlType::Array(Box::new(Self::from_arrow(item.data_type())?))
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => SqlType::Map(
                    Box::new(Self::from_arrow(fields[0].data_type())?),
                    Box::new(Self::from_arrow(fields[1].data_type())?),
                ),
                _ => return None,
            },
            DataType::Struct(fields) => {
                let field = |field: &Arc<Field>| {
                    Some(StructField { name: field.name().clone(), sql_type: Self::from_arrow(field.data_type())? })
                };
                SqlType::Struct(fields.iter().map(field).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Boolean => f.write_str("BOOLEAN"),
            SqlType::Int => f.write_str("INT"),
            SqlType::BigInt => f.write_str("BIGINT"),
            SqlType::Double => f.write_str("DOUBLE PRECISION"),
            SqlType::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            SqlType::Text => f.write_str("TEXT"),
            SqlType::Bytes => f.write_str("BYTES"),
            SqlType::Json => f.write_str("JSON"),
            SqlType::Jsonb => f.write_str("JSONB"),
            SqlType::Date => f.write_str("DATE"),
            SqlType::Time => f.write_str("TIME"),
            SqlType::Timestamp => f.write_str("TIMESTAMP"),
            SqlType::TimestampTz => f.write_str("TIMESTAMP WITH TIME ZONE"),
            SqlType::Array(item) => write!(f, "ARRAY<{item}>"),
            SqlType::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            SqlType::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (place, field) in fields.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}\"{}\" {}", field.name.replace('"', "\"\""), field.sql_type)?;
                }
                f.write_str(">")
            }
        }
    }
}

/// The least precision of a decimal with this scale that holds the value: its digits, at least those after the point.
pub fn decimal_precision(unscaled: i128, scale: i8) -> u8 {
    let digits = unscaled.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
    u8::try_from(digits).unwrap_or(u8::MAX).max(scale.unsigned_abs())
}

/// Where a column of a relation lives in a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ColumnRole {
    /// In the record's key.
    Key,
    /// The window's first instant, inclusive; in the record's key after the key columns.
    WindowStart,
    /// The window's last instant, exclusive; derived from the start, or in the key for sessions.
    WindowEnd,
    /// In the record's value.
    Value,
    /// All headers of the record, `ARRAY<STRUCT<key TEXT, value BYTES>>`, in their order; only read.
    Headers,
    /// The value of the record's last header of this name, BYTES; only read.
    Header(String),
}

impl ColumnRole {
    /// Whether records' headers give the column, which no statement writes.
    pub fn is_of_headers(&self) -> bool {
        matches!(self, ColumnRole::Headers | ColumnRole::Header(_))
    }

    /// Whether it is where a window begins or ends.
    pub fn is_window_bound(&self) -> bool {
        matches!(self, ColumnRole::WindowStart | ColumnRole::WindowEnd)
    }
}

/// A column of a relation. All columns but key parts of windowed views may be null.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// The name, already folded.
    pub name: String,
    /// The type.
    pub sql_type: SqlType,
    /// Where it lives in a record.
    pub role: ColumnRole,
}

/// What the name of a key column begins with that no statement named: no star has it, and no list of columns.
const HIDDEN: char = '?';

/// The name of what tells the rows of a table apart that was declared without a key. Those that `Column::hidden_name` makes have the
/// name of a relation before the point.
pub const ROW_KEY: &str = "?.row";

impl Column {
    /// The key of a table that was declared without one: a number that each row is given.
    pub fn row_key() -> Self {
        Self { name: ROW_KEY.to_string(), sql_type: SqlType::Bytes, role: ColumnRole::Key }
    }

    /// A column that tells the rows of a table apart whose SELECT list does not: `of` is what it holds.
    pub fn hidden_name(relation: &str, of: &str) -> String {
        format!("{HIDDEN}{relation}.{of}")
    }

    /// Whether it is one of those.
    pub fn is_hidden(&self) -> bool {
        self.role == ColumnRole::Key && self.name.starts_with(HIDDEN)
    }

    /// The Arrow field of this column, always nullable.
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.sql_type.arrow(), true)
    }
}
