//! The disk model, checked against what a real disk may do.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::env::Disk;
use crate::env::Env;
use crate::env::File;
use crate::env::FileSystem;
use crate::env::OpenMode;

const DIR: &str = "/data";
const FILE: &str = "/data/file";

fn disk_with_directory(seed: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::new(seed);
    disk.create_dir_all(Path::new(DIR)).expect("made");
    disk.sync_dir(Path::new("/")).expect("synced");
    disk
}

fn disk_with_file(seed: u64) -> (SimulatedDisk, Arc<dyn File>) {
    let disk = disk_with_directory(seed);
    let file = disk.open(Path::new(FILE), OpenMode::CreateNew).expect("made");
    disk.sync_dir(Path::new(DIR)).expect("synced");
    (disk, file)
}

fn contents(disk: &SimulatedDisk) -> Vec<u8> {
    disk.contents(Path::new(FILE)).expect("the file is there")
}

#[test]
fn synced_bytes_survive_power_loss_under_any_seed() {
    for seed in 0..200 {
        let (disk, file) = disk_with_file(seed);
        file.write_at(&[7; 3000], 10).expect("written");
        file.sync_data().expect("synced");
        file.write_at(&[8; 3000], 5000).expect("written");
        disk.lose_power();
        let bytes = contents(&disk);
        assert_eq!(&bytes[..10], &[0; 10], "seed {seed}");
        assert_eq!(&bytes[10..3010], &[7; 3000], "seed {seed}");
        assert!(bytes[3010..].iter().all(|byte| *byte == 0 || *byte == 8), "seed {seed}");
    }
}

#[test]
fn unsynced_writes_are_lost_kept_torn_and_reordered_by_seed() {
    let (mut lost, mut kept, mut torn, mut reordered, mut zeros) = (0, 0, 0, 0, 0);
    for seed in 0..400 {
        let (disk, file) = disk_with_file(seed);
        file.write_at(&[1; 512], 0).expect("written");
        file.write_at(&[2; 1024], 512).expect("written");
        disk.lose_power();
        let bytes = contents(&disk);
        let sector = |index: usize| bytes.get(index * 512).copied();
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "a sector tore");
        match (sector(0), sector(1), sector(2)) {
            (None, None, None) => lost += 1,
            (Some(1), Some(2), Some(2)) => kept += 1,
            (Some(1), Some(2), None | Some(0)) => torn += 1,
            (Some(0), Some(2), _) => reordered += 1,
            (Some(0), Some(0), Some(0)) => zeros += 1,
            _ => {}
        }
    }
    for (what, count) in
        [("lost", lost), ("kept", kept), ("torn", torn), ("reordered", reordered), ("grown before its data", zeros)]
    {
        assert!(0 < count, "no seed of 400 had the write {what}");
    }
}

#[test]
fn killed_process_leaves_page_cache_and_dead_handles() {
    let (disk, file) = disk_with_file(1);
    file.write_at(b"seen", 0).expect("written");
    let lock = disk.lock(Path::new("/data/lock")).expect("taken");
    assert_eq!(disk.lock(Path::new("/data/lock")).err().map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
    disk.kill_process();
    assert_eq!(contents(&disk), b"seen");
    assert!(is_simulated_crash(&file.write_at(b"x", 0).expect_err("the handle is dead")));
    let again = disk.lock(Path::new("/data/lock")).expect("the lock went with the process");
    drop(lock);
    assert!(disk.lock(Path::new("/data/lock")).is_err(), "a dead process let go of a living one's lock");
    drop(again);
    disk.lock(Path::new("/data/lock")).expect("let go");
}

#[test]
fn directory_entries_need_sync_dir() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let disk = disk_with_directory(seed);
        for name in ["/data/a", "/data/b"] {
            disk.open(Path::new(name), OpenMode::Create).expect("made").sync_data().expect("synced");
        }
        disk.rename(Path::new("/data/a"), Path::new("/data/c")).expect("renamed");
        disk.lose_power();
        let names: Vec<String> = disk.files().iter().map(|path| path.display().to_string()).collect();
        seen.insert(names.join(" "));
    }
    let prefixes = ["", "/data/a", "/data/a /data/b", "/data/b /data/c"];
    assert_eq!(seen, prefixes.map(String::from).into());
}

#[test]
fn synced_rename_replaces_its_target_for_good() {
    for seed in 0..50 {
        let (disk, file) = disk_with_file(seed);
        file.write_at(b"old", 0).expect("written");
        file.sync_data().expect("synced");
        let next = disk.open(Path::new("/data/next"), OpenMode::Create).expect("made");
        next.write_at(b"new", 0).expect("written");
        next.sync_data().expect("synced");
        disk.rename(Path::new("/data/next"), Path::new(FILE)).expect("renamed");
        let unsynced = disk.fork(seed);
        unsynced.lose_power();
        assert!([b"old", b"new"].contains(&contents(&unsynced).as_slice().try_into().expect("three bytes")));
        disk.sync_dir(Path::new(DIR)).expect("synced");
        disk.lose_power();
        assert_eq!(contents(&disk), b"new");
    }
}

