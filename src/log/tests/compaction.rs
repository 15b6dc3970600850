//! Compaction against a map: of each key what was said last, at its offset; under every fault, and beside all else.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::env::Env;
use crate::env::Random;
use crate::env::Scenario;
use crate::env::SeededRandom;
use crate::env::for_each_fault;
use crate::metrics::Metrics;
use crate::protocol::Codec;
use crate::protocol::ControlMarker;
use crate::protocol::control_batch;

use super::*;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Key to offset and value; a value that is `None` is a tombstone.
type Latest = BTreeMap<Vec<u8>, (Offset, Option<Vec<u8>>)>;

/// Offset, key and value.
type Found = (Offset, Vec<u8>, Option<Vec<u8>>);

fn small() -> PartitionConfig {
    PartitionConfig { segment_bytes: 600, ..PartitionConfig::default() }
}

fn request() -> CompactionRequest {
    CompactionRequest { delete_retention_ms: DAY_MS, dirty_permille_min: 0, lag_min_ms: 0, lag_max_ms: None }
}

fn compact(log: &LogDir) -> Result<Option<CompactionReport>, LogError> {
    log.compact(partition(0), request(), &mut |_| {})
}

/// One record of a key.
fn keyed(key: &[u8], value: Option<&[u8]>) -> Batch {
    let mut builder = BatchBuilder::new();
    builder.append(5_000, Some(key), value, &[(b"h", Some(b"1"))]);
    builder.finish()
}

fn put(log: &LogDir, key: &str, value: Option<&str>) -> Offset {
    let batch = keyed(key.as_bytes(), value.map(str::as_bytes));
    append(log, partition(0), batch).expect("it appends").base_offset
}

/// Makes everything durable and readable, and seals the last segment.
fn seal(log: &LogDir) {
    let end = log.ends(partition(0)).expect("it is there").log_end_offset;
    flush(log, partition(0), end).expect("it flushes");
    log.set_high_watermark(partition(0), end).expect("it moves");
    log.roll(partition(0)).expect("it rolls");
}

/// What a reader of committed records finds: all records in order.
fn records(log: &LogDir) -> Vec<Found> {
    try_records(log).expect("it reads")
}

fn try_records(log: &LogDir) -> Result<Vec<Found>, LogError> {
    let ends = log.ends(partition(0))?;
    let mut next = ends.log_start_offset;
    let mut found = Vec::new();
    while next < ends.log_end_offset {
        let batches = log.read(partition(0), next, ends.log_end_offset, 1 << 16)?;
        let aborted = log.aborted(partition(0), next, ends.log_end_offset)?;
        for tail in batches {
            assert_eq!(tail.batch.base_offset(), next, "the chain of offsets has no gap");
            next = tail.batch.next_offset();
            let is_aborted = aborted.iter().any(|transaction| transaction.holds(&tail.batch));
            if tail.batch.is_control() || is_aborted {
                continue;
            }
            for record in tail.batch.payload().expect("it is whole").records() {
                let record = record.expect("it is whole");
                assert_eq!(record.timestamp, 5_000);
                assert_eq!(record.headers.count(), 1);
                let key = record.key.expect("it has a key").to_vec();
                found.push((record.offset, key, record.value.map(<[u8]>::to_vec)));
            }
        }
    }
    Ok(found)
}

fn latest(records: &[Found]) -> Latest {
    records.iter().map(|(offset, key, value)| (key.clone(), (*offset, value.clone()))).collect()
}

/// The keys that are there: tombstones may be gone.
fn alive(latest: &Latest) -> Latest {
    latest.iter().filter(|(_, (_, value))| value.is_some()).map(|(key, found)| (key.clone(), found.clone())).collect()
}

