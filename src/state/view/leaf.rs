//! A leaf: the rows of a range of keys, as one page and the changes since it was written.

use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::BinaryArray;
use arrow::array::BinaryBuilder;
use arrow::array::BooleanArray;
use arrow::array::BooleanBufferBuilder;
use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use bytes::Bytes;

use super::columns::gather;
use super::page::PAGE_ROWS;
use super::page::Page;
use super::pages::LOW_BYTES_MAX;
use super::pages::PageRef;
use super::run::Run;
use crate::memory::MemoryPool;
use crate::model::Offset;
use crate::state::StateError;

/// Changes after which a leaf's page is written anew.
pub(super) const FOLD_ENTRIES: usize = PAGE_ROWS / 4;

/// See the file's head. Never changes.
pub(super) struct Leaf {
    /// The first key that belongs here.
    pub(super) low: Bytes,
    pub(super) page: Option<Arc<PageRef>>,
    /// Changes since the page, oldest first; each is more than twice as long as the next.
    runs: Vec<Arc<Run>>,
    /// No change of `runs` lies before this offset of the view's topic.
    pub(super) since: Offset,
    masked: OnceLock<Masked>,
}

/// What the changes leave of the page, worked out for the first who asks.
struct Masked {
    /// The page's rows that are live; `None` if all are.
    live: Option<BooleanArray>,
    changes: Arc<Run>,
}

/// What memory tells of a key.
pub(super) enum Known {
    /// Its row, as columns of one value each.
    Row(Vec<ArrayRef>),
    /// It has none.
    Absent,
    /// Its page would have to be read from the store.
    Unread,
}

/// From a key (inclusive) to another (exclusive, `None` for no end).
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) from: &'a [u8],
    pub(super) to: Option<&'a [u8]>,
}

/// Keys, and their rows in the same order.
type KeyedRows = (Vec<Vec<u8>>, RecordBatch);

/// In which order keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder {
    /// The least first.
    Rising,
    /// The greatest first.
    Falling,
}

impl KeyOrder {
    /// The numbers of a range in this order.
    fn over(self, mut range: Range<usize>) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || match self {
            Self::Rising => range.next(),
            Self::Falling => range.next_back(),
        })
    }

    /// Whether one key comes before another.
    pub fn comes_first(self, one: &[u8], other: &[u8]) -> bool {
        match self {
            Self::Rising => one < other,
            Self::Falling => other < one,
        }
    }
}

impl Leaf {
    /// A page without changes, or nothing at all.
    pub(super) fn new(low: Bytes, page: Option<Arc<PageRef>>) -> Self {
        Self { low, page, runs: Vec::new(), since: Offset(i64::MAX), masked: OnceLock::new() }
    }

    /// This leaf with newer changes.
    pub(super) fn with(&self, run: Run, since: Offset, pool: &MemoryPool) -> Result<Self, StateError> {
        let mut runs = self.runs.clone();
        let mut newest = run;
        while runs.last().is_some_and(|older| older.entries.len() <= newest.entries.len() * 2) {
            if let Some(older) = runs.pop() {
                newest = Run::merge(&older, &newest).compact(pool)?;
            }
        }
        runs.push(Arc::new(newest));
        let (low, page, since) = (self.low.clone(), self.page.clone(), self.since.min(since));
        Ok(Self { low, page, runs, since, masked: OnceLock::new() })
    }

    /// Changes since the page.
    pub(super) fn changes(&self) -> usize {
        self.runs.iter().map(|run| run.entries.len()).sum()
    }

    /// Rows that it has, at most.
    pub(super) fn rows_max(&self) -> usize {
        self.page.as_ref().map_or(0, |page| page.rows) + self.changes()
    }

