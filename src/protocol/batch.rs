//! One checked record batch, and a run of them.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use bytes::BytesMut;

use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;

use super::BatchError;
use super::BatchHeader;
use super::Codec;
use super::Control;
use super::ControlMarker;
use super::HEADER_SIZE;
use super::Packing;
use super::RecordError;
use super::Records;
use super::TimestampType;
use super::compression;
use super::compression::DECOMPRESSED_BYTES_MAX;
use super::header::CRC_FROM;
use super::header::LENGTH_PREFIX;
use super::header::MAGIC;

/// The smallest record: six one-byte fields and its length.
const RECORD_SIZE_MIN: usize = 7;

/// What a batch may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Bytes of a batch, header included.
    pub batch_bytes_max: usize,
}

impl Default for BatchLimits {
    /// Kafka's own default of `message.max.bytes`.
    fn default() -> Self {
        Self { batch_bytes_max: 1_048_588 }
    }
}

/// The least and the greatest time of a batch's records, in ms since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampRange {
    /// The least.
    pub min: i64,
    /// The greatest.
    pub max: i64,
}

/// One record batch whose header, length, CRC and record count were checked. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    header: BatchHeader,
    bytes: Bytes,
}

impl Batch {
    /// Checks that `bytes` is exactly one batch. Records are not looked into; see `validate_records`.
    pub fn check(bytes: Bytes, limits: &BatchLimits) -> Result<Batch, BatchError> {
        let (batch, rest) = Self::check_first(bytes, limits)?;
        match rest.len() {
            0 => Ok(batch),
            extra => Err(BatchError::TrailingBytes { extra }),
        }
    }

    /// The batches that stand in `bytes` one after the other. Ends after the first error.
    pub fn split(bytes: Bytes, limits: BatchLimits) -> Split {
        Split { rest: bytes, limits }
    }

    /// The fields of the header at the start of `bytes`, and nothing checked but the length and the magic.
    pub fn peek(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let header = bytes.first_chunk::<HEADER_SIZE>();
        let header = header.ok_or(BatchError::Truncated { needed: HEADER_SIZE, found: bytes.len() })?;
        let (header, magic) = BatchHeader::parse(header);
        if magic != MAGIC {
            return Err(BatchError::Magic { found: magic });
        }
        match header.size_in_bytes() {
            Some(_) => Ok(header),
            None => Err(BatchError::Length { claimed: header.batch_length }),
        }
    }

    fn check_first(mut bytes: Bytes, limits: &BatchLimits) -> Result<(Batch, Bytes), BatchError> {
        let header = Self::peek(&bytes)?;
        let size = header.size_in_bytes().ok_or(BatchError::Length { claimed: header.batch_length })?;
        if limits.batch_bytes_max < size {
            return Err(BatchError::TooLarge { size, limit: limits.batch_bytes_max });
        }
        if bytes.len() < size {
            return Err(BatchError::Truncated { needed: size, found: bytes.len() });
        }
        let rest = bytes.split_off(size);
        let computed = crc32c::crc32c(&bytes[CRC_FROM..]);
        if computed != header.crc {
            return Err(BatchError::Checksum { stored: header.crc, computed });
        }
        check_counts(&header, size - HEADER_SIZE)?;
        Ok((Batch { header, bytes }, rest))
    }

    /// A batch that this room built; its header is filled in, its CRC and length are not.
    pub(super) fn seal(mut header: BatchHeader, mut bytes: BytesMut) -> Batch {
        let after = bytes.len() - LENGTH_PREFIX;
        header.batch_length = i32::try_from(after).expect("a builder refuses to grow past 2 GiB");
        bytes[..HEADER_SIZE].copy_from_slice(&header.write());
        header.crc = crc32c::crc32c(&bytes[CRC_FROM..]);
        bytes[..HEADER_SIZE].copy_from_slice(&header.write());
        Batch { header, bytes: bytes.freeze() }
    }

    /// This batch at its place: sets what lies outside the CRC. Copies only if the bytes are shared.
    pub fn stamped(self, base_offset: Offset, leader_epoch: LeaderEpoch) -> Batch {
        let Batch { mut header, bytes } = self;
        header.base_offset = base_offset.0;
        header.leader_epoch = leader_epoch.0;
        let mut bytes = match bytes.try_into_mut() {
            Ok(owned) => owned,
            Err(shared) => BytesMut::from(&shared[..]),
        };
        bytes[..8].copy_from_slice(&header.base_offset.to_be_bytes());
        bytes[LENGTH_PREFIX..LENGTH_PREFIX + 4].copy_from_slice(&header.leader_epoch.to_be_bytes());
        Batch { header, bytes: bytes.freeze() }
    }

    /// This batch with timestamps of that kind, and `max_timestamp` as the greatest: with `TimestampType::Append` the
    /// time of all of its records. Hashes the batch again; copies only if the bytes are shared.
    pub fn with_timestamps(self, kind: TimestampType, max_timestamp: i64) -> Batch {
        let Batch { mut header, bytes } = self;
        header.attributes = header.attributes.with_timestamp_type(kind);
        header.max_timestamp = max_timestamp;
        let bytes = match bytes.try_into_mut() {
            Ok(owned) => owned,
            Err(shared) => BytesMut::from(&shared[..]),
        };
        Self::seal(header, bytes)
    }