#[test]
fn of_each_key_the_newest_record_stays_where_it_was() {
    let simulation = Simulation::new(1);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), small()).expect("it is made");
    for round in 0..20 {
        put(&log, "a", Some(&round.to_string()));
        put(&log, &format!("k{}", round % 3), Some("x"));
    }
    seal(&log);
    put(&log, "a", Some("open"));
    let before = records(&log);
    let size = log.size_in_bytes(partition(0)).expect("it is there");
    let report = compact(&log).expect("it compacts").expect("there is something to do");
    assert_eq!(report.upto, Offset(40));
    assert!(report.bytes_after * 3 < report.bytes_before, "{report:?}");
    assert!(log.size_in_bytes(partition(0)).expect("it is there") < size);
    let after = records(&log);
    assert_eq!(latest(&before), latest(&after));
    assert_eq!(after.iter().map(|(offset, ..)| offset.0).collect::<Vec<_>>(), [35, 37, 38, 39, 40]);
    assert_eq!(compact(&log).expect("it compacts"), None, "nothing is new");
    let read = log.read(partition(0), Offset(3), Offset(41), 1).expect("it reads");
    assert_eq!(read[0].batch.record_count(), 0, "an offset of which nothing stayed is passed over");
    assert!(Offset(3) < read[0].batch.next_offset());
    log.close().expect("it closes");
    drop(log);
    let (log, report) = open(&simulation, config());
    assert_eq!(report.corrupt, vec![]);
    assert_eq!(records(&log), after);
    assert_eq!(compact(&log).expect("it compacts"), None, "a restart knows how far it is compacted");
}

#[test]
fn a_tombstone_stays_for_its_time_and_its_going_is_told() {
    let simulation = Simulation::new(2);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), small()).expect("it is made");
    put(&log, "a", Some("1"));
    let gone = put(&log, "a", None);
    put(&log, "b", Some("1"));
    seal(&log);
    compact(&log).expect("it compacts").expect("there is something to do");
    assert_eq!(records(&log).len(), 2, "the tombstone stays");
    assert_eq!(log.ends(partition(0)).expect("it is there").tombstones_from, Offset(0));
    simulation.clock.advance(std::time::Duration::from_millis(DAY_MS as u64 - 1));
    put(&log, "b", Some("2"));
    seal(&log);
    compact(&log).expect("it compacts").expect("there is something to do");
    assert_eq!(records(&log).len(), 2);
    simulation.clock.advance(std::time::Duration::from_millis(1));
    put(&log, "b", Some("3"));
    seal(&log);
    compact(&log).expect("it compacts").expect("there is something to do");
    assert_eq!(records(&log).iter().map(|(offset, ..)| offset.0).collect::<Vec<_>>(), [4]);
    assert_eq!(log.ends(partition(0)).expect("it is there").tombstones_from, gone.plus(1));
    drop(log);
    let (log, _) = open(&simulation, config());
    assert_eq!(log.ends(partition(0)).expect("it is there").tombstones_from, gone.plus(1));
}

