//! One row on its way from a record to columns.
//!
//! A row is first read whole into slots; only then are all of them appended. So a record that fails in its
//! last field leaves nothing behind, and of a duplicate field the last one counts.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::BinaryBuilder;
use arrow::array::BooleanBuilder;
use arrow::array::PrimitiveBuilder;
use arrow::array::StringBuilder;
use arrow::datatypes::Date32Type;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Time64MicrosecondType;
use arrow::datatypes::TimestampMicrosecondType;

use super::nested::NestedBuilder;
use crate::model::SqlType;

/// A value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Slot {
    Null,
    Boolean(bool),
    /// INT and DATE.
    Int(i32),
    /// BIGINT, TIME and TIMESTAMP.
    BigInt(i64),
    Double(f64),
    /// Unscaled.
    Decimal(i128),
    /// TEXT and BYTES: a range of the row's scratch.
    Bytes {
        start: usize,
        end: usize,
    },
    /// A range of the row's items: the elements of an ARRAY, the fields of a STRUCT, keys and values of a MAP in turn.
    Items {
        start: usize,
        end: usize,
    },
}

/// The slots of one row and the bytes that they point to.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) slots: Vec<Slot>,
    pub(super) scratch: Vec<u8>,
    /// What nested slots are made of, the innermost first.
    pub(super) items: Vec<Slot>,
}

impl Row {
    /// A row of nulls.
    pub(super) fn clear(&mut self, columns: usize) {
        self.slots.clear();
        self.slots.resize(columns, Slot::Null);
        self.scratch.clear();
        self.items.clear();
    }

    /// Keeps bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Slot {
        let start = self.scratch.len();
        self.scratch.extend_from_slice(bytes);
        Slot::Bytes { start, end: self.scratch.len() }
    }

    /// Keeps the slots of a nested value.
    pub(super) fn nested(&mut self, items: &[Slot]) -> Slot {
        let start = self.items.len();
        self.items.extend_from_slice(items);
        Slot::Items { start, end: self.items.len() }
    }
}

/// The builder of one column.
pub(super) enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Int(PrimitiveBuilder<Int32Type>),
    BigInt(PrimitiveBuilder<Int64Type>),
    Double(PrimitiveBuilder<Float64Type>),
    Decimal(PrimitiveBuilder<Decimal128Type>),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(PrimitiveBuilder<Date32Type>),
    Time(PrimitiveBuilder<Time64MicrosecondType>),
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>),
    Nested(NestedBuilder),
}

impl ColumnBuilder {
    pub(super) fn new(sql_type: &SqlType, rows: usize) -> Self {
        match sql_type {
            SqlType::Boolean => ColumnBuilder::Boolean(BooleanBuilder::with_capacity(rows)),
            SqlType::Int => ColumnBuilder::Int(PrimitiveBuilder::with_capacity(rows)),
            SqlType::BigInt => ColumnBuilder::BigInt(PrimitiveBuilder::with_capacity(rows)),
            SqlType::Double => ColumnBuilder::Double(PrimitiveBuilder::with_capacity(rows)),
            SqlType::Decimal { .. } => {
                ColumnBuilder::Decimal(PrimitiveBuilder::with_capacity(rows).with_data_type(sql_type.arrow()))
            }
            SqlType::Text => ColumnBuilder::Text(StringBuilder::with_capacity(rows, rows * 16)),
            SqlType::Bytes => ColumnBuilder::Bytes(BinaryBuilder::with_capacity(rows, rows * 16)),
            SqlType::Date => ColumnBuilder::Date(PrimitiveBuilder::with_capacity(rows)),
            SqlType::Time => ColumnBuilder::Time(PrimitiveBuilder::with_capacity(rows)),
            SqlType::Timestamp | SqlType::TimestampTz => {
                ColumnBuilder::Timestamp(PrimitiveBuilder::with_capacity(rows).with_data_type(sql_type.arrow()))
            }
            SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_) => {
                ColumnBuilder::Nested(NestedBuilder::new(sql_type))
            }
        }
    }

    /// Appends a slot that was read for this column's type.
    pub(super) fn append(&mut self, slot: Slot, row: &Row) {
        let scratch = &row.scratch;
        match (self, slot) {
            (ColumnBuilder::Boolean(builder), Slot::Null) => builder.append_null(),
            (ColumnBuilder::Boolean(builder), Slot::Boolean(value)) => builder.append_value(value),
            (ColumnBuilder::Int(builder), Slot::Null) => builder.append_null(),
            (ColumnBuilder::Int(builder), Slot::Int(value)) => builder.append_value(value),
            (ColumnBuilder::BigInt(builder), Slot::Null) => builder.append_null(),
            (ColumnBuilder::BigInt(builder), Slot::BigInt(value)) => builder.append_value(value),
            (ColumnBuilder::Double(builder), Slot::Null) => builder.append_null(),
            (ColumnBuilder::Double(builder), Slot::Double(value)) => builder.append_value(value),
            (ColumnBuilder::Decimal(builder), Slot::Null) => builder.append_null(),
            (ColumnBuilder::Decimal(builder), Slot::Decimal(value)) => builder.append_value(value),
            (ColumnBuilder::Text(builder), Slot::Null) => builder.append_null(),
            (ColumnBuilder::Text(builder), Slot::Bytes { start, end }) => {
                let text = std::str::from_utf8(&scratch[start..end]).expect("texts are checked when they are read");
                builder.append_value(text);
            }
            (ColumnBuilder::Bytes(builder), Slot::Null) => builder.append_null(),
            (ColumnBuilder::Bytes(builder), Slot::Bytes { start, end }) => builder.append_value(&scratch[start..end]),
            (ColumnBuilder::Date(builder), Slot::Null) => builder.append_null(),
            (ColumnBuilder::Date(builder), Slot::Int(value)) => builder.append_value(value),
            (ColumnBuilder::Time(builder), Slot::Null) => builder.append_null(),
            (ColumnBuilder::Time(builder), Slot::BigInt(value)) => builder.append_value(value),
            (ColumnBuilder::Timestamp(builder), Slot::Null) => builder.append_null(),
            (ColumnBuilder::Timestamp(builder), Slot::BigInt(value)) => builder.append_value(value),
            (ColumnBuilder::Nested(builder), slot) => builder.append(slot, row),
            (_, slot) => unreachable!("{slot:?} was read for another type"),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            ColumnBuilder::Boolean(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Int(builder) => Arc::new(builder.finish()),
            ColumnBuilder::BigInt(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Double(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Decimal(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Text(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Bytes(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Date(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Time(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Timestamp(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Nested(builder) => builder.finish(),
        }
    }
}
