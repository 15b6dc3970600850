//! What has bitten other logs, each as a claim about this one. Others of these claims stand beside what they are about:
//! a failed fsync in `faults`, a full disk (KAFKA-13773) in `full`, crashes of a compaction in `compaction`.

use super::*;

/// Makes a partition that nobody flushes, writes `0..count` one by one, and makes the first `durable` of them durable.
fn lazily_written(simulation: &Simulation, count: i64, durable: i64) -> Arc<LogDir> {
    let (log, _) = open(simulation, config());
    let lazily = PartitionConfig { flush: FlushPolicy::Os, ..PartitionConfig::default() };
    log.create(partition(0), lazily).expect("it is made");
    for number in 0..count {
        append(&log, partition(0), batch(&[number.to_string().as_bytes()])).expect("it appends");
        if number + 1 == durable {
            flush(&log, partition(0), Offset(durable)).expect("it flushes");
            log.confirm_once().expect("it is confirmed");
        }
    }
    log
}

fn segment_file() -> std::path::PathBuf {
    dir().join(partition(0).to_string()).join(format!("{:020}.log", 0))
}

fn size_of_one() -> usize {
    batch(&[b"0"]).size_in_bytes()
}

/// PAR (FAST '18), and Kafka's recovery: to cut at the first bad batch is right only behind what was durable.
#[test]
fn a_bad_batch_behind_the_durable_offset_is_cut_and_one_before_it_is_not() {
    for (bad, kept) in [(7, 7), (3, 10)] {
        let simulation = Simulation::new(1);
        drop(lazily_written(&simulation, 10, 5));
        simulation.disk.kill_process();
        let byte = bad * size_of_one() + size_of_one() - 1;
        simulation.disk.flip_bit(&segment_file(), byte as u64, 0).expect("the file is there");
        let (log, report) = open(&simulation, config());
        let damaged = bad < 5;
        assert_eq!(report.corrupt.is_empty(), !damaged, "{report:?}");
        let length = simulation.disk.contents(&segment_file()).expect("it is there").len();
        assert!(kept * size_of_one() <= length, "{length} bytes");
        match damaged {
            true => assert!(matches!(append(&log, partition(0), batch(&[b"x"])), Err(LogError::Corrupt { .. }))),
            false => assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..7)),
        }
    }
}

/// ext4 grows a file before its data: after a crash zeros follow, which parse as a batch of length 0 and magic 0.
#[test]
fn zeros_behind_the_last_batch_end_the_log() {
    let simulation = Simulation::new(2);
    drop(lazily_written(&simulation, 4, 4));
    simulation.disk.kill_process();
    let mut bytes = simulation.disk.contents(&segment_file()).expect("the file is there");
    bytes.truncate(4 * size_of_one());
    bytes.resize(4 * size_of_one() + 10_000, 0);
    simulation.disk.set_contents(&segment_file(), &bytes).expect("the file is there");
    let (log, report) = open(&simulation, config());
    assert_eq!((report.corrupt, report.cut_bytes), (vec![], 0));
    append(&log, partition(0), batch(&[b"4"])).expect("it appends");
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..5));
}

/// Preallocation: the length of a file says nothing of what it holds.
#[test]
fn the_end_of_a_log_comes_from_its_batches_and_not_from_the_length_of_its_file() {
    let simulation = Simulation::new(3);
    let log = lazily_written(&simulation, 4, 0);
    let length = simulation.disk.contents(&segment_file()).expect("the file is there").len();
    assert!(8 * size_of_one() < length, "room is reserved: {length} bytes");
    drop(log);
    simulation.disk.kill_process();
    let (log, _) = open(&simulation, config());
    assert_eq!(log.ends(partition(0)).expect("it is there").log_end_offset, Offset(4));
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..4));
}

/// A new file is durable with its directory; a rolled segment before the first answer from the next one.
#[test]
fn what_is_acknowledged_from_a_new_segment_survives_every_power_loss() {
    for seed in 0..40 {
        let simulation = Simulation::new(seed);
        let (log, _) = open(&simulation, LogConfig { ride_bytes_max: 0, ..config() });
        let small = PartitionConfig { segment_bytes: 3 * size_of_one() as u64, ..PartitionConfig::default() };
        log.create(partition(0), small).expect("it is made");
        let acknowledged = 1 + (seed as i64 % 8);
        for number in 0..acknowledged {
            append(&log, partition(0), batch(&[number.to_string().as_bytes()])).expect("it appends");
            flush(&log, partition(0), Offset(number + 1)).expect("it flushes");
        }
        drop(log);
        simulation.disk.lose_power();
        let (log, report) = open(&simulation, config());
        assert_eq!(report.corrupt, vec![]);
        assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(0..acknowledged), "seed {seed}");
    }
}