    /// The row of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<RecordBatch>, StateError> {
        for run in self.runs.iter().rev() {
            if let Ok(at) = run.search(key) {
                let entry = run.entries[at];
                return Ok(entry.live.then(|| run.row(entry)));
            }
        }
        let Some(page) = &self.page else { return Ok(None) };
        let page = page.load()?;
        Ok(page.find(key).map(|row| page.rows.slice(row, 1)))
    }

    /// What memory tells of a key's row.
    pub(super) fn known(&self, key: &[u8], columns: &[usize]) -> Known {
        let row = |rows: &RecordBatch, row| columns.iter().map(|column| rows.column(*column).slice(row, 1)).collect();
        for run in self.runs.iter().rev() {
            if let Ok(at) = run.search(key) {
                let entry = run.entries[at];
                return match entry.live {
                    true => Known::Row(row(run.batches[entry.batch as usize].rows(), entry.row as usize)),
                    false => Known::Absent,
                };
            }
        }
        let Some(page) = &self.page else { return Known::Absent };
        let Some(page) = page.resident() else { return Known::Unread };
        page.find(key).map_or(Known::Absent, |at| Known::Row(row(&page.rows, at)))
    }

    /// Whether its rows can be had without reading from the store.
    pub(super) fn is_resident(&self) -> bool {
        self.page.as_ref().is_none_or(|page| page.resident().is_some())
    }

    /// All changes as one run, `None` if there are none.
    fn merged(&self) -> Option<Arc<Run>> {
        let (newest, older) = self.runs.split_last()?;
        let merge = |newer: Arc<Run>, older: &Arc<Run>| Arc::new(Run::merge(older, &newer));
        Some(older.iter().rev().fold(Arc::clone(newest), merge))
    }

    fn masked(&self, page: Option<&Page>) -> Option<&Masked> {
        if self.runs.is_empty() {
            return None;
        }
        Some(self.masked.get_or_init(|| {
            let changes = self.merged().unwrap_or_else(|| Arc::new(Run { batches: Vec::new(), entries: Vec::new() }));
            let live = page.and_then(|page| {
                let gone: Vec<usize> = (0..changes.entries.len()).filter_map(|at| page.find(changes.key(at))).collect();
                (!gone.is_empty()).then(|| {
                    let mut live = BooleanBufferBuilder::new(page.keys.len());
                    live.append_n(page.keys.len(), true);
                    gone.into_iter().for_each(|row| live.set_bit(row, false));
                    BooleanArray::new(live.finish(), None)
                })
            });
            Masked { live, changes }
        }))
    }

    /// The rows within bounds: those of the page, then those that changed.
    pub(super) fn rows(
        &self,
        bounds: Bounds<'_>,
        projection: Option<&[usize]>,
    ) -> Result<Vec<RecordBatch>, StateError> {
        let page = self.page.as_ref().map(PageRef::load).transpose()?;
        let masked = self.masked(page.as_deref());
        let mut found = Vec::new();
        if let Some(page) = &page {
            let first = page.rows_before(bounds.from);
            let count = bounds.to.map_or(page.keys.len(), |to| page.rows_before(to)).saturating_sub(first);
            let rows = project(&page.rows, projection)?.slice(first, count);
            let rows = match masked.and_then(|masked| masked.live.as_ref()) {
                Some(live) => filter_record_batch(&rows, &live.slice(first, count))?,
                None => rows,
            };
            found.push(rows);
        }
        if let Some(Masked { changes, .. }) = masked {
            let entries = changes.entries[changes.between(bounds.from, bounds.to)].iter().filter(|entry| entry.live);
            let places: Vec<(usize, usize)> = entries.map(|entry| (entry.batch as usize, entry.row as usize)).collect();
            if !places.is_empty() {
                let batches = changes.batches.iter().map(|batch| project(batch.rows(), projection));
                let batches = batches.collect::<Result<Vec<_>, _>>()?;
                found.push(gather(&batches.iter().collect::<Vec<_>>(), &places)?);
            }
        }
        found.retain(|rows| 0 < rows.num_rows());
        Ok(found)
    }

    /// The first `count` rows within bounds, as `order` has them, with their keys.
    pub(super) fn first(
        &self,
        bounds: Bounds<'_>,
        projection: &[usize],
        count: usize,
        order: KeyOrder,
    ) -> Result<Option<KeyedRows>, StateError> {
        let page = self.page.as_ref().map(PageRef::load).transpose()?;
        let masked = self.masked(page.as_deref());
        let live = masked.and_then(|masked| masked.live.as_ref());
        let of_page = page.as_deref().map_or(0..0, |page| {
            let first = page.rows_before(bounds.from);
            first..bounds.to.map_or(page.keys.len(), |to| page.rows_before(to)).max(first)
        });
        let of_page = order.over(of_page).filter(|row| live.is_none_or(|live| live.value(*row)));
        let changes = masked.map(|masked| &masked.changes);
        let of_changes = changes.map_or(0..0, |changes| changes.between(bounds.from, bounds.to));
        let is_live = |at: &usize| changes.is_some_and(|changes| changes.entries[*at].live);
        let of_changes = order.over(of_changes).filter(is_live);
        // Each side comes in order: of both heads the one that comes first is taken.
        let page_key = |row: &usize| page.as_deref().map_or(&[][..], |page| page.keys.value(*row));
        let change_key = |at: &usize| changes.map_or(&[][..], |changes| changes.key(*at));
        let (mut of_page, mut of_changes) = (of_page.peekable(), of_changes.peekable());
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        while keys.len() < count {
            let from_page = match (of_page.peek(), of_changes.peek()) {
                (Some(row), Some(at)) => order.comes_first(page_key(row), change_key(at)),
                (row, _) => row.is_some(),
            };
            let taken = if from_page { of_page.next() } else { of_changes.next() };
            let Some(at) = taken else { break };
            if from_page {
                keys.push(page_key(&at).to_vec());
                places.push((0, at));
            } else if let Some(changes) = changes {
                keys.push(change_key(&at).to_vec());
                let entry = changes.entries[at];
                places.push((usize::from(page.is_some()) + entry.batch as usize, entry.row as usize));
            }
        }
        if places.is_empty() {
            return Ok(None);
        }
        let of_page = page.iter().map(|page| &page.rows);
        let of_changes = changes.into_iter().flat_map(|changes| changes.batches.iter().map(|batch| batch.rows()));
        let batches = of_page.chain(of_changes).map(|rows| project(rows, Some(projection)));
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        Ok(Some((keys, gather(&batches.iter().collect::<Vec<_>>(), &places)?)))
    }

    /// Memory that it takes: its page as far as that is in memory. Changes are counted with their batches.
    pub(super) fn page_bytes(&self) -> usize {
        self.page.as_ref().map_or(0, |page| page.resident_bytes())
    }

    /// The batches that its changes refer to.
    pub(super) fn batches(&self) -> impl Iterator<Item = (*const (), usize)> {
        let batches = self.runs.iter().flat_map(|run| &run.batches);
        batches.map(|batch| (Arc::as_ptr(batch).cast::<()>(), batch.bytes()))
    }
}

