//! The 64 bytes before a flush group, and those at the start of a journal file.
//!
//! ```text
//! byte  0  magic u64   8  generation u64   16  group number u64   24  bytes of entries u64
//!      32  last group known durable u64    40  kind u64: 0 file, 1 group, 2 confirmation
//!      48  of a group: files of lower generations are of no use any more u64        56  hash of bytes 0..56 u64
//! ```
//!
//! Every header stands at a multiple of 64, so that a reader finds the next one behind damage.

use xxhash_rust::xxh3::xxh3_64;

pub(super) const HEADER: usize = 64;
const MAGIC: u64 = u64::from_be_bytes(*b"tidemil1");

/// What a header is in front of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) enum HeaderKind {
    /// A journal file.
    File,
    /// The entries of a flush group.
    Group,
    /// Nothing: it says that the group of this number is durable.
    Confirmation,
}

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) struct Header {
    pub(in crate::log) kind: HeaderKind,
    pub(in crate::log) generation: u64,
    /// Groups are numbered without gaps over all files.
    pub(in crate::log) group: u64,
    pub(in crate::log) length: u64,
    /// All groups up to this one were durable when the header was written.
    pub(in crate::log) confirmed: u64,
    /// Of a group: what the files of lower generations say is said by the segments, or in this group; 0 if it says nothing.
    pub(in crate::log) trimmed: u64,
}

impl Header {
    pub(in crate::log) fn encode(&self) -> [u8; HEADER] {
        let kind = match self.kind {
            HeaderKind::File => 0u64,
            HeaderKind::Group => 1,
            HeaderKind::Confirmation => 2,
        };
        let mut bytes = [0; HEADER];
        let words = [MAGIC, self.generation, self.group, self.length, self.confirmed, kind, self.trimmed];
        for (field, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *field = word.to_be_bytes();
        }
        let hash = xxh3_64(&bytes[..HEADER - 8]);
        bytes[HEADER - 8..].copy_from_slice(&hash.to_be_bytes());
        bytes
    }

    /// The header at the start of `bytes`; `None` if there is none of this generation.
    pub(in crate::log) fn decode(bytes: &[u8], generation: u64) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER>()?;
        let words = bytes.as_chunks::<8>().0;
        let word = |at: usize| u64::from_be_bytes(words[at]);
        if word(0) != MAGIC || word(1) != generation || word(7) != xxh3_64(&bytes[..HEADER - 8]) {
            return None;
        }
        let kind = match word(5) {
            0 => HeaderKind::File,
            1 => HeaderKind::Group,
            2 => HeaderKind::Confirmation,
            _ => return None,
        };
        Some(Self { kind, generation, group: word(2), length: word(3), confirmed: word(4), trimmed: word(6) })
    }
}

/// The next multiple of a header's size.
pub(super) fn aligned(position: u64) -> u64 {
    position.next_multiple_of(HEADER as u64)
}
