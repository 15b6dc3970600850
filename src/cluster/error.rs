//! What can go wrong with the data directory and the metadata log.

use std::io;
use std::path::PathBuf;

use crate::error::Error;
use crate::error::SqlState;
use crate::model::TopicId;

/// Why metadata could not be read, changed or kept.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Somebody else changed the metadata first; nothing was written.
    #[error("metadata is at version {current}, not {expected}")]
    Stale {
        /// The version the proposal was built on.
        expected: u64,
        /// The version there is.
        current: u64,
    },
    /// There is a topic of that name.
    #[error("topic \"{name}\" already exists")]
    TopicExists {
        /// The name.
        name: String,
    },
    /// There is no such topic.
    #[error("topic {topic} does not exist")]
    UnknownTopic {
        /// Its id.
        topic: TopicId,
    },
    /// Kafka clients could not name such a topic.
    #[error("\"{name}\" cannot be a topic name")]
    InvalidTopicName {
        /// The name.
        name: String,
    },
    /// A topic needs at least one partition, and not more than the limit.
    #[error("topic \"{name}\" cannot have {partitions} partitions: it has 1 to 10000")]
    InvalidPartitions {
        /// The topic's name.
        name: String,
        /// What was asked for.
        partitions: i32,
    },
    /// Partitions of a topic are never taken away.
    #[error("topic \"{name}\" has {current} partitions, so {partitions} are not more")]
    NotMorePartitions {
        /// The topic's name.
        name: String,
        /// How many it has.
        current: i32,
        /// What was asked for.
        partitions: i32,
    },
    /// One proposal holds more bytes than one entry may.
    #[error("a metadata change of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Bytes of the proposal.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes on disk are not what was written.
    #[error("\"{path}\" is damaged at byte {byte_offset}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where.
        byte_offset: u64,
    },
    /// The data directory was written by a newer server.
    #[error("the data directory has format level {found}, this server knows up to {known}")]
    NewerFormat {
        /// In the directory.
        found: u32,
        /// Of this server.
        known: u32,
    },
    /// Another process uses the data directory.
    #[error("another server is using the data directory \"{path}\"")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The disk refused; nothing was changed.
    #[error("could not {action} \"{path}\"")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A flush failed: whether the change is durable cannot be known, and the process must end.
    #[error("whether a metadata change is durable is unknown")]
    Unknown {
        /// The cause, if this is the call that failed.
        #[source]
        source: Option<io::Error>,
    },
}

impl MetadataError {
    /// A disk call that failed and left things as they were.
    pub(crate) fn disk(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Disk { action, path: path.into(), source }
    }

    /// Whether the process must end, since it cannot know what is durable.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

impl From<MetadataError> for Error {
    fn from(error: MetadataError) -> Self {
        let message = error.to_string();
        match &error {
            MetadataError::Stale { .. } => Error::new(SqlState::SERIALIZATION_FAILURE, message)
                .hint("Run the statement again: another one changed the catalog at the same time."),
            MetadataError::TopicExists { .. } => Error::new(SqlState::DUPLICATE_OBJECT, message)
                .hint("Use another kafka_topic, or create the stream over the topic that exists."),
            MetadataError::UnknownTopic { .. } => Error::new(SqlState::UNDEFINED_OBJECT, message),
            MetadataError::InvalidTopicName { .. } => Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .detail("A topic name has 1 to 249 characters out of letters, digits, \".\", \"_\" and \"-\"."),
            MetadataError::InvalidPartitions { .. } => Error::new(SqlState::INVALID_PARAMETER_VALUE, message),
            MetadataError::NotMorePartitions { .. } => Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .detail("Partitions of a topic are never taken away."),
            MetadataError::TooLarge { .. } => Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message),
            MetadataError::Corrupt { .. } => Error::new(SqlState::DATA_CORRUPTED, message)
                .detail("An acknowledged change does not match its checksum. The file was left as it is."),
            MetadataError::NewerFormat { .. } => Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
                .hint("Start the server version that wrote this directory, or a newer one."),
            MetadataError::InUse { .. } => Error::new(SqlState::LOCK_NOT_AVAILABLE, message)
                .hint("Stop the other server, or give this one its own --data-dir."),
            MetadataError::Disk { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Error::new(SqlState::DISK_FULL, message)
            }
            MetadataError::Disk { source, .. } => {
                let detail = format!("{source}.");
                Error::new(SqlState::IO_ERROR, message).detail(detail)
            }
            MetadataError::Unknown { .. } => Error::new(SqlState::STATEMENT_COMPLETION_UNKNOWN, message)
                .detail("A flush to disk failed; the server ends and finds out when it starts again."),
        }
        .caused_by(error)
    }
}
