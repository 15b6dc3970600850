//! Partitions that nobody waits for: what a power loss leaves of them is a log that takes records again.

use super::*;

fn lazy(segment_bytes: u64) -> PartitionConfig {
    PartitionConfig { flush: FlushPolicy::Os, segment_bytes, ..PartitionConfig::default() }
}

/// What the disk holds after a power loss, as `seed` decides.
fn after_power_loss(simulation: &Simulation, seed: u64) -> Simulation {
    let disk = simulation.disk.fork(seed);
    disk.lose_power();
    Simulation::with_disk(seed, disk)
}

/// Opens twice, with an append between: the log starts and ends as told, and goes on.
fn goes_on_from(simulation: &Simulation, start: i64) -> i64 {
    let (log, report) = open(simulation, config());
    assert_eq!(report.corrupt, vec![], "nothing durable was lost");
    let ends = log.ends(partition(0)).expect("it is there");
    let end = ends.log_end_offset.0;
    assert_eq!(ends.log_start_offset, Offset(start));
    assert_eq!(ends.durable_offset, ends.log_end_offset, "what recovery keeps is durable");
    let waited = log.durable(partition(0), Offset(end)).now_or_never();
    assert!(matches!(waited, Some(Ok(()))), "a start waits for the end: {waited:?}");
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(start..end));
    append(&log, partition(0), batch(&[end.to_string().as_bytes()])).expect("it appends");
    flush(&log, partition(0), Offset(end + 1)).expect("it flushes");
    drop(log);
    simulation.disk.lose_power();
    let (log, report) = open(simulation, config());
    assert_eq!(report.corrupt, vec![], "a second power loss finds what the first one left");
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(start..end + 1));
    end
}

#[test]
fn a_log_whose_start_passed_what_a_crash_kept_ends_at_its_start() {
    for segment_bytes in [1 << 20, 400] {
        let simulation = Simulation::new(1);
        let (log, _) = open(&simulation, config());
        log.create(partition(0), lazy(segment_bytes)).expect("it is made");
        for number in 0..20i64 {
            append(&log, partition(0), batch(&[number.to_string().as_bytes()])).expect("it appends");
        }
        log.set_high_watermark(partition(0), Offset(20)).expect("it is visible");
        log.advance_log_start(partition(0), Offset(19)).expect("it moves");
        // The start is durable, the bytes of the last segment are not.
        log.flush_once().expect("it flushes");
        let ends: Vec<i64> = (0..60).map(|seed| goes_on_from(&after_power_loss(&simulation, seed), 19)).collect();
        assert!(ends.contains(&19) && ends.contains(&20), "power losses that kept the tail and some that did not");
    }
}

#[test]
fn recovery_reads_a_long_journal_and_long_segments_in_pieces() {
    use crate::env::CallKind;
    use crate::env::TraceEvent;
    let simulation = Simulation::new(3);
    let large = LogConfig { journal_bytes: 64 << 20, ..config() };
    let (log, _) = open(&simulation, large);
    log.create(partition(0), lazy(64 << 20)).expect("it is made");
    log.create(partition(1), PartitionConfig::default()).expect("it is made");
    let filler = vec![7; 40_000];
    for number in 0..100 {
        append(&log, partition(0), batch(&[&filler])).expect("it appends");
        append(&log, partition(1), batch(&[&filler])).expect("it appends");
        flush(&log, partition(1), Offset(number + 1)).expect("it flushes");
    }
    // One entry for four megabytes of the segment.
    flush(&log, partition(0), Offset(100)).expect("it flushes");
    drop(log);
    simulation.disk.kill_process();
    simulation.disk.start_trace();
    let (log, _) = open(&simulation, large);
    let read = |event| match event {
        TraceEvent::Call(call) if call.kind == CallKind::Read => Some(call.length),
        _ => None,
    };
    let largest = simulation.disk.take_trace().into_iter().filter_map(read).max();
    assert!(largest.is_some_and(|largest| largest <= 512 << 10), "{largest:?}");
    for at in [0, 1] {
        assert_eq!(log.ends(partition(at)).expect("it is there").durable_offset, Offset(100));
    }
}

#[test]
fn a_producer_is_known_by_what_survived_and_not_by_a_later_snapshot() {
    let simulation = Simulation::new(2);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), lazy(400)).expect("it is made");
    let send = |log: &LogDir, sequence: i32| {
        let value = sequence.to_string();
        append(log, partition(0), batch_of(&[value.as_bytes()], Some((stamp(1, 0, sequence), Transactional::No))))
    };
    for sequence in 0..30 {
        send(&log, sequence).expect("it appends");
    }
    let mut lost = 0;
    for seed in 0..200 {
        let (log, _) = open(&after_power_loss(&simulation, seed), config());
        let end = log.ends(partition(0)).expect("it is there").log_end_offset.0 as i32;
        lost += i32::from(end < 30);
        if 0 < end {
            let expected = Appended {
                base_offset: Offset(i64::from(end) - 1),
                next_offset: Offset(end.into()),
                append_time_ms: None,
                duplicate: true,
            };
            assert_eq!(send(&log, end - 1).expect("a duplicate is no error"), expected, "seed {seed}");
        }
        let appended = send(&log, end).expect("the producer goes on where the log ends");
        assert_eq!((appended.base_offset, appended.duplicate), (Offset(end.into()), false), "seed {seed}");
    }
    assert!(0 < lost, "some power losses lost records");
}
