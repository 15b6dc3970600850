//! One partition of a view: a version, and the next version after a commit.

use arrow::array::Array;
use arrow::array::AsArray;
use arrow::array::BinaryArray;
use arrow::array::RecordBatch;
use arrow::compute::concat;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use xxhash_rust::xxh3::xxh3_64;

use super::index::KeyIndex;
use super::index::Place;
use super::page::PAGE_ROWS;
use super::page::Page;
use super::page::Slot;
use super::page::SlotTable;
use crate::state::StateError;

/// A page with fewer live rows is folded with others of its size.
const SPARSE_ROWS: usize = PAGE_ROWS / 2;
/// As many sparse pages of one size, up to a factor of two, are folded into one.
const FOLD_PAGES: usize = 4;

/// What a commit changes in one partition of a view. Tombstones come first; of a repeated key the last row counts.
#[derive(Debug, Clone)]
pub struct ViewDelta {
    /// The key of each row, encoded.
    pub keys: Vec<Vec<u8>>,
    /// The new rows, with all columns of the view.
    pub rows: RecordBatch,
    /// Keys whose rows are gone.
    pub tombstones: Vec<Vec<u8>>,
}

impl ViewDelta {
    /// No change.
    pub fn empty(schema: SchemaRef) -> Self {
        Self { keys: Vec::new(), rows: RecordBatch::new_empty(schema), tombstones: Vec::new() }
    }
}

/// One version of one partition of a view. Cheap to clone; never changes.
#[derive(Clone)]
pub struct ViewPartition {
    schema: SchemaRef,
    index: KeyIndex,
    slots: SlotTable,
    /// Slots without a page.
    free: Vec<u32>,
    /// Slots whose page has fewer than `SPARSE_ROWS` live rows.
    sparse: Vec<u32>,
}

