//! The only door to clock, randomness, disk, network and threads.
//!
//! Every other room gets these as values, so that a whole server runs in one process under a seed, with
//! faults. `Env::real()` is the machine; `Simulation` is the twin with handles, `Env::simulated()` without.
//!
//! Invariants:
//!   * outside this room nothing names `std::fs`, `std::net`, `std::thread`, `tokio::time`, `Instant::now` or their kin
//!   * a `File` write is durable only after `sync_data`; a directory entry only after `sync_dir`

mod allocator;
mod clock;
mod disk;
#[cfg(test)]
mod fuzz;
mod network;
mod open_files;
mod random;
mod simulated_disk;
mod simulation;
mod threads;

use std::sync::Arc;

pub use allocator::AllocatorFigures;
pub use allocator::resident_bytes;
pub use clock::Clock;
pub use clock::RealClock;
pub use clock::SimulatedClock;
pub use disk::Disk;
pub use disk::DiskLock;
pub use disk::File;
pub use disk::FileSystem;
pub use disk::OpenMode;
pub use disk::RealDisk;
#[cfg(test)]
pub(crate) use fuzz::{Budget, Mutator, Outcome, Target, is_wanted, number};
pub use network::Address;
pub use network::Listener;
pub use network::Network;
pub use network::RealNetwork;
pub use network::Stream;
pub use open_files::OpenFiles;
pub use open_files::are_too_many_open;
pub use open_files::open_files;
pub use open_files::raise_open_files;
pub use random::Random;
pub use random::SeededRandom;
pub use random::SystemRandom;
pub use simulated_disk::CallKind;
pub use simulated_disk::DiskCall;
pub use simulated_disk::Fault;
pub use simulated_disk::FaultKind;
pub use simulated_disk::FaultReport;
pub use simulated_disk::Injected;
pub use simulated_disk::Restart;
pub use simulated_disk::Scenario;
pub use simulated_disk::SimulatedDisk;
pub use simulated_disk::TraceEvent;
pub use simulated_disk::for_each_fault;
pub use simulated_disk::is_simulated_crash;
pub use simulation::Simulation;
pub use threads::JoinHandle;
pub use threads::Pool;
pub use threads::STACK_BYTES;
pub use threads::Spawned;
pub use threads::Threads;
pub use threads::caught;

/// The doors, handed down by value; cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// Wall and monotonic time, and waiting.
    pub clock: Arc<dyn Clock>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Sockets.
    pub network: Arc<dyn Network>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
    /// Threads for blocking work.
    pub threads: Threads,
    /// Asks the allocator; `None` where nobody knows it.
    pub allocator_figures: fn() -> Option<AllocatorFigures>,
    /// Bytes of the machine's memory that the process takes; `None` where nobody knows, or the process is not this server's
    /// alone.
    pub resident_bytes: fn() -> Option<usize>,
    /// Open files of the process; `None` where nobody knows, or the process is not this server's alone.
    pub open_files: fn() -> Option<OpenFiles>,
}

impl Env {
    /// The machine itself.
    pub fn real() -> Self {
        Self {
            clock: Arc::new(RealClock::new()),
            disk: Arc::new(RealDisk),
            network: Arc::new(RealNetwork),
            random: Arc::new(SystemRandom),
            threads: Threads,
            allocator_figures: || None,
            resident_bytes: || None,
            open_files: || None,
        }
    }
}
