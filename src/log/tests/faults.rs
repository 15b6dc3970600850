//! Each fault at each disk call of a scenario: what was acknowledged is there, what is there was sent, groups are whole.

use crate::env::Env;
use crate::env::FaultReport;
use crate::env::Injected;
use crate::env::Scenario;
use crate::env::for_each_fault;

use super::*;

/// What was acknowledged before the fault, and what was sent.
#[derive(Debug, Default)]
struct Outcome {
    acknowledged: i64,
    sent: i64,
}

fn small() -> PartitionConfig {
    PartitionConfig { segment_bytes: 400, ..PartitionConfig::default() }
}

/// One record for each of two partitions, as one append.
fn append_pair(log: &LogDir, number: i64) -> Result<(), LogError> {
    let value = number.to_string();
    let both = [0, 1].map(|at| to(partition(at), batch(&[value.as_bytes()])));
    let appended = log.append(both.to_vec())?;
    assert!(appended.iter().all(|appended| appended.base_offset == Offset(number)), "{appended:?}");
    Ok(())
}

fn flush_both(log: &LogDir, end: i64) -> Result<(), LogError> {
    flush(log, partition(0), Offset(end))?;
    flush(log, partition(1), Offset(end))
}

/// Appends pairs and waits for every third; a definite error is tried again once.
fn append_pairs(log: &LogDir, range: std::ops::Range<i64>, outcome: &mut Outcome) {
    for number in range {
        let mut appended = append_pair(log, number);
        if matches!(appended, Err(LogError::DiskFull { .. } | LogError::Io { .. })) {
            appended = append_pair(log, number);
        }
        if appended.is_err() {
            // Nothing of a refused append may be found later, but a failed undo stops the log as unknown.
            outcome.sent = number + i64::from(matches!(appended, Err(LogError::Unknown)));
            return;
        }
        outcome.sent = number + 1;
        if number % 3 == 0 {
            if flush_both(log, number + 1).is_err() {
                return;
            }
            outcome.acknowledged = number + 1;
        }
        if number % 7 == 0 && log.trim_once().is_err() {
            return;
        }
    }
}

/// Opens, checks, appends a little and opens again.
fn check(env: &Env, config: LogConfig, outcome: &Outcome, _: &Injected) {
    let mut end = None;
    for round in 0..2 {
        let (log, report) = LogDir::open(env.clone(), dir(), config).expect("the log opens after any fault");
        assert_eq!(report.corrupt, vec![], "no fault here damages what was durable");
        assert!(!report.journal_damaged, "{report:?}");
        let stored = [0, 1].map(|at| values(&log, partition(at)).expect("it reads"));
        let count = stored[0].len() as i64;
        assert_eq!(stored[0], stored[1], "a group is there or not");
        assert_eq!(stored[0], numbered(0..count), "in order, once");
        assert!(outcome.acknowledged <= count, "{outcome:?}, stored {count}");
        assert!(round == 1 || count <= outcome.sent, "{outcome:?}, stored {count}");
        assert!(end.is_none_or(|end| end == count), "a restart changes nothing");
        append_pair(&log, count).expect("it appends");
        flush_both(&log, count + 1).expect("it flushes");
        end = Some(count + 1);
    }
}

fn prepare(env: &Env, config: LogConfig, partition_config: PartitionConfig) {
    let (log, _) = LogDir::open(env.clone(), dir(), config).expect("the log opens");
    for at in [0, 1] {
        log.create(partition(at), partition_config).expect("it is made");
    }
    append_pairs(&log, 0..7, &mut Outcome::default());
    flush_both(&log, 7).expect("it flushes");
}

fn scenario(
    name: &str,
    config: LogConfig,
    partition_config: PartitionConfig,
    run: &dyn Fn(&Env) -> Outcome,
) -> FaultReport {
    let report = for_each_fault(&Scenario {
        name,
        seed: 42,
        prepare: &|env| prepare(env, config, partition_config),
        run,
        check: &|env, outcome, injected| check(env, config, outcome, injected),
    });
    eprintln!("{report}");
    assert!(report.is_complete(), "{report}");
    report
}

fn open_and_append(env: &Env, config: LogConfig, range: std::ops::Range<i64>) -> Outcome {
    let mut outcome = Outcome { acknowledged: 7, sent: 7 };
    if let Ok((log, _)) = LogDir::open(env.clone(), dir(), config) {
        append_pairs(&log, range, &mut outcome);
    }
    outcome
}

#[test]
fn append_survives_every_fault() {
    let roomy = PartitionConfig::default();
    scenario("append", config(), roomy, &|env| open_and_append(env, config(), 7..12));
}