impl ViewPartition {
    /// No rows yet.
    pub fn new(schema: SchemaRef) -> Self {
        Self { schema, index: KeyIndex::new(), slots: SlotTable::default(), free: Vec::new(), sparse: Vec::new() }
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows, one for each key.
    pub fn row_count(&self) -> usize {
        self.index.length()
    }

    /// Memory that this version takes, pages that it shares with others included.
    pub fn bytes(&self) -> usize {
        self.index.bytes() + self.slots.iter().map(|slot| slot.page.bytes()).sum::<usize>()
    }

    /// The row of `key`.
    pub fn get(&self, key: &[u8]) -> Option<RecordBatch> {
        let place = self.index.find(xxh3_64(key), |place| self.slots.key(place) == key)?;
        Some(self.slots.get(place.slot)?.page.rows.slice(place.row as usize, 1))
    }

    /// All rows, page by page, only the columns of `projection` if it is given.
    pub fn batches(&self, projection: Option<&[usize]>) -> impl Iterator<Item = Result<RecordBatch, StateError>> {
        self.slots.iter().map(move |slot| slot.rows(projection))
    }

    /// The version after `delta`; this one stays as it is.
    pub fn apply(&self, delta: &ViewDelta) -> Result<Self, StateError> {
        if delta.rows.num_rows() != delta.keys.len() || !self.has_columns_of(&delta.rows) {
            return Err(StateError::Misfit { rows: delta.rows.num_rows(), keys: delta.keys.len() });
        }
        let mut next = self.clone();
        let mut emptied = Vec::new();
        for key in &delta.tombstones {
            let slots = &next.slots;
            if let Some(place) = next.index.remove(xxh3_64(key), |place| slots.key(place) == key.as_slice()) {
                next.bury(place, &mut emptied);
            }
        }
        for (chunk, keys) in delta.keys.chunks(PAGE_ROWS).enumerate() {
            let rows = delta.rows.slice(chunk * PAGE_ROWS, keys.len());
            // The view's own column names, whatever the operator called them.
            let rows = RecordBatch::try_new(self.schema.clone(), rows.columns().to_vec())?;
            let keys = BinaryArray::from_iter_values(keys);
            next.add(Page { keys, rows }, &mut emptied);
        }
        next.fold(&mut emptied)?;
        // Only now: a number that is free in the middle of a change could be sparse, dead and new at once.
        next.free.append(&mut emptied);
        Ok(next)
    }

    fn has_columns_of(&self, rows: &RecordBatch) -> bool {
        let ours = self.schema.fields().iter().map(|field| field.data_type());
        ours.eq(rows.schema_ref().fields().iter().map(|field| field.data_type()))
    }

    /// Takes a page in; rows of the same keys die.
    fn add(&mut self, page: Page, emptied: &mut Vec<u32>) {
        let slot = self.place(page);
        let Some(Slot { page, .. }) = self.slots.get(slot).cloned() else { return };
        for (row, key) in page.keys.iter().flatten().enumerate() {
            let slots = &self.slots;
            let place = Place { slot, row: row as u32 };
            let replaced = self.index.put(xxh3_64(key), place, |place| slots.key(place) == key);
            if let Some(replaced) = replaced {
                self.bury(replaced, emptied);
            }
        }
    }

    fn place(&mut self, page: Page) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| self.slots.push());
        if page.rows.num_rows() < SPARSE_ROWS {
            self.sparse.push(slot);
        }
        *self.slots.entry(slot) = Some(Slot::new(page));
        slot
    }

    /// Marks a row that the index no longer names as dead.
    fn bury(&mut self, place: Place, emptied: &mut Vec<u32>) {
        let entry = self.slots.entry(place.slot);
        let Some(slot) = entry else { return };
        match slot.bury(place.row) {
            0 => {
                *entry = None;
                emptied.push(place.slot);
            }
            // The row that makes it sparse; below, it is in the list.
            left if left == SPARSE_ROWS - 1 => self.sparse.push(place.slot),
            _ => {}
        }
    }

    /// Puts sparse pages of one size together until fewer than `FOLD_PAGES` of each size are left.
    fn fold(&mut self, emptied: &mut Vec<u32>) -> Result<(), StateError> {
        let slots = &self.slots;
        self.sparse.retain(|slot| slots.get(*slot).is_some());
        while let Some(same_size) = self.foldable() {
            let rows: usize = same_size.iter().filter_map(|slot| self.slots.get(*slot)).map(Slot::live_count).sum();
            self.merge(&same_size, emptied)?;
            tracing::debug!(pages = same_size.len(), rows, "view folded");
        }
        Ok(())
    }

    fn foldable(&self) -> Option<Vec<u32>> {
        let mut sizes: [Vec<u32>; PAGE_ROWS.ilog2() as usize] = Default::default();
        for slot in &self.sparse {
            let live = self.slots.get(*slot).map_or(1, Slot::live_count);
            sizes[live.ilog2() as usize].push(*slot);
        }
        sizes.into_iter().find(|slots| FOLD_PAGES <= slots.len())
    }

    fn merge(&mut self, sources: &[u32], emptied: &mut Vec<u32>) -> Result<(), StateError> {
        let mut keys = Vec::new();
        let mut rows = Vec::new();
        let mut places = Vec::new();
        for slot in sources {
            let Some(source) = self.slots.get(*slot) else { continue };
            keys.push(source.keys()?);
            rows.push(source.rows(None)?);
            places.extend(source.live_rows().map(|row| Place { slot: *slot, row }));
        }
        let keys = concat(&keys.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())?;
        let keys = keys.as_binary::<i32>();
        let rows = concat_batches(&self.schema, &rows)?;
        assert!(keys.len() == places.len() && rows.num_rows() == places.len(), "a fold keeps every live row");

        self.sparse.retain(|slot| !sources.contains(slot));
        for (chunk, moved) in places.chunks(PAGE_ROWS).enumerate() {
            let start = chunk * PAGE_ROWS;
            let page = Page { keys: keys.slice(start, moved.len()), rows: rows.slice(start, moved.len()) };
            let slot = self.place(page);
            for (row, from) in moved.iter().enumerate() {
                let to = Place { slot, row: row as u32 };
                let hash = xxh3_64(keys.value(start + row));
                let before = self.index.put(hash, to, |place| place == *from);
                assert!(before.is_some(), "a live row is in the index");
            }
        }
        for slot in sources {
            *self.slots.entry(*slot) = None;
            emptied.push(*slot);
        }
        Ok(())
    }
}
