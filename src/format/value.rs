//! One row on its way from a record to columns.
//!
//! A row is first read whole into slots; only then are all of them appended. So a record that fails in its
//! last field leaves nothing behind, and of a duplicate field the last one counts. Most documents go straight into the
//! builders (`json::direct`); what is read here is the rest, and all that is bad.

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

    /// The same for the slots at `places`; what the others hold does not matter.
    pub(super) fn reuse(&mut self, columns: usize, places: &[usize]) {
        self.slots.resize(columns, Slot::Null);
        places.iter().for_each(|place| self.slots[*place] = Slot::Null);
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
