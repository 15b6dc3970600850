//! The metadata log against the disk: kept, cut, refused.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::error::MetadataError;
use super::metadata_log::MetadataLog;
use super::record::MetadataRecord;
use super::record::NodeId;
use super::record::TopicConfig;
use super::record::TopicRecord;
use crate::env::Env;
use crate::env::Fault;
use crate::env::FaultKind;
use crate::env::OpenMode;
use crate::env::Simulation;
use crate::model::TopicId;

fn topic(number: u8) -> MetadataRecord {
    MetadataRecord::Topic(TopicRecord {
        id: TopicId([number; 16]),
        name: format!("topic{number}"),
        partitions: 4,
        config: TopicConfig::default(),
    })
}

fn open(dir: &Path) -> Result<Arc<MetadataLog>, MetadataError> {
    MetadataLog::open(&Env::real(), dir, NodeId(0))
}

fn flip(path: &Path, byte_offset: u64) {
    let file = Env::real().disk.open(path, OpenMode::ReadWrite).expect("it is there");
    let mut byte = [0];
    file.read_at(&mut byte, byte_offset).expect("readable");
    file.write_at(&[byte[0] ^ 0x10], byte_offset).expect("writable");
}

fn length(path: &Path) -> u64 {
    Env::real().disk.open(path, OpenMode::Read).expect("it is there").len().expect("a length")
}

#[tokio::test]
async fn stale_proposal_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let log = open(dir.path()).expect("fresh");
    assert_eq!(log.propose(0, vec![topic(1)]).await.expect("first"), 1);
    let stale = log.propose(0, vec![topic(2)]).await;
    assert!(matches!(stale, Err(MetadataError::Stale { expected: 0, current: 1 })));
    let twice = log.propose(1, vec![topic(2), topic(2)]).await;
    assert!(matches!(twice, Err(MetadataError::TopicExists { .. })));
    let unknown = log.propose(1, vec![MetadataRecord::DropTopic(TopicId([9; 16]))]).await;
    assert!(matches!(unknown, Err(MetadataError::UnknownTopic { .. })));
    drop(log);
    let log = open(dir.path()).expect("again");
    assert_eq!(log.snapshot().version, 1);
    assert!(log.snapshot().topic("topic2").is_none());
}

#[tokio::test]
async fn one_proposal_is_one_entry_and_survives_with_a_higher_leader_epoch() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let log = open(dir.path()).expect("fresh");
    let epoch = log.snapshot().leader_epoch();
    let change = MetadataRecord::Catalog(Bytes::from_static(b"CREATE"));
    log.propose(0, vec![topic(1), topic(2), change]).await.expect("first");
    log.propose(1, vec![MetadataRecord::DropTopic(TopicId([1; 16]))]).await.expect("second");
    let producer_ids = log.take_producer_ids(1000).await.expect("third");
    drop(log);
    let log = open(dir.path()).expect("again");
    let metadata = log.snapshot();
    assert_eq!(metadata.version, 3);
    assert!(metadata.topic("topic1").is_none() && metadata.was_dropped(TopicId([1; 16])));
    assert_eq!(metadata.topic("topic2").map(|topic| topic.partitions), Some(4));
    assert_eq!(metadata.catalog_records.as_slice(), [(1, Bytes::from_static(b"CREATE"))]);
    assert!(epoch < metadata.leader_epoch());
    assert_eq!(log.take_producer_ids(1).await.expect("fourth").0, producer_ids.0 + 1000);
}