#[test]
fn transactions_are_dissolved_and_producers_stay_known() {
    let simulation = Simulation::new(3);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), small()).expect("it is made");
    let transaction = |id: i64, sequence: i32, key: &str, value: &str, marker: ControlMarker| {
        let mut builder = BatchBuilder::new().producer(stamp(id, 0, sequence), Transactional::Yes);
        builder.append(5_000, Some(key.as_bytes()), Some(value.as_bytes()), &[(b"h", Some(b"1"))]);
        append(&log, partition(0), builder.finish()).expect("it appends");
        let marker = control_batch(marker, ProducerId(id), ProducerEpoch(0), 0, 5_000);
        let marker = Append { origin: Origin::Coordinator, ..to(partition(0), marker) };
        log.append(vec![marker]).expect("it appends");
    };
    transaction(1, 0, "a", "1", ControlMarker::Commit);
    transaction(1, 1, "a", "no", ControlMarker::Abort);
    transaction(2, 0, "b", "1", ControlMarker::Commit);
    transaction(2, 1, "b", "2", ControlMarker::Commit);
    transaction(3, 0, "b", "no", ControlMarker::Abort);
    seal(&log);
    // A transaction that is open bounds what is compacted.
    let mut open_one = BatchBuilder::new().producer(stamp(9, 0, 0), Transactional::Yes);
    open_one.append(5_000, Some(b"a"), Some(b"open"), &[(b"h", Some(b"1"))]);
    append(&log, partition(0), open_one.finish()).expect("it appends");
    put(&log, "a", Some("3"));
    seal(&log);
    let report = compact(&log).expect("it compacts").expect("there is something to do");
    assert_eq!(report.upto, Offset(10));
    let kept = |log: &LogDir| -> Vec<_> {
        let found = records(log).into_iter().filter(|(offset, ..)| offset.0 < 10);
        found.map(|(offset, key, value)| (offset.0, key, value)).collect()
    };
    let expected = vec![(0, b"a".to_vec(), Some(b"1".to_vec())), (6, b"b".to_vec(), Some(b"2".to_vec()))];
    assert_eq!(kept(&log), expected);
    drop(log);
    // Without its snapshots the log says the same of producers.
    let dir = dir().join(partition(0).to_string());
    for path in simulation.env.disk.read_dir(&dir).expect("it lists") {
        if path.extension().is_some_and(|extension| extension == "snapshot") {
            simulation.env.disk.remove_file(&path).expect("it goes");
        }
    }
    let (log, report) = super::open(&simulation, config());
    assert_eq!(report.corrupt, vec![]);
    assert_eq!(kept(&log), expected);
    assert_eq!(log.open_transactions(partition(0)), [(ProducerId(9), Offset(10))]);
    let repeated = BatchBuilder::new().producer(stamp(2, 0, 1), Transactional::Yes);
    let mut repeated = repeated;
    repeated.append(5_000, Some(b"b"), Some(b"2"), &[(b"h", Some(b"1"))]);
    let next = BatchBuilder::new().producer(stamp(1, 0, 2), Transactional::Yes);
    let mut next = next;
    next.append(5_000, Some(b"c"), Some(b"1"), &[(b"h", Some(b"1"))]);
    append(&log, partition(0), next.finish()).expect("the next sequence number follows");
    let appended = append(&log, partition(0), repeated.finish()).expect("it is answered");
    assert!(appended.duplicate || appended.base_offset == Offset(13), "{appended:?}");
}

#[test]
fn compressed_batches_keep_their_codec() {
    let simulation = Simulation::new(4);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), small()).expect("it is made");
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut builder = BatchBuilder::new();
        for key in ["a", "b", codec.to_string().as_str()] {
            builder.append(5_000, Some(key.as_bytes()), Some(&[7; 100]), &[(b"h", Some(b"1"))]);
        }
        append(&log, partition(0), builder.finish_compressed(codec)).expect("it appends");
    }
    seal(&log);
    let before = records(&log);
    compact(&log).expect("it compacts").expect("there is something to do");
    assert_eq!(latest(&before), latest(&records(&log)));
    let read = log.read(partition(0), Offset(0), Offset(12), 1 << 20).expect("it reads");
    let codecs: Vec<_> = read.iter().map(|tail| tail.batch.header().attributes.codec()).collect();
    assert_eq!(codecs, [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd]);
}

/// A log with ten segments of the same few keys, each appended to a second after the one before.
fn aged(seed: u64) -> (Simulation, Arc<LogDir>) {
    let simulation = Simulation::new(seed);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), PartitionConfig::default()).expect("it is made");
    for round in 0..10 {
        put(&log, "a", Some(&format!("{round}")));
        seal(&log);
        simulation.clock.advance(Duration::from_secs(1));
    }
    put(&log, "b", Some("last"));
    (simulation, log)
}

