//! What the store holds of single keys and of spans of keys, kept in memory in front of it.
//!
//! Two generations stand in for an exact least-recently-used order: what is read or changed moves to the young one; when that
//! is full it becomes the old one, and what the old one held is forgotten. Absence is remembered too.
//!
//! Invariants:
//!   * a span has every entry that the store has from its first key up to and without its end
//!   * no two spans overlap, whatever their generation

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use hashbrown::HashMap;

use super::ENTRY_OVERHEAD_BYTES;

/// A generation has room for so many spans at least; larger ones are not kept.
const SPANS_MIN: usize = 8;

pub(super) struct ReadCache {
    generation_bytes_max: usize,
    young: Generation,
    old: Generation,
}

#[derive(Default)]
struct Generation {
    rows: HashMap<Bytes, Option<Bytes>>,
    /// By their first keys.
    spans: BTreeMap<Bytes, Span>,
    bytes: usize,
}

struct Span {
    end: Bytes,
    /// In key order.
    entries: Vec<(Bytes, Bytes)>,
    bytes: usize,
}

impl Span {
    fn change(&mut self, key: &Bytes, value: &Option<Bytes>) {
        let place = self.entries.binary_search_by(|(other, _)| other.cmp(key));
        if let Ok(place) = place {
            self.bytes -= row_bytes(key.len(), Some(&self.entries[place].1));
        }
        self.bytes += value.as_ref().map_or(0, |value| row_bytes(key.len(), Some(value)));
        match (place, value.clone()) {
            (Ok(place), Some(value)) => self.entries[place].1 = value,
            (Ok(place), None) => drop(self.entries.remove(place)),
            (Err(place), Some(value)) => self.entries.insert(place, (key.clone(), value)),
            (Err(_), None) => {}
        }
    }

    fn between(&self, from: &[u8], to: &[u8]) -> Vec<(Bytes, Bytes)> {
        let first = self.entries.partition_point(|(key, _)| key.as_ref() < from);
        self.entries[first..].iter().take_while(|(key, _)| key.as_ref() < to).cloned().collect()
    }

    fn get(&self, key: &[u8]) -> Option<Bytes> {
        let place = self.entries.binary_search_by(|(other, _)| other.as_ref().cmp(key)).ok()?;
        Some(self.entries[place].1.clone())
    }
}

impl Generation {
    fn insert_row(&mut self, key: Bytes, value: Option<Bytes>) {
        self.bytes += row_bytes(key.len(), value.as_ref());
        self.remove_row(&key);
        self.rows.insert(key, value);
    }

    fn remove_row(&mut self, key: &[u8]) -> Option<(Bytes, Option<Bytes>)> {
        let (key, value) = self.rows.remove_entry(key)?;
        self.bytes -= row_bytes(key.len(), value.as_ref());
        Some((key, value))
    }

    fn insert_span(&mut self, from: Bytes, span: Span) {
        self.bytes += span.bytes;
        self.spans.insert(from, span);
    }

    fn remove_span(&mut self, from: &[u8]) -> Option<(Bytes, Span)> {
        let (from, span) = self.spans.remove_entry(from)?;
        self.bytes -= span.bytes;
        Some((from, span))
    }

    /// The last span that begins at `key` or before.
    fn last_from(&self, key: &[u8]) -> Option<(&Bytes, &Span)> {
        self.spans.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back()
    }

    /// The span that has all keys from `from` up to and without `to`.
    fn span_over(&self, from: &[u8], to: &[u8]) -> Option<(&Bytes, &Span)> {
        self.last_from(from).filter(|(_, span)| to <= span.end.as_ref())
    }

    /// The span that `key` lies in.
    fn span_with(&self, key: &[u8]) -> Option<(&Bytes, &Span)> {
        self.last_from(key).filter(|(_, span)| key < span.end.as_ref())
    }

    /// Whether the key lies in a span, which has its new value then; one that gets larger than `bytes_max` is forgotten.
    fn change_in_span(&mut self, key: &Bytes, value: &Option<Bytes>, bytes_max: usize) -> bool {
        let upto = (Bound::Unbounded, Bound::Included(key.as_ref()));
        let found = self.spans.range_mut::<[u8], _>(upto).next_back().filter(|(_, span)| *key < span.end);
        let Some((first, span)) = found else { return false };
        self.bytes -= span.bytes;
        span.change(key, value);
        self.bytes += span.bytes;
        if bytes_max < span.bytes {
            let first = first.clone();
            self.remove_span(&first);
        }
        true
    }

