//! Views as statements read them: immutable versions behind one pointer.
//!
//! A view partition is a set of columnar pages with a bitmap of their live rows and an index from key to row. A commit
//! makes a new version that shares all pages it did not touch; a fold puts small and sparse pages together.
//!
//! Invariants:
//!   * a version never changes; whoever holds it keeps its pages
//!   * each key is live in exactly one row of one page, and the index names it
//!   * a commit costs what it changes: a row is copied by folds a bounded number of times, logarithmic in the page size

mod index;
mod page;
mod partition;
mod publisher;
mod snapshot;

#[cfg(test)]
mod tests;

pub use partition::ViewDelta;
pub use partition::ViewPartition;
pub use publisher::PartitionChange;
pub use publisher::Pins;
pub use publisher::Published;
pub use publisher::Publisher;
pub use snapshot::Frontier;
pub use snapshot::ViewSnapshot;