    /// This batch with its records packed like that; as it is if that is its codec already, whatever the level, and if it
    /// holds a marker. Panics for a codec that Kafka has not given out.
    pub fn packed(self, packing: Packing) -> Result<Batch, BatchError> {
        if self.is_control() || self.header.attributes.codec() == packing.codec {
            return Ok(self);
        }
        let packed = compression::compress(packing, &self.payload()?.bytes).expect("a codec that is known");
        let mut bytes = BytesMut::zeroed(HEADER_SIZE);
        bytes.extend_from_slice(&packed);
        let attributes = self.header.attributes.with_codec(packing.codec);
        Ok(Self::seal(BatchHeader { attributes, ..self.header }, bytes))
    }

    /// The header's fields.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All bytes, header included.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Bytes of the whole batch.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Offset of the first record.
    pub fn base_offset(&self) -> Offset {
        Offset(self.header.base_offset)
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> Offset {
        self.base_offset().plus(i64::from(self.header.last_offset_delta))
    }

    /// The offset after the last record.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// Epoch of the leader that appended it.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.header.leader_epoch)
    }

    /// Number of records.
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// The producer and its epoch, if an idempotent one wrote it.
    pub fn producer(&self) -> Option<(ProducerId, ProducerEpoch)> {
        let has_producer = 0 <= self.header.producer_id;
        has_producer.then_some((ProducerId(self.header.producer_id), ProducerEpoch(self.header.producer_epoch)))
    }

    /// Whether it holds a marker or a mark instead of records.
    pub fn is_control(&self) -> bool {
        self.header.attributes.is_control()
    }

    /// Whether it belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.header.attributes.is_transactional()
    }

    /// What a control batch says; `None` for a batch of records.
    pub fn control(&self) -> Result<Option<Control>, BatchError> {
        if !self.is_control() {
            return Ok(None);
        }
        let payload = self.payload()?;
        let record = payload.records().next().ok_or(BatchError::ControlMarker)??;
        let key = record.key.ok_or(BatchError::ControlMarker)?;
        Control::from_record(key, record.value.unwrap_or_default()).map(Some)
    }

    /// The marker of a control batch that ends a transaction; `None` for any other batch.
    pub fn control_marker(&self) -> Result<Option<ControlMarker>, BatchError> {
        Ok(match self.control()? {
            Some(Control::End(marker)) => Some(marker),
            Some(Control::Mark(_)) | None => None,
        })
    }

    /// Whether it is a mark: a control batch within a transaction, which does not end it.
    pub fn is_mark(&self) -> bool {
        self.is_control() && matches!(self.control(), Ok(Some(Control::Mark(_))))
    }

    /// The bytes of the records, unpacked if they are compressed: at most `DECOMPRESSED_BYTES_MAX`.
    pub fn payload(&self) -> Result<Payload<'_>, BatchError> {
        let packed = &self.bytes[HEADER_SIZE..];
        let codec = self.header.attributes.codec();
        let bytes = match codec {
            Codec::None => Cow::Borrowed(packed),
            _ => match compression::decompress(codec, packed, DECOMPRESSED_BYTES_MAX) {
                Some(unpacked) => Cow::Owned(unpacked.map_err(|problem| BatchError::Compression { codec, problem })?),
                None => return Err(BatchError::UnsupportedCodec { codec }),
            },
        };
        Ok(Payload { header: self.header, bytes })
    }

    /// Checks every record, as a leader must before it appends a client's batch: each is whole, and their
    /// offsets go up from the base without gaps. Tells between which times they lie.
    pub fn validate_records(&self) -> Result<TimestampRange, BatchError> {
        let mut expected = self.base_offset();
        let mut times = TimestampRange { min: i64::MAX, max: i64::MIN };
        for (index, record) in (0..).zip(self.payload()?.records()) {
            let record = record?;
            if record.offset != expected {
                return Err(BatchError::Record { index, problem: RecordError::OutOfRange });
            }
            times.min = times.min.min(record.timestamp);
            times.max = times.max.max(record.timestamp);
            expected = expected.plus(1);
        }
        if expected != self.next_offset() {
            let BatchHeader { record_count: count, last_offset_delta, .. } = self.header;
            return Err(BatchError::RecordCount { count, last_offset_delta });
        }
        Ok(times)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("header", &self.header).field("bytes", &self.bytes.len()).finish()
    }
}

/// The bytes of a batch's records, not compressed.
#[derive(Debug, Clone)]
pub struct Payload<'a> {
    header: BatchHeader,
    bytes: Cow<'a, [u8]>,
}

impl Payload<'_> {
    /// The records, decoded one by one.
    pub fn records(&self) -> Records<'_> {
        Records::new(&self.header, &self.bytes)
    }

    /// Bytes of the records.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Batches that stand one after the other.
pub struct Split {
    rest: Bytes,
    limits: BatchLimits,
}

impl Iterator for Split {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match Batch::check_first(std::mem::take(&mut self.rest), &self.limits) {
            Ok((batch, rest)) => {
                self.rest = rest;
                Some(Ok(batch))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// The count and the offsets must fit each other, the bytes and the number space.
fn check_counts(header: &BatchHeader, payload: usize) -> Result<(), BatchError> {
    let BatchHeader { record_count: count, last_offset_delta, base_offset, .. } = *header;
    let wrong = Err(BatchError::RecordCount { count, last_offset_delta });
    let Ok(records) = usize::try_from(count) else { return wrong };
    // Compaction may leave fewer records than offsets, never more.
    if last_offset_delta < 0 || i64::from(last_offset_delta) + 1 < i64::from(count) {
        return wrong;
    }
    let room = payload / RECORD_SIZE_MIN;
    if header.attributes.codec() == Codec::None && room < records {
        return wrong;
    }
    let fits = base_offset.checked_add(i64::from(last_offset_delta) + 1).is_some();
    if base_offset < 0 || !fits {
        return Err(BatchError::BaseOffset { base_offset });
    }
    Ok(())
}
