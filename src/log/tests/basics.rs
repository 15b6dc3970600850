//! One log, no faults.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::env::Simulation;
use crate::model::EventTime;
use crate::protocol::BatchError;
use crate::protocol::BatchLimits;
use crate::protocol::Codec;
use crate::protocol::ControlMarker;
use crate::protocol::HEADER_SIZE;
use crate::protocol::control_batch;

use super::*;

fn ack() -> PartitionConfig {
    PartitionConfig { segment_bytes: 600, ..PartitionConfig::default() }
}

fn append_numbered(log: &LogDir, range: std::ops::Range<i64>) {
    for number in range {
        let appended = append(log, partition(0), batch(&[number.to_string().as_bytes()])).expect("it appends");
        assert_eq!(appended.base_offset, Offset(number));
    }
}

#[test]
fn what_is_appended_is_read_before_and_after_a_restart() {
    let simulation = Simulation::new(1);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    append_numbered(&log, 0..100);
    flush(&log, partition(0), Offset(100)).expect("it flushes");
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..100));
    log.close().expect("it closes");
    let (log, report) = open(&simulation, config());
    assert_eq!(report.corrupt, vec![]);
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..100));
    assert_eq!(log.ends(partition(0)).expect("there are ends").durable_offset, Offset(100));
    append_numbered(&log, 100..120);
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..120));
}

#[test]
fn an_append_is_durable_only_after_its_flush() {
    let simulation = Simulation::new(2);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = heard.clone();
    log.on_durable(Arc::new(move |partition, ends| told.lock().push((partition, ends.durable_offset))));
    append_numbered(&log, 0..3);
    assert_eq!(log.ends(partition(0)).expect("there are ends").durable_offset, Offset(0));
    assert_eq!(log.flush_once().expect("it flushes"), Flushed::Group);
    assert_eq!(log.ends(partition(0)).expect("there are ends").durable_offset, Offset(3));
    assert_eq!(heard.lock().as_slice(), &[(partition(0), Offset(3))]);
    assert_eq!(log.flush_once().expect("it flushes"), Flushed::Nothing);
}

#[test]
fn the_high_watermark_is_set_from_outside_and_bounds_what_is_readable() {
    let simulation = Simulation::new(3);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    append_numbered(&log, 0..3);
    let ends = || log.ends(partition(0)).expect("there are ends");
    assert_eq!(ends().readable_end(), Offset(0));
    log.set_high_watermark(partition(0), Offset(2)).expect("it moves");
    log.set_high_watermark(partition(0), Offset(1)).expect("it stays");
    assert_eq!(ends().readable_end(), Offset(2));
    log.set_high_watermark(partition(0), Offset(9)).expect("it moves to the end");
    assert_eq!(ends().high_watermark, Offset(3));
}

#[test]
fn reads_give_whole_batches_from_the_one_that_holds_the_offset() {
    let simulation = Simulation::new(4);
    for tail_bytes in [0, 1 << 20] {
        let (log, _) = open(&simulation, LogConfig { tail_bytes, ..config() });
        log.delete(partition(0)).expect("it goes");
        log.create(partition(0), ack()).expect("it is made");
        for values in [[&b"a"[..], b"b", b"c"], [b"d", b"e", b"f"], [b"g", b"h", b"i"]] {
            append(&log, partition(0), batch(&values)).expect("it appends");
        }
        let bases = |from, upto, bytes| {
            let read = log.read(partition(0), Offset(from), Offset(upto), bytes).expect("it reads");
            read.iter().map(|tail| tail.batch.base_offset().0).collect::<Vec<_>>()
        };
        assert_eq!(bases(1, 9, 1 << 20), [0, 3, 6]);
        assert_eq!(bases(4, 9, 1), [3], "the first batch always");
        assert_eq!(bases(4, 6, 1 << 20), [3], "none that starts at the end asked for");
        assert_eq!(bases(9, 9, 1 << 20), Vec::<i64>::new());
        assert!(matches!(log.read(partition(0), Offset(10), Offset(11), 1), Err(LogError::OutOfRange { .. })));
    }
}

