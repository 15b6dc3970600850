//! The newest offset of each key, for as many keys as memory is given.

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_128;

use crate::model::Offset;

/// Keys by a hash of 128 bits: among the most keys that fit, two that are alike have a chance of about 10^-25.
#[derive(Debug, Default)]
pub(super) struct Keys {
    newest: HashMap<u128, Offset>,
    /// Offsets from here on were not looked at.
    pub(super) upto: Offset,
}

impl Keys {
    /// Takes in a key; offsets come in ascending order.
    pub(super) fn add(&mut self, key: &[u8], offset: Offset) {
        self.newest.insert(xxh3_128(key), offset);
    }

    /// Whether a later record of the key is known.
    pub(super) fn has_later(&self, key: &[u8], offset: Offset) -> bool {
        self.newest.get(&xxh3_128(key)).is_some_and(|newest| offset < *newest)
    }

    /// Bytes that the keys take: per place in the table a hash, an offset and a byte; a power of two of places, at most
    /// seven of eight of them used.
    pub(super) fn size_in_bytes(&self) -> usize {
        const PLACE: usize = size_of::<(u128, Offset)>() + 1;
        match self.newest.capacity() {
            0 => 0,
            capacity => (capacity * 8 / 7).next_power_of_two() * PLACE,
        }
    }

    /// Keys so far.
    pub(super) fn len(&self) -> usize {
        self.newest.len()
    }
}
