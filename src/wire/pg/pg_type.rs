//! SQL types as PostgreSQL's clients know them: oid, size, modifier.

use crate::engine::OutputField;
use crate::engine::TextKind;
use crate::engine::type_modifier;
use crate::model::SqlType;

pub(super) const BOOL: u32 = 16;
pub(super) const BYTEA: u32 = 17;
pub(super) const NAME: u32 = 19;
pub(super) const INT8: u32 = 20;
pub(super) const INT2: u32 = 21;
pub(super) const INT4: u32 = 23;
pub(super) const TEXT: u32 = 25;
pub(super) const OID: u32 = 26;
pub(super) const JSON: u32 = 114;
pub(super) const FLOAT4: u32 = 700;
pub(super) const FLOAT8: u32 = 701;
pub(super) const UNKNOWN: u32 = 705;
pub(super) const BPCHAR: u32 = 1042;
pub(super) const VARCHAR: u32 = 1043;
pub(super) const DATE: u32 = 1082;
pub(super) const TIME: u32 = 1083;
pub(super) const TIMESTAMP: u32 = 1114;
pub(super) const TIMESTAMPTZ: u32 = 1184;
pub(super) const INTERVAL: u32 = 1186;
pub(super) const NUMERIC: u32 = 1700;
pub(super) const UUID: u32 = 2950;
pub(super) const JSONB: u32 = 3802;

/// The array of numbers of types and their kin.
pub(super) const OIDS: u32 = 1028;

/// The array of UUIDs.
pub(super) const UUIDS: u32 = 2951;

/// The array of each type.
const ARRAYS: [(u32, u32); 19] = [
    (BOOL, 1000),
    (BYTEA, 1001),
    (INT2, 1005),
    (INT4, 1007),
    (INT8, 1016),
    (OID, OIDS),
    (TEXT, 1009),
    (BPCHAR, 1014),
    (VARCHAR, 1015),
    (FLOAT4, 1021),
    (FLOAT8, 1022),
    (DATE, 1182),
    (TIME, 1183),
    (TIMESTAMP, 1115),
    (TIMESTAMPTZ, 1185),
    (NUMERIC, 1231),
    (JSON, 199),
    (UUID, UUIDS),
    (JSONB, 3807),
];

/// What a numeric that comes as a parameter is taken for while its statement is planned; its value keeps its own digits.
const NUMERIC_PARAMETER: SqlType = SqlType::Decimal { precision: 38, scale: 10 };

/// What RowDescription says of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PgType {
    /// `pg_type.oid`
    pub oid: u32,
    /// Bytes, or -1 if that varies.
    pub size: i16,
    /// `pg_attribute.atttypmod`, -1 if there is none.
    pub modifier: i32,
}

impl PgType {
    /// PostgreSQL's twin of our type.
    pub fn of(sql_type: &SqlType) -> Self {
        let (oid, size) = match sql_type {
            SqlType::Boolean => (BOOL, 1),
            SqlType::Int => (INT4, 4),
            SqlType::BigInt => (INT8, 8),
            SqlType::Double => (FLOAT8, 8),
            SqlType::Decimal { .. } => (NUMERIC, -1),
            SqlType::Text => (TEXT, -1),
            SqlType::Bytes => (BYTEA, -1),
            SqlType::Json => (JSON, -1),
            SqlType::Jsonb => (JSONB, -1),
            SqlType::Date => (DATE, 4),
            SqlType::Time => (TIME, 8),
            SqlType::Timestamp => (TIMESTAMP, 8),
            SqlType::TimestampTz => (TIMESTAMPTZ, 8),
            // An array of arrays is an array of more dimensions there, of the same type.
            SqlType::Array(item) => (array_of(Self::of(item).oid), -1),
            SqlType::Map(..) | SqlType::Struct(_) => (JSON, -1),
        };
        Self { oid, size, modifier: type_modifier(sql_type) }
    }

    /// The type of a column of a result.
    pub fn of_field(field: &OutputField) -> Self {
        match (field.is_interval, field.text_kind) {
            (true, _) => Self { oid: INTERVAL, size: 16, modifier: -1 },
            (false, Some(kind)) => {
                let size = if kind == TextKind::Uuid { 16 } else { -1 };
                Self { oid: kind.type_oid(), size, modifier: kind.type_modifier() }
            }
            (false, None) => Self::of(&field.sql_type),
        }
    }
}

/// The oid of the array of a type, itself for one that is an array.
fn array_of(oid: u32) -> u32 {
    ARRAYS.iter().find(|(item, _)| *item == oid).map_or(oid, |(_, array)| *array)
}

/// Our type for a parameter that a client declared, `None` where the server shall find out.
pub(super) fn declared_parameter(oid: u32) -> Option<SqlType> {
    Some(match oid {
        BOOL => SqlType::Boolean,
        INT2 | INT4 | OID => SqlType::Int,
        INT8 => SqlType::BigInt,
        FLOAT4 | FLOAT8 => SqlType::Double,
        NUMERIC => NUMERIC_PARAMETER,
        // There is no such type to keep: the statement reads the text.
        TEXT | VARCHAR | BPCHAR | NAME | INTERVAL | UUID => SqlType::Text,
        JSON => SqlType::Json,
        JSONB => SqlType::Jsonb,
        BYTEA => SqlType::Bytes,
        DATE => SqlType::Date,
        TIME => SqlType::Time,
        TIMESTAMP => SqlType::Timestamp,
        TIMESTAMPTZ => SqlType::TimestampTz,
        other => {
            let (item, _) = ARRAYS.iter().find(|(_, array)| *array == other)?;
            SqlType::Array(Box::new(declared_parameter(*item)?))
        }
    })
}
