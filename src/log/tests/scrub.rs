//! Damage of sealed segments under a running log: found by the scrub, told, and nobody else hurt.

use std::path::PathBuf;
use std::time::Duration;

use crate::env::Disk;
use crate::env::Fault;
use crate::env::FaultKind;
use crate::env::OpenMode;
use crate::metrics::Metrics;

use super::*;

const NOW: i64 = i64::MAX;

/// A log of two partitions with three sealed segments of several blocks each, and an open one.
fn filled(seed: u64) -> (Simulation, Arc<LogDir>) {
    let simulation = Simulation::new(seed);
    let (log, _) = open(&simulation, config());
    for number in 0..2 {
        let config = PartitionConfig { segment_bytes: 150_000, ..PartitionConfig::default() };
        log.create(partition(number), config).expect("it is made");
        for value in 0..32_u8 {
            append(&log, partition(number), batch(&[&[value; 14_000]])).expect("it appends");
        }
        flush(&log, partition(number), Offset(32)).expect("it flushes");
        log.set_high_watermark(partition(number), Offset(32)).expect("it moves");
        assert_eq!(log.segments(partition(number)).expect("it is there").len(), 4);
    }
    (simulation, log)
}

fn file(number: usize, log: &LogDir, extension: &str) -> PathBuf {
    let base = log.segments(partition(0)).expect("it is there")[number].base_offset;
    dir().join(partition(0).to_string()).join(format!("{:020}.{extension}", base.0))
}

fn scrub(log: &LogDir, number: i32) -> ScrubReport {
    log.scrub(partition(number), NOW, &mut |_| {}).expect("it checks")
}

/// What the last check found, of each segment of partition 0.
fn found(log: &LogDir) -> Vec<Option<SegmentDamage>> {
    let segments = log.segments(partition(0)).expect("it is there");
    segments.iter().map(|segment| segment.check.and_then(|check| check.damage)).collect()
}

#[test]
fn every_sealed_segment_is_checked_once_in_a_period() {
    let (simulation, log) = filled(1);
    let segments = log.segments(partition(0)).expect("it is there");
    let sealed: u64 = segments[..3].iter().map(|segment| segment.size_in_bytes).sum();
    assert_eq!(scrub(&log, 0), ScrubReport { segments: 3, bytes: sealed, damaged: 0 });
    let now_ms = simulation.env.clock.wall_millis();
    let checked: Vec<_> = log.segments(partition(0)).expect("it is there").iter().map(|one| one.check).collect();
    let right = SegmentCheck { checked_at_ms: now_ms, damage: None };
    assert_eq!(checked, [Some(right), Some(right), Some(right), None]);
    let since = |before_ms| log.scrub(partition(0), before_ms, &mut |_| {}).expect("it checks").segments;
    assert_eq!(since(now_ms), 0, "all were checked since");
    simulation.clock.advance(Duration::from_secs(1));
    log.roll(partition(0)).expect("it rolls");
    assert_eq!(since(now_ms), 1, "the one that was sealed");
    assert_eq!(since(now_ms + 1), 3, "the older ones");
}

#[test]
fn whatever_happens_to_a_file_is_found_and_hurts_nobody_else() {
    type Harm = fn(&Simulation, &LogDir);
    let harms: [(&str, Harm, SegmentDamage); 8] = [
        ("a bit of a full block", |it, log| flip(it, &file(1, log, "log"), 70_000), SegmentDamage::Bytes(Offset(14))),
        ("a bit of a header", |it, log| flip(it, &file(1, log, "log"), 14), SegmentDamage::Bytes(Offset(10))),
        (
            "a bit of the short block",
            |it, log| flip(it, &file(1, log, "log"), 139_000),
            SegmentDamage::Bytes(Offset(19)),
        ),
        ("a bit of the hashes", |it, log| flip(it, &file(1, log, "blocks"), 3), SegmentDamage::Hashes),
        ("no hashes", |it, log| it.disk.remove_file(&file(1, log, "blocks")).expect("it goes"), SegmentDamage::Hashes),
        ("cut", |it, log| cut(it, &file(1, log, "log"), 90_000), SegmentDamage::Bytes(Offset(14))),
        ("removed", |it, log| it.disk.remove_file(&file(1, log, "log")).expect("it goes"), SegmentDamage::Missing),
        ("another in its place", put_another_in_its_place, SegmentDamage::Bytes(Offset(10))),
    ];
    for (what, harm, damage) in harms {
        let (simulation, log) = filled(2);
        scrub(&log, 0);
        harm(&simulation, &log);
        let report = scrub(&log, 0);
        assert_eq!((report.segments, report.damaged), (3, 1), "{what}");
        assert_eq!(found(&log), [None, Some(damage), None, None], "{what}");
        assert_eq!(log.health(partition(0)).expect("it is there").damaged_segments, 1);
        assert_eq!(scrub(&log, 1).damaged, 0, "{what}: the neighbour is whole");
        for number in 0..2 {
            append(&log, partition(number), batch(&[b"x"])).expect("it goes on");
            flush(&log, partition(number), Offset(33)).expect("it goes on");
        }
        let read = log.read(partition(0), Offset(0), Offset(10), 1 << 20).expect("what lies before is served");
        assert_eq!(read.len(), 10);
        let bytes = |tail: &TailBatch| {
            tail.batch
                .payload()
                .expect("whole")
                .records()
                .next()
                .expect("one")
                .expect("whole")
                .value
                .map(|value| value[0])
        };
        // Whoever reads there gets what was written, or an error.
        match log.read(partition(0), Offset(14), Offset(20), 1 << 20) {
            Ok(read) => read.iter().zip(14..).for_each(|(tail, value)| assert_eq!(bytes(tail), Some(value), "{what}")),
            Err(error) => assert!(matches!(error, LogError::Corrupt { .. }), "{what}: {error:?}"),
        }
        log.read(partition(0), Offset(20), Offset(32), 1 << 20).expect("what lies behind is served");
    }
}

