//! One task's keyed state: uncommitted changes over sealed cuts over the cold store.
//!
//! A change is seen at once. `seal` closes the changes of a cut, for the changelog; `committed` hands a sealed cut to
//! the cold store once its commit is durable; `rollback` forgets all that is not committed.
//!
//! Invariants:
//!   * the newest layer that knows a key decides: overlay, then sealed cuts from the newest, then the store
//!   * cuts are sealed and committed in rising order
//!   * a front tells where there is no entry: deletes leave it, a put before it draws it back, what is forgotten forgets it
//!   * the store gets a cut only in `committed`, with the changelog position after it

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;

use bytes::Bytes;

use super::ColdStore;
use super::RangeScan;
use super::StateError;
use super::StoreOwner;
use super::StorePosition;
use super::cold_store::Change;
use super::error::KEY_BYTES_MAX;
use super::read_cache::ReadCache;
use crate::memory::MemoryPool;
use crate::model::Offset;
use crate::model::TopicPartition;

/// What an entry takes in memory beside its key and its value, in bytes; an estimate.
pub(super) const ENTRY_OVERHEAD_BYTES: usize = 96;

/// The number of a cut of one task; rises, with gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct CutId(pub u64);

impl fmt::Display for CutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cut {}", self.0)
    }
}

/// The changes of one cut, ordered by key: what goes into the changelog.
#[derive(Debug, Default)]
pub struct Delta {
    changes: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
}

impl Delta {
    /// Keys with their new values, `None` for a delete, in key order.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = (&Bytes, Option<&Bytes>)> {
        self.changes.iter().map(|(key, value)| (key, value.as_ref()))
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Memory that the changes take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn put(&mut self, key: Bytes, value: Option<Bytes>) {
        let value_bytes = value.as_ref().map_or(0, Bytes::len);
        self.bytes += key.len() + value_bytes + ENTRY_OVERHEAD_BYTES;
        let key_bytes = key.len();
        if let Some(replaced) = self.changes.insert(key, value) {
            self.bytes -= key_bytes + replaced.as_ref().map_or(0, Bytes::len) + ENTRY_OVERHEAD_BYTES;
        }
    }
}

/// Whose state a table keeps: what stands in the position that goes with each batch into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateIdentity {
    /// Whose it is.
    pub owner: StoreOwner,
    /// The layout of keys and values.
    pub layout: String,
    /// The changelog, or the output topic where that is the changelog.
    pub changelog: TopicPartition,
}

impl StateIdentity {
    pub(super) fn position(&self, offset: Offset) -> StorePosition {
        StorePosition { owner: self.owner, layout: self.layout.clone(), changelog: self.changelog, offset }
    }
}

/// Keyed state of one operator in one task.
pub struct StateTable {
    identity: StateIdentity,
    store: Arc<dyn ColdStore>,
    cache: ReadCache,
    sealed: VecDeque<(CutId, Arc<Delta>)>,
    overlay: Delta,
    /// Where `front` may begin: from the first key to the second there is no entry.
    fronts: Vec<(Bytes, Bytes)>,
    pool: MemoryPool,
    /// What the pool was told.
    counted: usize,
}

/// A group of more entries in the store is not remembered as a whole.
const GROUP_ENTRIES_MAX: usize = 256;

/// The pool is told of a change when it is at least so large, in bytes: it is shared by all threads.
const COUNT_STEP_BYTES: usize = 16 << 10;

impl StateTable {
    /// A table over `store`; committed rows take at most `cache_bytes_max` of memory, and less when `pool` is full.
    pub fn new(identity: StateIdentity, store: Arc<dyn ColdStore>, cache_bytes_max: usize, pool: &MemoryPool) -> Self {
        let (cache, pool) = (ReadCache::new(cache_bytes_max), pool.clone());
        let (sealed, overlay, fronts) = (VecDeque::new(), Delta::default(), Vec::new());
        Self { identity, store, cache, sealed, overlay, fronts, pool, counted: 0 }
    }

