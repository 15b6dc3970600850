//! The builder of one column, of any type.

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::datatypes::Date32Type;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Time64MicrosecondType;
use arrow::datatypes::TimestampMicrosecondType;

use super::cells::Fixed;
use super::cells::Keep;
use super::cells::Variable;
use super::nested::NestedBuilder;
use super::value::Row;
use super::value::Slot;
use crate::model::SqlType;

/// The builder of one column.
pub(super) enum ColumnBuilder {
    Boolean(Fixed<bool>),
    Int(Fixed<i32>),
    BigInt(Fixed<i64>),
    Double(Fixed<f64>),
    Decimal(Fixed<i128>, Digits),
    Text(Variable),
    Bytes(Variable),
    Json(Variable),
    Jsonb(Variable),
    /// Days.
    Date(Fixed<i32>),
    /// Microseconds of the day.
    Time(Fixed<i64>),
    /// Microseconds, and Arrow's type, which has the zone.
    Timestamp(Fixed<i64>, DataType),
    Nested(NestedBuilder),
}

/// The digits of a decimal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits {
    pub(super) precision: u8,
    pub(super) scale: i8,
}

/// Does the same with the cells of every scalar type, whatever they are, and something else with a nested one.
macro_rules! each {
    ($builder:expr, $cells:ident => $scalar:expr, $nested:ident => $other:expr) => {
        match $builder {
            ColumnBuilder::Boolean($cells) => $scalar,
            ColumnBuilder::Int($cells) | ColumnBuilder::Date($cells) => $scalar,
            ColumnBuilder::BigInt($cells) | ColumnBuilder::Time($cells) | ColumnBuilder::Timestamp($cells, _) => {
                $scalar
            }
            ColumnBuilder::Double($cells) => $scalar,
            ColumnBuilder::Decimal($cells, _) => $scalar,
            ColumnBuilder::Text($cells)
            | ColumnBuilder::Bytes($cells)
            | ColumnBuilder::Json($cells)
            | ColumnBuilder::Jsonb($cells) => $scalar,
            ColumnBuilder::Nested($nested) => $other,
        }
    };
}

impl ColumnBuilder {
    /// A column without cells, with room for `rows`.
    pub(super) fn new(sql_type: &SqlType, rows: usize) -> Self {
        Self::keeping(sql_type, rows, Keep::Values)
    }

