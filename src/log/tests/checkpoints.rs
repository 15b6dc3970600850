//! What a trim of the journal leaves for the next start: checkpoints, and one sync for many files.

use crate::env::CallKind;
use crate::env::Env;
use crate::env::Scenario;
use crate::env::TraceEvent;
use crate::env::for_each_fault;
use crate::model::EventTime;

use super::*;

/// More than a checkpoint asks for, and no divisor of a block.
const BYTES: usize = 20_000;

fn large(number: i64) -> Vec<u8> {
    let mut value = vec![b'.'; BYTES];
    value[..8].copy_from_slice(&number.to_be_bytes());
    value
}

fn append_large(log: &LogDir, at: i32, number: i64) -> Result<(), LogError> {
    append(log, partition(at), batch(&[&large(number)]))?;
    flush(log, partition(at), Offset(number + 1))
}

fn assert_large(log: &LogDir, at: i32, end: i64) {
    let found = values(log, partition(at)).expect("it reads");
    assert_eq!(found.len() as i64, end);
    assert!((0..).zip(&found).all(|(number, (offset, value))| offset.0 == number && *value == large(number)));
}

/// A log of one partition with `before` records in front of a trim and `after` behind it.
fn trimmed(simulation: &Simulation, before: i64, after: i64) -> Arc<LogDir> {
    let (log, _) = open(simulation, config());
    log.create(partition(0), PartitionConfig::default()).expect("it is made");
    (0..before).for_each(|number| append_large(&log, 0, number).expect("it appends"));
    log.trim_once().expect("it trims");
    (before..before + after).for_each(|number| append_large(&log, 0, number).expect("it appends"));
    log
}

/// Bytes of log files that an opening reads.
fn read_at_open(simulation: &Simulation) -> (Arc<LogDir>, u64) {
    simulation.disk.start_trace();
    let (log, report) = open(simulation, config());
    assert_eq!(report.corrupt, vec![]);
    let read = simulation.disk.take_trace().into_iter().map(|event| match event {
        TraceEvent::Call(call) if call.kind == CallKind::Read && call.path.extension().is_some_and(|e| e == "log") => {
            call.length
        }
        TraceEvent::Call(_) | TraceEvent::Acknowledged { .. } | TraceEvent::Note(_) => 0,
    });
    let read = read.sum();
    (log, read)
}

#[test]
fn a_start_walks_from_the_checkpoint_on() {
    let simulation = Simulation::new(1);
    drop(trimmed(&simulation, 400, 3));
    simulation.disk.kill_process();
    let (log, read) = read_at_open(&simulation);
    assert!(read < 1 << 20, "{read} bytes of a log of 8 MB were read");
    assert_large(&log, 0, 403);
    let first = log.offset_for_time(partition(0), EventTime(1_000)).expect("it looks");
    assert_eq!(first.map(|(offset, _)| offset), Some(Offset(0)), "the index before the checkpoint is there");
    append_large(&log, 0, 403).expect("it goes on");
    drop(log);
    simulation.disk.lose_power();
    let (log, read) = read_at_open(&simulation);
    assert!(read < 1 << 20, "{read} bytes were read, though the first start left a checkpoint");
    assert_large(&log, 0, 404);
}

#[test]
fn a_lost_checkpoint_only_costs_a_walk() {
    for seed in 0..20 {
        let simulation = Simulation::new(seed);
        drop(trimmed(&simulation, 12, 3));
        simulation.disk.lose_power();
        let torn: Vec<_> = simulation
            .disk
            .files()
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "snapshot"))
            .collect();
        torn.iter().for_each(|path| simulation.disk.set_contents(path, b"torn").expect("it is there"));
        let (log, report) = open(&simulation, config());
        assert_eq!(report.corrupt, vec![]);
        assert_large(&log, 0, 15);
    }
}

#[test]
fn producers_are_known_behind_a_checkpoint() {
    let simulation = Simulation::new(1);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), PartitionConfig::default()).expect("it is made");
    let sent = |number: i32| batch_of(&[&large(i64::from(number))], Some((stamp(9, 0, number), Transactional::No)));
    for number in 0..8 {
        append(&log, partition(0), sent(number)).expect("it appends");
        flush(&log, partition(0), Offset(i64::from(number) + 1)).expect("it flushes");
        if number == 5 {
            log.trim_once().expect("it trims");
        }
    }
    drop(log);
    simulation.disk.kill_process();
    let (log, _) = open(&simulation, config());
    for number in 4..8 {
        let again = append(&log, partition(0), sent(number)).expect("it is known");
        assert_eq!(again.base_offset, Offset(i64::from(number)), "sent again, stored once");
    }
    assert!(append(&log, partition(0), sent(10)).is_err(), "a gap in a producer's sequence is refused");
    assert_large(&log, 0, 8);
}

#[test]
fn a_checkpoint_of_what_was_cut_off_is_gone() {
    let simulation = Simulation::new(1);
    let log = trimmed(&simulation, 12, 0);
    log.truncate_to(partition(0), LeaderEpoch(0), Offset(6)).expect("it cuts");
    (6..9).for_each(|number| append_large(&log, 0, number).expect("it appends"));
    for seed in 0..20 {
        let disk = simulation.disk.fork(seed);
        disk.lose_power();
        let (log, report) = open(&Simulation::with_disk(seed, disk), config());
        assert_eq!(report.corrupt, vec![]);
        assert_large(&log, 0, 9);
    }
}

