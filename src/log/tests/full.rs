//! A full disk: an append is refused whole, nothing that was taken fails, and the log goes on when there is room.

use super::*;

/// Appends records of `size` bytes until one is refused; how many were taken, and which file could not grow.
fn fill(log: &LogDir, from: i64, size: usize) -> (i64, std::path::PathBuf) {
    for number in from.. {
        let mut value = number.to_string().into_bytes();
        value.resize(size, b'.');
        match append(log, partition(0), batch(&[&value])) {
            Ok(appended) => assert_eq!(appended.base_offset, Offset(number)),
            Err(LogError::DiskFull { path }) => return (number, path),
            Err(error) => panic!("a full disk is told as such, and this is {error:?}"),
        }
        if number % 5 == 0 {
            flush(log, partition(0), Offset(number + 1)).expect("what was taken has its room");
        }
    }
    unreachable!("the disk is not that large")
}

#[test]
fn a_full_disk_refuses_appends_and_never_a_flush() {
    let mut refused_by = std::collections::BTreeSet::new();
    for (capacity, size) in (0..24).map(|step| (300_000 + step * 40_000, [100, 3_000, 40_000][step as usize % 3])) {
        let simulation = Simulation::new(capacity);
        let config = LogConfig { journal_bytes: 100_000, ..config() };
        let (log, _) = open(&simulation, config);
        log.create(partition(0), PartitionConfig { segment_bytes: 150_000, ..PartitionConfig::default() })
            .expect("it is made");
        simulation.disk.set_capacity(capacity);
        let (count, path) = fill(&log, 0, size);
        refused_by.insert(path.extension().map(|extension| extension.to_string_lossy().into_owned()));
        flush(&log, partition(0), Offset(count)).expect("what was taken becomes durable");
        log.trim_once().expect("a trim without room waits");
        assert_eq!(values(&log, partition(0)).expect("it reads").len() as i64, count);
        simulation.disk.set_capacity(1 << 30);
        let appended = append(&log, partition(0), batch(&[b"later"])).expect("the same log goes on");
        flush(&log, partition(0), appended.next_offset).expect("it flushes");
        log.trim_once().expect("it trims");
        drop(log);
        simulation.disk.lose_power();
        let (log, report) = open(&simulation, config);
        assert_eq!((report.corrupt, report.journal_damaged), (vec![], false));
        assert_eq!(values(&log, partition(0)).expect("it reads").len() as i64, count + 1);
    }
    assert!(refused_by.contains(&Some("journal".to_string())), "{refused_by:?}");
    assert!(refused_by.contains(&Some("log".to_string())), "{refused_by:?}");
}

#[test]
fn too_many_open_files_refuse_appends_and_never_a_flush() {
    let simulation = Simulation::new(5);
    let config = LogConfig { journal_bytes: 2_000, ..config() };
    let (log, _) = open(&simulation, config);
    log.create(partition(0), PartitionConfig { segment_bytes: 100_000, ..PartitionConfig::default() })
        .expect("it is made");
    let value = |number: i64| format!("{number:.<3000}").into_bytes();
    append(&log, partition(0), batch(&[&value(0)])).expect("it appends");
    flush(&log, partition(0), Offset(1)).expect("it flushes");
    for next in (1..60).step_by(5) {
        simulation.disk.refuse_opens(true);
        let mut number = next;
        let refused = loop {
            match append(&log, partition(0), batch(&[&value(number)])) {
                Ok(_) if number == next + 4 => break None,
                Ok(_) => number += 1,
                Err(error) => break Some(error),
            }
            flush(&log, partition(0), Offset(number)).expect("what was taken becomes durable");
        };
        assert!(refused.is_none_or(|error| matches!(error, LogError::Io { operation: "create" | "open", .. })));
        simulation.disk.refuse_opens(false);
        for rest in number..next + 5 {
            let done = log.ends(partition(0)).expect("it is there").log_end_offset;
            if done == Offset(rest) {
                append(&log, partition(0), batch(&[&value(rest)])).expect("the same log goes on");
            }
        }
        flush(&log, partition(0), Offset(next + 5)).expect("it flushes");
        log.trim_once().expect("it trims");
    }
    drop(log);
    simulation.disk.lose_power();
    let (log, report) = open(&simulation, config);
    assert_eq!((report.corrupt, report.journal_damaged), (vec![], false));
    assert_eq!(values(&log, partition(0)).expect("it reads").len(), 61);
}

#[test]
fn the_reserve_lets_the_server_go_on_while_clients_are_refused() {
    let simulation = Simulation::new(2);
    let config = LogConfig { disk_reserve_bytes: 400_000, ..config() };
    simulation.disk.set_capacity(50 << 20);
    let reserve = dir().join("disk_reserve");
    let kept = |simulation: &Simulation| simulation.disk.contents(&reserve).expect("it is there").len();
    let (log, _) = open(&simulation, config);
    assert_eq!(kept(&simulation), 400_000);
    for at in [0, 1] {
        log.create(partition(at), PartitionConfig::default()).expect("it is made");
    }
    append(&log, partition(1), batch(&[b"0"])).expect("it appends");
    let (count, _) = fill(&log, 0, 500_000);
    let (count, _) = fill(&log, count, 3_000);
    for number in 1..10i64 {
        let of_a_client = append(&log, partition(1), batch(&[b"x"]));
        assert!(matches!(of_a_client, Err(LogError::DiskFull { .. })), "{of_a_client:?}");
        let of_the_server = log.append_in_reserve(vec![to(partition(1), batch(&[number.to_string().as_bytes()]))]);
        assert_eq!(of_the_server.expect("it has room")[0].base_offset, Offset(number));
        flush(&log, partition(1), Offset(number + 1)).expect("it flushes");
    }
    assert_eq!(kept(&simulation), 0, "it was given up");
    log.create(partition(2), PartitionConfig::default()).expect("there is room for metadata");
    drop(log);
    // A start on the full disk, and then room: a partition is dropped.
    simulation.disk.kill_process();
    let (log, _) = open(&simulation, config);
    assert_eq!(values(&log, partition(1)).expect("it reads"), numbered(0..10));
    assert_eq!(log.ends(partition(0)).expect("it is there").log_end_offset, Offset(count));
    log.delete(partition(0)).expect("it goes");
    append(&log, partition(1), batch(&[b"10"])).expect("clients are served again");
    assert_eq!(kept(&simulation), 400_000, "it is kept again");
    let told = crate::error::Error::from(LogError::DiskFull { path: reserve.clone() });
    assert_eq!(told.state(), crate::error::SqlState::DISK_FULL);
}
