//! Partitions that go away while others are written, and log starts that move while the disk fails.

use std::time::Duration;

use crate::env::Env;
use crate::env::Scenario;
use crate::env::for_each_fault;

use super::*;

fn small() -> PartitionConfig {
    PartitionConfig { segment_bytes: 400, ..PartitionConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lazily_flushed_partition_that_is_deleted_leaves_the_flusher_at_work() {
    let simulation = Simulation::new(1);
    let (log, _) = open(&simulation, LogConfig { flush_on: FlushOn::Thread, ..config() });
    let lazy = PartitionConfig { flush: FlushPolicy::Interval(Duration::from_secs(1)), ..PartitionConfig::default() };
    log.create(partition(0), lazy).expect("it is made");
    log.create(partition(1), PartitionConfig::default()).expect("it is made");
    append(&log, partition(0), batch(&[b"0"])).expect("it appends");
    log.delete(partition(0)).expect("it is deleted");
    simulation.clock.advance(Duration::from_secs(2));
    for number in 0..3 {
        append(&log, partition(1), batch(&[b"1"])).expect("it appends");
        log.durable(partition(1), Offset(number + 1)).await.expect("the flusher flushes");
    }
    log.close().expect("it closes");
}

#[test]
fn a_flush_that_is_forced_after_a_delete_has_nothing_to_do() {
    let simulation = Simulation::new(2);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), PartitionConfig { flush: FlushPolicy::Os, ..small() }).expect("it is made");
    append(&log, partition(0), batch(&[b"0"])).expect("it appends");
    let waits = log.durable(partition(0), Offset(1));
    log.delete(partition(0)).expect("it is deleted");
    assert!(matches!(waits.now_or_never(), Some(Err(LogError::UnknownPartition { .. }))));
}

#[test]
fn a_wait_ends_when_its_partition_is_deleted() {
    let simulation = Simulation::new(5);
    let (log, _) = open(&simulation, LogConfig { flush_on: FlushOn::Step, ..config() });
    log.create(partition(0), small()).expect("it is made");
    append(&log, partition(0), batch(&[b"0"])).expect("it appends");
    let mut durable = log.durable(partition(0), Offset(1));
    let mut visible = Box::pin(log.visible_all(vec![(partition(0), Offset(1))]));
    assert!((&mut durable).now_or_never().is_none());
    assert!((&mut visible).now_or_never().is_none());
    // Before its bytes were flushed, and before anybody saw them.
    log.delete(partition(0)).expect("it is deleted");
    let ended = durable.now_or_never();
    assert!(ended.is_some(), "nobody flushes what is gone");
    assert!(matches!(visible.now_or_never(), Some(Err(LogError::UnknownPartition { .. }))));
}

#[test]
fn what_is_durable_is_visible_once_the_high_watermark_says_so() {
    let simulation = Simulation::new(3);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), small()).expect("it is made");
    append(&log, partition(0), batch(&[b"0"])).expect("it appends");
    flush(&log, partition(0), Offset(1)).expect("it flushes");
    let mut visible = Box::pin(log.visible_all(vec![(partition(0), Offset(1))]));
    assert!((&mut visible).now_or_never().is_none());
    log.set_high_watermark(partition(0), Offset(1)).expect("it is there");
    assert!(matches!(visible.now_or_never(), Some(Ok(()))));
}

/// Values 0 to 20 in segments of a few, all visible.
fn prepare(env: &Env) {
    let (log, _) = LogDir::open(env.clone(), dir(), config()).expect("the log opens");
    log.create(partition(0), small()).expect("it is made");
    for number in 0..20i64 {
        append(&log, partition(0), batch(&[number.to_string().as_bytes()])).expect("it appends");
    }
    flush(&log, partition(0), Offset(20)).expect("it flushes");
}

#[test]
fn advancing_the_log_start_survives_every_fault() {
    let run = |env: &Env| {
        let Ok((log, _)) = LogDir::open(env.clone(), dir(), config()) else { return };
        for start in [5, 13, 20] {
            let moved = log.set_high_watermark(partition(0), Offset(20));
            if moved.and_then(|()| log.delete_records(partition(0), Offset(start))).is_err() {
                return;
            }
        }
    };
    let check = |env: &Env| {
        let (log, report) = LogDir::open(env.clone(), dir(), config()).expect("the log opens after any fault");
        assert_eq!(report.corrupt, vec![], "segments that may go are no damage");
        let start = log.ends(partition(0)).expect("it is there").log_start_offset.0;
        assert!([0, 5, 13, 20].contains(&start), "{start}");
        assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(start..20));
        append(&log, partition(0), batch(&[b"20"])).expect("it appends");
        flush(&log, partition(0), Offset(21)).expect("it flushes");
    };
    let scenario =
        Scenario { name: "log start", seed: 4, prepare: &prepare, run: &run, check: &|env, (), _| check(env) };
    let report = for_each_fault(&scenario);
    eprintln!("{report}");
    assert_eq!(report.fired, report.replay_count());
}

#[test]
fn what_an_older_version_told_a_partition_is_read() {
    let mut config = PartitionConfig { segment_bytes: 400, ..PartitionConfig::default() };
    let bytes = crate::log::manage::encode_config(&config);
    assert_eq!(crate::log::manage::decode_config(&bytes), Some(config));
    // Version 1 ended with the largest batch: version, policy, interval, segment's bytes, batch's bytes.
    let mut first = bytes[..2 + 1 + 8 + 8 + 4].to_vec();
    first[1] = 1;
    assert_eq!(crate::log::manage::decode_config(&first), Some(config));
    config.timestamps = Timestamps::Append;
    assert_eq!(crate::log::manage::decode_config(&crate::log::manage::encode_config(&config)), Some(config));
    first[1] = 3;
    assert_eq!(crate::log::manage::decode_config(&first), None, "of a later version");
}