#[test]
fn what_is_younger_than_the_lag_is_not_compacted() {
    let (simulation, log) = aged(21);
    let lagging = CompactionRequest { lag_min_ms: 4_000, ..request() };
    let report = log.compact(partition(0), lagging, &mut |_| {}).expect("it compacts").expect("it was worth it");
    assert_eq!(report.upto, Offset(7), "appended 4 s ago and more");
    assert_eq!(records(&log).iter().map(|(offset, ..)| offset.0).collect::<Vec<_>>(), [6, 7, 8, 9, 10]);
    assert_eq!(log.compact(partition(0), lagging, &mut |_| {}).expect("it looks"), None);
    simulation.clock.advance(Duration::from_secs(10));
    log.compact(partition(0), lagging, &mut |_| {}).expect("it compacts").expect("all is old enough");
    assert_eq!(records(&log).iter().map(|(offset, ..)| offset.0).collect::<Vec<_>>(), [9, 10]);
}

#[test]
fn what_waits_for_longer_than_the_greatest_lag_is_compacted_however_little_is_new() {
    let (simulation, log) = aged(22);
    compact(&log).expect("it compacts").expect("it was worth it");
    put(&log, "a", Some("again"));
    seal(&log);
    let asked = CompactionRequest { dirty_permille_min: 1_000, lag_max_ms: Some(60_000), ..request() };
    assert_eq!(log.compact(partition(0), asked, &mut |_| {}).expect("it looks"), None);
    simulation.clock.advance(Duration::from_secs(61));
    let unlimited = CompactionRequest { lag_max_ms: None, ..asked };
    assert_eq!(log.compact(partition(0), unlimited, &mut |_| {}).expect("it looks"), None);
    log.compact(partition(0), asked, &mut |_| {}).expect("it compacts").expect("it is overdue");
    assert_eq!(records(&log).len(), 2);
}

