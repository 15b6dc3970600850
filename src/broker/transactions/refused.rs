//! What the log's failures are to a transaction's client.

use super::TransactionError;
use crate::broker::BrokerError;
use crate::log::LogError;

/// What a client is told of `error`.
pub(super) fn reason(error: &BrokerError) -> TransactionError {
    match error {
        BrokerError::Unknown => TransactionError::Unknown,
        BrokerError::InvalidName { .. } => TransactionError::InvalidId,
        BrokerError::CoordinatorDamaged { .. }
        | BrokerError::Log(LogError::Corrupt { .. } | LogError::Unreadable { .. }) => TransactionError::Damaged,
        _ => TransactionError::CoordinatorUnavailable,
    }
}
