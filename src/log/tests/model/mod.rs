//! The log against a vector and a map: producers, transactions, retention, compaction, truncation, a leader's batches,
//! restarts of every kind, and a fault at any disk call of any of it.

mod appends;
mod damage;
mod reads;
mod shelf;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::env::CallKind;
use crate::env::Fault;
use crate::env::FaultKind;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::env::TraceEvent;
use crate::model::EventTime;

use self::shelf::Shelf;
use super::*;

/// What is done to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Append,
    AppendOfProducer,
    AppendOfLeader,
    EndTransaction,
    Flush,
    Read,
    LookUpTime,
    MoveHighWatermark,
    MoveStart,
    Roll,
    Compact,
    Scrub,
    Truncate,
    Trim,
    Confirm,
    Recreate,
    Configure,
    WaitAWhile,
    Restart,
}

/// How likely each is.
const WEIGHTS: [(Operation, usize); 19] = [
    (Operation::Append, 20),
    (Operation::AppendOfProducer, 16),
    (Operation::AppendOfLeader, 5),
    (Operation::EndTransaction, 8),
    (Operation::Flush, 12),
    (Operation::Read, 12),
    (Operation::LookUpTime, 4),
    (Operation::MoveHighWatermark, 10),
    (Operation::MoveStart, 3),
    (Operation::Roll, 3),
    (Operation::Compact, 5),
    (Operation::Scrub, 3),
    (Operation::Truncate, 2),
    (Operation::Trim, 4),
    (Operation::Confirm, 2),
    (Operation::Recreate, 1),
    (Operation::Configure, 2),
    (Operation::WaitAWhile, 3),
    (Operation::Restart, 4),
];

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Closed,
    Killed,
    PowerLost,
}

/// One kind of disk call that a fault has hit.
type CallSite = (Operation, CallKind, String);

/// What all worlds together have done.
#[derive(Default)]
struct Tally {
    operations: usize,
    endings: [usize; 3],
    faults: usize,
    damages: usize,
    /// Of those, how many the log has reported; the others changed nothing that counts.
    reports: usize,
    sites: BTreeSet<CallSite>,
}

struct World<'a> {
    simulation: Simulation,
    random: SeededRandom,
    config: LogConfig,
    log: Arc<LogDir>,
    shelves: Vec<Shelf>,
    topics_made: u8,
    /// The batches of one call, by their first offsets, that a restart must find all or none of.
    groups: Vec<Vec<(TopicPartition, i64)>>,
    /// A partition that was to be made, and the one whose place it takes.
    missing: Option<(usize, TopicPartition)>,
    fault_waits: bool,
    now: i64,
    tally: &'a mut Tally,
    /// What was done, for whoever reads why it failed.
    history: Vec<String>,
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let last = self.history.len().saturating_sub(60);
            self.history[last..].iter().for_each(|line| eprintln!("{line}"));
        }
    }
}

impl<'a> World<'a> {
    fn new(seed: u64, tally: &'a mut Tally) -> Self {
        let simulation = Simulation::new(seed);
        let random = SeededRandom::new(seed);
        let pick = |choices: &[u64]| choices[(random.next_u64() % choices.len() as u64) as usize];
        let config = LogConfig {
            journal_bytes: pick(&[600, 5_000, 1 << 20]),
            ride_bytes_max: pick(&[0, 300, 64 << 10]),
            tail_bytes: pick(&[0, 1_000, 1 << 20]) as usize,
            compaction_keys_max: pick(&[2, 1_000]) as usize,
            disk_reserve_bytes: pick(&[0, 4_096]),
            ..config()
        };
        let count = 1 + pick(&[0, 1, 2]);
        let (log, _) = open(&simulation, config);
        let mut world = Self {
            simulation,
            random,
            config,
            log,
            shelves: Vec::new(),
            topics_made: 0,
            groups: Vec::new(),
            missing: None,
            fault_waits: false,
            now: 1_000_000,
            tally,
            history: Vec::new(),
        };
        for _ in 0..count {
            let shelf = world.fresh_shelf();
            world.log.create(shelf.id, shelf.config).expect("it is made");
            world.shelves.push(shelf);
        }
        world
    }

    fn below(&self, limit: usize) -> usize {
        (self.random.next_u64() % limit.max(1) as u64) as usize
    }