    /// The value of `key` with all changes so far.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        for layer in uncommitted(&self.overlay, &self.sealed) {
            if let Some(value) = layer.get(key) {
                return Ok(value.clone());
            }
        }
        if let Some(value) = self.cache.get(key) {
            return Ok(value);
        }
        let value = self.store.get(key)?;
        self.cache.put(Bytes::copy_from_slice(key), value.clone());
        self.count(COUNT_STEP_BYTES);
        Ok(value)
    }

    /// Sets the value of `key`; a key longer than `KEY_BYTES_MAX` is refused.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<(), StateError> {
        self.change(key.into(), Some(value.into()))
    }

    /// Removes `key`; no error if it is not there.
    pub fn delete(&mut self, key: impl Into<Bytes>) -> Result<(), StateError> {
        self.change(key.into(), None)
    }

    fn change(&mut self, key: Bytes, value: Option<Bytes>) -> Result<(), StateError> {
        if KEY_BYTES_MAX < key.len() {
            return Err(StateError::KeyTooLong { bytes: key.len() });
        }
        if value.is_some() {
            for (from, entry_at) in &mut self.fronts {
                if *from <= key && key < *entry_at {
                    *entry_at = key.clone();
                }
            }
        }
        self.overlay.put(key, value);
        self.count(COUNT_STEP_BYTES);
        Ok(())
    }

    /// Tells the pool what the table takes, and gives cached rows back if there is not enough for all.
    fn count(&mut self, step: usize) {
        let bytes = self.bytes();
        if bytes.abs_diff(self.counted) < step {
            return;
        }
        self.pool.add(bytes as isize - self.counted as isize);
        self.counted = bytes;
        if self.pool.is_full() && 0 < self.cache.bytes() {
            self.cache.shrink();
            let shrunk = self.bytes();
            self.pool.add(shrunk as isize - bytes as isize);
            self.counted = shrunk;
        }
    }

    /// Entries from `from` (inclusive) to `to` (exclusive) in key order, read as they are asked for.
    pub fn range(&self, from: &[u8], to: Option<&[u8]>) -> RangeScan<'_> {
        RangeScan::new(&*self.store, uncommitted(&self.overlay, &self.sealed), from, to)
    }

    /// `range` within a group of entries that is read again and again, and ends before `end`: what the store has of it from
    /// `from` on is remembered, if it is little.
    pub fn range_of_group(&mut self, from: &[u8], to: &[u8], end: &[u8]) -> Result<RangeScan<'_>, StateError> {
        if self.cache.is_off() {
            return Ok(self.range(from, Some(to)));
        }
        let (read, is_all) = match self.cache.span(from, to) {
            Some(known) => (known, true),
            None => {
                let read = self.store.range(from, Some(end), GROUP_ENTRIES_MAX + 1)?;
                let is_all = read.len() <= GROUP_ENTRIES_MAX;
                if is_all {
                    self.cache.put_span(from, end, &read);
                    self.count(COUNT_STEP_BYTES);
                }
                (read, is_all)
            }
        };
        Ok(RangeScan::begun(&*self.store, uncommitted(&self.overlay, &self.sealed), (from, to), read, is_all))
    }

    /// `range` for entries that are taken from the front again and again, as those of a queue are: what was taken is not passed
    /// over anew each time, which the store does one entry after the other. `from` is the same in all calls of a queue.
    pub fn front(&mut self, from: &[u8], to: &[u8]) -> Result<Peekable<RangeScan<'_>>, StateError> {
        let known = self.fronts.iter().position(|(first, _)| *first == from);
        let begin = known.map_or_else(|| Bytes::copy_from_slice(from), |known| self.fronts[known].1.clone());
        let mut scan =
            RangeScan::new(&*self.store, uncommitted(&self.overlay, &self.sealed), &begin, Some(to)).peekable();
        let first = match scan.next_if(Result::is_err) {
            Some(Err(error)) => return Err(error),
            _ => scan.peek().and_then(|found| found.as_ref().ok()).map(|(key, _)| key.clone()),
        };
        let entry_at = first.unwrap_or_else(|| begin.max(Bytes::copy_from_slice(to)));
        match known {
            Some(known) => self.fronts[known].1 = entry_at,
            None => self.fronts.push((Bytes::copy_from_slice(from), entry_at)),
        }
        Ok(scan)
    }

    /// Entries whose key begins with `prefix`, in key order.
    pub fn prefix(&self, prefix: &[u8]) -> RangeScan<'_> {
        self.range(prefix, after_prefix(prefix).as_deref())
    }

    /// Closes the changes since the last seal as those of `cut`; empty if nothing changed.
    pub fn seal(&mut self, cut: CutId) -> Arc<Delta> {
        if let Some((last, _)) = self.sealed.back() {
            assert!(*last < cut, "{cut} sealed after {last}");
        }
        let delta = Arc::new(std::mem::take(&mut self.overlay));
        self.sealed.push_back((cut, delta.clone()));
        delta
    }

    /// Hands the sealed cuts up to `cut` to the store: their commit is durable, the changelog ends at `changelog_end`.
    ///
    /// After an error nothing is lost: the cuts stay sealed, and the next call hands them over too.
    pub fn committed(&mut self, cut: CutId, changelog_end: Offset) -> Result<(), StateError> {
        let count = self.sealed.iter().take_while(|(sealed, _)| *sealed <= cut).count();
        let mut merged = BTreeMap::new();
        for (_, delta) in self.sealed.iter().take(count) {
            merged.extend(delta.changes.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        if merged.is_empty() {
            self.sealed.drain(..count);
            return Ok(());
        }
        let changes: Vec<Change> = merged.into_iter().collect();
        self.store.apply(&changes, &self.identity.position(changelog_end))?;
        self.sealed.drain(..count);
        for (key, value) in changes {
            self.cache.change(key, value);
        }
        self.count(1);
        Ok(())
    }

    /// Forgets all that is not committed, sealed or not.
    pub fn rollback(&mut self) {
        self.overlay = Delta::default();
        self.sealed.clear();
        self.fronts.clear();
        self.count(1);
    }

    /// Forgets the changes since the last seal; sealed cuts stay, for a commit that is under way.
    pub fn discard_unsealed(&mut self) {
        self.overlay = Delta::default();
        self.fronts.clear();
        self.count(1);
    }

    /// Applies records of the changelog that lie before `changelog_end`, at start-up; of a repeated key the last counts.
    pub fn restore(
        &mut self,
        records: impl IntoIterator<Item = Change>,
        changelog_end: Offset,
    ) -> Result<(), StateError> {
        assert!(self.sealed.is_empty() && self.overlay.is_empty(), "restore comes before the first change");
        let records: BTreeMap<Bytes, Option<Bytes>> = records.into_iter().collect();
        let changes: Vec<Change> = records.into_iter().collect();
        self.cache.clear();
        self.fronts.clear();
        self.store.apply(&changes, &self.identity.position(changelog_end))
    }

    /// Memory that the table takes: uncommitted changes, which only a commit frees, and cached rows.
    pub fn bytes(&self) -> usize {
        self.uncommitted_bytes() + self.cache.bytes()
    }

    /// Memory of changes that are not yet in the store; over its budget a task cuts.
    pub fn uncommitted_bytes(&self) -> usize {
        self.overlay.bytes + self.sealed.iter().map(|(_, delta)| delta.bytes).sum::<usize>()
    }

    /// Forgets cached rows; the store still has them.
    pub fn evict(&mut self) {
        self.cache.clear();
        self.count(1);
    }
}

impl Drop for StateTable {
    fn drop(&mut self) {
        self.pool.add(-(self.counted as isize));
    }
}

/// What the store does not have yet, the newest first.
fn uncommitted<'a>(
    overlay: &'a Delta,
    sealed: &'a VecDeque<(CutId, Arc<Delta>)>,
) -> impl Iterator<Item = &'a BTreeMap<Bytes, Option<Bytes>>> {
    std::iter::once(overlay).chain(sealed.iter().rev().map(|(_, delta)| &**delta)).map(|delta| &delta.changes)
}

/// The least key above all that begin with `prefix`; `None` if there is none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}
