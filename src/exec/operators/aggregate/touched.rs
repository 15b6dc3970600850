//! What changed since the last cut, with what it was then.

use std::collections::HashMap;

use bytes::Bytes;

use crate::exec::Cx;

/// Keys in the order of their first change, with their state at the last cut.
#[derive(Default)]
pub(super) struct Touched {
    changes: Vec<(Bytes, Option<Bytes>)>,
    places: HashMap<Bytes, usize>,
}

impl Touched {
    /// Notes the state that a key had before its first change. Whether this is the first.
    pub(super) fn note(&mut self, cx: &mut Cx<'_>, key: &Bytes, before: &Option<Bytes>) -> bool {
        if self.places.contains_key(key) {
            return false;
        }
        self.places.insert(key.clone(), self.changes.len());
        self.changes.push((key.clone(), before.clone()));
        cx.hold(key.len() * 2 + before.as_ref().map_or(0, Bytes::len) + 64);
        true
    }

    /// Copies of those whose key meets a condition.
    pub(super) fn matching(&self, condition: impl Fn(&Bytes) -> bool) -> Vec<(Bytes, Option<Bytes>)> {
        self.changes.iter().filter(|(key, _)| condition(key)).cloned().collect()
    }

    /// Takes all.
    pub(super) fn take(&mut self) -> Vec<(Bytes, Option<Bytes>)> {
        self.places.clear();
        std::mem::take(&mut self.changes)
    }

    /// Takes those whose key meets a condition.
    pub(super) fn take_if(&mut self, condition: impl Fn(&Bytes) -> bool) -> Vec<(Bytes, Option<Bytes>)> {
        if !self.changes.iter().any(|(key, _)| condition(key)) {
            return Vec::new();
        }
        let (taken, left) = self.take().into_iter().partition(|(key, _)| condition(key));
        self.changes = left;
        self.places = self.changes.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
        taken
    }
}
