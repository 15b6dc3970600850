//! Where the pages of views lie: each in its partition's cold store, and in memory as long as there is room.
//!
//! ```text
//! d<first key>   number, rows, bytes of the page that begins there (u64, u32, u32, big-endian)
//! p<number>      the page
//! g<number>      the page is in no version of the directory any more, and is removed when nobody reads it
//! u              the end of the view's topic that the pages may reflect (i64, big-endian)
//! ```
//!
//! Invariants:
//!   * the directory, the pages that it names and the store's position change in one atomic step
//!   * a page that a version names is not removed before the version is dropped
//!   * a page in memory is counted in the pool of views; what is not counted is not kept

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use arrow::array::Array;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parking_lot::Mutex;

use super::page::Page;
use crate::memory::Held;
use crate::memory::MemoryPool;
use crate::model::Offset;
use crate::state::Change;
use crate::state::ColdStore;
use crate::state::RangeScan;
use crate::state::StateError;
use crate::state::StateIdentity;
use crate::state::error::KEY_BYTES_MAX;

const DIRECTORY: u8 = b'd';
const PAGE: u8 = b'p';
const GARBAGE: u8 = b'g';
const COVERED: u8 = b'u';
/// The longest key that a page may begin with.
pub(super) const LOW_BYTES_MAX: usize = KEY_BYTES_MAX - 1;

/// What all views of a node share: memory for their rows, and how much a start may have to read again.
pub struct ViewMemory {
    pool: MemoryPool,
    replay_max: u64,
    /// Pages in memory, in the order in which they are looked at for eviction.
    clock: Mutex<VecDeque<Weak<PageRef>>>,
}

impl ViewMemory {
    /// Rows and pages in `pool`; about `replay_max` records of a partition's topic are read again after a kill.
    pub fn new(pool: MemoryPool, replay_max: u64) -> Self {
        Self { pool, replay_max: replay_max.max(1), clock: Mutex::default() }
    }

    pub(super) fn pool(&self) -> &MemoryPool {
        &self.pool
    }

    pub(super) fn replay_max(&self) -> u64 {
        self.replay_max
    }

    /// Drops pages from memory that were not read since the last look, until the pool has room.
    pub(super) fn evict(&self) {
        let mut looks = self.clock.lock().len() * 2;
        while self.pool.is_full() && 0 < looks {
            looks -= 1;
            let Some(next) = self.clock.lock().pop_front() else { return };
            let Some(page) = next.upgrade() else { continue };
            // Who holds the lock is reading the page from the store.
            let evicted = match page.resident.try_lock() {
                Some(mut resident) if !page.touched.swap(false, Ordering::Relaxed) => resident.take().is_some(),
                Some(_) | None => false,
            };
            if !evicted {
                self.clock.lock().push_back(next);
            }
        }
    }
}

/// A page of a partition, in memory or not.
pub(super) struct PageRef {
    number: u64,
    pub(super) rows: usize,
    bytes: usize,
    store: Arc<PageStore>,
    resident: Mutex<Option<Resident>>,
    touched: AtomicBool,
}

struct Resident {
    page: Arc<Page>,
    _held: Held,
}

impl PageRef {
    /// The page, from memory or from the store.
    pub(super) fn load(self: &Arc<Self>) -> Result<Arc<Page>, StateError> {
        let mut resident = self.resident.lock();
        if let Some(resident) = &*resident {
            self.touched.store(true, Ordering::Relaxed);
            return Ok(Arc::clone(&resident.page));
        }
        let page = Arc::new(self.store.read(self.number)?);
        self.keep(&mut resident, &page);
        Ok(page)
    }

    /// The page, if it is in memory and nobody is reading it from the store.
    pub(super) fn resident(&self) -> Option<Arc<Page>> {
        let resident = self.resident.try_lock()?;
        let page = resident.as_ref().map(|resident| Arc::clone(&resident.page))?;
        self.touched.store(true, Ordering::Relaxed);
        Some(page)
    }

    /// Keeps the page in memory if there is room.
    fn keep(self: &Arc<Self>, resident: &mut Option<Resident>, page: &Arc<Page>) {
        let memory = &self.store.memory;
        let held = memory.pool.try_hold(self.bytes).or_else(|| {
            memory.evict();
            memory.pool.try_hold(self.bytes)
        });
        if let Some(held) = held {
            *resident = Some(Resident { page: Arc::clone(page), _held: held });
            memory.clock.lock().push_back(Arc::downgrade(self));
        }
    }

    /// Memory that it takes at the moment.
    pub(super) fn resident_bytes(&self) -> usize {
        if self.resident.lock().is_some() { self.bytes } else { 0 }
    }
}

impl Drop for PageRef {
    fn drop(&mut self) {
        self.store.dropped.lock().push(self.number);
    }
}

/// The pages of one partition of a view in its cold store.
pub(super) struct PageStore {
    schema: SchemaRef,
    store: Arc<dyn ColdStore>,
    identity: StateIdentity,
    memory: Arc<ViewMemory>,
    next: AtomicU64,
    /// Pages that no version names any more.
    dropped: Mutex<Vec<u64>>,
}

/// A page of the directory: the first key that belongs to it.
pub(super) type Placed = (Bytes, Arc<PageRef>);

