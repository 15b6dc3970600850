//! An entry of the journal.
//!
//! ```text
//! byte  0  kind u8, 3 bytes zero      4  leader epoch i32
//!       8  topic id, 16 bytes        24  partition i32           28  payload length u32
//!      32  base offset i64           40  next offset i64         48  segment's base offset i64
//!      56  byte position u64         64  byte span u64
//!      72  hash of the open block before u64                     80  hash of the open block after u64
//!      88  hash of the payload u64   96  hash of bytes 0..96 u64 104 payload
//! ```

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::PartitionId;
use crate::model::TopicId;
use crate::model::TopicPartition;

/// Bytes of an entry before its payload.
pub(in crate::log) const ENTRY_HEADER: usize = 104;
const HASHED: usize = ENTRY_HEADER - 8;

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) enum EntryKind {
    /// The payload is record batches, which stand at `position` of the segment.
    Append,
    /// The segment was synced up to `position + span`; the payload is the hashes of the blocks that were filled.
    DurableTo,
    /// All before was synced: the partition starts at `base_offset` and ends at `next_offset`, byte `position`.
    Trim,
    /// The partition was cut to `next_offset`, byte `position`.
    Truncate,
    /// The partition starts at `base_offset`.
    LogStart,
    /// The partition is gone; entries before this one say nothing about a later one of its name.
    Delete,
}

/// One entry. Fields that its kind does not name are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::log) struct Entry {
    pub(in crate::log) kind: EntryKind,
    pub(in crate::log) partition: TopicPartition,
    pub(in crate::log) leader_epoch: LeaderEpoch,
    pub(in crate::log) base_offset: Offset,
    pub(in crate::log) next_offset: Offset,
    pub(in crate::log) segment_base: Offset,
    /// Where in the segment it begins.
    pub(in crate::log) position: u64,
    /// How many bytes of the segment it covers.
    pub(in crate::log) span: u64,
    /// Hash of the block that is open at `position`, up to there.
    pub(in crate::log) open_before: u64,
    /// Hash of the block that is open at `position + span`, up to there.
    pub(in crate::log) open_after: u64,
    pub(in crate::log) payload: Bytes,
}

/// Whether an entry's payload was read back as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) enum Payload {
    /// It was.
    Whole,
    /// It was not; this is the hash that it had.
    Damaged { hash: u64 },
}

impl Entry {
    /// An entry about a partition as a whole.
    pub(in crate::log) fn about(kind: EntryKind, partition: TopicPartition) -> Self {
        Self {
            kind,
            partition,
            leader_epoch: LeaderEpoch::default(),
            base_offset: Offset::ZERO,
            next_offset: Offset::ZERO,
            segment_base: Offset::ZERO,
            position: 0,
            span: 0,
            open_before: 0,
            open_after: 0,
            payload: Bytes::new(),
        }
    }

    /// Writes the entry.
    pub(in crate::log) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let kind = match self.kind {
            EntryKind::Append => 1,
            EntryKind::DurableTo => 2,
            EntryKind::Trim => 3,
            EntryKind::Truncate => 4,
            EntryKind::LogStart => 5,
            EntryKind::Delete => 6,
        };
        out.extend([kind, 0, 0, 0]);
        out.extend(self.leader_epoch.0.to_be_bytes());
        out.extend(self.partition.topic.0);
        out.extend(self.partition.partition.0.to_be_bytes());
        let payload = u32::try_from(self.payload.len()).expect("a batch is smaller than 2 GiB");
        out.extend(payload.to_be_bytes());
        out.extend(self.base_offset.0.to_be_bytes());
        out.extend(self.next_offset.0.to_be_bytes());
        out.extend(self.segment_base.0.to_be_bytes());
        out.extend(self.position.to_be_bytes());
        out.extend(self.span.to_be_bytes());
        out.extend(self.open_before.to_be_bytes());
        out.extend(self.open_after.to_be_bytes());
        out.extend(xxh3_64(&self.payload).to_be_bytes());
        let hash = xxh3_64(&out[start..]);
        out.extend(hash.to_be_bytes());
        out.extend(&self.payload);
    }

    /// Bytes of the entry whose header this is, payload included; `None` if the header is torn or flipped.
    pub(super) fn size_in_bytes(header: &[u8]) -> Option<usize> {
        let header = header.first_chunk::<ENTRY_HEADER>()?;
        let whole = u64::from_be_bytes(field(header, HASHED)) == xxh3_64(&header[..HASHED]);
        whole.then(|| ENTRY_HEADER + u32::from_be_bytes(field(header, 28)) as usize)
    }

    /// The entry that `bytes` are; `None` if its header is flipped or says another size.
    pub(in crate::log) fn decode(bytes: &Bytes) -> Option<(Entry, Payload)> {
        let size = Self::size_in_bytes(bytes)?;
        if bytes.len() != size {
            return None;
        }
        let header = bytes.first_chunk::<ENTRY_HEADER>()?;
        let word = |at: usize| u64::from_be_bytes(field(header, at));
        let kind = match header[0] {
            1 => EntryKind::Append,
            2 => EntryKind::DurableTo,
            3 => EntryKind::Trim,
            4 => EntryKind::Truncate,
            5 => EntryKind::LogStart,
            6 => EntryKind::Delete,
            _ => return None,
        };
        let payload = bytes.slice(ENTRY_HEADER..);
        let hash = word(88);
        let state = if xxh3_64(&payload) == hash { Payload::Whole } else { Payload::Damaged { hash } };
        let topic = TopicId(field(header, 8));
        let entry = Entry {
            kind,
            partition: TopicPartition { topic, partition: PartitionId(i32::from_be_bytes(field(header, 24))) },
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(header, 4))),
            base_offset: Offset(word(32) as i64),
            next_offset: Offset(word(40) as i64),
            segment_base: Offset(word(48) as i64),
            position: word(56),
            span: word(64),
            open_before: word(72),
            open_after: word(80),
            payload,
        };
        Some((entry, state))
    }
}

fn field<const N: usize>(header: &[u8; ENTRY_HEADER], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&header[at..at + N]);
    field
}
