//! What can go wrong between a client and the log.

use super::GroupError;
use crate::cluster::MetadataError;
use crate::error::Error;
use crate::error::SqlState;
use crate::log::LogError;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::BatchError;

/// Why the broker refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// There is no such topic, or it has no such partition; it may have been dropped.
    #[error("partition {partition} does not exist")]
    UnknownPartition {
        /// Which.
        partition: TopicPartition,
    },
    /// The principal may not.
    #[error(transparent)]
    NotAuthorized(Error),
    /// Only the server writes internal topics.
    #[error("topic \"{topic}\" is internal")]
    InternalTopic {
        /// Its name.
        topic: String,
    },
    /// A record or batch is over the topic's limit.
    #[error("a batch of {size} bytes is over the limit of {limit} of {partition}")]
    MessageTooLarge {
        /// Where to.
        partition: TopicPartition,
        /// Its bytes.
        size: usize,
        /// The topic's limit.
        limit: usize,
    },
    /// The position is outside what is there.
    #[error("offset {offset} is outside {start}..{end} of {partition}")]
    OffsetOutOfRange {
        /// Where.
        partition: TopicPartition,
        /// What was asked for.
        offset: Offset,
        /// The log start offset.
        start: Offset,
        /// The log end offset.
        end: Offset,
    },
    /// The position was reached under a leader epoch that this leader does not know: its log was cut since.
    #[error("offset {offset} of {partition} was read in leader epoch {}, the leader is at {}", known.0, current.0)]
    DivergedEpoch {
        /// Where.
        partition: TopicPartition,
        /// The position.
        offset: Offset,
        /// The epoch that came with it.
        known: LeaderEpoch,
        /// The leader's.
        current: LeaderEpoch,
    },
    /// The client's view of who leads is older, or newer, than this leader's.
    #[error("leader epoch {} of {partition} is not the current one, {}", found.0, current.0)]
    LeaderEpoch {
        /// Where.
        partition: TopicPartition,
        /// The epoch that came.
        found: LeaderEpoch,
        /// The leader's.
        current: LeaderEpoch,
    },
    /// A record is not one that the partition takes.
    #[error("a batch for {partition} is refused: {reason}")]
    InvalidRecord {
        /// Where to.
        partition: TopicPartition,
        /// The record's place in its batch, if it is about one.
        index: Option<i32>,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no such setting of a topic.
    #[error("unknown topic setting \"{name}\"")]
    UnknownSetting {
        /// What was named.
        name: String,
    },
    /// A setting does not take that value.
    #[error("the topic setting \"{name}\" must be {wanted}, not \"{value}\"")]
    InvalidSetting {
        /// Which.
        name: &'static str,
        /// The value.
        value: String,
        /// What it takes.
        wanted: &'static str,
    },
    /// Something stands on the topic.
    #[error("topic \"{topic}\" is used by {user}")]
    TopicInUse {
        /// The topic.
        topic: String,
        /// By what.
        user: String,
    },
    /// Its name is another topic's, but for dots and underscores.
    #[error("topic \"{topic}\" collides with topic \"{other}\": a dot and an underscore are taken for the same")]
    TopicNameCollides {
        /// The name.
        topic: String,
        /// The topic that is there.
        other: String,
    },
    /// It took longer than the client wanted to wait; it may be done all the same.
    #[error("the request took longer than its timeout")]
    TimedOut,
    /// A transactional id, a group or a member has a name that no record can hold.
    #[error("\"{name}\" cannot be a {kind}")]
    InvalidName {
        /// What it would name.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// As many commits of this id wait as may wait.
    #[error("{limit} commits of \"{transactional_id}\" are waiting")]
    TooManyCommits {
        /// Of which producer.
        transactional_id: String,
        /// The limit.
        limit: usize,
    },
    /// A record of the offsets or the transaction topic is not what Kafka writes there.
    #[error("a record at {offset} of coordinator partition {partition} cannot be read")]
    CoordinatorRecord {
        /// Where.
        partition: TopicPartition,
        /// Where in it.
        offset: Offset,
    },
    /// The newest state of a group or a transactional id cannot be read, and an older one must not be taken for it.
    #[error(
        "the state of \"{name}\" in {topic} cannot be read: partition {partition} is damaged from offset {offset} on"
    )]
    CoordinatorDamaged {
        /// The coordinators' topic.
        topic: &'static str,
        /// The group or transactional id.
        name: String,
        /// The partition that holds it.
        partition: TopicPartition,
        /// From where on it cannot be read.
        offset: Offset,
    },
    /// The outcome of a transaction stood in what is damaged.
    #[error("whether the records of {partition} from offset {offset} on were committed cannot be known")]
    Undecided {
        /// Where.
        partition: TopicPartition,
        /// The transaction's first offset.
        offset: Offset,
    },
    /// A transactional batch came, and no transaction of its producer that holds the partition is open.
    #[error("no transaction of producer {} is open that holds {partition}", producer.0)]
    NotInTransaction {
        /// Where to.
        partition: TopicPartition,
        /// Whose.
        producer: ProducerId,
    },
    /// A group's coordinator refused.
    #[error("group \"{group}\": {reason}")]
    Group {
        /// The group.
        group: String,
        /// Why.
        reason: GroupError,
    },
    /// A batch is malformed.
    #[error("a batch of {partition} is malformed")]
    Batch {
        /// Where to, or where.
        partition: TopicPartition,
        /// What is wrong with it.
        #[source]
        source: BatchError,
    },
    /// The metadata could not be changed.
    #[error("the metadata could not be changed")]
    Metadata(#[from] MetadataError),
    /// The log could not do it; nothing of it was kept.
    #[error("the log refused: {0}")]
    Log(#[source] LogError),
    /// The broker is closed.
    #[error("the server is shutting down")]
    Closed,
    /// A flush failed: what is durable is unknown, and the process must end.
    #[error("whether an append is durable is unknown")]
    Unknown,
}

impl BrokerError {
    /// Whether the process must end.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Unknown | Self::Group { reason: GroupError::Unknown, .. } => true,
            Self::Metadata(error) => error.is_fatal(),
            _ => false,
        }
    }
}

