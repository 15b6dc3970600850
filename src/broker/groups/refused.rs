//! What the log's failures are to a group's client.

use super::GroupError;
use crate::broker::BrokerError;
use crate::log::LogError;

/// What a client is told of `error`.
pub(super) fn reason(error: &BrokerError) -> GroupError {
    match error {
        BrokerError::Unknown => GroupError::Unknown,
        BrokerError::InvalidName { .. } => GroupError::InvalidGroup,
        BrokerError::CoordinatorDamaged { .. }
        | BrokerError::CoordinatorRecord { .. }
        | BrokerError::Undecided { .. }
        | BrokerError::Log(LogError::Corrupt { .. } | LogError::Unreadable { .. }) => GroupError::Damaged,
        BrokerError::NotInTransaction { .. } => GroupError::NotInTransaction,
        BrokerError::MessageTooLarge { .. } => GroupError::TooLarge,
        BrokerError::UnknownPartition { .. }
        | BrokerError::NotAuthorized(_)
        | BrokerError::InternalTopic { .. }
        | BrokerError::OffsetOutOfRange { .. }
        | BrokerError::DivergedEpoch { .. }
        | BrokerError::LeaderEpoch { .. }
        | BrokerError::InvalidRecord { .. }
        | BrokerError::UnknownSetting { .. }
        | BrokerError::InvalidSetting { .. }
        | BrokerError::TopicInUse { .. }
        | BrokerError::TopicNameCollides { .. }
        | BrokerError::TimedOut
        | BrokerError::TooManyCommits { .. }
        | BrokerError::Batch { .. }
        | BrokerError::Metadata(_)
        | BrokerError::Log(_)
        | BrokerError::Group { .. }
        | BrokerError::Closed => GroupError::CoordinatorUnavailable,
    }
}
