//! What a log answers when it cannot do what was asked.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Error;
use crate::error::SqlState;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::BatchError;

use super::files;

/// What is wrong with a record's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampRefusal {
    /// It lies too far in the past.
    #[error("more than {limit_ms} ms before the append")]
    Before {
        /// The topic's `message_timestamp_before_max_ms`.
        limit_ms: i64,
    },
    /// It lies too far in the future.
    #[error("more than {limit_ms} ms after the append")]
    After {
        /// The topic's `message_timestamp_after_max_ms`.
        limit_ms: i64,
    },
    /// The batch says that a leader has set it, and it comes from a client.
    #[error("marked as the time of its append, which only the server sets")]
    Appended,
}

/// Why an operation on a log failed. Cheap to clone: many waiters may get the same one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// No such partition in this directory.
    #[error("partition {partition} is not in this log directory")]
    UnknownPartition {
        /// Which.
        partition: TopicPartition,
    },
    /// The offset was dropped by retention, or was never assigned.
    #[error("offset {offset} is outside {start}..{end} of partition {partition}")]
    OutOfRange {
        /// Where.
        partition: TopicPartition,
        /// What was asked for.
        offset: Offset,
        /// The first offset kept.
        start: Offset,
        /// The offset after the last.
        end: Offset,
    },
    /// Bytes on the disk are not those that were written. Nothing was cut; offsets before it can be read.
    #[error("partition {partition} is damaged from offset {offset} on")]
    Corrupt {
        /// Where.
        partition: TopicPartition,
        /// The first offset that cannot be read.
        offset: Offset,
    },
    /// The partition's files could not be read when the log was opened. They were left as they are.
    #[error("partition {partition} cannot be read")]
    Unreadable {
        /// Which.
        partition: TopicPartition,
        /// Why.
        #[source]
        source: Arc<LogError>,
    },
    /// The batch is larger than the partition takes.
    #[error("a batch of {size} bytes is larger than the limit of {limit} bytes of partition {partition}")]
    BatchTooLarge {
        /// Where.
        partition: TopicPartition,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A record's time is not one that the partition takes, Kafka's INVALID_TIMESTAMP.
    #[error("a record for partition {partition} has the timestamp {timestamp}, {reason}")]
    InvalidTimestamp {
        /// Where.
        partition: TopicPartition,
        /// The record's time, in ms since 1970-01-01 UTC.
        timestamp: i64,
        /// What is wrong with it.
        reason: TimestampRefusal,
    },
    /// The batch is malformed.
    #[error("a batch for partition {partition} is malformed")]
    Batch {
        /// Where.
        partition: TopicPartition,
        /// What is wrong.
        #[source]
        source: BatchError,
    },
    /// A replicated batch does not follow the last one.
    #[error("a batch at offset {offset} does not follow the end {end} of partition {partition}")]
    NotAtEnd {
        /// Where.
        partition: TopicPartition,
        /// The batch's base offset.
        offset: Offset,
        /// The log end offset.
        end: Offset,
    },
    /// The sequence number does not follow the producer's last one.
    #[error("producer {} sent sequence {found} to partition {partition}, {expected} was expected", producer.0)]
    OutOfOrderSequence {
        /// Where.
        partition: TopicPartition,
        /// Who.
        producer: ProducerId,
        /// What was expected.
        expected: i32,
        /// What came.
        found: i32,
    },
    /// A newer epoch of this producer has written.
    #[error("producer {} wrote to partition {partition} with epoch {}, the current one is {}", producer.0, found.0, current.0)]
    StaleProducerEpoch {
        /// Where.
        partition: TopicPartition,
        /// Who.
        producer: ProducerId,
        /// The newest epoch seen.
        current: ProducerEpoch,
        /// The one that came.
        found: ProducerEpoch,
    },
    /// A marker from an old coordinator, a control batch from a client, or a plain batch within a transaction.
    #[error("producer {} may not write this batch to partition {partition}", producer.0)]
    InvalidTransactionState {
        /// Where.
        partition: TopicPartition,
        /// Who.
        producer: ProducerId,
    },
    /// A newer leader has written.
    #[error("leader epoch {} of partition {partition} is older than {}", found.0, current.0)]
    FencedLeaderEpoch {
        /// Where.
        partition: TopicPartition,
        /// The newest epoch seen.
        current: LeaderEpoch,
        /// The one that came.
        found: LeaderEpoch,
    },
    /// No room; nothing of the append was kept.
    #[error("the disk is full")]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// Another error of the disk; nothing of the append was kept.
    #[error("could not {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file of the log has a format that this version does not read.
    #[error("{} is not a {kind} that can be read", path.display())]
    Format {
        /// What it should be.
        kind: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A flush failed: what was waiting may or may not be durable. The process must end; no flush is retried.
    #[error("a flush of the log failed, so the outcome is unknown")]
    Unknown,
    /// The directory was closed.
    #[error("the log directory is closed")]
    Closed,
}

impl LogError {
    /// An error of the disk as an error of the log; a full disk gets its own kind.
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        move |source| match files::is_full(&source) {
            true => LogError::DiskFull { path: path.to_path_buf() },
            false => LogError::Io { operation, path: path.to_path_buf(), source: Arc::new(source) },
        }
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        let told = |state| Error::new(state, error.to_string());
        let told = match &error {
            LogError::UnknownPartition { .. } => told(SqlState::UNDEFINED_OBJECT),
            LogError::OutOfRange { .. } => told(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE),
            LogError::Corrupt { .. } => told(SqlState::IO_ERROR)
                .detail("The bytes on the disk are not those that were written; they were kept as they are.")
                .hint("Offsets before the damage can still be read."),
            LogError::Unreadable { source, .. } => told(SqlState::IO_ERROR)
                .detail(format!("When the server started: {source}. The files were left as they are."))
                .hint("Start the server again once the disk can be read."),
            LogError::BatchTooLarge { .. } => told(SqlState::PROGRAM_LIMIT_EXCEEDED),
            LogError::InvalidTimestamp { reason, .. } => {
                let told = told(SqlState::DATETIME_FIELD_OVERFLOW);
                match reason {
                    TimestampRefusal::Before { .. } => {
                        told.hint("The topic's message_timestamp_before_max_ms says how old a record may be.")
                    }
                    TimestampRefusal::After { .. } => {
                        told.hint("The topic's message_timestamp_after_max_ms says how far ahead a record may be.")
                    }
                    TimestampRefusal::Appended => told,
                }
            }
            LogError::Batch { source, .. } => Error::from(source.clone()),
            LogError::NotAtEnd { .. } => told(SqlState::INTERNAL_ERROR),
            LogError::OutOfOrderSequence { .. }
            | LogError::StaleProducerEpoch { .. }
            | LogError::InvalidTransactionState { .. }
            | LogError::FencedLeaderEpoch { .. } => told(SqlState::SERIALIZATION_FAILURE),
            LogError::DiskFull { .. } => {
                told(SqlState::DISK_FULL).hint("Free some space; nothing has to be restarted.")
            }
            LogError::Io { .. } | LogError::Format { .. } => told(SqlState::IO_ERROR),
            LogError::Unknown => told(SqlState::STATEMENT_COMPLETION_UNKNOWN).detail(
                "The disk refused to make data durable. What waited for it may or may not be there after a restart.",
            ),
            LogError::Closed => told(SqlState::ADMIN_SHUTDOWN),
        };
        told.caused_by(error)
    }
}