#[test]
fn roll_survives_every_fault() {
    scenario("roll", config(), small(), &|env| open_and_append(env, config(), 7..14));
}

#[test]
fn direct_syncs_survive_every_fault() {
    let direct = LogConfig { ride_bytes_max: 0, ..config() };
    scenario("direct", direct, small(), &|env| open_and_append(env, direct, 7..11));
}

#[test]
fn rotating_and_trimming_survives_every_fault() {
    let short = LogConfig { journal_bytes: 300, ..config() };
    scenario("trim", short, small(), &|env| open_and_append(env, short, 7..11));
}

#[test]
fn recovery_survives_every_fault() {
    scenario("recover", config(), small(), &|env| {
        let opened = LogDir::open(env.clone(), dir(), config());
        drop(opened);
        Outcome { acknowledged: 7, sent: 7 }
    });
}

#[test]
fn recovery_after_power_loss_survives_every_fault() {
    let report = for_each_fault(&Scenario {
        name: "recover what power loss left",
        seed: 43,
        prepare: &|env| prepare(env, config(), small()),
        run: &|env| {
            let outcome = open_and_append(env, config(), 7..11);
            // After a failed sync the page cache may show what the disk lost: the log is not opened over it again.
            if outcome.sent == 11 {
                drop(LogDir::open(env.clone(), dir(), config()));
            }
            outcome
        },
        check: &|env, outcome, injected| check(env, config(), outcome, injected),
    });
    assert!(report.is_complete(), "{report}");
}

/// Everything that was durable goes, the segment of the durable end included, and the log goes on behind it.
#[test]
fn dropping_all_records_survives_every_fault() {
    let report = for_each_fault(&Scenario {
        name: "roll, drop all, append",
        seed: 46,
        prepare: &|env| prepare(env, config(), small()),
        run: &|env| {
            let Ok((log, _)) = LogDir::open(env.clone(), dir(), config()) else { return (0, 7, 7) };
            // A partition that could not be read at the start refuses everything.
            if log.set_high_watermark(partition(0), Offset(7)).is_err() {
                return (0, 7, 7);
            }
            if log.roll(partition(0)).is_err() || log.advance_log_start(partition(0), Offset(7)).is_err() {
                return (0, 7, 7);
            }
            let trimmed = log.trim_once();
            let appended = trimmed.and_then(|()| append(&log, partition(0), batch(&[b"7"])));
            match appended.map(|_| flush(&log, partition(0), Offset(8))) {
                Ok(Ok(())) => (7, 8, 8),
                Ok(Err(_)) => (7, 7, 8),
                Err(LogError::Unknown) => (7, 7, 8),
                Err(_) => (7, 7, 7),
            }
        },
        check: &|env, &(start, acknowledged, sent), _| {
            let (log, report) = LogDir::open(env.clone(), dir(), config()).expect("the log opens");
            assert_eq!(report.corrupt, vec![]);
            let ends = log.ends(partition(0)).expect("it is there");
            assert!((start..=7).contains(&ends.log_start_offset.0), "{ends:?}");
            assert!((acknowledged..=sent).contains(&ends.log_end_offset.0), "{ends:?}, {acknowledged}..={sent}");
            let kept = numbered(ends.log_start_offset.0..ends.log_end_offset.0);
            assert_eq!(values(&log, partition(0)).expect("it reads"), kept);
            assert_eq!(values(&log, partition(1)).expect("it reads"), numbered(0..7));
            let end = ends.log_end_offset;
            append(&log, partition(0), batch(&[end.0.to_string().as_bytes()])).expect("it appends");
            flush(&log, partition(0), end.plus(1)).expect("it flushes");
            drop(log);
            let (log, _) = LogDir::open(env.clone(), dir(), config()).expect("the log opens");
            let kept = numbered(ends.log_start_offset.0..end.0 + 1);
            assert_eq!(values(&log, partition(0)).expect("it reads"), kept);
        },
    });
    eprintln!("{report}");
    assert!(report.is_complete(), "{report}");
}

