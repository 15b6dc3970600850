//! Topics in use: produce, fetch, consumer groups, transactions, for whoever holds a `Client`.
//!
//! Invariants:
//!   * a commit is whole or absent, over all its partitions and offsets, whatever crashes when
//!   * what a `Client` was told to be committed stays committed
//!   * coordinator state is nothing but the replay of `__consumer_offsets` and `__transaction_state`
//!
//! Not here: the bytes of a partition (`log`), what exists (`cluster`), sockets (`wire`).

mod client;
mod error;
mod pending;
mod tail;

pub use client::{
    Acks, Appended, Client, CommitOutcome, Committed, CommittedOffset, Fetched, Generation, GroupDescription,
    GroupOffset, Isolation, LeftOutReason, Position, QueryCommit,
};
pub use error::BrokerError;
pub use pending::PendingBatch;
pub use tail::{Ends, Slot, TailBatch};