#[test]
fn the_slot_of_a_hot_batch_is_shared() {
    let simulation = Simulation::new(5);
    let (log, _) = open(&simulation, LogConfig { tail_bytes: 1 << 20, ..config() });
    log.create(partition(0), ack()).expect("it is made");
    append_numbered(&log, 0..2);
    let read = || log.read(partition(0), Offset(0), Offset(2), 1 << 20).expect("it reads");
    read()[0].slot.set(Arc::new(7i32)).expect("the slot is empty");
    let kept = read()[0].slot.get().cloned().expect("the slot is kept");
    assert_eq!(kept.downcast_ref::<i32>(), Some(&7));
}

#[test]
fn a_repeated_batch_is_answered_with_its_first_offset() {
    let simulation = Simulation::new(6);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    let send = |log: &LogDir, sequence, epoch| {
        append(log, partition(0), batch_of(&[b"x"], Some((stamp(1, epoch, sequence), Transactional::No))))
    };
    for sequence in 0..4 {
        assert!(!send(&log, sequence, 0).expect("it appends").duplicate);
    }
    let expected = Appended { base_offset: Offset(2), next_offset: Offset(3), append_time_ms: None, duplicate: true };
    assert_eq!(send(&log, 2, 0).expect("a duplicate is no error"), expected);
    assert!(matches!(send(&log, 5, 0), Err(LogError::OutOfOrderSequence { expected: 4, found: 5, .. })));
    assert!(matches!(send(&log, 1, 1), Err(LogError::OutOfOrderSequence { expected: 0, .. })));
    assert!(!send(&log, 0, 1).expect("a new epoch begins at 0").duplicate);
    assert!(matches!(send(&log, 4, 0), Err(LogError::StaleProducerEpoch { .. })));
    log.close().expect("it closes");
    let (log, _) = open(&simulation, config());
    assert!(send(&log, 0, 1).expect("known after a restart").duplicate);
}

#[test]
fn an_append_of_two_partitions_is_refused_whole() {
    let simulation = Simulation::new(7);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    log.create(partition(1), ack()).expect("it is made");
    let stale = batch_of(&[b"x"], Some((stamp(1, 0, 9), Transactional::No)));
    append(&log, partition(1), batch_of(&[b"x"], Some((stamp(1, 0, 0), Transactional::No)))).expect("it appends");
    assert!(log.append(vec![to(partition(0), batch(&[b"0"])), to(partition(1), stale)]).is_err());
    assert_eq!(log.ends(partition(0)).expect("there are ends").log_end_offset, Offset(0));
}

#[test]
fn open_transactions_hold_the_last_stable_offset_until_their_marker() {
    let simulation = Simulation::new(8);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    let ends = |log: &LogDir| log.ends(partition(0)).expect("there are ends");
    append_numbered(&log, 0..2);
    let open_batch = batch_of(&[b"t"], Some((stamp(5, 0, 0), Transactional::Yes)));
    append(&log, partition(0), open_batch).expect("it appends");
    log.set_high_watermark(partition(0), Offset(3)).expect("it moves");
    assert_eq!(ends(&log).last_stable_offset, Offset(2));
    assert_eq!(log.open_transactions(partition(0)), vec![(ProducerId(5), Offset(2))]);
    flush(&log, partition(0), Offset(3)).expect("it flushes");
    drop(log);
    let (log, _) = open(&simulation, config());
    log.set_high_watermark(partition(0), Offset(3)).expect("it moves");
    assert_eq!(ends(&log).last_stable_offset, Offset(2), "known after a restart");
    let marker = control_batch(ControlMarker::Abort, ProducerId(5), ProducerEpoch(0), 1, 0);
    assert!(append(&log, partition(0), marker.clone()).is_err(), "clients write no markers");
    let by_coordinator = Append { origin: Origin::Coordinator, ..to(partition(0), marker) };
    log.append(vec![by_coordinator]).expect("it appends");
    assert_eq!(ends(&log).last_stable_offset, Offset(3), "the marker itself is above the high watermark");
    log.set_high_watermark(partition(0), Offset(4)).expect("it moves");
    assert_eq!(ends(&log).last_stable_offset, Offset(4));
    let aborted = AbortedTransaction { producer_id: ProducerId(5), first_offset: Offset(2), last_offset: Offset(3) };
    assert_eq!(log.aborted(partition(0), Offset(0), Offset(4)).expect("there is an index"), vec![aborted]);
    assert_eq!(log.aborted(partition(0), Offset(0), Offset(2)).expect("there is an index"), vec![]);
}