#[test]
fn create_and_delete_survive_every_fault() {
    let report = for_each_fault(&Scenario {
        name: "create and delete",
        seed: 44,
        prepare: &|env| prepare(env, config(), small()),
        run: &|env| {
            let Ok((log, _)) = LogDir::open(env.clone(), dir(), config()) else { return (false, false) };
            let created = log.create(partition(2), small()).is_ok();
            let deleted = log.delete(partition(1)).is_ok();
            (created, deleted)
        },
        check: &|env, (created, deleted), _| {
            let (log, report) = LogDir::open(env.clone(), dir(), config()).expect("the log opens");
            assert_eq!(report.corrupt, vec![]);
            assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..7));
            let partitions = log.partitions();
            assert!(!created || partitions.contains(&partition(2)));
            assert!(!deleted || !partitions.contains(&partition(1)));
            if partitions.contains(&partition(1)) {
                assert_eq!(values(&log, partition(1)).expect("it reads"), numbered(0..7));
            }
            log.create(partition(1), small()).expect("it is made");
            log.create(partition(2), small()).expect("it is made");
            append(&log, partition(2), batch(&[b"0"])).expect("it appends");
            flush(&log, partition(2), Offset(1)).expect("it flushes");
        },
    });
    eprintln!("{report}");
}

#[test]
fn a_failed_flush_stops_the_log_and_is_not_repeated() {
    use crate::env::CallKind;
    use crate::env::Fault;
    use crate::env::FaultKind;
    let simulation = Simulation::new(5);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), small()).expect("it is made");
    append(&log, partition(0), batch(&[b"0"])).expect("it appends");
    simulation.disk.reset_calls();
    let sync = 2; // one write of the group, then its sync
    simulation.disk.inject(Fault { call: sync, kind: FaultKind::IoError });
    assert!(matches!(flush(&log, partition(0), Offset(1)), Err(LogError::Unknown)));
    let mark_for_the_next_start = CallKind::Open;
    assert_eq!(simulation.disk.calls(), vec![CallKind::Write, CallKind::SyncData, mark_for_the_next_start]);
    assert!(log.failed().now_or_never().is_some(), "whoever runs the process is told");
    assert!(matches!(append(&log, partition(0), batch(&[b"1"])), Err(LogError::Unknown)));
    assert!(matches!(flush(&log, partition(0), Offset(1)), Err(LogError::Unknown)));
    assert_eq!(simulation.disk.calls().len(), 3, "nothing is synced again");
}

#[test]
fn every_acknowledgement_comes_after_the_sync_that_covers_it() {
    for ride_bytes_max in [0, 64 << 10] {
        let simulation = Simulation::new(6);
        let config = LogConfig { ride_bytes_max, ..config() };
        let (log, _) = open(&simulation, config);
        log.create(partition(0), small()).expect("it is made");
        simulation.disk.start_trace();
        for number in 0..40 {
            let value = format!("value number {number} of the trace");
            append(&log, partition(0), batch(&[value.as_bytes()])).expect("it appends");
            let early = simulation.disk.acknowledged("early", value.as_bytes());
            assert_eq!(early, None, "nothing covers it before the flush");
            flush(&log, partition(0), Offset(number + 1)).expect("it flushes");
            assert!(simulation.disk.acknowledged("append", value.as_bytes()).is_some(), "record {number}");
        }
    }
}

#[test]
fn a_full_disk_refuses_an_append_whole_and_goes_on_when_there_is_room() {
    let simulation = Simulation::new(7);
    let (log, _) = open(&simulation, config());
    for at in [0, 1] {
        log.create(partition(at), PartitionConfig::default()).expect("it is made");
    }
    append_pair(&log, 0).expect("it appends");
    flush_both(&log, 1).expect("it flushes");
    simulation.disk.set_capacity(1);
    let large = vec![7; 100 << 10];
    let refused = log.append(vec![to(partition(0), batch(&[b"1"])), to(partition(1), batch(&[&large]))]);
    assert!(matches!(refused, Err(LogError::DiskFull { .. })), "{refused:?}");
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..1));
    simulation.disk.set_capacity(1 << 30);
    append_pair(&log, 1).expect("it appends");
    flush_both(&log, 2).expect("it flushes");
    drop(log);
    simulation.disk.lose_power();
    let (log, _) = open(&simulation, config());
    for at in [0, 1] {
        assert_eq!(values(&log, partition(at)).expect("it reads"), numbered(0..2));
    }
}

