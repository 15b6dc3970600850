//! Why a transaction's coordinator refused.

use crate::broker::GroupError;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// No record can hold such an id, or none may have it.
    #[error("the transactional id is empty, too long or reserved")]
    InvalidId,
    /// The timeout is not one, or above the server's limit.
    #[error("the transaction's timeout is outside the limits")]
    InvalidTimeout,
    /// The producer id is not the one that the transactional id has.
    #[error("the producer id is not that of the transactional id")]
    InvalidProducerIdMapping,
    /// Another producer took over.
    #[error("another producer has this transactional id")]
    Fenced,
    /// Another call of this id is under way; it is to be tried again.
    #[error("another call of this transactional id is under way")]
    Concurrent,
    /// The transaction is not in a state in which that can be done.
    #[error("the transaction's state does not allow that")]
    InvalidState,
    /// There are as many transactional ids as there may be.
    #[error("there are too many transactional ids")]
    TooMany,
    /// The request may succeed later.
    #[error("the coordinator cannot answer now")]
    CoordinatorUnavailable,
    /// The newest state of the id cannot be read from the disk.
    #[error("the state of the transactional id is damaged")]
    Damaged,
    /// The group whose offsets it holds refused.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Whether it was done is not known; the server ends.
    #[error("whether it was done is unknown")]
    Unknown,
}

impl TransactionError {
    /// Kafka's number.
    pub fn code(&self) -> i16 {
        match self {
            Self::Unknown => -1,
            Self::CoordinatorUnavailable | Self::TooMany => 15,
            Self::InvalidId => 42,
            Self::InvalidState => 48,
            Self::InvalidProducerIdMapping => 49,
            Self::InvalidTimeout => 50,
            Self::Concurrent => 51,
            Self::Damaged => 56,
            Self::Fenced => 90,
            Self::Group(error) => error.code(),
        }
    }
}
