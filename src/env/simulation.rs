//! The simulated doors together: a disk with faults, a clock that stands, seeded randomness.

use std::sync::Arc;

use super::Env;
use super::RealNetwork;
use super::SeededRandom;
use super::SimulatedClock;
use super::SimulatedDisk;
use super::Threads;

/// An `Env` without the machine's clock, disk and randomness, and the handles that move them.
#[derive(Clone)]
pub struct Simulation {
    /// What the code under test gets.
    pub env: Env,
    /// The disk of `env`.
    pub disk: SimulatedDisk,
    /// The clock of `env`.
    pub clock: Arc<SimulatedClock>,
}

impl Simulation {
    /// An empty disk, a clock that stands at 0; all that is random follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self::with_disk(seed, SimulatedDisk::new(seed))
    }

    /// The same over a disk that is there, as after a restart.
    pub fn with_disk(seed: u64, disk: SimulatedDisk) -> Self {
        let clock = Arc::new(SimulatedClock::new(0));
        let env = Env {
            clock: clock.clone(),
            disk: Arc::new(disk.clone()),
            network: Arc::new(RealNetwork),
            random: Arc::new(SeededRandom::new(seed)),
            threads: Threads,
            allocator_figures: || None,
            resident_bytes: || None,
            open_files: || None,
        };
        Self { env, disk, clock }
    }
}

impl Env {
    /// `Simulation::new(seed)` for tests that need no handle on its disk or clock.
    pub fn simulated(seed: u64) -> Self {
        Simulation::new(seed).env
    }
}