#[test]
fn a_partition_that_cannot_be_read_is_refused_and_found_again_when_it_can() {
    use crate::env::CallKind;
    use crate::env::Fault;
    use crate::env::FaultKind;
    let prepared = Simulation::new(45);
    prepare(&prepared.env, config(), small());
    let counted = Simulation::with_disk(1, prepared.disk.fork(1));
    counted.disk.start_trace();
    drop(open(&counted, config()));
    let about_one = |event| match event {
        crate::env::TraceEvent::Call(call) if call.path.to_string_lossy().contains(&partition(1).to_string()) => {
            Some(call).filter(|call| call.kind == CallKind::Read || call.kind == CallKind::Open).map(|call| call.number)
        }
        _ => None,
    };
    let calls: Vec<u64> = counted.disk.take_trace().into_iter().filter_map(about_one).collect();
    let mut refused = 0;
    for call in calls {
        let simulation = Simulation::with_disk(1, prepared.disk.fork(call));
        simulation.disk.inject(Fault { call, kind: FaultKind::IoError });
        let (log, report) = open(&simulation, config());
        if report.unreadable.is_empty() {
            continue;
        }
        refused += 1;
        assert_eq!((report.unreadable, log.partitions()), (vec![partition(1)], vec![partition(0)]));
        assert!(matches!(log.create(partition(1), small()), Err(LogError::Unreadable { .. })), "it is not made anew");
        assert!(matches!(append(&log, partition(1), batch(&[b"x"])), Err(LogError::Unreadable { .. })));
        assert!(matches!(flush(&log, partition(1), Offset(1)), Err(LogError::Unreadable { .. })));
        // The others go on, and the journal is trimmed under them more than once.
        for number in 7..40i64 {
            append(&log, partition(0), batch(&[number.to_string().as_bytes()])).expect("it appends");
            flush(&log, partition(0), Offset(number + 1)).expect("it flushes");
            log.trim_once().expect("it trims");
        }
        drop(log);
        simulation.disk.lose_power();
        let (log, report) = open(&simulation, config());
        assert_eq!((report.unreadable, report.corrupt), (vec![], vec![]));
        assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..40));
        assert_eq!(values(&log, partition(1)).expect("it reads"), numbered(0..7), "the journal was kept for it");
        log.close().expect("it closes");
        // One that is dropped goes, readable or not.
        simulation.disk.reset_calls();
        simulation.disk.inject(Fault { call, kind: FaultKind::IoError });
        let (log, report) = open(&simulation, config());
        if report.unreadable == vec![partition(1)] {
            log.delete(partition(1)).expect("it goes");
            log.create(partition(1), small()).expect("it is made");
            assert_eq!(values(&log, partition(1)).expect("it reads"), vec![]);
        }
    }
    assert!(5 < refused, "{refused}");
}

/// The leader's batch at offset 12, in its epoch.
fn of_the_leader(value: &[u8]) -> Append {
    let batch = batch(&[value]).stamped(Offset(12), LeaderEpoch(1));
    Append { leader_epoch: LeaderEpoch(1), origin: Origin::Replica, ..to(partition(0), batch) }
}

#[test]
fn truncation_survives_every_fault() {
    let direct = LogConfig { ride_bytes_max: 0, ..config() };
    let large = vec![b'n'; 300];
    for (name, config, flush) in [
        ("truncate", config(), FlushPolicy::Ack),
        ("truncate, directly synced", direct, FlushPolicy::Ack),
        ("truncate, lazily flushed", config(), FlushPolicy::Os),
    ] {
        let after = [numbered(0..12), vec![(Offset(12), large.clone())]].concat();
        let report = for_each_fault(&Scenario {
            name,
            seed: 46,
            prepare: &|env| {
                let (log, _) = LogDir::open(env.clone(), dir(), config).expect("the log opens");
                log.create(partition(0), PartitionConfig { flush, segment_bytes: 600, ..small() }).expect("it is made");
                for number in 0..20i64 {
                    append(&log, partition(0), batch(&[number.to_string().as_bytes()])).expect("it appends");
                }
                log.close().expect("it closes");
            },
            run: &|env| {
                let Ok((log, _)) = LogDir::open(env.clone(), dir(), config) else { return (false, false) };
                let cut = log.truncate_to(partition(0), LeaderEpoch(0), Offset(12)).is_ok();
                if !cut || log.append(vec![of_the_leader(&large)]).is_err() {
                    return (cut, false);
                }
                (cut, flush_to(&log, 13))
            },
            check: &|env, (cut, appended), _| {
                for _ in 0..2 {
                    let (log, report) = LogDir::open(env.clone(), dir(), config).expect("the log opens");
                    assert_eq!((report.corrupt, report.unreadable), (vec![], vec![]));
                    let stored = values(&log, partition(0)).expect("it reads");
                    let allowed = match (cut, appended) {
                        (_, true) => vec![after.clone()],
                        (true, false) => vec![numbered(0..12), after.clone()],
                        (false, false) => vec![numbered(0..20), numbered(0..12)],
                    };
                    assert!(allowed.contains(&stored), "cut {cut}, appended {appended}: {}", stored.len());
                }
            },
        });
        eprintln!("{report}");
        assert!(report.is_complete(), "{report}");
    }
}

fn flush_to(log: &LogDir, end: i64) -> bool {
    flush(log, partition(0), Offset(end)).is_ok()
}