#[test]
fn an_epoch_that_a_marker_begins_begins_at_sequence_0() {
    let simulation = Simulation::new(22);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    let send = |log: &LogDir, sequence, epoch| {
        append(log, partition(0), batch_of(&[b"t"], Some((stamp(5, epoch, sequence), Transactional::Yes))))
    };
    for sequence in 0..3 {
        send(&log, sequence, 0).expect("it appends");
    }
    // As KIP-890 has it: the marker belongs to the epoch that follows.
    let marker = control_batch(ControlMarker::Commit, ProducerId(5), ProducerEpoch(1), 0, 0);
    log.append(vec![Append { origin: Origin::Coordinator, ..to(partition(0), marker) }]).expect("it appends");
    flush(&log, partition(0), Offset(4)).expect("it flushes");
    drop(log);
    let (log, _) = open(&simulation, config());
    assert_eq!(log.producers(partition(0)).expect("they are known")[0].last_sequence, None);
    assert!(matches!(send(&log, 3, 0), Err(LogError::StaleProducerEpoch { .. })), "what is late is fenced");
    assert!(matches!(send(&log, 1, 1), Err(LogError::OutOfOrderSequence { expected: 0, found: 1, .. })));
    for sequence in 0..6 {
        send(&log, sequence, 1).expect("it appends");
    }
    assert!(send(&log, 3, 1).expect("sent twice").duplicate);
}

#[test]
fn an_offset_is_found_by_time() {
    let simulation = Simulation::new(9);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    for time in [10, 30, 20, 40, 50, 60, 70, 80, 90] {
        let mut builder = BatchBuilder::new();
        builder.append(time, None, Some(&[0; 200]), &[]);
        append(&log, partition(0), builder.finish()).expect("it appends");
    }
    let at = |time| log.offset_for_time(partition(0), EventTime(time)).expect("it looks");
    assert_eq!(at(0), Some((Offset(0), EventTime(10))));
    assert_eq!(at(25), Some((Offset(1), EventTime(30))));
    assert_eq!(at(75), Some((Offset(7), EventTime(80))));
    assert_eq!(at(91), None);
}

#[test]
fn compressed_batches_are_checked_kept_as_they_came_and_found_by_time() {
    let simulation = Simulation::new(15);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut builder = BatchBuilder::new();
        for time in 10..20 {
            builder.append(time, None, Some(codec.to_string().as_bytes()), &[]);
        }
        let sent = builder.finish_compressed(codec);
        let Appended { base_offset, .. } = append(&log, partition(0), sent.clone()).expect("it appends");
        let kept = log.read(partition(0), base_offset, base_offset.plus(10), 1).expect("it reads");
        assert_eq!(kept[0].batch.bytes()[HEADER_SIZE..], sent.bytes()[HEADER_SIZE..]);
    }
    let found = log.offset_for_time(partition(0), EventTime(17)).expect("it looks");
    assert_eq!(found, Some((Offset(7), EventTime(17))));
    assert_eq!(values(&log, partition(0)).expect("it reads").len(), 40);
    // Records that say that they are compressed and are not.
    let mut bytes = batch(&[b"value"]).bytes().to_vec();
    bytes[22] = 3;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let forged = Batch::check(bytes.into(), &BatchLimits::default()).expect("its header is right");
    let refused = append(&log, partition(0), forged);
    assert!(matches!(refused, Err(LogError::Batch { source: BatchError::Compression { .. }, .. })), "{refused:?}");
}

#[test]
fn the_log_start_moves_and_old_segments_go() {
    let simulation = Simulation::new(10);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    append_numbered(&log, 0..50);
    flush(&log, partition(0), Offset(50)).expect("it flushes");
    assert!(log.advance_log_start(partition(0), Offset(1)).is_err(), "not past the high watermark");
    log.set_high_watermark(partition(0), Offset(50)).expect("it moves");
    let before = log.size_in_bytes(partition(0)).expect("it has a size");
    log.advance_log_start(partition(0), Offset(33)).expect("it moves");
    assert!(log.size_in_bytes(partition(0)).expect("it has a size") < before);
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(33..50));
    assert!(matches!(log.read(partition(0), Offset(32), Offset(50), 1), Err(LogError::OutOfRange { .. })));
    log.close().expect("it closes");
    let (log, _) = open(&simulation, config());
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(33..50));
}

