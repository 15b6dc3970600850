//! Builds a batch.

use bytes::BufMut;
use bytes::BytesMut;

use crate::model::ProducerEpoch;
use crate::model::ProducerId;

use super::Attributes;
use super::Batch;
use super::BatchHeader;
use super::Codec;
use super::HEADER_SIZE;
use super::compression;
use super::varint;

/// Who wrote a batch, and the sequence number of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerStamp {
    /// The producer.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// Sequence number of the first record in this partition; -1 in control batches.
    pub base_sequence: i32,
}

/// Whether a batch belongs to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transactional {
    /// Its records are visible once a commit marker follows.
    Yes,
    /// Its records are visible at once.
    No,
}

/// A batch in the making: base offset 0, leader epoch -1 until the log stamps it.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    bytes: BytesMut,
    attributes: Attributes,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    producer: Option<ProducerStamp>,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new() -> Self {
        Self {
            bytes: BytesMut::zeroed(HEADER_SIZE),
            attributes: Attributes::default(),
            count: 0,
            base_timestamp: -1,
            max_timestamp: -1,
            producer: None,
        }
    }

    /// Says who writes it; may be called at any time before `finish`.
    pub fn producer(mut self, stamp: ProducerStamp, transactional: Transactional) -> Self {
        self.producer = Some(stamp);
        if transactional == Transactional::Yes {
            self.attributes = self.attributes.transactional();
        }
        self
    }

    /// Makes it a control batch.
    pub(super) fn control(mut self) -> Self {
        self.attributes = self.attributes.control();
        self
    }

    /// Whether it is a control batch.
    pub fn is_control(&self) -> bool {
        self.attributes.is_control()
    }

    /// Adds a record. `timestamp_ms` is its time in ms since 1970-01-01 UTC.
    ///
    /// Panics if the batch would pass 1 GiB: callers bound their batches long before.
    pub fn append(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) {
        if self.count == 0 {
            self.base_timestamp = timestamp_ms;
            self.max_timestamp = timestamp_ms;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp_ms);
        let timestamp_delta = timestamp_ms.wrapping_sub(self.base_timestamp);
        write_record(&mut self.bytes, timestamp_delta, i64::from(self.count), key, value, headers);
        self.count += 1;
    }

    /// Number of records so far.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch so far, header included.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The batch. Panics without a record: an empty batch has no offset.
    pub fn finish(mut self) -> Batch {
        let bytes = std::mem::take(&mut self.bytes);
        self.seal(Codec::None, bytes)
    }

    /// The batch, its records compressed. Panics without a record, and for a codec that Kafka has not given out.
    pub fn finish_compressed(self, codec: Codec) -> Batch {
        let packed = compression::compress(codec.into(), &self.bytes[HEADER_SIZE..]).expect("a codec that is known");
        let mut bytes = BytesMut::zeroed(HEADER_SIZE);
        bytes.extend_from_slice(&packed);
        self.seal(codec, bytes)
    }

    fn seal(self, codec: Codec, bytes: BytesMut) -> Batch {
        assert!(0 < self.count, "a batch has at least one record");
        let stamp = self.producer;
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            leader_epoch: -1,
            attributes: self.attributes.with_codec(codec),
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: stamp.map_or(-1, |stamp| stamp.id.0),
            producer_epoch: stamp.map_or(-1, |stamp| stamp.epoch.0),
            base_sequence: stamp.map_or(-1, |stamp| stamp.base_sequence),
            record_count: self.count,
            crc: 0,
        };
        Batch::seal(header, bytes)
    }
}

/// Writes one record. Panics if `bytes` would pass 1 GiB.
pub(super) fn write_record(
    bytes: &mut BytesMut,
    timestamp_delta: i64,
    offset_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(&[u8], Option<&[u8]>)],
) {
    let header_count = headers.len() as i64;
    let fixed = 1 + varint::size_of_i64(timestamp_delta) + varint::size_of_i64(offset_delta);
    let header_bytes = headers.iter().map(|(name, value)| size_of(Some(name)) + size_of(*value)).sum::<usize>();
    let body = fixed + size_of(key) + size_of(value) + varint::size_of_i64(header_count) + header_bytes;
    assert!(bytes.len() + body < 1 << 30, "a batch of {} bytes cannot take {body} more", bytes.len());
    bytes.reserve(body + 5);
    varint::write_i64(bytes, body as i64);
    bytes.put_u8(0);
    varint::write_i64(bytes, timestamp_delta);
    varint::write_i64(bytes, offset_delta);
    put(bytes, key);
    put(bytes, value);
    varint::write_i64(bytes, header_count);
    for (name, value) in headers {
        put(bytes, Some(name));
        put(bytes, *value);
    }
}

fn put(bytes: &mut BytesMut, field: Option<&[u8]>) {
    match field {
        None => varint::write_i64(bytes, -1),
        Some(field) => {
            varint::write_i64(bytes, field.len() as i64);
            bytes.put_slice(field);
        }
    }
}

fn size_of(field: Option<&[u8]>) -> usize {
    field.map_or(1, |field| varint::size_of_i64(field.len() as i64) + field.len())
}