fn flip(simulation: &Simulation, path: &Path, byte: u64) {
    simulation.disk.flip_bit(path, byte, 3).expect("it is there");
}

fn cut(simulation: &Simulation, path: &Path, length: u64) {
    let file = simulation.disk.open(path, OpenMode::ReadWrite).expect("it is there");
    file.set_len(length).expect("it is cut");
}

/// A whole segment, but not this one.
fn put_another_in_its_place(simulation: &Simulation, log: &LogDir) {
    let whole = log.read(partition(0), Offset(0), Offset(10), 1 << 20).expect("it reads");
    let bytes: Vec<u8> = whole.iter().flat_map(|tail| tail.batch.bytes().to_vec()).collect();
    let path = file(1, log, "log");
    simulation.disk.remove_file(&path).expect("it goes");
    let other = simulation.disk.open(&path, OpenMode::Create).expect("it is made");
    other.write_at(&bytes, 0).expect("it is written");
}

#[test]
fn a_disk_that_fails_is_told_and_forgiven_when_it_reads_again() {
    let (simulation, log) = filled(3);
    simulation.disk.reset_calls();
    // Open and read the hashes, open the log file: the next call reads its first block.
    let calls = {
        scrub(&log, 0);
        simulation.disk.calls().len() as u64
    };
    assert!(3 < calls);
    simulation.disk.reset_calls();
    simulation.disk.inject(Fault { call: 4, kind: FaultKind::IoError });
    assert_eq!(scrub(&log, 0).damaged, 1);
    assert_eq!(found(&log)[0], Some(SegmentDamage::Unreadable));
    simulation.disk.reset_calls();
    assert_eq!(scrub(&log, 0).damaged, 0);
    assert_eq!(found(&log), [None; 4]);
}

#[test]
fn what_goes_while_it_is_checked_is_not_missed() {
    let (_simulation, log) = filled(4);
    let mut moved = false;
    let report = log.scrub(partition(0), NOW, &mut |_| {
        if !std::mem::replace(&mut moved, true) {
            log.advance_log_start(partition(0), Offset(25)).expect("it moves");
        }
    });
    assert_eq!(report.expect("it checks").damaged, 0);
    assert!(moved);
}

#[test]
fn what_a_start_has_marked_is_not_found_again() {
    let (simulation, log) = filled(5);
    flip(&simulation, &file(1, &log, "log"), 70_000);
    log.close().expect("it closes");
    drop(log);
    let (log, report) = open(&simulation, config());
    assert_eq!(report.corrupt, [(partition(0), Offset(14))]);
    assert_eq!(log.health(partition(0)).expect("it is there").corrupt_from, Some(Offset(14)));
    assert_eq!(scrub(&log, 0), ScrubReport { segments: 1, bytes: segment_bytes(&log), damaged: 0 });
}

fn segment_bytes(log: &LogDir) -> u64 {
    log.segments(partition(0)).expect("it is there")[0].size_in_bytes
}

#[test]
fn a_log_counts_its_flushes_and_checks() {
    let (simulation, log) = filled(6);
    let metrics = Metrics::new();
    log.measure(&metrics);
    append(&log, partition(0), batch(&[&[1; 2_000]])).expect("it appends");
    append(&log, partition(1), batch(&[b"x"])).expect("it appends");
    flush(&log, partition(0), Offset(33)).expect("it flushes");
    flip(&simulation, &file(1, &log, "log"), 70_000);
    scrub(&log, 0);
    log.count_damaged_segments();
    let text = metrics.render();
    for line in [
        "tidemill_log_flush_seconds_count 1",
        "tidemill_log_group_batches_bucket{le=\"1\"} 0",
        "tidemill_log_group_batches_bucket{le=\"2\"} 1",
        "tidemill_log_group_bytes_bucket{le=\"1024\"} 0",
        "tidemill_log_group_bytes_bucket{le=\"4096\"} 1",
        "tidemill_log_scrubbed_segments_total 3",
        "tidemill_log_damaged_segments 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn a_log_with_much_to_flush_is_busy() {
    let simulation = Simulation::new(7);
    let (log, _) = open(&simulation, LogConfig { flush_on: FlushOn::Step, ..config() });
    log.create(partition(0), PartitionConfig::default()).expect("it is made");
    append(&log, partition(0), batch(&[&[0; 600_000]])).expect("it appends");
    assert!(!log.is_busy());
    append(&log, partition(0), batch(&[&[0; 600_000]])).expect("it appends");
    assert!(log.is_busy());
    log.flush_once().expect("it flushes");
    assert!(!log.is_busy());
}
