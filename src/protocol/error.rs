//! What can be wrong with a batch.

use crate::error::Error;
use crate::error::SqlState;

use super::Codec;
use super::CompressionError;

/// Why bytes are not a record batch, or why its records cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the header or the claimed length needs.
    #[error("a record batch needs {needed} bytes, {found} are there")]
    Truncated {
        /// Bytes that were needed.
        needed: usize,
        /// Bytes that were there.
        found: usize,
    },
    /// The length field holds what no batch can have.
    #[error("a record batch cannot have the length {claimed}")]
    Length {
        /// The value of the length field.
        claimed: i32,
    },
    /// Bytes follow the one batch that was expected.
    #[error("{extra} bytes follow the record batch")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// An old or unknown format.
    #[error("record batch format {found} is not format 2")]
    Magic {
        /// The value of the magic field.
        found: i8,
    },
    /// The bytes are not those that were written.
    #[error("the record batch has CRC-32C {computed:08x}, its header says {stored:08x}")]
    Checksum {
        /// The header's.
        stored: u32,
        /// That of the bytes.
        computed: u32,
    },
    /// Larger than the limit.
    #[error("the record batch has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Record count and last offset delta do not fit each other or the bytes.
    #[error("the record batch claims {count} records up to offset delta {last_offset_delta}")]
    RecordCount {
        /// The value of the count field.
        count: i32,
        /// The value of the last offset delta field.
        last_offset_delta: i32,
    },
    /// The base offset is negative, or the last offset would pass the greatest one.
    #[error("the record batch has the base offset {base_offset}")]
    BaseOffset {
        /// The value of the field.
        base_offset: i64,
    },
    /// A codec that Kafka has not given out.
    #[error("compression codec {codec} is not supported")]
    UnsupportedCodec {
        /// The codec.
        codec: Codec,
    },
    /// Compressed records that cannot be unpacked.
    #[error("the {codec} records of the batch cannot be unpacked: {problem}")]
    Compression {
        /// The codec.
        codec: Codec,
        /// What is wrong.
        problem: CompressionError,
    },
    /// A record inside the batch is malformed.
    #[error("record {index} of the batch is malformed: {problem}")]
    Record {
        /// Its place in the batch, from 0.
        index: i32,
        /// What is wrong with it.
        problem: RecordError,
    },
    /// A control batch without a readable marker.
    #[error("the control batch holds no marker that is known")]
    ControlMarker,
}

/// What is wrong with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A field reaches past the record or the batch.
    #[error("a field reaches past the end")]
    Truncated,
    /// A variable-length number is longer than its type.
    #[error("a variable-length number is too long")]
    Varint,
    /// A length or a count is negative where none may be.
    #[error("a length is negative")]
    NegativeLength,
    /// Bytes are left over after the last field.
    #[error("bytes are left over after the last field")]
    TrailingBytes,
    /// The offset delta or the timestamp leaves its range.
    #[error("an offset or timestamp is out of range")]
    OutOfRange,
}

impl From<BatchError> for Error {
    fn from(error: BatchError) -> Self {
        let state = match &error {
            BatchError::Truncated { .. }
            | BatchError::Length { .. }
            | BatchError::TrailingBytes { .. }
            | BatchError::Magic { .. }
            | BatchError::Checksum { .. }
            | BatchError::RecordCount { .. }
            | BatchError::BaseOffset { .. }
            | BatchError::Record { .. }
            | BatchError::Compression { problem: CompressionError::Malformed, .. }
            | BatchError::ControlMarker => SqlState::DATA_CORRUPTED,
            BatchError::TooLarge { .. }
            | BatchError::Compression { problem: CompressionError::TooLarge { .. }, .. } => {
                SqlState::PROGRAM_LIMIT_EXCEEDED
            }
            BatchError::UnsupportedCodec { .. } => SqlState::FEATURE_NOT_SUPPORTED,
        };
        let told = Error::new(state, error.to_string());
        let told = match &error {
            BatchError::TooLarge { .. } => {
                told.hint("Send fewer or smaller records, or raise the topic's batch limit.")
            }
            BatchError::Compression { problem: CompressionError::TooLarge { .. }, .. } => {
                told.hint("Send fewer records in a batch.")
            }
            BatchError::UnsupportedCodec { .. } => told.hint("Send gzip, snappy, lz4, zstd or no compression."),
            BatchError::Truncated { .. }
            | BatchError::Length { .. }
            | BatchError::TrailingBytes { .. }
            | BatchError::Magic { .. }
            | BatchError::Checksum { .. }
            | BatchError::RecordCount { .. }
            | BatchError::BaseOffset { .. }
            | BatchError::Record { .. }
            | BatchError::Compression { problem: CompressionError::Malformed, .. }
            | BatchError::ControlMarker => told,
        };
        told.caused_by(error)
    }
}