#[test]
fn more_keys_than_memory_takes_several_passes() {
    let simulation = Simulation::new(5);
    let config = LogConfig { compaction_keys_max: 7, ..config() };
    let (log, _) = open(&simulation, config);
    let metrics = Metrics::new();
    log.measure(&metrics);
    log.create(partition(0), small()).expect("it is made");
    for round in 0..3 {
        for key in 0..20 {
            put(&log, &format!("key {key}"), Some(&format!("{round}")));
        }
    }
    seal(&log);
    let expected = latest(&records(&log));
    let mut passes = 0;
    while compact(&log).expect("it compacts").is_some() {
        passes += 1;
        assert!(passes < 20, "each pass comes further");
        assert_eq!(latest(&records(&log)), expected);
    }
    assert!(2 < passes, "{passes} passes");
    assert_eq!(records(&log).len(), 20);
    let text = metrics.render();
    // Eight places of 33 bytes hold seven keys.
    for line in
        [format!("tidemill_log_compactions_total {passes}"), "tidemill_log_compaction_key_bytes 264".to_string()]
    {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn more_keys_in_one_segment_than_memory_takes_several_passes_and_ends() {
    let simulation = Simulation::new(6);
    let config = LogConfig { compaction_keys_max: 7, ..config() };
    let (log, _) = open(&simulation, config);
    log.create(partition(0), PartitionConfig::default()).expect("it is made");
    for key in (0..40).chain(0..40) {
        put(&log, &format!("key {key}"), Some("x"));
    }
    seal(&log);
    let mut upto = Offset(0);
    while let Some(report) = compact(&log).expect("it compacts") {
        assert!(upto < report.upto, "each pass comes further than {upto}");
        upto = report.upto;
    }
    assert_eq!(upto, Offset(80));
    assert_eq!(records(&log).len(), 40);
}

#[test]
fn compaction_survives_every_fault() {
    let keys = ["a", "b", "c"];
    let fill = |log: &LogDir| {
        for round in 0..12 {
            let value = (round % 5 != 4).then(|| round.to_string());
            put(log, keys[round % 3], value.as_deref());
        }
        seal(log);
    };
    let expected = {
        let simulation = Simulation::new(47);
        let (log, _) = open(&simulation, config());
        log.create(partition(0), small()).expect("it is made");
        fill(&log);
        latest(&records(&log))
    };
    for tries in [1, 2] {
        let report = for_each_fault(&Scenario {
            name: "compact",
            seed: 47,
            prepare: &|env: &Env| {
                let (log, _) = LogDir::open(env.clone(), dir(), config()).expect("the log opens");
                log.create(partition(0), small()).expect("it is made");
                fill(&log);
            },
            run: &|env| {
                let Ok((log, _)) = LogDir::open(env.clone(), dir(), config()) else { return };
                if log.set_high_watermark(partition(0), Offset(12)).is_err() {
                    // The fault was met by the start, which refuses the partition.
                    return;
                }
                for _ in 0..tries {
                    // A fault before it is decided changes nothing; a second try may go through.
                    if !matches!(compact(&log), Err(LogError::Io { .. } | LogError::DiskFull { .. })) {
                        break;
                    }
                }
                if let Ok(records) = try_records(&log) {
                    assert_eq!(latest(&records), expected);
                }
            },
            check: &|env, (), _| {
                let (log, report) = LogDir::open(env.clone(), dir(), config()).expect("the log opens after any fault");
                assert_eq!(report.corrupt, vec![]);
                assert_eq!(latest(&records(&log)), expected);
                log.set_high_watermark(partition(0), Offset(12)).expect("it moves");
                let offset = put(&log, "z", Some("new"));
                seal(&log);
                compact(&log).expect("it compacts");
                let mut expected = expected.clone();
                expected.insert(b"z".to_vec(), (offset, Some(b"new".to_vec())));
                assert_eq!(latest(&records(&log)), expected);
                assert_eq!(records(&log).len(), 4);
                let left = env.disk.read_dir(&dir().join(partition(0).to_string())).expect("it lists");
                let is_left = |path: &std::path::PathBuf| path.to_string_lossy().contains("cleaned-");
                assert!(!left.iter().any(is_left), "{left:?}");
            },
        });
        eprintln!("{report}");
        assert!(report.is_complete(), "{report}");
    }
}

#[test]
fn a_compacted_log_is_a_map_that_survives() {
    for seed in 0..30 {
        eprintln!("seed {seed}");
        let simulation = Simulation::new(seed);
        let random = SeededRandom::new(seed);
        let below = |limit: u64| random.next_u64() % limit;
        let config = LogConfig {
            journal_bytes: [500, 5_000, 1 << 20][below(3) as usize],
            ride_bytes_max: [0, 300, 64 << 10][below(3) as usize],
            tail_bytes: [0, 1_000, 1 << 20][below(3) as usize],
            compaction_keys_max: [2, 5, 1_000][below(3) as usize],
            ..config()
        };
        let (mut log, _) = open(&simulation, config);
        let segment_bytes = [200, 700, 3_000][below(3) as usize];
        log.create(partition(0), PartitionConfig { segment_bytes, ..PartitionConfig::default() }).expect("it is made");
        let mut said = Latest::new();
        for _ in 0..150 {
            match below(12) {
                0..=6 => {
                    let key = vec![b'a' + below(9) as u8];
                    let value = (0 < below(4)).then(|| vec![b'v'; 1 + below(40) as usize]);
                    let appended = append(&log, partition(0), keyed(&key, value.as_deref())).expect("it appends");
                    said.insert(key, (appended.base_offset, value));
                }
                7 => seal(&log),
                8 | 9 => {
                    compact(&log).expect("it compacts");
                }
                10 => simulation.clock.advance(std::time::Duration::from_millis(DAY_MS as u64 / 2)),
                _ => {
                    let end = log.ends(partition(0)).expect("it is there").log_end_offset;
                    flush(&log, partition(0), end).expect("it flushes");
                    match below(3) {
                        0 => log.close().expect("it closes"),
                        1 => simulation.disk.kill_process(),
                        _ => simulation.disk.lose_power(),
                    }
                    let report;
                    (log, report) = open(&simulation, config);
                    assert_eq!(report.corrupt, vec![]);
                }
            }
            let found = latest(&records(&log));
            assert_eq!(alive(&found), alive(&said));
            assert!(found.iter().all(|(key, found)| said.get(key) == Some(found)), "nothing is made up");
        }
    }
}
