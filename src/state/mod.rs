//! Keyed state of standing queries, the cold store behind it, and the views that statements read.
//!
//! Truth is the changelog; everything here is rebuilt from it. A task changes a `StateTable`; a commit moves the
//! sealed changes into the `ColdStore` and publishes the rows of views as one `Published`.
//!
//! Invariants:
//!   * a cold store never holds what is not committed, and says up to which changelog offset it was written
//!   * what one commit wrote to any number of views is seen whole or not at all; what a reader holds never changes
//!
//! Not here: the changelog itself and who reads it (`exec`), the layout of keys and rows (`format`).

mod cold_store;
mod error;
mod fjall_store;
mod range_scan;
mod read_cache;
mod simulated_store;
mod state_table;
mod view;

#[cfg(test)]
mod tests;

use state_table::ENTRY_OVERHEAD_BYTES;

pub use cold_store::Change;
pub use cold_store::ColdStore;
pub use cold_store::ColdStores;
pub use cold_store::OpenedStore;
pub use cold_store::StoreExpectation;
pub use cold_store::StoreName;
pub use cold_store::StoreOwner;
pub use cold_store::StorePosition;
pub use cold_store::StoreVerdict;
pub use cold_store::open_store;
pub use error::KEY_BYTES_MAX;
pub use error::StateError;
pub use fjall_store::FjallStores;
pub use fjall_store::StoreLimits;
pub use range_scan::RangeScan;
pub use simulated_store::SimulatedStores;
pub use state_table::CutId;
pub use state_table::Delta;
pub use state_table::StateIdentity;
pub use state_table::StateTable;
pub use view::Frontier;
pub use view::KeyOrder;
pub use view::OpenedView;
pub use view::OrderedRows;
pub use view::PartitionChange;
pub use view::Pins;
pub use view::Published;
pub use view::Publisher;
pub use view::ViewDelta;
pub use view::ViewMemory;
pub use view::ViewPart;
pub use view::ViewPartition;
pub use view::ViewSnapshot;