#[tokio::test]
async fn torn_last_entry_is_cut_at_every_length() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("log");
    let log = open(dir.path()).expect("fresh");
    log.propose(0, vec![topic(1)]).await.expect("first");
    let first = length(&path);
    log.propose(1, vec![topic(2)]).await.expect("second");
    drop(log);
    let disk = Env::real().disk;
    let mut whole = vec![0; usize::try_from(length(&path)).expect("short")];
    disk.open(&path, OpenMode::Read).expect("there").read_at(&mut whole, 0).expect("readable");
    // The mark is what proves the last entry durable; a crash before it may leave any prefix of the entry.
    let entry_end = whole.len() - 16;
    for cut in usize::try_from(first).expect("short")..entry_end {
        let file = disk.open(&path, OpenMode::ReadWrite).expect("there");
        file.set_len(0).expect("cut");
        file.write_at(&whole[..cut], 0).expect("written");
        let log = open(dir.path()).expect("a torn tail is cut");
        assert_eq!(log.snapshot().version, 1, "cut at {cut}");
        assert_eq!(log.torn_bytes(), cut as u64 - first, "cut at {cut}");
        assert_eq!(log.propose(1, vec![topic(3)]).await.expect("goes on"), 2);
        drop(log);
        assert!(open(dir.path()).expect("again").snapshot().topic("topic3").is_some());
    }
}

#[tokio::test]
async fn flipped_bit_in_any_acknowledged_entry_is_refused_not_cut() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("log");
    let log = open(dir.path()).expect("fresh");
    log.propose(0, vec![topic(1)]).await.expect("first");
    log.propose(1, vec![topic(2)]).await.expect("second");
    drop(log);
    let marks = [length(&path) / 2 - 16..length(&path) / 2, length(&path) - 16..length(&path)];
    for byte_offset in (0..length(&path)).filter(|at| !marks.iter().any(|mark| mark.contains(at))) {
        flip(&path, byte_offset);
        assert!(matches!(open(dir.path()), Err(MetadataError::Corrupt { .. })), "byte {byte_offset}");
        flip(&path, byte_offset);
    }
    assert_eq!(open(dir.path()).expect("whole again").snapshot().version, 2);
}

#[tokio::test]
async fn what_a_failed_call_left_is_durable_before_others_follow_it() {
    let dir = Path::new("/metadata");
    let open = |simulation: &Simulation| MetadataLog::open(&simulation.env, dir, NodeId(0));
    let (mut calls, mut kept) = (0, 0);
    for seed in 0..50 {
        for call in 1.. {
            let simulation = Simulation::new(seed);
            let log = open(&simulation).expect("fresh");
            log.propose(0, vec![topic(1)]).await.expect("first");
            simulation.disk.reset_calls();
            simulation.disk.inject(Fault { call, kind: FaultKind::IoError });
            let second = log.propose(1, vec![topic(2)]).await;
            if simulation.disk.fired().is_empty() {
                break;
            }
            calls += 1;
            simulation.disk.clear_faults();
            drop(log);
            simulation.disk.kill_process();
            let log = open(&simulation).expect("a killed process starts again");
            let version = log.snapshot().version;
            assert!(version == 2 || second.is_err(), "an acknowledged entry is lost");
            kept += usize::from(version == 2 && second.is_err());
            log.propose(version, vec![topic(3)]).await.expect("it goes on");
            drop(log);
            simulation.disk.lose_power();
            let log = open(&simulation).expect("what was told is there, and nothing counts as rot");
            assert_eq!(log.snapshot().version, version + 1, "seed {seed}, call {call}");
        }
    }
    assert!(50 < calls && 0 < kept, "{calls} calls failed, {kept} entries were kept that nobody was told of");
}

#[tokio::test]
async fn a_topic_is_told_otherwise_and_a_restart_knows_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let log = open(dir.path()).expect("fresh");
    let config = TopicConfig { retention_ms: Some(5), ..TopicConfig::default() };
    log.propose(0, vec![topic(1)]).await.expect("first");
    log.propose(1, vec![MetadataRecord::ConfigureTopic(TopicId([1; 16]), config)]).await.expect("second");
    let unknown = log.propose(2, vec![MetadataRecord::ConfigureTopic(TopicId([9; 16]), config)]).await;
    assert!(matches!(unknown, Err(MetadataError::UnknownTopic { .. })));
    drop(log);
    let log = open(dir.path()).expect("again");
    assert_eq!(log.snapshot().topic("topic1").map(|topic| (topic.partitions, topic.config)), Some((4, config)));
}
