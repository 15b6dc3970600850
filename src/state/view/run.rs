//! Changes that are not yet in pages: batches as commits brought them, and runs that name their rows in key order.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::BinaryArray;
use arrow::array::RecordBatch;

use super::columns::gather;
use super::columns::slice_bytes;
use crate::memory::Held;
use crate::memory::MemoryPool;
use crate::state::StateError;

/// Batches that one run refers to; with more, its rows are copied into one.
const BATCHES_MAX: usize = 32;

/// Rows, or keys whose rows are gone, as they came.
pub(super) struct WarmBatch {
    keys: BinaryArray,
    /// As many as keys, or none if the keys are gone.
    rows: RecordBatch,
    held: Held,
}

impl WarmBatch {
    pub(super) fn new(keys: BinaryArray, rows: RecordBatch, pool: &MemoryPool) -> Self {
        let bytes =
            slice_bytes(&keys) + rows.columns().iter().map(|column| slice_bytes(column.as_ref())).sum::<usize>();
        Self { keys, rows, held: pool.hold(bytes) }
    }

    pub(super) fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    pub(super) fn bytes(&self) -> usize {
        self.held.bytes()
    }
}

/// One key of a run.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) batch: u32,
    pub(super) row: u32,
    /// Whether the key has this row; else it has none.
    pub(super) live: bool,
}

/// Changes of distinct keys in key order. Never changes.
pub(super) struct Run {
    pub(super) batches: Vec<Arc<WarmBatch>>,
    pub(super) entries: Vec<Entry>,
}

impl Run {
    pub(super) fn key(&self, at: usize) -> &[u8] {
        let entry = self.entries[at];
        self.batches[entry.batch as usize].keys.value(entry.row as usize)
    }

    /// Where `key` stands, or would stand.
    pub(super) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|entry| self.batches[entry.batch as usize].keys.value(entry.row as usize).cmp(key))
    }

    /// The entries from one key (inclusive) to another (exclusive).
    pub(super) fn between(&self, from: &[u8], to: Option<&[u8]>) -> Range<usize> {
        let at = |key: &[u8]| self.search(key).unwrap_or_else(|at| at);
        let first = at(from);
        first..to.map_or(self.entries.len(), at).max(first)
    }

    /// The rows of this run as one batch of one row.
    pub(super) fn row(&self, entry: Entry) -> RecordBatch {
        self.batches[entry.batch as usize].rows.slice(entry.row as usize, 1)
    }

    /// A part of this run.
    pub(super) fn part(&self, entries: Range<usize>) -> Self {
        Self { batches: self.batches.clone(), entries: self.entries[entries].to_vec() }.without_unused()
    }

    fn without_unused(self) -> Self {
        let mut new_place = vec![u32::MAX; self.batches.len()];
        let mut batches = Vec::new();
        let mut entries = self.entries;
        for entry in &mut entries {
            let place = &mut new_place[entry.batch as usize];
            if *place == u32::MAX {
                *place = batches.len() as u32;
                batches.push(Arc::clone(&self.batches[entry.batch as usize]));
            }
            entry.batch = *place;
        }
        Self { batches, entries }
    }

    /// Both, where `newer` decides on keys that both have.
    pub(super) fn merge(older: &Self, newer: &Self) -> Self {
        let mut batches = older.batches.clone();
        let place = |batch: &Arc<WarmBatch>| -> u32 {
            let known = batches.iter().position(|other| Arc::ptr_eq(other, batch));
            known.unwrap_or_else(|| {
                batches.push(Arc::clone(batch));
                batches.len() - 1
            }) as u32
        };
        let places: Vec<u32> = newer.batches.iter().map(place).collect();
        let moved = |entry: Entry| Entry { batch: places[entry.batch as usize], ..entry };
        let mut entries = Vec::with_capacity(older.entries.len() + newer.entries.len());
        let mut left = 0;
        for (right, entry) in newer.entries.iter().enumerate() {
            let key = newer.key(right);
            while left < older.entries.len() && older.key(left) < key {
                entries.push(older.entries[left]);
                left += 1;
            }
            if left < older.entries.len() && older.key(left) == key {
                left += 1;
            }
            entries.push(moved(*entry));
        }
        entries.extend_from_slice(&older.entries[left..]);
        Self { batches, entries }.without_unused()
    }

    /// The run, with its rows in batches of its own if it refers to too many.
    pub(super) fn compact(self, pool: &MemoryPool) -> Result<Self, StateError> {
        if self.batches.len() <= BATCHES_MAX {
            return Ok(self);
        }
        let (mut live, mut gone) = (Vec::new(), Vec::new());
        let mut entries = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let kept = if entry.live { &mut live } else { &mut gone };
            entries.push(Entry { batch: u32::from(!entry.live), row: kept.len() as u32, live: entry.live });
            kept.push((entry.batch as usize, entry.row as usize));
        }
        let batches: Vec<&RecordBatch> = self.batches.iter().map(|batch| &batch.rows).collect();
        let keys = |places: &[(usize, usize)]| {
            BinaryArray::from_iter_values(places.iter().map(|(batch, row)| self.batches[*batch].keys.value(*row)))
        };
        let rows = gather(&batches, &live)?;
        let empty = rows.slice(0, 0);
        let live = WarmBatch::new(keys(&live), rows, pool);
        let gone = WarmBatch::new(keys(&gone), empty, pool);
        Ok(Self { batches: vec![Arc::new(live), Arc::new(gone)], entries }.without_unused())
    }
}
