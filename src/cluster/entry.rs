//! The bytes of one entry of the metadata log.
//!
//! Frame: magic u32, length of the payload u32, CRC-32C of length and payload u32, payload, all big-endian.
//! Payload: version u64, term u32, record count u32, then per record kind u8, length u32, bytes.
//! Topics are JSON (fields may be added), as is a configuration behind its topic's id; the catalog's bytes are carried as they are.

use bytes::Bytes;

use super::record::MetadataRecord;
use super::record::TopicRecord;
use crate::model::TopicId;

/// The first bytes of every frame.
pub(super) const FRAME_MAGIC: u32 = 0x544d_4d45;
/// Bytes before a frame's payload.
pub(super) const FRAME_HEADER_BYTES: usize = 12;
/// Bytes of the largest payload; one proposal is one entry.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16 << 20;

const KIND_TOPIC: u8 = 1;
const KIND_DROP_TOPIC: u8 = 2;
const KIND_CATALOG: u8 = 3;
const KIND_PRODUCER_IDS: u8 = 4;
const KIND_CONFIGURE_TOPIC: u8 = 5;
const KIND_ADD_PARTITIONS: u8 = 6;

/// One accepted proposal: openraft's entry, its log id being (term, version).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The metadata's version after it; versions rise by one from 1.
    pub version: u64,
    /// The term of the voter that accepted it.
    pub term: u32,
    /// What it says, applied whole.
    pub records: Vec<MetadataRecord>,
}

impl Entry {
    /// The whole frame.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        payload.extend_from_slice(&self.version.to_be_bytes());
        payload.extend_from_slice(&self.term.to_be_bytes());
        payload.extend_from_slice(&length_of(&self.records).to_be_bytes());
        for record in &self.records {
            let (kind, bytes) = encode_record(record);
            payload.push(kind);
            payload.extend_from_slice(&length_of(&bytes).to_be_bytes());
            payload.extend_from_slice(&bytes);
        }
        let length = length_of(&payload).to_be_bytes();
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&length), &payload);
        let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + payload.len());
        frame.extend_from_slice(&FRAME_MAGIC.to_be_bytes());
        frame.extend_from_slice(&length);
        frame.extend_from_slice(&checksum.to_be_bytes());
        frame.extend_from_slice(&payload);
        frame
    }

    /// The entry at the start of `bytes` and its length with the header; `None` if no whole, unharmed frame is there.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut reader = Reader(bytes);
        let magic = reader.u32()?;
        let length = reader.u32()?;
        let checksum = reader.u32()?;
        let length_bytes = length.to_be_bytes();
        let length = usize::try_from(length).ok()?;
        if magic != FRAME_MAGIC || PAYLOAD_BYTES_MAX < length {
            return None;
        }
        let payload = reader.take(length)?;
        if crc32c::crc32c_append(crc32c::crc32c(&length_bytes), payload) != checksum {
            return None;
        }
        let mut reader = Reader(payload);
        let version = reader.u64()?;
        let term = reader.u32()?;
        let count = reader.u32()?;
        let mut records = Vec::new();
        for _ in 0..count {
            let kind = reader.u8()?;
            let length = usize::try_from(reader.u32()?).ok()?;
            records.push(decode_record(kind, reader.take(length)?)?);
        }
        Some((Self { version, term, records }, FRAME_HEADER_BYTES + length))
    }
}

fn encode_record(record: &MetadataRecord) -> (u8, Vec<u8>) {
    match record {
        MetadataRecord::Topic(topic) => {
            (KIND_TOPIC, serde_json::to_vec(topic).expect("a topic record has only fields that JSON can hold"))
        }
        MetadataRecord::ConfigureTopic(id, config) => {
            let mut bytes = id.0.to_vec();
            serde_json::to_writer(&mut bytes, config)
                .expect("a topic's configuration has only fields that JSON can hold");
            (KIND_CONFIGURE_TOPIC, bytes)
        }
        MetadataRecord::AddPartitions(id, count) => (KIND_ADD_PARTITIONS, [&id.0[..], &count.to_be_bytes()].concat()),
        MetadataRecord::DropTopic(id) => (KIND_DROP_TOPIC, id.0.to_vec()),
        MetadataRecord::Catalog(bytes) => (KIND_CATALOG, bytes.to_vec()),
        MetadataRecord::ProducerIds { next } => (KIND_PRODUCER_IDS, next.to_be_bytes().to_vec()),
    }
}

fn decode_record(kind: u8, bytes: &[u8]) -> Option<MetadataRecord> {
    Some(match kind {
        KIND_TOPIC => MetadataRecord::Topic(serde_json::from_slice::<TopicRecord>(bytes).ok()?),
        KIND_DROP_TOPIC => MetadataRecord::DropTopic(TopicId(bytes.try_into().ok()?)),
        KIND_CONFIGURE_TOPIC => {
            let (id, config) = bytes.split_first_chunk()?;
            MetadataRecord::ConfigureTopic(TopicId(*id), serde_json::from_slice(config).ok()?)
        }
        KIND_ADD_PARTITIONS => {
            let (id, count) = bytes.split_first_chunk()?;
            MetadataRecord::AddPartitions(TopicId(*id), i32::from_be_bytes(count.try_into().ok()?))
        }
        KIND_CATALOG => MetadataRecord::Catalog(Bytes::copy_from_slice(bytes)),
        KIND_PRODUCER_IDS => MetadataRecord::ProducerIds { next: i64::from_be_bytes(bytes.try_into().ok()?) },
        _ => return None,
    })
}

/// A length as the format holds it. Callers keep payloads below `PAYLOAD_BYTES_MAX`, which storage checks.
fn length_of<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }
}
