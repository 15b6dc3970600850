//! Columns of ARRAY, MAP and STRUCT, built from slots.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::ListArray;
use arrow::array::MapArray;
use arrow::array::NullBufferBuilder;
use arrow::array::StructArray;
use arrow::buffer::OffsetBuffer;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::DataType;

use super::column_builder::ColumnBuilder;
use super::value::Row;
use super::value::Slot;
use crate::model::SqlType;

/// The builder of one nested column.
pub(super) struct NestedBuilder {
    data_type: DataType,
    /// One column of an ARRAY's elements, two of a MAP's keys and values, one a field of a STRUCT.
    pub(super) children: Vec<ColumnBuilder>,
    /// Where the elements of each row end; unused by STRUCT.
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl NestedBuilder {
    /// A builder of a type that is nested.
    pub(super) fn new(sql_type: &SqlType) -> Self {
        let children: Vec<&SqlType> = match sql_type {
            SqlType::Array(item) => vec![item],
            SqlType::Map(key, value) => vec![key, value],
            SqlType::Struct(fields) => fields.iter().map(|field| &field.sql_type).collect(),
            other => unreachable!("{other} is not nested"),
        };
        Self {
            data_type: sql_type.arrow(),
            children: children.into_iter().map(|child| ColumnBuilder::new(child, 0)).collect(),
            ends: vec![0],
            nulls: NullBufferBuilder::new(0),
        }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    fn is_struct(&self) -> bool {
        matches!(self.data_type, DataType::Struct(_))
    }

    /// Appends a null.
    pub(super) fn push_null(&mut self) {
        self.nulls.append_null();
        if self.is_struct() {
            self.children.iter_mut().for_each(ColumnBuilder::push_null);
        } else {
            self.end();
        }
    }

    /// Makes one value of what its children got since the last one.
    pub(super) fn push(&mut self) {
        self.nulls.append_non_null();
        if !self.is_struct() {
            self.end();
        }
        let expected = self.ends.last().map_or(0, |end| *end as usize);
        let expected = if self.is_struct() { self.nulls.len() } else { expected };
        assert!(self.children.iter().all(|child| child.len() == expected), "each child got as many cells");
    }

    fn end(&mut self) {
        let end = i32::try_from(self.children[0].len()).expect("a batch has less than 2^31 elements");
        self.ends.push(end);
    }

    /// Keeps the first `rows` values, and nothing of one that was begun.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.nulls.truncate(rows);
        let kept = if self.is_struct() {
            rows
        } else {
            self.ends.truncate(rows + 1);
            self.ends.last().map_or(0, |end| *end as usize)
        };
        self.children.iter_mut().for_each(|child| child.truncate(kept));
    }

    /// Appends a slot that was read for this column's type.
    pub(super) fn append(&mut self, slot: Slot, row: &Row) {
        let items = match slot {
            Slot::Null => return self.push_null(),
            Slot::Items { start, end } => &row.items[start..end],
            other => unreachable!("{other:?} was read for another type"),
        };
        assert_eq!(items.len() % self.children.len(), 0, "a slot for each child");
        for (place, item) in items.iter().enumerate() {
            let child = place % self.children.len();
            self.children[child].append(*item, row);
        }
        self.push();
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let mut children: Vec<ArrayRef> = self.children.iter_mut().map(ColumnBuilder::finish).collect();
        let nulls = self.nulls.finish();
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let offsets = || OffsetBuffer::new(ScalarBuffer::from(ends.clone()));
        match &self.data_type {
            DataType::Struct(fields) => Arc::new(StructArray::new(fields.clone(), children, nulls)),
            DataType::Map(entries, sorted) => {
                let DataType::Struct(fields) = entries.data_type() else { unreachable!("entries are structs") };
                let pairs = StructArray::new(fields.clone(), children, None);
                Arc::new(MapArray::new(Arc::clone(entries), offsets(), pairs, nulls, *sorted))
            }
            DataType::List(item) => {
                let values = children.pop().expect("an array has one child");
                Arc::new(ListArray::new(Arc::clone(item), offsets(), values, nulls))
            }
            other => unreachable!("{other} is not nested"),
        }
    }
}