#[test]
fn removed_directory_may_come_back_in_part() {
    let mut left = BTreeSet::new();
    for seed in 0..100 {
        let disk = disk_with_directory(seed);
        disk.create_dir_all(Path::new("/data/part")).expect("made");
        for name in ["/data/part/a", "/data/part/b"] {
            disk.open(Path::new(name), OpenMode::Create).expect("made");
        }
        disk.sync_dir(Path::new("/data/part")).expect("synced");
        disk.sync_dir(Path::new(DIR)).expect("synced");
        disk.remove_dir_all(Path::new("/data/part")).expect("removed");
        assert!(!disk.exists(Path::new("/data/part")));
        disk.lose_power();
        left.insert(disk.files().len());
    }
    assert_eq!(left, BTreeSet::from([0, 1, 2]));
}

#[test]
fn full_disk_shows_at_allocate_and_at_write() {
    let (disk, file) = disk_with_file(3);
    disk.set_capacity(8192);
    assert_eq!(disk.free_bytes(Path::new(DIR)).expect("told"), 8192);
    assert_eq!(file.allocate(8193).expect_err("full").kind(), io::ErrorKind::StorageFull);
    file.allocate(4096).expect("there is room");
    file.write_at(&[1; 4096], 0).expect("reserved");
    assert_eq!(file.write_at(&[2; 8192], 4096).expect_err("full").kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.len().expect("told"), 8192, "what fits is written, as the kernel does");
    assert_eq!(disk.free_bytes(Path::new(DIR)).expect("told"), 0);
    disk.remove_file(Path::new(FILE)).expect("removed");
    assert_eq!(disk.free_bytes(Path::new(DIR)).expect("told"), 8192);
}

#[test]
fn failed_sync_is_not_repaired_by_the_next() {
    for seed in 0..50 {
        let (disk, file) = disk_with_file(seed);
        file.write_at(b"one", 0).expect("written");
        let call = disk.calls().len() as u64 + 1;
        disk.inject(Fault { call, kind: FaultKind::IoError });
        assert!(!is_simulated_crash(&file.sync_data().expect_err("injected")));
        file.sync_data().expect("says so");
        assert_eq!(disk.acknowledged("one", b"one"), None);
        disk.lose_power();
        assert_eq!(contents(&disk), b"", "seed {seed}");
    }
}

#[test]
fn crash_fails_every_later_call_until_restart() {
    let (disk, file) = disk_with_file(5);
    let call = disk.calls().len() as u64 + 1;
    disk.inject(Fault { call, kind: FaultKind::CrashAfter });
    assert!(is_simulated_crash(&file.write_at(b"done", 0).expect_err("ended")));
    assert!(is_simulated_crash(&disk.read_dir(Path::new(DIR)).expect_err("ended")));
    assert!(!disk.exists(Path::new(FILE)));
    assert!(disk.has_crashed());
    disk.kill_process();
    assert_eq!(contents(&disk), b"done", "the call took effect, unseen");
    assert_eq!(disk.fired(), [Fault { call, kind: FaultKind::CrashAfter }]);
}

