//! The broker's errors as Kafka's codes.

use crate::broker::BrokerError;
use crate::broker::GroupError;
use crate::broker::LogError;
use crate::broker::MetadataError;
use crate::broker::TransactionError;
use crate::error::Error;
use crate::protocol::BatchError;
use crate::protocol::ErrorCode;

/// Why a client does not get what it asked for: a code for it, and a text for people.
#[derive(Debug)]
pub(super) struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: &str) -> Self {
        Self { code, message: message.to_string() }
    }
}

impl From<BrokerError> for Refusal {
    fn from(error: BrokerError) -> Self {
        Self { code: code_of(&error), message: Error::from(error).message().to_string() }
    }
}

/// The code that makes a client do the right thing.
pub(super) fn code_of(error: &BrokerError) -> ErrorCode {
    match error {
        BrokerError::UnknownPartition { .. } => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        BrokerError::NotAuthorized(_) => ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        BrokerError::InternalTopic { .. } | BrokerError::TopicNameCollides { .. } => ErrorCode::INVALID_TOPIC_EXCEPTION,
        BrokerError::MessageTooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        BrokerError::OffsetOutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        BrokerError::DivergedEpoch { .. } => ErrorCode::UNKNOWN_LEADER_EPOCH,
        BrokerError::LeaderEpoch { found, current, .. } if found < current => ErrorCode::FENCED_LEADER_EPOCH,
        BrokerError::LeaderEpoch { .. } => ErrorCode::UNKNOWN_LEADER_EPOCH,
        BrokerError::InvalidRecord { .. } => ErrorCode::INVALID_RECORD,
        BrokerError::UnknownSetting { .. } | BrokerError::InvalidSetting { .. } => ErrorCode::INVALID_CONFIG,
        BrokerError::TopicInUse { .. } => ErrorCode::POLICY_VIOLATION,
        BrokerError::InvalidName { kind: "group" | "member", .. } => ErrorCode::INVALID_GROUP_ID,
        BrokerError::InvalidName { .. } => ErrorCode::INVALID_REQUEST,
        BrokerError::TooManyCommits { .. }
        | BrokerError::CoordinatorRecord { .. }
        | BrokerError::CoordinatorDamaged { .. } => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        BrokerError::NotInTransaction { .. } => ErrorCode::INVALID_TXN_STATE,
        BrokerError::Undecided { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
        BrokerError::Group { reason, .. } => code_of_group(reason),
        BrokerError::Batch { source, .. } => code_of_batch(source),
        BrokerError::Metadata(error) => code_of_metadata(error),
        BrokerError::Log(error) => code_of_log(error),
        // The client tries again, here or elsewhere.
        BrokerError::Closed => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        // What Kafka says when it cannot know: the client may try again, and the sequence numbers tell.
        BrokerError::Unknown | BrokerError::TimedOut => ErrorCode::REQUEST_TIMED_OUT,
    }
}

/// A group's refusals have Kafka's numbers.
pub(super) fn code_of_group(error: &GroupError) -> ErrorCode {
    ErrorCode(error.code())
}

/// Of a part of a request.
pub(super) fn code_of_outcome(outcome: &Result<(), GroupError>) -> ErrorCode {
    outcome.as_ref().err().map(code_of_group).unwrap_or_default()
}

/// A client that does not understand that it is fenced is told that its epoch is not the current one.
pub(super) fn code_of_transaction(error: &TransactionError, knows_fenced: bool) -> ErrorCode {
    match error {
        TransactionError::Fenced if !knows_fenced => ErrorCode::INVALID_PRODUCER_EPOCH,
        error => ErrorCode(error.code()),
    }
}

fn code_of_batch(error: &BatchError) -> ErrorCode {
    match error {
        // The bytes are not those that were sent: sending them again may help.
        BatchError::Truncated { .. } | BatchError::Length { .. } | BatchError::Checksum { .. } => {
            ErrorCode::CORRUPT_MESSAGE
        }
        BatchError::Magic { .. } => ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
        BatchError::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        BatchError::UnsupportedCodec { .. } => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        // They are, and it will not.
        BatchError::TrailingBytes { .. }
        | BatchError::RecordCount { .. }
        | BatchError::BaseOffset { .. }
        | BatchError::Compression { .. }
        | BatchError::Record { .. }
        | BatchError::ControlMarker => ErrorCode::INVALID_RECORD,
    }
}

fn code_of_metadata(error: &MetadataError) -> ErrorCode {
    match error {
        MetadataError::TopicExists { .. } => ErrorCode::TOPIC_ALREADY_EXISTS,
        MetadataError::UnknownTopic { .. } => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        MetadataError::InvalidTopicName { .. } => ErrorCode::INVALID_TOPIC_EXCEPTION,
        MetadataError::InvalidPartitions { .. } | MetadataError::NotMorePartitions { .. } => {
            ErrorCode::INVALID_PARTITIONS
        }
        MetadataError::TooLarge { .. } => ErrorCode::INVALID_REQUEST,
        MetadataError::Stale { .. } | MetadataError::Unknown { .. } => ErrorCode::REQUEST_TIMED_OUT,
        MetadataError::Corrupt { .. }
        | MetadataError::NewerFormat { .. }
        | MetadataError::InUse { .. }
        | MetadataError::Disk { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

fn code_of_log(error: &LogError) -> ErrorCode {
    match error {
        LogError::OutOfOrderSequence { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        LogError::StaleProducerEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
        LogError::InvalidTransactionState { .. } => ErrorCode::INVALID_TXN_STATE,
        LogError::InvalidTimestamp { .. } => ErrorCode::INVALID_TIMESTAMP,
        LogError::FencedLeaderEpoch { .. } | LogError::Closed => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        LogError::UnknownPartition { .. } => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        LogError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        LogError::BatchTooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        LogError::Batch { source, .. } => code_of_batch(source),
        LogError::Unknown => ErrorCode::REQUEST_TIMED_OUT,
        // A client tries again after these: room may be made, a disk may come back.
        LogError::DiskFull { .. }
        | LogError::Corrupt { .. }
        | LogError::Unreadable { .. }
        | LogError::Io { .. }
        | LogError::Format { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
        LogError::NotAtEnd { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}
