//! Tables without a query, kept for reading: a view that follows the table's own topic.
//!
//! The topic is the truth, and anybody writes it: sessions, queries, Kafka clients. A view that follows it needs no group
//! and no commit. `docs/design/0019-tables.md` says what writers may count on.
//!
//! Invariants:
//!   * what one look at the topic found is shown whole: all partitions up to ends that were taken together
//!   * a row whose time to live has passed goes under a claim: nothing that a statement wrote meanwhile goes with it
//!   * an append of several batches lies on one side of every look

mod expiry;
mod locks;
mod table;
mod tables;

pub use locks::Claim;
pub use locks::TableLock;
pub use locks::TableLocks;
pub use table::KeptTable;