    /// The same, which keeps its values or counts them; a nested column keeps them at any rate.
    pub(super) fn keeping(sql_type: &SqlType, rows: usize, keep: Keep) -> Self {
        match sql_type {
            SqlType::Boolean => ColumnBuilder::Boolean(Fixed::new(rows, keep)),
            SqlType::Int => ColumnBuilder::Int(Fixed::new(rows, keep)),
            SqlType::BigInt => ColumnBuilder::BigInt(Fixed::new(rows, keep)),
            SqlType::Double => ColumnBuilder::Double(Fixed::new(rows, keep)),
            SqlType::Decimal { precision, scale } => {
                ColumnBuilder::Decimal(Fixed::new(rows, keep), Digits { precision: *precision, scale: *scale })
            }
            SqlType::Text => ColumnBuilder::Text(Variable::new(rows, keep)),
            SqlType::Bytes => ColumnBuilder::Bytes(Variable::new(rows, keep)),
            SqlType::Json => ColumnBuilder::Json(Variable::new(rows, keep)),
            SqlType::Jsonb => ColumnBuilder::Jsonb(Variable::new(rows, keep)),
            SqlType::Date => ColumnBuilder::Date(Fixed::new(rows, keep)),
            SqlType::Time => ColumnBuilder::Time(Fixed::new(rows, keep)),
            SqlType::Timestamp | SqlType::TimestampTz => {
                ColumnBuilder::Timestamp(Fixed::new(rows, keep), sql_type.arrow())
            }
            SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_) => {
                ColumnBuilder::Nested(NestedBuilder::new(sql_type))
            }
        }
    }

    /// How many cells there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        each!(self, cells => cells.len(), nested => nested.len())
    }

    /// Appends a null.
    pub(super) fn push_null(&mut self) {
        each!(self, cells => cells.push_null(), nested => nested.push_null());
    }

    /// Keeps the first `rows` cells.
    pub(super) fn truncate(&mut self, rows: usize) {
        each!(self, cells => cells.truncate(rows), nested => nested.truncate(rows));
    }

    /// Appends a slot that was read for this column's type.
    pub(super) fn append(&mut self, slot: Slot, row: &Row) {
        match (self, slot) {
            (ColumnBuilder::Nested(builder), slot) => builder.append(slot, row),
            (builder, Slot::Null) => builder.push_null(),
            (ColumnBuilder::Boolean(cells), Slot::Boolean(value)) => cells.push(value),
            (ColumnBuilder::Int(cells) | ColumnBuilder::Date(cells), Slot::Int(value)) => cells.push(value),
            (
                ColumnBuilder::BigInt(cells) | ColumnBuilder::Time(cells) | ColumnBuilder::Timestamp(cells, _),
                Slot::BigInt(value),
            ) => cells.push(value),
            (ColumnBuilder::Double(cells), Slot::Double(value)) => cells.push(value),
            (ColumnBuilder::Decimal(cells, _), Slot::Decimal(value)) => cells.push(value),
            (
                ColumnBuilder::Text(cells)
                | ColumnBuilder::Bytes(cells)
                | ColumnBuilder::Json(cells)
                | ColumnBuilder::Jsonb(cells),
                Slot::Bytes { start, end },
            ) => cells.push(&row.scratch[start..end]),
            (_, slot) => unreachable!("{slot:?} was read for another type"),
        }
    }

    /// The last cell of a column that may give the event time, as a slot of `row`.
    pub(super) fn last(&self, row: &mut Row) -> Slot {
        match self {
            ColumnBuilder::BigInt(cells) | ColumnBuilder::Time(cells) | ColumnBuilder::Timestamp(cells, _) => {
                cells.last().map_or(Slot::Null, Slot::BigInt)
            }
            ColumnBuilder::Text(cells) | ColumnBuilder::Bytes(cells) => {
                cells.last().map_or(Slot::Null, |bytes| row.bytes(bytes))
            }
            _ => unreachable!("a column of another type gives no time"),
        }
    }

    /// The column; nothing is left.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            ColumnBuilder::Boolean(cells) => cells.finish(),
            ColumnBuilder::Int(cells) => cells.finish_as::<Int32Type>(DataType::Int32),
            ColumnBuilder::BigInt(cells) => cells.finish_as::<Int64Type>(DataType::Int64),
            ColumnBuilder::Double(cells) => cells.finish_as::<Float64Type>(DataType::Float64),
            ColumnBuilder::Decimal(cells, Digits { precision, scale }) => {
                cells.finish_as::<Decimal128Type>(DataType::Decimal128(*precision, *scale))
            }
            ColumnBuilder::Text(cells) => cells.finish_text(),
            ColumnBuilder::Bytes(cells) => cells.finish_bytes(),
            ColumnBuilder::Json(cells) => wide(cells.finish_text(), &SqlType::Json),
            ColumnBuilder::Jsonb(cells) => wide(cells.finish_bytes(), &SqlType::Jsonb),
            ColumnBuilder::Date(cells) => cells.finish_as::<Date32Type>(DataType::Date32),
            ColumnBuilder::Time(cells) => cells.finish_as::<Time64MicrosecondType>(SqlType::Time.arrow()),
            ColumnBuilder::Timestamp(cells, data_type) => {
                cells.finish_as::<TimestampMicrosecondType>(data_type.clone())
            }
            ColumnBuilder::Nested(builder) => builder.finish(),
        }
    }
}

/// Documents in the Arrow type that tells them from texts and bytes.
fn wide(documents: ArrayRef, sql_type: &SqlType) -> ArrayRef {
    cast(&documents, &sql_type.arrow()).expect("offsets of 32 bits fit into 64")
}