fn project(rows: &RecordBatch, projection: Option<&[usize]>) -> Result<RecordBatch, StateError> {
    match projection {
        Some(columns) => Ok(rows.project(columns)?),
        None => Ok(rows.clone()),
    }
}

/// The rows of neighbours as new pages, each with the first key that belongs to it; the first has `leaves[0]`'s.
pub(super) fn fold(leaves: &[Arc<Leaf>]) -> Result<Vec<(Bytes, Page)>, StateError> {
    let mut parts = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        parts.push((leaf.page.as_ref().map(PageRef::load).transpose()?, leaf.merged()));
    }
    let mut order = Order { batches: Vec::new(), places: Vec::new(), keys: Vec::new(), appends: true };
    for (page, run) in &parts {
        order.add(page.as_deref(), run.as_deref());
    }
    order.cut(leaves.first().map(|leaf| leaf.low.clone()).unwrap_or_default())
}

/// Live rows in key order.
struct Order<'a> {
    batches: Vec<&'a RecordBatch>,
    /// Batch and row.
    places: Vec<(usize, usize)>,
    keys: Vec<&'a [u8]>,
    /// All changed keys come after those of the pages.
    appends: bool,
}

impl<'a> Order<'a> {
    fn add(&mut self, page: Option<&'a Page>, run: Option<&'a Run>) {
        let page_at = self.batches.len();
        self.batches.extend(page.map(|page| &page.rows));
        let mut rest = page.into_iter().flat_map(|page| page.keys.iter().flatten()).enumerate().peekable();
        if let Some(run) = run {
            let run_at = self.batches.len();
            self.batches.extend(run.batches.iter().map(|batch| batch.rows()));
            for (at, entry) in run.entries.iter().enumerate() {
                let key = run.key(at);
                while let Some((row, before)) = rest.next_if(|(_, before)| *before < key) {
                    self.push(page_at, row, before);
                }
                self.appends &= rest.peek().is_none();
                rest.next_if(|(_, same)| *same == key);
                if entry.live {
                    self.push(run_at + entry.batch as usize, entry.row as usize, key);
                }
            }
        }
        for (row, key) in rest {
            self.push(page_at, row, key);
        }
    }

    fn push(&mut self, batch: usize, row: usize, key: &'a [u8]) {
        self.places.push((batch, row));
        self.keys.push(key);
    }

    /// As pages: full ones where rows are only added at the end, else with room for more.
    fn cut(&self, low: Bytes) -> Result<Vec<(Bytes, Page)>, StateError> {
        let total = self.places.len();
        let page_rows = match total <= PAGE_ROWS || self.appends {
            true => PAGE_ROWS,
            false => total.div_ceil(total.div_ceil(PAGE_ROWS * 3 / 4)),
        };
        let mut pages = Vec::new();
        let (mut from, mut low) = (0, low);
        while from < total {
            let mut upto = (from + page_rows).min(total);
            let mut next = Bytes::new();
            while upto < total {
                next = separator(self.keys[upto - 1], self.keys[upto]);
                if next.len() <= LOW_BYTES_MAX {
                    break;
                }
                upto += 1;
            }
            let rows = gather(&self.batches, &self.places[from..upto])?;
            let keys = exactly(&self.keys[from..upto]);
            pages.push((std::mem::replace(&mut low, next), Page { keys, rows }));
            from = upto;
        }
        Ok(pages)
    }
}

/// The keys in as much memory as they need: pages stay for long.
fn exactly(keys: &[&[u8]]) -> BinaryArray {
    let mut builder = BinaryBuilder::with_capacity(keys.len(), keys.iter().map(|key| key.len()).sum());
    keys.iter().for_each(|key| builder.append_value(key));
    builder.finish()
}

/// The shortest key after `before` and not after `key`.
fn separator(before: &[u8], key: &[u8]) -> Bytes {
    let same = before.iter().zip(key).take_while(|(one, other)| one == other).count();
    Bytes::copy_from_slice(&key[..key.len().min(same + 1)])
}
