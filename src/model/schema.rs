//! SQL types and columns, and the one Arrow type that carries each.

use std::fmt;

use arrow::datatypes::DataType;
use arrow::datatypes::Field;
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
    /// `DATE`, days since 1970-01-01
    Date,
    /// `TIME`, microseconds of the day
    Time,
    /// `TIMESTAMP`, microseconds since 1970-01-01, no zone
    Timestamp,
    /// `TIMESTAMP WITH TIME ZONE`, microseconds since 1970-01-01 UTC
    TimestampTz,
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
            SqlType::Date => DataType::Date32,
            SqlType::Time => DataType::Time64(TimeUnit::Microsecond),
            SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            SqlType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The name that PostgreSQL's messages have for it.
    pub fn postgres_name(&self) -> &'static str {
        match self {
            SqlType::Boolean => "boolean",
            SqlType::Int => "integer",
            SqlType::BigInt => "bigint",
            SqlType::Double => "double precision",
            SqlType::Decimal { .. } => "numeric",
            SqlType::Text => "text",
            SqlType::Bytes => "bytea",
            SqlType::Date => "date",
            SqlType::Time => "time without time zone",
            SqlType::Timestamp => "timestamp without time zone",
            SqlType::TimestampTz => "timestamp with time zone",
        }
    }

    /// The name that PostgreSQL's input functions have for it, which say less.
    pub fn input_name(&self) -> &'static str {
        match self {
            SqlType::Time => "time",
            SqlType::Timestamp => "timestamp",
            other => other.postgres_name(),
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
                Self::from_arrow(other).map_or_else(|| other.to_string(), |found| found.postgres_name().to_string())
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
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => SqlType::Text,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => SqlType::Bytes,
            DataType::Date32 => SqlType::Date,
            DataType::Time32(_) | DataType::Time64(_) => SqlType::Time,
            DataType::Timestamp(_, None) => SqlType::Timestamp,
            DataType::Timestamp(_, Some(_)) => SqlType::TimestampTz,
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
            SqlType::Date => f.write_str("DATE"),
            SqlType::Time => f.write_str("TIME"),
            SqlType::Timestamp => f.write_str("TIMESTAMP"),
            SqlType::TimestampTz => f.write_str("TIMESTAMP WITH TIME ZONE"),
        }
    }
}

/// The least precision of a decimal with this scale that holds the value: its digits, at least those after the point.
pub fn decimal_precision(unscaled: i128, scale: i8) -> u8 {
    let digits = unscaled.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
    u8::try_from(digits).unwrap_or(u8::MAX).max(scale.unsigned_abs())
}

/// Where a column of a relation lives in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ColumnRole {
    /// In the record's key.
    Key,
    /// The window's first instant, inclusive; in the record's key after the key columns.
    WindowStart,
    /// The window's last instant, exclusive; derived from the start, or in the key for sessions.
    WindowEnd,
    /// In the record's value.
    Value,
}

/// A column of a relation. All columns but key parts of windowed views may be null.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// The name, already folded.
    pub name: String,
    /// The type.
    pub sql_type: SqlType,
    /// Key or value.
    pub role: ColumnRole,
}

impl Column {
    /// The Arrow field of this column, always nullable.
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.sql_type.arrow(), true)
    }
}