    fn one_in(&self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn fresh_shelf(&mut self) -> Shelf {
        self.topics_made += 1;
        let flushes =
            [FlushPolicy::Ack, FlushPolicy::Ack, FlushPolicy::Interval(Duration::from_millis(5)), FlushPolicy::Os];
        let config = self.drawn_config(flushes[self.below(flushes.len())]);
        // A topic that is made again has another id.
        let id = TopicPartition::new(TopicId([self.topics_made; 16]), 0);
        Shelf::new(id, config, self.one_in(2))
    }

    fn drawn_config(&self, flush: FlushPolicy) -> PartitionConfig {
        let segment_bytes = [250, 900, 3_000, 200_000][self.below(4)];
        let index_bytes_max = [32 + 24, 10 << 20][self.below(2)];
        let mut config = PartitionConfig { flush, segment_bytes, index_bytes_max, ..PartitionConfig::default() };
        if self.one_in(3) {
            config.timestamps = Timestamps::Append;
        }
        config
    }

    /// The partition is told otherwise while it is used, by a disk that works: else nobody knows what it was told.
    fn configure(&mut self, at: usize) {
        if self.fault_waits {
            return;
        }
        let config = self.drawn_config(self.shelves[at].config.flush);
        self.log.create(self.shelves[at].id, config).expect("it is told");
        self.shelves[at].config = config;
    }

    fn step(&mut self) {
        if !self.fault_waits && self.one_in(5) {
            let call = self.simulation.disk.calls().len() as u64 + 1 + self.below(12) as u64;
            let kind = FaultKind::ALL[self.below(FaultKind::ALL.len())];
            self.simulation.disk.start_trace();
            self.simulation.disk.inject(Fault { call, kind });
            self.fault_waits = true;
        }
        let mut ticket = self.below(WEIGHTS.iter().map(|(_, weight)| weight).sum());
        let drawn = WEIGHTS.iter().find(|(_, weight)| {
            let found = ticket < *weight;
            ticket = ticket.wrapping_sub(*weight);
            found
        });
        let (operation, _) = *drawn.expect("the ticket is below the sum");
        self.tally.operations += 1;
        self.history.push(format!("{operation:?}"));
        self.run(operation);
        self.settle(operation);
    }

    fn run(&mut self, operation: Operation) {
        let at = self.below(self.shelves.len());
        match operation {
            Operation::Append => self.append(at),
            Operation::AppendOfProducer => self.append_of_producer(at),
            Operation::AppendOfLeader => self.append_of_leader(at),
            Operation::EndTransaction => self.end_transaction(at),
            Operation::Flush => self.flush(at),
            Operation::Read => self.read(at),
            Operation::LookUpTime => self.look_up_time(at),
            Operation::MoveHighWatermark => self.move_high_watermark(at),
            Operation::MoveStart => self.move_start(at),
            Operation::Roll => self.allow(self.log.roll(self.shelves[at].id)),
            Operation::Compact => self.compact(at),
            Operation::Scrub => self.scrub(at),
            Operation::Truncate => self.truncate(at),
            Operation::Trim => self.allow(self.log.trim_once()),
            Operation::Confirm => self.allow(self.log.confirm_once()),
            Operation::Recreate => self.recreate(at),
            Operation::Configure => self.configure(at),
            Operation::WaitAWhile => self.wait(),
            Operation::Restart => {
                let ending = [Ending::Closed, Ending::Killed, Ending::PowerLost][self.below(3)];
                self.restart(ending);
            }
        }
    }

    /// An error is right only if a fault was injected.
    fn allow<T>(&self, result: Result<T, LogError>) {
        if let Err(error) = result {
            assert!(self.fault_has_hit(), "without a fault: {error:?}");
        }
    }

    fn fault_has_hit(&self) -> bool {
        !self.simulation.disk.fired().is_empty()
    }

    /// Whether nobody knows what became of the last call.
    fn is_unknown(&self) -> bool {
        self.simulation.disk.has_crashed() || self.log.failed().now_or_never().is_some()
    }

    /// Takes note of a fault that has hit, and ends the process if it must end.
    fn settle(&mut self, operation: Operation) {
        let unknown = self.is_unknown();
        let Some(hit) = self.take_fault(operation) else { return };
        if hit.lost_a_sync() {
            self.end(Ending::PowerLost);
        } else if unknown {
            let ending = if self.one_in(2) { Ending::Killed } else { Ending::PowerLost };
            self.end(ending);
        }
        self.make_what_is_missing();
    }

    /// The fault that has hit since it was last asked for; it is counted, and the calls are counted anew.
    fn take_fault(&mut self, operation: Operation) -> Option<Hit> {
        let fault = self.simulation.disk.fired().first().copied()?;
        let trace = self.simulation.disk.take_trace();
        let call = trace.into_iter().find_map(|event| match event {
            TraceEvent::Call(call) if call.number == fault.call => Some(call),
            _ => None,
        });
        let call = call.expect("the call was recorded");
        let extension = call.path.extension().map(|extension| extension.to_string_lossy().into_owned());
        self.tally.faults += 1;
        self.tally.sites.insert((operation, call.kind, extension.unwrap_or_default()));
        self.simulation.disk.reset_calls();
        self.fault_waits = false;
        self.history.push(format!("  {:?} at {:?} of {}", fault.kind, call.kind, call.path.display()));
        Some(Hit { call: call.kind, fault: fault.kind })
    }

    fn flush(&mut self, at: usize) {
        let end = self.shelves[at].end();
        let was_durable = self.log.ends(self.shelves[at].id).is_ok_and(|ends| Offset(end) <= ends.durable_offset);
        match flush(&self.log, self.shelves[at].id, Offset(end)) {
            Ok(()) => {
                let shelf = &mut self.shelves[at];
                shelf.acknowledged = end;
                if !was_durable {
                    // One group has taken all that waited.
                    (shelf.start_floor, shelf.ends_with_cut) = (shelf.start, false);
                }
                shelf.decided.clear();
                let durable = self.log.ends(shelf.id).map(|ends| ends.durable_offset);
                assert!(durable.is_ok_and(|durable| durable == Offset(end)));
            }
            Err(error) => assert!(self.fault_has_hit(), "without a fault: {error:?}"),
        }
    }

    fn move_high_watermark(&mut self, at: usize) {
        let shelf = &mut self.shelves[at];
        let Ok(ends) = self.log.ends(shelf.id) else { return };
        let to = ends.durable_offset.max(Offset(shelf.high_watermark));
        self.log.set_high_watermark(shelf.id, to).expect("it needs no disk");
        shelf.high_watermark = to.0;
        let ends = self.log.ends(shelf.id).expect("it is there");
        assert_eq!(ends.last_stable_offset, Offset(shelf.last_stable()));
    }

    fn move_start(&mut self, at: usize) {
        let shelf = &self.shelves[at];
        let stable = shelf.last_stable();
        let end = shelf.end();
        let to = shelf.start + self.below((stable - shelf.start + 1) as usize) as i64;
        let moved = self.log.advance_log_start(shelf.id, Offset(to));
        let found = self.log.ends(shelf.id).map(|ends| ends.log_start_offset);
        let shelf = &mut self.shelves[at];
        // A marker counts from its append on, so it is never cut once the start has passed what it ends.
        shelf.committed = shelf.committed.max(end);
        match (&moved, found) {
            (Ok(()), _) => shelf.start = to,
            // It may have been moved before the files could be removed.
            (Err(_), Ok(start)) => {
                assert!(start.0 == shelf.start || start.0 == to);
                shelf.start = start.0;
            }
            (Err(_), Err(_)) => shelf.start = to,
        }
        self.allow(moved);
    }

    fn compact(&mut self, at: usize) {
        if !self.shelves[at].compacted {
            return;
        }
        self.shelves[at].compaction_begins();
        let request =
            CompactionRequest { delete_retention_ms: 200, dirty_permille_min: 0, lag_min_ms: 0, lag_max_ms: None };
        let compacted = self.log.compact(self.shelves[at].id, request, &mut |_| {});
        self.history.push(format!("  {} {compacted:?}", self.shelves[at].id.topic.0[0]));
        if let Ok(Some(report)) = &compacted {
            assert!(report.upto.0 <= self.shelves[at].last_stable(), "{report:?}");
        }
        self.allow(compacted);
    }

    /// Nobody has harmed a file yet, so a check finds nothing unless the disk fails while it reads.
    fn scrub(&mut self, at: usize) {
        let scrubbed = self.log.scrub(self.shelves[at].id, i64::MAX, &mut |_| {});
        if let Ok(report) = &scrubbed {
            let segments = self.log.segments(self.shelves[at].id);
            assert!(report.damaged == 0 || self.fault_has_hit(), "{report:?} {segments:?}");
        }
        self.allow(scrubbed);
    }

    /// A follower whose leader has changed cuts what diverges.
    fn truncate(&mut self, at: usize) {
        let shelf = &self.shelves[at];
        let to = shelf.start + self.below((shelf.end() - shelf.start + 1) as usize) as i64;
        let epoch = LeaderEpoch(shelf.epoch.0 - self.below(2) as i32);
        let cut = shelf.border(shelf.epoch_end(epoch).map_or(shelf.start, |(_, end)| end.0).min(to));
        if cut < shelf.start || cut < shelf.committed || shelf.compacted {
            return;
        }
        let truncated = self.log.truncate_to(shelf.id, epoch, Offset(to));
        self.history.push(format!("  {} to {cut}: {truncated:?}", shelf.id.topic.0[0]));
        let unknown = self.is_unknown();
        let shelf = &mut self.shelves[at];
        match truncated {
            Ok(()) => {
                shelf.cut(cut);
                shelf.ends_with_cut = true;
            }
            Err(_) if unknown => shelf.perhaps_cut_to = Some(cut),
            Err(_) => {}
        }
        if truncated.is_ok() || unknown {
            // What the cut took of a group is gone on purpose.
            self.groups.clear();
        }
        self.allow(truncated);
    }

    /// Deletes a topic and makes it again: the new one has another id, and nothing of the old one is found.
    fn recreate(&mut self, at: usize) {
        let old = self.shelves[at].id;
        let fresh = self.fresh_shelf();
        self.history.push(format!("  {} by {}", old.topic.0[0], fresh.id.topic.0[0]));
        let deleted = self.log.delete(old);
        let made = deleted.and_then(|()| self.log.create(fresh.id, fresh.config));
        self.groups.clear();
        if made.is_err() {
            self.missing = Some((at, old));
        }
        self.shelves[at] = fresh;
        self.allow(made);
    }

    /// Whoever deletes and makes topics does it until it is done.
    fn make_what_is_missing(&mut self) {
        let Some((at, old)) = self.missing.take() else { return };
        self.history.push(format!("  made in place of {}: {:?}", old.topic.0[0], self.shelves[at].config));
        if self.log.partitions().contains(&old) {
            self.log.delete(old).expect("it goes");
        }
        self.log.create(self.shelves[at].id, self.shelves[at].config).expect("it is made");
    }

    fn wait(&mut self) {
        let step = self.below(150) as u64;
        self.now += step as i64;
        self.simulation.clock.advance(Duration::from_millis(step));
        if self.one_in(4) {
            // Somebody sets the clock.
            let jump = self.below(7_200_000) as i64 - 3_600_000;
            self.simulation.clock.set_wall_micros((1_700_000_000_000 + jump) * 1_000);
        }
    }

    fn restart(&mut self, ending: Ending) {
        if ending == Ending::Closed {
            if let Err(error) = self.log.close() {
                assert!(self.fault_has_hit(), "without a fault: {error:?}");
                return;
            }
            for shelf in &mut self.shelves {
                shelf.acknowledged = shelf.end();
                shelf.start_floor = shelf.start;
            }
        }
        self.end(ending);
    }

    /// Ends the process, opens the log again and compares all of it.
    fn end(&mut self, ending: Ending) {
        self.tally.endings[ending as usize] += 1;
        self.history.push(format!("  {ending:?}"));
        let all_is_there = ending != Ending::PowerLost && !self.is_unknown() && !self.fault_has_hit();
        self.end_process(ending);
        let opened_at_once = self.reopen();
        self.make_what_is_missing();
        self.reconcile(all_is_there && opened_at_once);
    }

    fn end_process(&self, ending: Ending) {
        match ending {
            Ending::Closed | Ending::Killed => self.simulation.disk.kill_process(),
            Ending::PowerLost => self.simulation.disk.lose_power(),
        }
    }

    /// Opens the log; a fault in it ends the process, and it is opened again. Whether no fault did.
    fn reopen(&mut self) -> bool {
        let mut at_once = true;
        loop {
            let opened = LogDir::open(self.simulation.env.clone(), dir(), self.config);
            let crashed = self.simulation.disk.has_crashed();
            let hit = self.take_fault(Operation::Restart);
            let lost_a_sync = hit.is_some_and(Hit::lost_a_sync);
            match opened {
                Ok((log, report)) if report.unreadable.is_empty() && !crashed && !lost_a_sync => {
                    assert_eq!((report.corrupt, report.journal_damaged), (vec![], false));
                    self.log = log;
                    self.simulation.disk.clear_faults();
                    self.fault_waits = false;
                    return at_once;
                }
                Ok((_, report)) => assert!(hit.is_some(), "without a fault: {report:?}"),
                Err(error) => assert!(hit.is_some(), "without a fault: {error:?}"),
            }
            at_once = false;
            let ending = if lost_a_sync || self.one_in(2) { Ending::PowerLost } else { Ending::Killed };
            self.tally.endings[ending as usize] += 1;
            self.end_process(ending);
        }
    }

    /// Takes in what a restart found: nothing acknowledged is gone, groups are whole, all that is there was sent.
    fn reconcile(&mut self, all_is_there: bool) {
        for shelf in &mut self.shelves {
            let ends = self.log.ends(shelf.id).expect("it is there");
            let (start, end) = (ends.log_start_offset.0, ends.log_end_offset.0);
            let cut = shelf.perhaps_cut_to.take().unwrap_or(i64::MAX);
            let acknowledged = shelf.acknowledged.min(cut);
            assert!((acknowledged..=shelf.end()).contains(&end), "{end}, acknowledged {acknowledged}");
            assert!((shelf.start_floor..=shelf.start).contains(&start), "{start}, not {}", shelf.start);
            let lazy = shelf.config.flush != FlushPolicy::Ack && !shelf.ends_with_cut;
            shelf.ends_with_cut = false;
            assert!(!(lazy && all_is_there) || end == shelf.end(), "{end}, not {}", shelf.end());
            self.history.push(format!("  {}: {start}..{end} of {}..{}", shelf.id.topic.0[0], shelf.start, shelf.end()));
            shelf.cut(end);
            assert_eq!(shelf.end(), end, "it ends between batches");
            (shelf.start, shelf.start_floor, shelf.acknowledged, shelf.high_watermark) = (start, start, end, start);
            assert!(shelf.batches.last().is_none_or(|last| last.epoch <= ends.leader_epoch));
            shelf.epoch = ends.leader_epoch;
        }
        for group in std::mem::take(&mut self.groups) {
            let there = group.iter().map(|(id, first)| *first < self.shelf_of(*id).end());
            let there: BTreeSet<bool> = there.collect();
            assert!(there.len() <= 1, "an append of several partitions is there or not: {group:?}");
        }
        for at in 0..self.shelves.len() {
            for (id, outcome) in self.shelves[at].decided.clone() {
                if self.shelves[at].open().iter().any(|(open, _)| *open == id) {
                    self.write_marker(at, id, outcome);
                }
            }
        }
        self.check();
    }

    fn check(&self) {
        self.shelves.iter().for_each(|shelf| shelf.check(&self.log));
    }
}

/// A fault that has hit, and the call that it has hit.
#[derive(Debug, Clone, Copy)]
struct Hit {
    call: CallKind,
    fault: FaultKind,
}

impl Hit {
    /// The page cache may show what the disk has lost: only a power loss tells what is there.
    fn lost_a_sync(self) -> bool {
        let synced = matches!(self.call, CallKind::SyncData | CallKind::SyncDirectory);
        synced && matches!(self.fault, FaultKind::IoError | FaultKind::NoSpace)
    }
}

#[test]
fn a_log_is_a_vector_that_survives() {
    let (worlds, steps) = (250, 400);
    let mut tally = Tally::default();
    let first = std::env::var("TIDEMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    for seed in first..first + worlds {
        let named = NamedOnPanic(seed);
        let mut world = World::new(seed, &mut tally);
        for _ in 0..steps {
            world.step();
        }
        world.simulation.disk.clear_faults();
        world.check();
        world.damage();
        std::mem::forget(named);
    }
    let Tally { operations, endings: [closed, killed, power_lost], faults, damages, reports, sites } = tally;
    println!(
        "{operations} operations, {closed} closed, {killed} killed, {power_lost} power losses, {faults} faults at {} \
         kinds of disk calls, {damages} damaged files of which {reports} mattered, seeds from {first}",
        sites.len()
    );
    assert!(100_000 <= operations && 1_000 <= power_lost);
    assert!(SITES_REACHED <= sites.len(), "{sites:?}");
}

/// Kinds of disk calls, by operation, call and file, that a fault has hit; it may not fall.
const SITES_REACHED: usize = 140;

/// Names the seed that failed.
struct NamedOnPanic(u64);

impl Drop for NamedOnPanic {
    fn drop(&mut self) {
        eprintln!("seed {}", self.0);
    }
}
