//! An ordered scan merged over the layers of a state table.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::collections::btree_map;
use std::iter::Peekable;
use std::ops::Bound;

use bytes::Bytes;

use super::ColdStore;
use super::StateError;

/// Entries that one call asks of the store.
const CHUNK_ENTRIES: usize = 1024;
/// Entries that the first call asks: many scans end soon.
const FIRST_CHUNK_ENTRIES: usize = 16;

/// Entries in key order; of each key the newest layer's value, deletes left out.
pub struct RangeScan<'a> {
    layers: Vec<Peekable<btree_map::Range<'a, Bytes, Option<Bytes>>>>,
    cold: ColdScan<'a>,
}

struct ColdScan<'a> {
    store: &'a dyn ColdStore,
    chunk: VecDeque<(Bytes, Bytes)>,
    chunk_entries: usize,
    /// Where the next chunk begins, `None` when the store has no more.
    next: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
}

impl<'a> RangeScan<'a> {
    pub(super) fn new(
        store: &'a dyn ColdStore,
        layers: impl Iterator<Item = &'a BTreeMap<Bytes, Option<Bytes>>>,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> Self {
        let empty = to.is_some_and(|to| to <= from);
        let bounds = (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded));
        let layers = layers.filter(|layer| !empty && !layer.is_empty());
        Self {
            layers: layers.map(|layer| layer.range::<[u8], _>(bounds).peekable()).collect(),
            cold: ColdScan {
                store,
                chunk: VecDeque::new(),
                chunk_entries: FIRST_CHUNK_ENTRIES,
                next: (!empty).then(|| from.to_vec()),
                to: to.map(<[u8]>::to_vec),
            },
        }
    }

    /// The same over what the store was asked already: `read` are its first entries from `from` on, behind which it has more
    /// or, if `is_all`, not.
    pub(super) fn begun(
        store: &'a dyn ColdStore,
        layers: impl Iterator<Item = &'a BTreeMap<Bytes, Option<Bytes>>>,
        (from, to): (&[u8], &[u8]),
        read: Vec<(Bytes, Bytes)>,
        is_all: bool,
    ) -> Self {
        let mut scan = Self::new(store, layers, from, Some(to));
        let goes_on = !is_all && read.last().is_some_and(|(last, _)| last.as_ref() < to);
        scan.cold.next = read.last().filter(|_| goes_on).map(|(last, _)| after(last));
        scan.cold.chunk_entries = CHUNK_ENTRIES;
        scan.cold.chunk = read.into_iter().take_while(|(key, _)| key.as_ref() < to).collect();
        scan
    }

    /// The next key and the newest layer's word on it.
    fn step(&mut self) -> Result<Option<(Bytes, Option<Bytes>)>, StateError> {
        self.cold.fill()?;
        let warm = self.layers.iter_mut().filter_map(|layer| layer.peek().map(|(key, _)| (*key).clone())).min();
        let cold = self.cold.chunk.front().map(|(key, _)| key.clone());
        let Some(key) = warm.into_iter().chain(cold).min() else {
            return Ok(None);
        };
        let mut value = None;
        for layer in &mut self.layers {
            if let Some((_, found)) = layer.next_if(|(next, _)| **next == key) {
                value.get_or_insert_with(|| found.clone());
            }
        }
        if let Some((_, found)) = self.cold.chunk.pop_front_if(|(next, _)| *next == key) {
            value.get_or_insert(Some(found));
        }
        Ok(Some((key, value.flatten())))
    }
}

/// The least key above `key`.
fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

impl ColdScan<'_> {
    /// Makes sure that the chunk holds the store's next entry, if there is one.
    fn fill(&mut self) -> Result<(), StateError> {
        if !self.chunk.is_empty() {
            return Ok(());
        }
        let Some(from) = self.next.take() else {
            return Ok(());
        };
        self.chunk = self.store.range(&from, self.to.as_deref(), self.chunk_entries)?.into();
        if self.chunk.len() == self.chunk_entries {
            self.next = self.chunk.back().map(|(key, _)| after(key));
        }
        self.chunk_entries = CHUNK_ENTRIES;
        Ok(())
    }
}

impl Iterator for RangeScan<'_> {
    type Item = Result<(Bytes, Bytes), StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.step() {
                Ok(Some((key, Some(value)))) => return Some(Ok((key, value))),
                Ok(Some((_, None))) => {}
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
