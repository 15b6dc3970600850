//! Pages: up to 8,192 rows that never change, and the bitmap of those that are live in one version.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::BinaryArray;
use arrow::array::BooleanArray;
use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;
use arrow::buffer::Buffer;
use arrow::compute::filter;
use arrow::compute::filter_record_batch;

use super::index::Place;
use crate::state::StateError;

/// Rows of a full page.
pub(super) const PAGE_ROWS: usize = 8192;
/// Slots that are copied together when a version changes one of them.
const CHUNK_SLOTS: usize = 64;

/// Rows with their keys.
pub(super) struct Page {
    pub(super) keys: BinaryArray,
    pub(super) rows: RecordBatch,
}

impl Page {
    /// Memory that the page takes.
    pub(super) fn bytes(&self) -> usize {
        self.keys.get_array_memory_size() + self.rows.get_array_memory_size()
    }
}

/// The rows of a page that are live.
#[derive(Clone)]
struct Live {
    words: Vec<u64>,
    count: usize,
}

/// A page as one version sees it.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) page: Arc<Page>,
    live: Arc<Live>,
}

impl Slot {
    /// A page with all rows live.
    pub(super) fn new(page: Page) -> Self {
        let count = page.rows.num_rows();
        let mut words = vec![u64::MAX; count / 64];
        if !count.is_multiple_of(64) {
            words.push((1 << (count % 64)) - 1);
        }
        Self { page: Arc::new(page), live: Arc::new(Live { words, count }) }
    }

    pub(super) fn live_count(&self) -> usize {
        self.live.count
    }

    /// Marks a live row as dead; returns how many are left.
    pub(super) fn bury(&mut self, row: u32) -> usize {
        let live = Arc::make_mut(&mut self.live);
        let (word, bit) = (&mut live.words[row as usize / 64], 1 << (row % 64));
        assert!(*word & bit != 0, "row {row} dies twice");
        *word &= !bit;
        live.count -= 1;
        live.count
    }

    /// The live rows, in the order of the page.
    pub(super) fn live_rows(&self) -> impl Iterator<Item = u32> {
        self.live.words.iter().enumerate().flat_map(|(index, word)| {
            let mut word = *word;
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some(index as u32 * 64 + bit)
            })
        })
    }

    fn mask(&self) -> Option<BooleanArray> {
        let rows = self.page.rows.num_rows();
        (self.live.count < rows).then(|| {
            let words = Buffer::from_vec(self.live.words.clone());
            BooleanArray::new(BooleanBuffer::new(words, 0, rows), None)
        })
    }

    /// The live rows, only the columns of `projection` if it is given.
    pub(super) fn rows(&self, projection: Option<&[usize]>) -> Result<RecordBatch, StateError> {
        let rows = match projection {
            Some(columns) => self.page.rows.project(columns)?,
            None => self.page.rows.clone(),
        };
        match self.mask() {
            Some(mask) => Ok(filter_record_batch(&rows, &mask)?),
            None => Ok(rows),
        }
    }

    /// The keys of the live rows.
    pub(super) fn keys(&self) -> Result<Arc<dyn Array>, StateError> {
        match self.mask() {
            Some(mask) => Ok(filter(&self.page.keys, &mask)?),
            None => Ok(Arc::new(self.page.keys.clone())),
        }
    }
}

/// Slots by number; clones share chunks.
#[derive(Clone, Default)]
pub(super) struct SlotTable {
    chunks: Vec<Arc<Vec<Option<Slot>>>>,
    length: usize,
}

impl SlotTable {
    pub(super) fn get(&self, slot: u32) -> Option<&Slot> {
        self.chunks.get(slot as usize / CHUNK_SLOTS)?.get(slot as usize % CHUNK_SLOTS)?.as_ref()
    }

    /// The slot, or the room for it.
    pub(super) fn entry(&mut self, slot: u32) -> &mut Option<Slot> {
        &mut Arc::make_mut(&mut self.chunks[slot as usize / CHUNK_SLOTS])[slot as usize % CHUNK_SLOTS]
    }

    /// The number of a new, empty slot.
    pub(super) fn push(&mut self) -> u32 {
        if self.length.is_multiple_of(CHUNK_SLOTS) {
            self.chunks.push(Arc::new(vec![None; CHUNK_SLOTS]));
        }
        self.length += 1;
        self.length as u32 - 1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().flatten())
    }

    /// The key of a row.
    pub(super) fn key(&self, place: Place) -> &[u8] {
        self.get(place.slot).map_or(&[], |slot| slot.page.keys.value(place.row as usize))
    }
}
