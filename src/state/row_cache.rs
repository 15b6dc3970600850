//! Committed rows kept in memory in front of the cold store.
//!
//! Two generations stand in for an exact least-recently-used order: what is read moves to the young one; when that is
//! full it becomes the old one, and what the old one held is forgotten. Absence is remembered too.

use bytes::Bytes;
use hashbrown::HashMap;

use super::ENTRY_OVERHEAD_BYTES;

pub(super) struct RowCache {
    generation_bytes_max: usize,
    young: Generation,
    old: Generation,
}

#[derive(Default)]
struct Generation {
    rows: HashMap<Bytes, Option<Bytes>>,
    bytes: usize,
}

impl Generation {
    fn insert(&mut self, key: Bytes, value: Option<Bytes>) {
        self.bytes += row_bytes(&key, &value);
        if let Some((key, value)) = self.remove(&key) {
            self.bytes -= row_bytes(&key, &value);
        }
        self.rows.insert(key, value);
    }

    fn remove(&mut self, key: &[u8]) -> Option<(Bytes, Option<Bytes>)> {
        self.rows.remove_entry(key)
    }
}

fn row_bytes(key: &Bytes, value: &Option<Bytes>) -> usize {
    key.len() + value.as_ref().map_or(0, Bytes::len) + ENTRY_OVERHEAD_BYTES
}

impl RowCache {
    /// A cache of at most `bytes_max`, plus one row; 0 keeps nothing.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { generation_bytes_max: bytes_max / 2, young: Generation::default(), old: Generation::default() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.young.bytes + self.old.bytes
    }

    /// What the store holds for `key`; the outer `None` if the cache does not know.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<Option<Bytes>> {
        if let Some(value) = self.young.rows.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove(key)?;
        self.old.bytes -= row_bytes(&key, &value);
        self.put(key, value.clone());
        Some(value)
    }

    /// Remembers what the store holds for `key`.
    pub(super) fn put(&mut self, key: Bytes, value: Option<Bytes>) {
        if let Some((key, value)) = self.old.remove(&key) {
            self.old.bytes -= row_bytes(&key, &value);
        }
        if self.generation_bytes_max == 0 {
            return;
        }
        self.young.insert(key, value);
        if self.generation_bytes_max <= self.young.bytes {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// Forgets the rows that were not read for longest.
    pub(super) fn shrink(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }

    pub(super) fn clear(&mut self) {
        self.young = Generation::default();
        self.old = Generation::default();
    }
}
