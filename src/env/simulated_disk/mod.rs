//! A disk in memory that keeps what a real one would keep, and no more.
//!
//! It tells apart what a process sees (the page cache) from what survives a power loss (what was synced), so that
//! code which forgets a sync loses data in a test and not at a user's. `kill_process` ends the process and keeps the
//! page cache; `lose_power` ends it and keeps, of what was not synced, whatever its seed says: nothing, all, a torn
//! prefix, or single 512-byte sectors in any order, with lengths that grew before their data.
//!
//! Invariants:
//!   * what `sync_data` covered reads back after any crash, as long as its directory entry was synced too
//!   * a directory's unsynced changes survive as a prefix, in the order in which they were made
//!   * a failed sync loses what it should have made durable: the next sync does not repeat it
//!   * after a crash each call fails with an error that `is_simulated_crash` knows, until the disk is started again
//!
//! Not here: renames between two directories (refused), permissions, links.

mod content;
mod disk;
mod fault;
mod scenario;
mod tree;

#[cfg(test)]
mod tests;

pub use disk::SimulatedDisk;
pub use fault::CallKind;
pub use fault::DiskCall;
pub use fault::Fault;
pub use fault::FaultKind;
pub use fault::TraceEvent;
pub use fault::is_simulated_crash;
pub use scenario::FaultReport;
pub use scenario::Injected;
pub use scenario::Restart;
pub use scenario::Scenario;
pub use scenario::for_each_fault;
