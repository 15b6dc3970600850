//! Runs a scenario once to count its disk calls, then again with each fault at each call.

use std::collections::BTreeMap;
use std::fmt;

use super::disk::SimulatedDisk;
use super::fault::CallKind;
use super::fault::Fault;
use super::fault::FaultKind;
use crate::env::Env;
use crate::env::Simulation;

/// How the process comes back after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// After `kill -9`: the page cache is there.
    Killed,
    /// After a power loss: only what was synced is there for sure.
    PowerLost,
}

/// What a replay did to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injected {
    /// The fault; it fired unless the replay made fewer calls than the first run.
    pub fault: Fault,
    /// How the process ended after it.
    pub restart: Restart,
}

/// Calls under test, and what must be true after a fault in any of them.
///
/// `R` is what the run has acknowledged until it failed: it must be there after the restart.
pub struct Scenario<'a, R> {
    /// For the report and for panics.
    pub name: &'a str,
    /// Decides all that is torn or lost.
    pub seed: u64,
    /// Brings an empty disk to where the scenario starts. No fault happens here.
    pub prepare: &'a dyn Fn(&Env),
    /// The calls under test. Must come back after an error, not panic.
    pub run: &'a dyn Fn(&Env) -> R,
    /// Opens what is there after the restart and asserts that it is right.
    pub check: &'a dyn Fn(&Env, &R, &Injected),
}

/// How many calls a scenario made and how many faults were tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultReport {
    /// The scenario.
    pub name: String,
    /// Disk calls of one run without faults, by kind.
    pub calls: BTreeMap<CallKind, u64>,
    /// Replays, by the kind of fault.
    pub replays: BTreeMap<FaultKind, u64>,
    /// Replays in which the fault was reached.
    pub fired: u64,
}

impl FaultReport {
    /// All disk calls of one run.
    pub fn call_count(&self) -> u64 {
        self.calls.values().sum()
    }

    /// Whether there were faults and each was reached: the scenario makes the same disk calls each time.
    pub fn is_complete(&self) -> bool {
        0 < self.fired && self.fired == self.replay_count()
    }

    /// All replays.
    pub fn replay_count(&self) -> u64 {
        self.replays.values().sum()
    }
}

impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} disk calls {:?}, ", self.name, self.call_count(), self.calls)?;
        write!(f, "{} replays {:?}, {} faults reached", self.replay_count(), self.replays, self.fired)
    }
}

/// Runs `scenario` with each fault at each of its disk calls, after each with both kinds of restart.
///
/// Prints what it does when a check panics, so that the one replay can be repeated.
pub fn for_each_fault<R>(scenario: &Scenario<'_, R>) -> FaultReport {
    let prepared = Simulation::new(scenario.seed);
    (scenario.prepare)(&prepared.env);

    let counted = Simulation::with_disk(scenario.seed, prepared.disk.fork(scenario.seed));
    (scenario.run)(&counted.env);
    let calls = counted.disk.calls();

    let mut report =
        FaultReport { name: scenario.name.to_string(), calls: BTreeMap::new(), replays: BTreeMap::new(), fired: 0 };
    for (index, kind) in calls.iter().enumerate() {
        *report.calls.entry(*kind).or_default() += 1;
        for fault in FaultKind::ALL.into_iter().filter(|fault| fault.applies_to(*kind)) {
            let fault = Fault { call: index as u64 + 1, kind: fault };
            for restart in [Restart::Killed, Restart::PowerLost] {
                *report.replays.entry(fault.kind).or_default() += 1;
                report.fired += u64::from(replay(scenario, &prepared.disk, Injected { fault, restart }));
            }
        }
    }
    report
}

/// One replay; whether the fault was reached.
fn replay<R>(scenario: &Scenario<'_, R>, prepared: &SimulatedDisk, injected: Injected) -> bool {
    let _named = NamedOnPanic { scenario: scenario.name, seed: scenario.seed, injected };
    let seed = scenario.seed ^ injected.fault.call.rotate_left(32);
    let simulation = Simulation::with_disk(scenario.seed, prepared.fork(seed));
    simulation.disk.inject(injected.fault);
    let acknowledged = (scenario.run)(&simulation.env);
    let fired = !simulation.disk.fired().is_empty();
    match injected.restart {
        Restart::Killed => simulation.disk.kill_process(),
        Restart::PowerLost => simulation.disk.lose_power(),
    }
    // A fault that was never reached must not wait for the check.
    let restarted = Simulation::with_disk(scenario.seed, simulation.disk.fork(seed));
    (scenario.check)(&restarted.env, &acknowledged, &injected);
    fired
}

/// Names the replay that a panic ended.
struct NamedOnPanic<'a> {
    scenario: &'a str,
    seed: u64,
    injected: Injected,
}

impl Drop for NamedOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("scenario {:?}, seed {}: {:?}", self.scenario, self.seed, self.injected);
        }
    }
}