/// KAFKA-14704: a follower must not show what it is about to cut.
#[test]
fn the_high_watermark_never_passes_what_a_truncation_leaves() {
    let simulation = Simulation::new(4);
    let log = lazily_written(&simulation, 10, 10);
    log.set_high_watermark(partition(0), Offset(10)).expect("it is there");
    log.truncate_to(partition(0), LeaderEpoch(0), Offset(6)).expect("it cuts");
    assert_eq!(log.ends(partition(0)).expect("it is there").high_watermark, Offset(6));
    log.set_high_watermark(partition(0), Offset(10)).expect("it is there");
    assert_eq!(log.ends(partition(0)).expect("it is there").high_watermark, Offset(6), "at most the log end");
}

/// KAFKA-10706: an epoch of which the log has no batch is none that it knows, cut or not.
#[test]
fn an_epoch_without_batches_is_not_answered() {
    let simulation = Simulation::new(5);
    let log = lazily_written(&simulation, 3, 3);
    log.set_leader_epoch(partition(0), LeaderEpoch(4)).expect("it is newer");
    log.truncate_to(partition(0), LeaderEpoch(4), Offset(3)).expect("there is nothing to cut");
    let end = |epoch| log.epoch_end(partition(0), LeaderEpoch(epoch)).expect("it is there");
    assert_eq!((end(0), end(4)), (Some((LeaderEpoch(0), Offset(3))), Some((LeaderEpoch(0), Offset(3)))));
}

/// KAFKA-9491: a follower that begins again at its leader's start must not stay below it with its high watermark.
#[test]
fn who_begins_at_its_leaders_start_is_visible_from_there() {
    let simulation = Simulation::new(6);
    let log = lazily_written(&simulation, 3, 3);
    assert!(matches!(log.begin_at(partition(0), Offset(2)), Err(LogError::OutOfRange { .. })), "it has more than that");
    log.begin_at(partition(0), Offset(50)).expect("it begins");
    for _ in 0..2 {
        let ends = log.ends(partition(0)).expect("it is there");
        assert_eq!(
            (ends.log_start_offset, ends.high_watermark, ends.log_end_offset),
            (Offset(50), Offset(50), Offset(50))
        );
    }
    drop(log);
    simulation.disk.lose_power();
    let (log, report) = open(&simulation, config());
    assert_eq!(report.corrupt, vec![]);
    append(&log, partition(0), batch(&[b"50"])).expect("it appends");
    assert_eq!(values(&log, partition(0)).expect("it reads"), numbered(50..51));
}

/// KAFKA-6361, KIP-101 and KIP-279: after two quick failovers logs agree again by epochs; by offsets alone they would not.
#[test]
fn logs_that_diverged_in_two_quick_failovers_agree_again() {
    let simulations = [Simulation::new(7), Simulation::new(8)];
    let write = |log: &LogDir, epoch: i32, values: &[&str]| {
        for value in values {
            let append = Append { leader_epoch: LeaderEpoch(epoch), ..to(partition(0), batch(&[value.as_bytes()])) };
            log.append(vec![append]).expect("it appends");
        }
    };
    let (first, second) = (lazily_written(&simulations[0], 2, 2), lazily_written(&simulations[1], 2, 2));
    // The first leads and is cut off, so does the second; then the first leads again.
    write(&first, 1, &["a", "b", "c"]);
    write(&second, 2, &["d", "e"]);
    write(&first, 3, &["f"]);
    let last_epoch = |log: &LogDir, below: i32| {
        log.epoch_end(partition(0), LeaderEpoch(below)).expect("it is there").map(|(epoch, _)| epoch)
    };
    let mut rounds = 0;
    loop {
        let epoch = last_epoch(&second, 3).expect("it has batches");
        let end = second.ends(partition(0)).expect("it is there").log_end_offset;
        let (of_leader, leader_end) =
            first.epoch_end(partition(0), epoch).expect("it is there").expect("it has that epoch or an older one");
        if of_leader == epoch && end <= leader_end {
            break;
        }
        second.truncate_to(partition(0), of_leader, leader_end).expect("it cuts");
        rounds += 1;
        assert!(rounds < 4, "each answer comes closer");
    }
    let end = second.ends(partition(0)).expect("it is there").log_end_offset;
    assert_eq!(end, Offset(2), "what only the second had is gone");
    let missing = first.read(partition(0), end, Offset(6), 1 << 20).expect("it reads");
    let batches = missing.into_iter().map(|tail| tail.batch).collect();
    let append = Append { partition: partition(0), leader_epoch: LeaderEpoch(3), batches, origin: Origin::Replica };
    second.append(vec![append]).expect("it follows");
    assert_eq!(values(&first, partition(0)).expect("it reads"), values(&second, partition(0)).expect("it reads"));
}