#[test]
fn older_leaders_are_fenced() {
    let simulation = Simulation::new(11);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    log.set_leader_epoch(partition(0), LeaderEpoch(3)).expect("it is newer");
    assert!(matches!(append(&log, partition(0), batch(&[b"x"])), Err(LogError::FencedLeaderEpoch { .. })));
    let newer = Append { leader_epoch: LeaderEpoch(4), ..to(partition(0), batch(&[b"x"])) };
    log.append(vec![newer]).expect("it appends");
    assert_eq!(log.epoch_end(partition(0), LeaderEpoch(9)).expect("it is known"), Some((LeaderEpoch(4), Offset(1))));
}

#[test]
fn a_diverging_tail_is_cut_and_the_leaders_batches_follow() {
    let simulation = Simulation::new(12);
    let (log, _) = open(&simulation, config());
    log.create(partition(0), ack()).expect("it is made");
    append_numbered(&log, 0..30);
    flush(&log, partition(0), Offset(30)).expect("it flushes");
    log.truncate_to(partition(0), LeaderEpoch(0), Offset(12)).expect("it is cut");
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..12));
    let replica = |offset, epoch| Append {
        leader_epoch: LeaderEpoch(epoch),
        origin: Origin::Replica,
        ..to(partition(0), batch(&[b"12"]).stamped(Offset(offset), LeaderEpoch(epoch)))
    };
    assert!(matches!(log.append(vec![replica(13, 1)]), Err(LogError::NotAtEnd { .. })));
    log.append(vec![replica(12, 1)]).expect("it follows");
    flush(&log, partition(0), Offset(13)).expect("it flushes");
    for restart in 0..2 {
        assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..13), "restart {restart}");
        drop(open(&simulation, config()));
    }
    let (log, _) = open(&simulation, config());
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..13));
    assert_eq!(log.epoch_end(partition(0), LeaderEpoch(0)).expect("it is known"), Some((LeaderEpoch(0), Offset(12))));
}

#[test]
fn lazy_policies_answer_at_once_and_are_flushed_when_asked() {
    let simulation = Simulation::new(13);
    let (log, _) = open(&simulation, config());
    for (number, flush) in [(0, FlushPolicy::Os), (1, FlushPolicy::Interval(Duration::from_millis(5)))] {
        log.create(partition(number), PartitionConfig { flush, ..ack() }).expect("it is made");
        for value in 0..20 {
            append(&log, partition(number), batch(&[value.to_string().as_bytes()])).expect("it appends");
        }
    }
    simulation.disk.kill_process();
    drop(log);
    let (log, _) = open(&simulation, config());
    for number in [0, 1] {
        assert_eq!(values(&log, partition(number)).expect("it reads"), numbered(0..20), "whole batches stay");
        append(&log, partition(number), batch(&[b"20"])).expect("it appends");
        flush(&log, partition(number), Offset(21)).expect("it flushes");
    }
    simulation.disk.lose_power();
    drop(log);
    let (log, _) = open(&simulation, config());
    for number in [0, 1] {
        assert_eq!(values(&log, partition(number)).expect("it reads"), numbered(0..21));
    }
}

#[tokio::test]
async fn the_flusher_thread_makes_appends_durable() {
    let simulation = Simulation::new(14);
    let (log, _) = open(&simulation, LogConfig { flush_on: FlushOn::Thread, ..config() });
    log.create(partition(0), ack()).expect("it is made");
    for number in 0..200i64 {
        let appended = append(&log, partition(0), batch(&[number.to_string().as_bytes()])).expect("it appends");
        if number % 10 == 0 {
            log.durable(partition(0), appended.next_offset).await.expect("it flushes");
        }
    }
    log.durable_all(vec![(partition(0), Offset(200))]).await.expect("it flushes");
    log.close().expect("it closes");
    assert!(matches!(log.ends(partition(0)), Err(LogError::Closed)));
    let (log, _) = open(&simulation, config());
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..200));
}

/// A thread that looks just before the log stops and waits just after it would sleep for ever, and this test with it.
#[test]
fn no_thread_misses_that_the_log_stops() {
    let simulation = Simulation::new(41);
    for _ in 0..2_000 {
        drop(open(&simulation, LogConfig { flush_on: FlushOn::Thread, ..config() }));
    }
}
