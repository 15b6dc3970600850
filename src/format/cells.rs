//! The cells of a column that is being built: values side by side, and which of them are null.
//!
//! Unlike Arrow's builders they can be cut back, so that a record which turns out bad half-way leaves nothing behind; and
//! they can be told to keep nothing but the count, for a column that is checked and not built.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::BinaryArray;
use arrow::array::BooleanArray;
use arrow::array::NullBufferBuilder;
use arrow::array::PrimitiveArray;
use arrow::array::StringArray;
use arrow::buffer::BooleanBuffer;
use arrow::buffer::OffsetBuffer;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::ArrowPrimitiveType;
use arrow::datatypes::DataType;

/// Whether values are kept or only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// They become a column.
    Values,
    /// Nobody asks for them.
    Count,
}

/// Cells of one width.
pub(super) struct Fixed<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
    len: usize,
    keep: Keep,
}

impl<T: Copy + Default> Fixed<T> {
    /// No cells, with room for `rows`.
    pub(super) fn new(rows: usize, keep: Keep) -> Self {
        let rows = if keep == Keep::Values { rows } else { 0 };
        Self { values: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows), len: 0, keep }
    }

    /// How many cells there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends a value.
    #[inline]
    pub(super) fn push(&mut self, value: T) {
        if self.keep == Keep::Values {
            self.values.push(value);
        }
        self.nulls.append_non_null();
        self.len += 1;
    }

    /// Appends a null.
    pub(super) fn push_null(&mut self) {
        if self.keep == Keep::Values {
            self.values.push(T::default());
        }
        self.nulls.append_null();
        self.len += 1;
    }

    /// Keeps the first `rows` cells.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        if rows < self.len {
            self.nulls.truncate(rows);
            self.len = rows;
        }
    }

    /// The last cell, `None` if it is null or was not kept.
    pub(super) fn last(&self) -> Option<T> {
        let last = self.values.len().checked_sub(1)?;
        self.nulls.is_valid(last).then(|| self.values[last])
    }
}

impl Fixed<bool> {
    /// The column; nothing is left.
    pub(super) fn finish(&mut self) -> ArrayRef {
        self.len = 0;
        let values = BooleanBuffer::from(std::mem::take(&mut self.values));
        Arc::new(BooleanArray::new(values, self.nulls.finish()))
    }
}

impl<T: arrow::datatypes::ArrowNativeType> Fixed<T> {
    /// The column of a type whose values are of this width; nothing is left.
    pub(super) fn finish_as<A: ArrowPrimitiveType<Native = T>>(&mut self, data_type: DataType) -> ArrayRef {
        self.len = 0;
        let values = ScalarBuffer::from(std::mem::take(&mut self.values));
        Arc::new(PrimitiveArray::<A>::new(values, self.nulls.finish()).with_data_type(data_type))
    }
}

/// Cells of bytes, each of its own length.
pub(super) struct Variable {
    bytes: Vec<u8>,
    /// Where each cell ends, after a leading 0.
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
    len: usize,
    keep: Keep,
}

impl Variable {
    /// No cells, with room for `rows` short ones.
    pub(super) fn new(rows: usize, keep: Keep) -> Self {
        let rows = if keep == Keep::Values { rows } else { 0 };
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { bytes: Vec::with_capacity(rows * 16), ends, nulls: NullBufferBuilder::new(rows), len: 0, keep }
    }

    /// How many cells there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends a value.
    #[inline]
    pub(super) fn push(&mut self, value: &[u8]) {
        if self.keep == Keep::Values {
            self.bytes.extend_from_slice(value);
            self.end();
        }
        self.nulls.append_non_null();
        self.len += 1;
    }

    /// Appends a null.
    pub(super) fn push_null(&mut self) {
        if self.keep == Keep::Values {
            self.end();
        }
        self.nulls.append_null();
        self.len += 1;
    }

    #[inline]
    fn end(&mut self) {
        self.ends.push(i32::try_from(self.bytes.len()).expect("the values of a batch are below 2 GiB"));
    }

    /// Keeps the first `rows` cells.
    pub(super) fn truncate(&mut self, rows: usize) {
        if self.keep == Keep::Values {
            self.ends.truncate(rows + 1);
            self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
        }
        if rows < self.len {
            self.nulls.truncate(rows);
            self.len = rows;
        }
    }

    /// The last cell, `None` if it is null or was not kept.
    pub(super) fn last(&self) -> Option<&[u8]> {
        let last = self.len().checked_sub(1).filter(|last| self.nulls.is_valid(*last))?;
        let start = *self.ends.get(last)? as usize;
        Some(&self.bytes[start..*self.ends.get(last + 1)? as usize])
    }

    fn parts(&mut self) -> (OffsetBuffer<i32>, Vec<u8>) {
        self.len = 0;
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        (OffsetBuffer::new(ScalarBuffer::from(ends)), std::mem::take(&mut self.bytes))
    }

    /// The column of texts; nothing is left.
    pub(super) fn finish_text(&mut self) -> ArrayRef {
        let (ends, bytes) = self.parts();
        // It looks at the bytes again, in one run over all of them: cheaper than a promise that nobody checks.
        Arc::new(StringArray::new(ends, bytes.into(), self.nulls.finish()))
    }

    /// The column of bytes; nothing is left.
    pub(super) fn finish_bytes(&mut self) -> ArrayRef {
        let (ends, bytes) = self.parts();
        Arc::new(BinaryArray::new(ends, bytes.into(), self.nulls.finish()))
    }
}
