//! Transactions of clients: the shell around `coordinator::ClientTransaction`.
//!
//! States and markers are written as the committer writes its own; a restart ends what was prepared and keeps what is open.
//!
//! Invariants:
//!   * a batch is taken into a transaction only while the transaction is open and holds its partition: the check and the
//!     append are one step for who closes it
//!   * an epoch whose transaction was ended in version 2 (KIP-890) takes part in no other: what is late of it is refused
//!   * no commit is prepared before all that the transaction wrote is durable
//!   * a call that was begun is done to its end, whoever goes away

mod describe;
mod error;
mod ids;
mod markers;
mod refused;
mod shell;
mod timeouts;
mod use_transactions;
mod version;

pub use describe::{TransactionDescription, TransactionState, UnknownTransactionState};
pub use error::TransactionError;
pub(super) use ids::ClientTransactions;
pub use markers::{MarkerError, OutsideMarker};
pub use version::TransactionVersion;
