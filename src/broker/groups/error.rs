//! Why a group's coordinator refused, as Kafka's clients know it.

use super::GroupKind;
use crate::broker::InvalidPattern;

/// A refusal of one request, one member or one partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// No record can hold such a group's name.
    #[error("the group's name is empty or too long")]
    InvalidGroup,
    /// The session timeout is outside what the coordinator allows.
    #[error("the session timeout is outside the limits")]
    InvalidSessionTimeout,
    /// The member is not, or no longer, in the group.
    #[error("the member is not in the group")]
    UnknownMember,
    /// The member is of another generation.
    #[error("the generation is not the group's")]
    IllegalGeneration,
    /// No protocol is known to all members, or its type is another.
    #[error("the protocols do not fit the group's")]
    InconsistentProtocol,
    /// The member is to join again under the name that it is given here.
    #[error("the member is to join again as \"{member}\"")]
    MemberIdRequired {
        /// Its new name.
        member: String,
    },
    /// Another member took over this static member's instance.
    #[error("another member has this instance")]
    FencedInstance,
    /// The group shares out its partitions anew.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The group, or the coordinator, has as many as it may have.
    #[error("the group is full")]
    GroupFull,
    /// The request may succeed later.
    #[error("the coordinator cannot answer now")]
    CoordinatorUnavailable,
    /// There is no such group.
    #[error("the group does not exist")]
    GroupNotFound,
    /// The group has members.
    #[error("the group has members")]
    NonEmptyGroup,
    /// Members of the group read the topic.
    #[error("members of the group are subscribed to the topic")]
    SubscribedToTopic,
    /// What came with an offset is too long.
    #[error("the metadata of an offset is too long")]
    OffsetMetadataTooLarge,
    /// There is no such topic or partition.
    #[error("the partition does not exist")]
    UnknownPartition,
    /// A transaction that has not ended may replace the offset.
    #[error("a transaction with this offset has not ended")]
    UnstableOffset,
    /// No transaction of the producer holds the group's positions.
    #[error("the producer has no transaction open that holds the group's offsets")]
    NotInTransaction,
    /// Another producer has the transactional id.
    #[error("another producer has the transactional id")]
    FencedProducer,
    /// The newest state of the group cannot be read from the disk.
    #[error("the group's state is damaged")]
    Damaged,
    /// The group is a standing query's.
    #[error("the group belongs to a standing query")]
    QueryGroup,
    /// The group's record would be over the limit of its topic.
    #[error("the members' subscriptions and shares are too long together")]
    TooLarge,
    /// The request itself is wrong.
    #[error("{reason}")]
    InvalidRequest {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The group has members of the classic protocol.
    #[error("the group has members of the classic protocol")]
    ClassicGroup,
    /// What was asked belongs to the other protocol than the group's.
    #[error("the group is of the {kind} protocol")]
    OtherProtocol {
        /// The group's.
        kind: GroupKind,
    },
    /// The client's version of the request cannot say what the group's protocol needs.
    #[error("the group is of the consumer protocol, which this version of the request does not know")]
    UnsupportedVersion,
    /// The member's epoch is over; it is to give all partitions up and join again.
    #[error("the member's epoch is not the one that the group has for it")]
    FencedMemberEpoch,
    /// A position or a question came with an epoch that is over, or not known yet.
    #[error("the member's epoch is not the current one")]
    StaleMemberEpoch,
    /// The static member of that instance is still there.
    #[error("another member has this instance and did not release it")]
    UnreleasedInstance,
    /// There is no such assignor.
    #[error("there is no assignor \"{assignor}\"; there are \"uniform\" and \"range\"")]
    UnsupportedAssignor {
        /// What was asked for.
        assignor: String,
    },
    /// The pattern of topics cannot be used.
    #[error("the pattern of topics cannot be used: {reason}")]
    InvalidPattern {
        /// What is wrong with it.
        reason: String,
    },
    /// Whether it was done is not known; the server ends.
    #[error("whether it was done is unknown")]
    Unknown,
}

impl GroupError {
    /// Kafka's number.
    pub fn code(&self) -> i16 {
        match self {
            Self::TooLarge | Self::Unknown => -1,
            Self::UnknownPartition => 3,
            Self::OffsetMetadataTooLarge => 12,
            Self::CoordinatorUnavailable => 15,
            Self::IllegalGeneration => 22,
            Self::InconsistentProtocol => 23,
            Self::InvalidGroup => 24,
            Self::UnknownMember => 25,
            Self::InvalidSessionTimeout => 26,
            Self::RebalanceInProgress => 27,
            Self::QueryGroup => 30,
            Self::FencedProducer => 47,
            Self::NotInTransaction => 48,
            Self::Damaged => 56,
            Self::UnsupportedVersion => 35,
            Self::InvalidRequest { .. } => 42,
            Self::NonEmptyGroup => 68,
            Self::GroupNotFound | Self::ClassicGroup | Self::OtherProtocol { .. } => 69,
            Self::MemberIdRequired { .. } => 79,
            Self::GroupFull => 81,
            Self::FencedInstance => 82,
            Self::SubscribedToTopic => 86,
            Self::UnstableOffset => 88,
            Self::FencedMemberEpoch => 110,
            Self::UnreleasedInstance => 111,
            Self::UnsupportedAssignor { .. } => 112,
            Self::StaleMemberEpoch => 113,
            Self::InvalidPattern { .. } => 128,
        }
    }
}

impl From<InvalidPattern> for GroupError {
    fn from(InvalidPattern { reason }: InvalidPattern) -> Self {
        Self::InvalidPattern { reason }
    }
}
