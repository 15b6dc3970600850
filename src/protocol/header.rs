//! The 61 bytes before a batch's records.
//!
//! ```text
//! byte  0  base offset i64           } outside the CRC: the leader
//!       8  batch length i32          } stamps offset and epoch
//!      12  partition leader epoch i32} without hashing again
//!      16  magic i8 = 2              }
//!      17  CRC-32C u32 over all that follows
//!      21  attributes i16
//!      23  last offset delta i32
//!      27  base timestamp i64
//!      35  max timestamp i64
//!      43  producer id i64, 51 producer epoch i16, 53 base sequence i32
//!      57  record count i32
//! ```

use std::fmt;

/// Bytes of a header.
pub const HEADER_SIZE: usize = 61;
/// Bytes before the part that the length field counts.
pub(crate) const LENGTH_PREFIX: usize = 12;
/// Where the part that the CRC covers begins.
pub(crate) const CRC_FROM: usize = 21;
/// The only format that is written and read.
pub(crate) const MAGIC: i8 = 2;

/// How a batch's records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy in xerial's framing, or bare.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
    /// A number that Kafka has not given out.
    Unknown(u8),
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Codec::None => write!(f, "uncompressed"),
            Codec::Gzip => write!(f, "gzip"),
            Codec::Snappy => write!(f, "snappy"),
            Codec::Lz4 => write!(f, "lz4"),
            Codec::Zstd => write!(f, "zstd"),
            Codec::Unknown(number) => write!(f, "number {number}"),
        }
    }
}

/// Where a batch's timestamps come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// Each record has its own, from its producer.
    Create,
    /// All records have the batch's max timestamp, set by the broker.
    Append,
}

/// The attribute bits: 0-2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    const TIMESTAMP_TYPE: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// The codec of the records.
    pub fn codec(self) -> Codec {
        match (self.0 & 0b111) as u8 {
            0 => Codec::None,
            1 => Codec::Gzip,
            2 => Codec::Snappy,
            3 => Codec::Lz4,
            4 => Codec::Zstd,
            unknown => Codec::Unknown(unknown),
        }
    }

    /// These attributes with another codec.
    pub(crate) fn with_codec(self, codec: Codec) -> Self {
        let number = match codec {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
            Codec::Unknown(number) => i16::from(number),
        };
        Self(self.0 & !0b111 | number & 0b111)
    }

    /// Whose the timestamps are.
    pub fn timestamp_type(self) -> TimestampType {
        match self.0 & Self::TIMESTAMP_TYPE {
            0 => TimestampType::Create,
            _ => TimestampType::Append,
        }
    }

    /// These attributes, with timestamps of that kind.
    pub(crate) fn with_timestamp_type(self, kind: TimestampType) -> Self {
        match kind {
            TimestampType::Create => Self(self.0 & !Self::TIMESTAMP_TYPE),
            TimestampType::Append => Self(self.0 | Self::TIMESTAMP_TYPE),
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the batch holds a marker instead of records.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is the time from which on tombstones may go.
    pub(crate) fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// These attributes, with a delete horizon.
    pub(crate) fn with_delete_horizon(self) -> Self {
        Self(self.0 | Self::DELETE_HORIZON)
    }

    /// These attributes, not transactional.
    pub(crate) fn not_transactional(self) -> Self {
        Self(self.0 & !Self::TRANSACTIONAL)
    }

    /// These attributes, transactional.
    pub(crate) fn transactional(self) -> Self {
        Self(self.0 | Self::TRANSACTIONAL)
    }

    /// These attributes, control.
    pub(crate) fn control(self) -> Self {
        Self(self.0 | Self::CONTROL)
    }
}

/// The fields of a header, as they stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes after this field.
    pub batch_length: i32,
    /// Epoch of the leader that appended it; -1 before that.
    pub leader_epoch: i32,
    /// Codec, timestamp type, transactional, control.
    pub attributes: Attributes,
    /// Offset of the last record minus the base offset; kept when compaction drops records.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from, in ms.
    pub base_timestamp: i64,
    /// The greatest timestamp of a record, in ms.
    pub max_timestamp: i64,
    /// The producer, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Number of records.
    pub record_count: i32,
    /// CRC-32C of the bytes from the attributes on.
    pub crc: u32,
}

impl BatchHeader {
    /// The fields in the first 61 bytes, unchecked, and the magic.
    pub(crate) fn parse(bytes: &[u8; HEADER_SIZE]) -> (Self, i8) {
        let header = Self {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            batch_length: i32::from_be_bytes(field(bytes, 8)),
            leader_epoch: i32::from_be_bytes(field(bytes, 12)),
            crc: u32::from_be_bytes(field(bytes, 17)),
            attributes: Attributes(i16::from_be_bytes(field(bytes, 21))),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)),
            producer_id: i64::from_be_bytes(field(bytes, 43)),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
            record_count: i32::from_be_bytes(field(bytes, 57)),
        };
        (header, i8::from_be_bytes(field(bytes, 16)))
    }

    /// The header's bytes; `crc` and `batch_length` as they stand in the fields.
    pub(crate) fn write(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &self.base_offset.to_be_bytes());
        put(8, &self.batch_length.to_be_bytes());
        put(12, &self.leader_epoch.to_be_bytes());
        put(16, &MAGIC.to_be_bytes());
        put(17, &self.crc.to_be_bytes());
        put(21, &self.attributes.0.to_be_bytes());
        put(23, &self.last_offset_delta.to_be_bytes());
        put(27, &self.base_timestamp.to_be_bytes());
        put(35, &self.max_timestamp.to_be_bytes());
        put(43, &self.producer_id.to_be_bytes());
        put(51, &self.producer_epoch.to_be_bytes());
        put(53, &self.base_sequence.to_be_bytes());
        put(57, &self.record_count.to_be_bytes());
        bytes
    }

    /// Bytes of the whole batch, header included; `None` if the length field is impossible.
    pub fn size_in_bytes(&self) -> Option<usize> {
        let after = usize::try_from(self.batch_length).ok()?;
        (HEADER_SIZE - LENGTH_PREFIX <= after).then_some(LENGTH_PREFIX + after)
    }

    /// Sequence number of the last record, wrapping from the greatest to 0; -1 without a producer.
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence {
            -1 => -1,
            base => ((i64::from(base) + i64::from(self.last_offset_delta)) & i64::from(i32::MAX)) as i32,
        }
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER_SIZE], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}
