//! Whose the times of records are, which are refused, and where a segment ends for its index.

use std::time::Duration;

use crate::model::EventTime;
use crate::protocol::Codec;
use crate::protocol::TimestampType;

use super::*;

const NOW_MS: i64 = 1_700_000_000_000;

fn of_append() -> PartitionConfig {
    PartitionConfig { timestamps: Timestamps::Append, ..PartitionConfig::default() }
}

fn within(before_max_ms: i64, after_max_ms: i64) -> PartitionConfig {
    let timestamps = Timestamps::Create { before_max_ms, after_max_ms };
    PartitionConfig { timestamps, ..PartitionConfig::default() }
}

fn open_with(seed: u64, config: PartitionConfig) -> (Simulation, Arc<LogDir>) {
    let simulation = Simulation::new(seed);
    simulation.clock.set_wall_micros(NOW_MS * 1_000);
    let (log, _) = open(&simulation, super::config());
    log.create(partition(0), config).expect("it is made");
    (simulation, log)
}

fn at(timestamps: &[i64]) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    timestamps.iter().for_each(|timestamp| builder.append(*timestamp, Some(b"k"), Some(b"v"), &[]));
    builder
}

/// The times of all records, and whose they are.
fn times(log: &LogDir) -> Vec<(i64, TimestampType)> {
    let end = log.ends(partition(0)).expect("it is there").log_end_offset;
    let read = log.read(partition(0), Offset(0), end, 1 << 20).expect("it reads");
    let mut found = Vec::new();
    for tail in read {
        let kind = tail.batch.header().attributes.timestamp_type();
        let payload = tail.batch.payload().expect("it is whole");
        found.extend(payload.records().map(|record| (record.expect("it is whole").timestamp, kind)));
    }
    found
}

#[test]
fn a_log_of_append_times_gives_every_record_the_time_of_its_append() {
    let (simulation, log) = open_with(1, of_append());
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        append(&log, partition(0), at(&[5, 9_000_000_000_000, -1]).finish_compressed(codec)).expect("it appends");
        simulation.clock.advance(Duration::from_secs(1));
    }
    let expected: Vec<_> = (0..15).map(|record| (NOW_MS + record / 3 * 1_000, TimestampType::Append)).collect();
    assert_eq!(times(&log), expected);
    flush(&log, partition(0), Offset(15)).expect("it flushes");
    drop(log);
    simulation.disk.lose_power();
    let (log, report) = open(&simulation, config());
    assert_eq!(report.corrupt, []);
    assert_eq!(times(&log), expected, "the batches were hashed again");
    let found = log.offset_for_time(partition(0), EventTime(NOW_MS + 1_500)).expect("it looks");
    assert_eq!(found, Some((Offset(6), EventTime(NOW_MS + 2_000))));
}

#[test]
fn a_batch_sent_again_into_a_log_of_append_times_is_known() {
    let (simulation, log) = open_with(2, of_append());
    let sent = || at(&[1, 2]).producer(stamp(7, 0, 0), Transactional::No).finish();
    assert!(!append(&log, partition(0), sent()).expect("it appends").duplicate);
    simulation.clock.advance(Duration::from_secs(1));
    assert!(append(&log, partition(0), sent()).expect("it is known").duplicate);
    assert_eq!(times(&log), [(NOW_MS, TimestampType::Append); 2]);
}

#[test]
fn what_a_leader_appended_keeps_its_times() {
    let (_simulation, log) = open_with(3, of_append());
    let batch = at(&[1]).finish().with_timestamps(TimestampType::Append, 77).stamped(Offset(0), LeaderEpoch(0));
    log.append(vec![Append { origin: Origin::Replica, ..to(partition(0), batch) }]).expect("it appends");
    assert_eq!(times(&log), [(77, TimestampType::Append)]);
}

#[test]
fn times_outside_the_limits_are_refused_and_nothing_of_their_call_is_kept() {
    let (_simulation, log) = open_with(4, within(1_000, 50));
    for inside in [NOW_MS - 1_000, NOW_MS + 50] {
        append(&log, partition(0), at(&[inside]).finish()).expect("it appends");
    }
    for (outside, reason) in [
        (NOW_MS - 1_001, TimestampRefusal::Before { limit_ms: 1_000 }),
        (NOW_MS + 51, TimestampRefusal::After { limit_ms: 50 }),
    ] {
        let appends = vec![to(partition(0), at(&[NOW_MS]).finish()), to(partition(0), at(&[NOW_MS, outside]).finish())];
        let refused = log.append(appends);
        let Err(LogError::InvalidTimestamp { timestamp, reason: told, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((timestamp, told), (outside, reason));
    }
    assert_eq!(log.ends(partition(0)).expect("it is there").log_end_offset, Offset(2));
    let coordinators = Append { origin: Origin::Coordinator, ..to(partition(0), at(&[0]).finish()) };
    log.append(vec![coordinators]).expect("the server's own times have no limits");
}

#[test]
fn a_client_cannot_claim_a_time_of_append() {
    let (_simulation, log) = open_with(5, of_append());
    let claimed = at(&[1]).finish().with_timestamps(TimestampType::Append, 5);
    let refused = append(&log, partition(0), claimed);
    assert!(
        matches!(refused, Err(LogError::InvalidTimestamp { reason: TimestampRefusal::Appended, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_greatest_time_that_is_not_that_of_the_records_is_put_right() {
    let (_simulation, log) = open_with(6, PartitionConfig::default());
    let lies = at(&[10, 30, 20]).finish().with_timestamps(TimestampType::Create, 1);
    append(&log, partition(0), lies).expect("it appends");
    let read = log.read(partition(0), Offset(0), Offset(3), 1 << 20).expect("it reads");
    assert_eq!(read[0].batch.header().max_timestamp, 30);
    let found = log.offset_for_time(partition(0), EventTime(25)).expect("it looks");
    assert_eq!(found, Some((Offset(1), EventTime(30))));
}

#[test]
fn a_segment_ends_when_its_index_is_full() {
    // Room for two entries, one for each 16 KiB.
    let (_simulation, log) =
        open_with(7, PartitionConfig { index_bytes_max: 32 + 2 * 24, ..PartitionConfig::default() });
    for _ in 0..12 {
        append(&log, partition(0), batch(&[&[0; 9_000]])).expect("it appends");
    }
    let bases: Vec<_> = log.segments(partition(0)).expect("it is there").iter().map(|one| one.base_offset.0).collect();
    assert_eq!(bases, [0, 4, 8]);
}

#[test]
fn a_partition_learns_of_new_limits_while_it_is_used() {
    let (simulation, log) = open_with(8, PartitionConfig::default());
    append(&log, partition(0), at(&[0]).finish()).expect("it appends");
    log.create(partition(0), within(10, 10)).expect("it is told");
    append(&log, partition(0), at(&[0]).finish()).expect_err("it lies too far back");
    flush(&log, partition(0), Offset(1)).expect("it flushes");
    drop(log);
    let (log, _) = open(&simulation, config());
    append(&log, partition(0), at(&[0]).finish()).expect_err("it is still told so");
}