impl From<LogError> for BrokerError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::UnknownPartition { partition } => Self::UnknownPartition { partition },
            LogError::OutOfRange { partition, offset, start, end } => {
                Self::OffsetOutOfRange { partition, offset, start, end }
            }
            LogError::BatchTooLarge { partition, size, limit } => Self::MessageTooLarge { partition, size, limit },
            LogError::Batch { partition, source } => Self::Batch { partition, source },
            LogError::Unknown => Self::Unknown,
            LogError::Closed => Self::Closed,
            LogError::Corrupt { .. }
            | LogError::Unreadable { .. }
            | LogError::NotAtEnd { .. }
            | LogError::OutOfOrderSequence { .. }
            | LogError::StaleProducerEpoch { .. }
            | LogError::InvalidTransactionState { .. }
            | LogError::FencedLeaderEpoch { .. }
            | LogError::InvalidTimestamp { .. }
            | LogError::DiskFull { .. }
            | LogError::Io { .. }
            | LogError::Format { .. } => Self::Log(error),
        }
    }
}

impl From<BrokerError> for Error {
    fn from(error: BrokerError) -> Self {
        let message = error.to_string();
        match error {
            BrokerError::NotAuthorized(error) => error,
            BrokerError::Metadata(error) => error.into(),
            BrokerError::Log(error) => error.into(),
            BrokerError::UnknownPartition { .. } => Error::new(SqlState::UNDEFINED_OBJECT, message),
            BrokerError::InternalTopic { .. } => {
                Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).detail("Only the server writes to it.")
            }
            BrokerError::MessageTooLarge { .. } => Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
                .hint("Send smaller rows: store what is large elsewhere and send where it lies."),
            BrokerError::OffsetOutOfRange { .. } | BrokerError::DivergedEpoch { .. } => {
                Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            }
            BrokerError::LeaderEpoch { .. } => Error::new(SqlState::SERIALIZATION_FAILURE, message),
            BrokerError::InvalidRecord { .. } => Error::new(SqlState::INVALID_PARAMETER_VALUE, message),
            BrokerError::UnknownSetting { .. } | BrokerError::InvalidSetting { .. } => {
                Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
            }
            BrokerError::TopicInUse { .. } => Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message),
            BrokerError::TimedOut => Error::new(SqlState::STATEMENT_COMPLETION_UNKNOWN, message),
            BrokerError::InvalidName { .. } | BrokerError::TopicNameCollides { .. } => {
                Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
            }
            BrokerError::TooManyCommits { .. } => Error::new(SqlState::CONFIGURATION_LIMIT_EXCEEDED, message),
            BrokerError::CoordinatorRecord { .. } => Error::new(SqlState::DATA_CORRUPTED, message),
            BrokerError::CoordinatorDamaged { .. } => Error::new(SqlState::IO_ERROR, message)
                .detail("The bytes on the disk are not those that were written; they were kept as they are.")
                .hint("What other groups and transactional ids hold can be used."),
            BrokerError::Undecided { .. } => Error::new(SqlState::IO_ERROR, message)
                .detail("The state of the transaction that wrote them is damaged; they are neither shown nor dropped.")
                .hint("Offsets before them can still be read."),
            BrokerError::NotInTransaction { .. } => Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message),
            BrokerError::Group { reason: GroupError::NonEmptyGroup, .. } => {
                Error::new(SqlState::OBJECT_IN_USE, message).hint("Stop the clients that are in the group.")
            }
            BrokerError::Group { .. } => Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message),
            BrokerError::Batch { source, .. } => {
                let detail = source.to_string();
                Error::from(source).detail(format!("{message}: {detail}."))
            }
            BrokerError::Closed => Error::new(SqlState::ADMIN_SHUTDOWN, message),
            BrokerError::Unknown => Error::new(SqlState::STATEMENT_COMPLETION_UNKNOWN, message)
                .detail("A flush to disk failed; the server ends and finds out when it starts again."),
        }
    }
}