#[test]
fn rot_before_a_checkpoint_is_told_to_who_reads_there() {
    let simulation = Simulation::new(1);
    drop(trimmed(&simulation, 12, 3));
    simulation.disk.kill_process();
    let segment = simulation.disk.files().into_iter().find(|path| path.extension().is_some_and(|e| e == "log"));
    simulation.disk.flip_bit(&segment.expect("there is a segment"), 70_000, 3).expect("it is there");
    let (log, _) = open(&simulation, config());
    let end = log.ends(partition(0)).expect("it is there").log_end_offset;
    assert_eq!(end, Offset(15));
    let damaged = log.read(partition(0), Offset(3), end, 1 << 16);
    assert!(matches!(damaged, Err(LogError::Corrupt { .. })), "{damaged:?}");
    assert!(log.read(partition(0), Offset(8), end, 1 << 16).is_ok());
}

fn of_many(env: &Env) -> Result<Arc<LogDir>, LogError> {
    Ok(LogDir::open(env.clone(), dir(), config())?.0)
}

#[test]
fn many_files_are_synced_in_one_call() {
    let simulation = Simulation::new(1);
    let log = of_many(&simulation.env).expect("it opens");
    (0..40).for_each(|at| log.create(partition(at), PartitionConfig::default()).expect("it is made"));
    log.trim_once().expect("it trims");
    (0..40).for_each(|at| append_large(&log, at, 0).expect("it appends"));
    simulation.disk.reset_calls();
    log.trim_once().expect("it trims");
    let count = |kind| simulation.disk.calls().into_iter().filter(|call| *call == kind).count();
    assert_eq!(count(CallKind::SyncFileSystem), 1);
    assert!(count(CallKind::SyncData) <= 2, "{} syncs of files", count(CallKind::SyncData));
}

/// Trims after so many records to each of some partitions, again and again; each fault of it loses nothing answered.
fn survives_every_fault(name: &'static str, partitions: usize, each: i64, trims: i64) {
    let (before, all) = (5, 5 + each * trims);
    let report = for_each_fault(&Scenario {
        name,
        seed: 42,
        prepare: &|env| {
            let log = of_many(env).expect("it opens");
            for at in 0..partitions as i32 {
                log.create(partition(at), PartitionConfig::default()).expect("it is made");
                (0..before).for_each(|number| append_large(&log, at, number).expect("it appends"));
            }
        },
        run: &|env| {
            // How many records each partition has, as its appends were answered.
            let mut answered = vec![before; partitions];
            let Ok(log) = of_many(env) else { return answered };
            for number in before..all {
                for (at, answered) in (0..).zip(&mut answered) {
                    if *answered == number && append_large(&log, at, number).is_ok() {
                        *answered += 1;
                    }
                }
                if (number + 1 - before) % each == 0 && log.trim_once().is_err() {
                    break;
                }
            }
            answered
        },
        check: &|env, answered: &Vec<i64>, _| {
            // What a file has lost is told to who syncs it first, which may be a start; the journal has all of it still.
            let opened = LogDir::open(env.clone(), dir(), config());
            let opened = opened.or_else(|_| LogDir::open(env.clone(), dir(), config()));
            let (log, report) = opened.expect("it opens after any fault");
            assert_eq!(report.corrupt, vec![]);
            for (at, answered) in (0..).zip(answered) {
                let end = log.ends(partition(at)).expect("it is there").log_end_offset.0;
                assert!(*answered <= end && end <= all, "{answered} answered, {end} stored");
                assert_large(&log, at, end);
            }
        },
    });
    eprintln!("{report}");
    assert!(report.is_complete(), "{report}");
}

#[test]
fn checkpoints_survive_every_fault() {
    survives_every_fault("checkpoint", 4, 1, 2);
}

#[test]
fn files_that_checkpoints_take_over_survive_every_fault() {
    survives_every_fault("spare", 1, 4, 4);
}

#[test]
fn a_checkpoint_takes_over_the_file_of_one_that_is_not_needed() {
    let simulation = Simulation::new(1);
    let log = trimmed(&simulation, 4, 0);
    let snapshots =
        || simulation.disk.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "snapshot"));
    for trim in 1..6 {
        (4 * trim..4 * trim + 4).for_each(|number| append_large(&log, 0, number).expect("it appends"));
        simulation.disk.start_trace();
        log.trim_once().expect("it trims");
        let calls = simulation.disk.take_trace().into_iter().filter_map(|event| match event {
            TraceEvent::Call(call) if call.path.extension().is_some_and(|e| e == "snapshot") => Some(call.kind),
            TraceEvent::Call(_) | TraceEvent::Acknowledged { .. } | TraceEvent::Note(_) => None,
        });
        let calls: Vec<_> = calls.collect();
        assert!(!calls.contains(&CallKind::RemoveFile), "{calls:?}");
        assert_eq!(calls.contains(&CallKind::Rename), 2 < trim, "{calls:?}");
    }
    assert_eq!(snapshots().count(), 3);
    // Cut off behind the oldest: what was spare is the newest now, and stays.
    log.truncate_to(partition(0), LeaderEpoch(0), Offset(17)).expect("it cuts");
    let oldest = snapshots().next();
    (17..21).for_each(|number| append_large(&log, 0, number).expect("it appends"));
    log.trim_once().expect("it trims");
    assert_eq!(snapshots().next(), oldest);
    drop(log);
    simulation.disk.lose_power();
    let (log, _) = open(&simulation, config());
    assert_large(&log, 0, 21);
}