#[test]
fn crash_inside_a_write_leaves_a_prefix() {
    let lengths: BTreeSet<usize> = (0..50)
        .map(|seed| {
            let (disk, file) = disk_with_file(seed);
            disk.inject(Fault { call: disk.calls().len() as u64 + 1, kind: FaultKind::CrashInside });
            file.write_at(b"abc", 0).expect_err("ended");
            disk.kill_process();
            let bytes = contents(&disk);
            assert!(b"abc".starts_with(&bytes));
            bytes.len()
        })
        .collect();
    assert_eq!(lengths, BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn flipped_bit_is_read_and_stays() {
    let (disk, file) = disk_with_file(1);
    file.write_at(&[0; 20], 0).expect("written");
    file.sync_data().expect("synced");
    disk.flip_bit(Path::new(FILE), 17, 3).expect("flipped");
    disk.lose_power();
    assert_eq!(contents(&disk)[17], 8);
}

#[test]
fn trace_tells_whether_a_sync_covers_an_acknowledgement() {
    let (disk, file) = disk_with_file(1);
    disk.start_trace();
    disk.reset_calls();
    file.write_at(b"record-1", 0).expect("written");
    assert_eq!(disk.acknowledged("record 1, too early", b"record-1"), None);
    file.sync_data().expect("synced");
    assert_eq!(disk.acknowledged("record 1", b"record-1"), Some(2));
    let trace = disk.take_trace();
    assert!(matches!(&trace[0], TraceEvent::Call(DiskCall { number: 1, kind: CallKind::Write, length: 8, .. })));
    assert!(matches!(&trace[1], TraceEvent::Acknowledged { covered_by: None, .. }));
    assert!(matches!(&trace[3], TraceEvent::Acknowledged { covered_by: Some(2), .. }));
}

#[test]
fn sparse_contents_equal_a_vector_under_random_changes() {
    let (disk, file) = disk_with_file(9);
    let mut dice = tree::Dice::new(9);
    let mut model = Vec::new();
    for _ in 0..500 {
        let at = dice.below(20_000) as usize;
        match dice.below(4) {
            0 => {
                model.resize(at, 0);
                file.set_len(at as u64).expect("set");
            }
            1 => {
                model.resize(model.len().max(at), 0);
                file.allocate(at as u64).expect("reserved");
            }
            _ => {
                let bytes = vec![dice.below(256) as u8; dice.below(9000) as usize];
                model.resize(model.len().max(at + bytes.len()), 0);
                model[at..at + bytes.len()].copy_from_slice(&bytes);
                file.write_at(&bytes, at as u64).expect("written");
            }
        }
        assert_eq!(contents(&disk), model);
    }
    file.sync_data().expect("synced");
    disk.lose_power();
    assert_eq!(contents(&disk), model);
}

/// A counter kept in one file, replaced by rename; what it returns was acknowledged.
fn count_to_three(env: &Env, sync: bool) -> u8 {
    let mut acknowledged = 0;
    for number in 1..=3 {
        let written = (|| {
            let file = env.disk.open(Path::new("/data/next"), OpenMode::Create)?;
            file.write_at(&[number], 0)?;
            if sync {
                file.sync_data()?;
            }
            env.disk.rename(Path::new("/data/next"), Path::new(FILE))?;
            env.disk.sync_dir(Path::new(DIR))
        })();
        match written {
            Ok(()) => acknowledged = number,
            Err(_) => break,
        }
    }
    acknowledged
}

fn counter_scenario(sync: bool) -> FaultReport {
    for_each_fault(&Scenario {
        name: "counter",
        seed: 11,
        prepare: &|env| {
            env.disk.create_dir_all(Path::new(DIR)).expect("made");
            env.disk.sync_dir(Path::new("/")).expect("synced");
        },
        run: &|env| count_to_three(env, sync),
        check: &|env, acknowledged, injected| {
            let mut byte = [0];
            if let Ok(file) = env.disk.open(Path::new(FILE), OpenMode::Read) {
                file.read_at(&mut byte, 0).expect("read");
            }
            assert!(*acknowledged <= byte[0], "acknowledged {acknowledged}, found {byte:?} after {injected:?}");
        },
    })
}

#[test]
fn every_fault_at_every_call_leaves_a_synced_counter_right() {
    let report = counter_scenario(true);
    assert_eq!(report.call_count(), 15);
    assert_eq!(report.replays[&FaultKind::IoError], 30);
    assert_eq!(report.fired, report.replay_count());
    assert!(report.to_string().starts_with("counter: 15 disk calls"), "{report}");
}

#[test]
#[should_panic(expected = "acknowledged")]
fn missing_sync_is_found() {
    counter_scenario(false);
}

/// Ten files with unsynced bytes, and the file system that they lie on.
fn dirty_files(disk: &SimulatedDisk) -> (Vec<Arc<dyn File>>, Arc<dyn FileSystem>) {
    let file_system = disk.file_system(Path::new(DIR)).expect("opened");
    let files = (0..10).map(|number| {
        let path = Path::new(DIR).join(format!("file-{number}"));
        let file = disk.open(&path, OpenMode::CreateNew).expect("made");
        file.write_at(&[number; 700], 0).expect("written");
        file
    });
    (files.collect(), file_system)
}

fn survivors(disk: &SimulatedDisk) -> usize {
    disk.lose_power();
    let whole = |path: &Path| disk.contents(path).is_ok_and(|bytes| bytes.len() == 700 && bytes[0] == bytes[699]);
    disk.files().iter().filter(|path| whole(path)).count()
}

#[test]
fn a_synced_file_system_is_durable_with_its_names() {
    for seed in 0..50 {
        let disk = disk_with_directory(seed);
        let (_files, file_system) = dirty_files(&disk);
        file_system.sync().expect("synced");
        assert_eq!(survivors(&disk), 10, "seed {seed}");
    }
}

#[test]
fn a_file_system_that_lost_something_says_so_and_so_does_each_file_once() {
    let (mut told, mut silent) = (0, 0);
    for seed in 0..50 {
        let disk = disk_with_directory(seed);
        let (files, file_system) = dirty_files(&disk);
        disk.reset_calls();
        disk.inject(Fault { call: 1, kind: FaultKind::IoError });
        assert!(file_system.sync().is_err(), "seed {seed}");
        file_system.sync().expect("an error is told once");
        let lost = files.iter().filter(|file| file.sync_data().is_err()).count();
        assert!(files.iter().all(|file| file.sync_data().is_ok()), "seed {seed}");
        assert!(survivors(&disk) <= 10 - lost, "seed {seed}");
        told += lost;
        silent += 10 - lost;
    }
    assert!(0 < told && 0 < silent, "{told} told, {silent} silent");
}