    fn forget_spans(&mut self, from: &[u8], end: &[u8]) {
        let before_end = (Bound::Unbounded, Bound::Excluded(end));
        while let Some((first, _)) =
            self.spans.range::<[u8], _>(before_end).next_back().filter(|(_, span)| from < span.end.as_ref())
        {
            let first = first.clone();
            self.remove_span(&first);
        }
    }
}

fn row_bytes(key_bytes: usize, value: Option<&Bytes>) -> usize {
    key_bytes + value.map_or(0, Bytes::len) + ENTRY_OVERHEAD_BYTES
}

impl ReadCache {
    /// A cache of `bytes_max`, by a quarter more at most while what it has grows; 0 keeps nothing.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { generation_bytes_max: bytes_max / 2, young: Generation::default(), old: Generation::default() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.young.bytes + self.old.bytes
    }

    /// Whether it keeps nothing ever.
    pub(super) fn is_off(&self) -> bool {
        self.generation_bytes_max == 0
    }

    /// What the store holds for `key`; the outer `None` if the cache does not know.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<Option<Bytes>> {
        if let Some(value) = self.young.rows.get(key) {
            return Some(value.clone());
        }
        if let Some((key, value)) = self.old.remove_row(key) {
            self.put(key, value.clone());
            return Some(value);
        }
        let (_, span) = self.young.span_with(key).or_else(|| self.old.span_with(key))?;
        Some(span.get(key))
    }

    /// Remembers what the store holds for `key`.
    pub(super) fn put(&mut self, key: Bytes, value: Option<Bytes>) {
        self.old.remove_row(&key);
        if !self.is_off() {
            self.young.insert_row(key, value);
            self.bound();
        }
    }

    /// The store holds another value for `key` than before. Only what was read before is remembered: what is written and never
    /// read would push it out.
    pub(super) fn change(&mut self, key: Bytes, value: Option<Bytes>) {
        let known = self.young.remove_row(&key).or_else(|| self.old.remove_row(&key)).is_some();
        let span_bytes_max = self.span_bytes_max();
        let in_span = self.young.change_in_span(&key, &value, span_bytes_max)
            || self.old.change_in_span(&key, &value, span_bytes_max);
        if known && !in_span {
            self.put(key, value);
        }
        self.bound();
    }

    /// The store's entries from `from` up to and without `to`, if a span has all keys of these.
    pub(super) fn span(&mut self, from: &[u8], to: &[u8]) -> Option<Vec<(Bytes, Bytes)>> {
        if let Some((_, span)) = self.young.span_over(from, to) {
            return Some(span.between(from, to));
        }
        let (first, span) = self.old.span_over(from, to)?;
        let (first, found) = (first.clone(), span.between(from, to));
        if let Some((first, span)) = self.old.remove_span(&first) {
            self.young.insert_span(first, span);
            self.bound();
        }
        Some(found)
    }

    /// Remembers all entries that the store has from `from` up to and without `end`, if they are not too large.
    pub(super) fn put_span(&mut self, from: &[u8], end: &[u8], entries: &[(Bytes, Bytes)]) {
        self.young.forget_spans(from, end);
        self.old.forget_spans(from, end);
        let rows: usize = entries.iter().map(|(key, value)| row_bytes(key.len(), Some(value))).sum();
        let bytes = from.len() + end.len() + ENTRY_OVERHEAD_BYTES + rows;
        if bytes <= self.span_bytes_max() {
            let span = Span { end: Bytes::copy_from_slice(end), entries: entries.to_vec(), bytes };
            self.young.insert_span(Bytes::copy_from_slice(from), span);
            self.bound();
        }
    }

    fn span_bytes_max(&self) -> usize {
        self.generation_bytes_max / SPANS_MIN
    }

    /// A young generation that is full becomes the old one; an old one that grew too large by changes is forgotten.
    fn bound(&mut self) {
        if self.generation_bytes_max <= self.young.bytes {
            self.shrink();
        }
        if self.generation_bytes_max + 2 * self.span_bytes_max() < self.old.bytes {
            self.old = Generation::default();
        }
    }

    /// Forgets what was not read for longest.
    pub(super) fn shrink(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }

    pub(super) fn clear(&mut self) {
        self.young = Generation::default();
        self.old = Generation::default();
    }
}