impl PageStore {
    /// The store's pages in key order. An error if the store does not hold what `replace` wrote.
    pub(super) fn open(
        schema: SchemaRef,
        store: Arc<dyn ColdStore>,
        identity: StateIdentity,
        memory: Arc<ViewMemory>,
    ) -> Result<(Arc<Self>, Vec<Placed>), StateError> {
        let (mut found, mut garbage, mut next) = (Vec::new(), Vec::new(), 0);
        for entry in scan(&*store, DIRECTORY) {
            let (low, value) = entry?;
            let (number, rows, bytes) = decode_place(&value).ok_or_else(|| corrupt(&identity))?;
            next = next.max(number + 1);
            found.push((low.slice(1..), number, rows, bytes));
        }
        for entry in scan(&*store, GARBAGE) {
            let (key, _) = entry?;
            let number = key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
            let number = number.ok_or_else(|| corrupt(&identity))?;
            next = next.max(number + 1);
            garbage.push(number);
        }
        let (next, dropped) = (AtomicU64::new(next), Mutex::new(garbage));
        let opened = Arc::new(Self { schema, store, identity, memory, next, dropped });
        let placed = |(low, number, rows, bytes)| (low, Arc::new(opened.page(number, rows, bytes)));
        let pages = found.into_iter().map(placed).collect();
        Ok((opened, pages))
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn memory(&self) -> &Arc<ViewMemory> {
        &self.memory
    }

    /// The end of the topic that the pages may reflect.
    pub(super) fn covered(&self) -> Result<Option<Offset>, StateError> {
        let Some(bytes) = self.store.get(&[COVERED])? else { return Ok(None) };
        let bytes = <[u8; 8]>::try_from(&bytes[..]).map_err(|_| corrupt(&self.identity))?;
        Ok(Some(Offset(i64::from_be_bytes(bytes))))
    }

    fn page(self: &Arc<Self>, number: u64, rows: usize, bytes: usize) -> PageRef {
        let (resident, touched) = (Mutex::new(None), AtomicBool::new(true));
        PageRef { number, rows, bytes, store: Arc::clone(self), resident, touched }
    }

    fn read(&self, number: u64) -> Result<Page, StateError> {
        let bytes = self.store.get(&page_key(PAGE, number))?.ok_or_else(|| corrupt(&self.identity))?;
        Page::decode(&bytes, &self.schema)
    }

    /// Writes pages in the place of others. Those must be in no later version.
    pub(super) fn replace(
        self: &Arc<Self>,
        old: &[Placed],
        new: Vec<(Bytes, Page)>,
        replay_from: Offset,
        covered: Offset,
    ) -> Result<Vec<Placed>, StateError> {
        let mut changes: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
        for (low, page) in old {
            changes.insert(directory_key(low), None);
            changes.insert(page_key(GARBAGE, page.number), Some(Bytes::new()));
        }
        let dropped = std::mem::take(&mut *self.dropped.lock());
        for number in &dropped {
            changes.insert(page_key(PAGE, *number), None);
            changes.insert(page_key(GARBAGE, *number), None);
        }
        let mut placed = Vec::with_capacity(new.len());
        for (low, page) in new {
            let encoded = page.encode()?;
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let made = Arc::new(self.page(number, page.keys.len(), encoded.len()));
            changes.insert(directory_key(&low), Some(encode_place(number, made.rows, made.bytes)));
            changes.insert(page_key(PAGE, number), Some(encoded.into()));
            placed.push((low, made, Arc::new(page)));
        }
        changes.insert(Bytes::from_static(&[COVERED]), Some(Bytes::copy_from_slice(&covered.0.to_be_bytes())));
        let changes: Vec<Change> = changes.into_iter().collect();
        if let Err(error) = self.store.apply(&changes, &self.identity.position(replay_from)) {
            self.dropped.lock().extend(dropped);
            return Err(error);
        }
        Ok(placed
            .into_iter()
            .map(|(low, made, page)| {
                made.keep(&mut made.resident.lock(), &page);
                (low, made)
            })
            .collect())
    }
}

/// Entries whose key begins with `tag`.
fn scan(store: &dyn ColdStore, tag: u8) -> RangeScan<'_> {
    RangeScan::new(store, std::iter::empty(), &[tag], Some(&[tag + 1]))
}

fn corrupt(identity: &StateIdentity) -> StateError {
    StateError::Corrupt { store: format!("the view of {}", identity.owner) }
}

fn directory_key(low: &[u8]) -> Bytes {
    [&[DIRECTORY], low].concat().into()
}

fn page_key(tag: u8, number: u64) -> Bytes {
    [&[tag][..], &number.to_be_bytes()].concat().into()
}

fn encode_place(number: u64, rows: usize, bytes: usize) -> Bytes {
    let short = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes();
    [&number.to_be_bytes()[..], &short(rows), &short(bytes)].concat().into()
}

fn decode_place(bytes: &[u8]) -> Option<(u64, usize, usize)> {
    let (number, bytes) = bytes.split_first_chunk::<8>()?;
    let (rows, bytes) = bytes.split_first_chunk::<4>()?;
    let bytes = <[u8; 4]>::try_from(bytes).ok()?;
    Some((u64::from_be_bytes(*number), u32::from_be_bytes(*rows) as usize, u32::from_be_bytes(bytes) as usize))
}
