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

/// Keys with their values in key order, `None` for a delete.
pub(super) type Layer = BTreeMap<Bytes, Option<Bytes>>;

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
    entries: Layer,
    bytes: usize,
}

impl Span {
    fn change(&mut self, key: Bytes, value: Option<Bytes>) {
        let length = key.len();
        let replaced = match value {
            None => self.entries.remove(&key),
            Some(_) => {
                self.bytes += row_bytes(length, &value);
                self.entries.insert(key, value)
            }
        };
        if let Some(replaced) = replaced {
            self.bytes -= row_bytes(length, &replaced);
        }
    }
}

impl Generation {
    fn insert_row(&mut self, key: Bytes, value: Option<Bytes>) {
        self.bytes += row_bytes(key.len(), &value);
        self.remove_row(&key);
        self.rows.insert(key, value);
    }

    fn remove_row(&mut self, key: &[u8]) -> Option<(Bytes, Option<Bytes>)> {
        let (key, value) = self.rows.remove_entry(key)?;
        self.bytes -= row_bytes(key.len(), &value);
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

fn row_bytes(key_bytes: usize, value: &Option<Bytes>) -> usize {
    key_bytes + value.as_ref().map_or(0, Bytes::len) + ENTRY_OVERHEAD_BYTES
}

impl ReadCache {
    /// A cache of at most `bytes_max`, plus one row or span; 0 keeps nothing.
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
        Some(span.entries.get(key).cloned().flatten())
    }

    /// Remembers what the store holds for `key`.
    pub(super) fn put(&mut self, key: Bytes, value: Option<Bytes>) {
        self.old.remove_row(&key);
        if !self.is_off() {
            self.young.insert_row(key, value);
            self.grow_old();
        }
    }

    /// The store holds another value for `key` than before. Only what was read before is remembered: what is written and never
    /// read would push it out.
    pub(super) fn change(&mut self, key: Bytes, value: Option<Bytes>) {
        let known = self.young.remove_row(&key).or_else(|| self.old.remove_row(&key)).is_some();
        match self.take_span(|generation| generation.span_with(&key)) {
            Some((first, mut span)) => {
                span.change(key, value);
                self.keep_span(first, span);
            }
            None if known => self.put(key, value),
            None => {}
        }
    }

    /// The store's entries of a span that has all keys from `from` up to and without `to`.
    pub(super) fn span(&mut self, from: &[u8], to: &[u8]) -> Option<&Layer> {
        if self.young.span_over(from, to).is_none() {
            let (first, span) = self.take_span(|generation| generation.span_over(from, to))?;
            self.keep_span(first, span);
        }
        let found = self.young.span_over(from, to).or_else(|| self.old.span_over(from, to));
        found.map(|(_, span)| &span.entries)
    }

    fn take_span(&mut self, find: impl Fn(&Generation) -> Option<(&Bytes, &Span)>) -> Option<(Bytes, Span)> {
        [&mut self.young, &mut self.old].into_iter().find_map(|generation| {
            let (first, _) = find(generation)?;
            let first = first.clone();
            generation.remove_span(&first)
        })
    }

    fn keep_span(&mut self, from: Bytes, span: Span) {
        if span.bytes <= self.generation_bytes_max / SPANS_MIN {
            self.young.insert_span(from, span);
            self.grow_old();
        }
    }

    /// Remembers all entries that the store has from `from` up to and without `end`.
    pub(super) fn put_span(&mut self, from: &[u8], end: &[u8], entries: &[(Bytes, Bytes)]) {
        self.young.forget_spans(from, end);
        self.old.forget_spans(from, end);
        let bounds_bytes = from.len() + end.len() + ENTRY_OVERHEAD_BYTES;
        let mut span = Span { end: Bytes::copy_from_slice(end), entries: Layer::new(), bytes: bounds_bytes };
        entries.iter().cloned().for_each(|(key, value)| span.change(key, Some(value)));
        self.keep_span(Bytes::copy_from_slice(from), span);
    }

    fn grow_old(&mut self) {
        if self.generation_bytes_max <= self.young.bytes {
            self.shrink();
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
