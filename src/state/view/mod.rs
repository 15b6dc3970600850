//! Views as statements read them: immutable versions behind one pointer.
//!
//! A view partition is leaves in key order: a columnar page and the changes since it was written. A commit makes a new
//! version that shares all that it did not touch; a fold writes leaves into new pages, which lie in the cold store and,
//! as long as there is room, in memory.
//!
//! Invariants:
//!   * a version never changes; whoever holds it keeps its pages, in memory or in the store
//!   * each key is live in at most one row
//!   * a commit costs what it changes: a row is copied a bounded number of times, logarithmic in the page size, until it is
//!     in a page, and with its page again as often as memory and `state.view_replay_max` call for
//!   * all changes of the view's topic before the position of its store are in the store's pages

mod columns;
mod leaf;
mod page;
mod pages;
mod partition;
mod publisher;
mod run;
mod snapshot;

#[cfg(test)]
mod tests;

pub use leaf::KeyOrder;
pub use pages::ViewMemory;
pub use partition::OpenedView;
pub use partition::OrderedRows;
pub use partition::ViewDelta;
pub use partition::ViewPart;
pub use partition::ViewPartition;
pub use publisher::PartitionChange;
pub use publisher::Pins;
pub use publisher::Published;
pub use publisher::Publisher;
pub use snapshot::Frontier;
pub use snapshot::ViewSnapshot;
