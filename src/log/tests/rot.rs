//! Flipped bits: what is served is what was written, or the read fails. Bytes are never cut for it.

use std::path::PathBuf;

use super::*;

/// What stands in a partition: all its batches' bytes, and where an error began.
pub(super) fn stored(log: &LogDir) -> (Vec<u8>, Option<LogError>) {
    let ends = log.ends(partition(0)).expect("there are ends");
    let mut next = ends.log_start_offset;
    let mut bytes = Vec::new();
    while next < ends.log_end_offset {
        match log.read(partition(0), next, ends.log_end_offset, 1 << 16) {
            Err(error) => return (bytes, Some(error)),
            Ok(read) => {
                for tail in read {
                    bytes.extend_from_slice(tail.batch.bytes());
                    next = tail.batch.next_offset();
                }
            }
        }
    }
    (bytes, None)
}

/// No CRC covers it, and the bit that is flipped lowers it to an epoch that a reader takes in a segment's first batch.
const EPOCH: LeaderEpoch = LeaderEpoch(200);

/// A log with a few segments, all confirmed; trimmed or with everything still in the journal.
pub(super) fn written(seed: u64, trimmed: bool, ride_bytes_max: u64) -> (Simulation, Vec<u8>) {
    let simulation = Simulation::new(seed);
    let config = LogConfig { ride_bytes_max, ..roomy() };
    let (log, _) = open(&simulation, config);
    let partition_config = PartitionConfig { segment_bytes: 300, ..PartitionConfig::default() };
    log.create(partition(0), partition_config).expect("it is made");
    log.set_leader_epoch(partition(0), EPOCH).expect("it is newer");
    for number in 0..10i64 {
        let batch = batch(&[number.to_string().as_bytes()]);
        log.append(vec![Append { leader_epoch: EPOCH, ..to(partition(0), batch) }]).expect("it appends");
        flush(&log, partition(0), Offset(number + 1)).expect("it flushes");
    }
    log.confirm_once().expect("it is confirmed");
    if trimmed {
        drop(log);
        let (log, _) = open(&simulation, config);
        assert_eq!(stored(&log).1.map(|error| error.to_string()), None);
        return (simulation, stored(&log).0);
    }
    let bytes = stored(&log).0;
    (simulation, bytes)
}

pub(super) fn roomy() -> LogConfig {
    LogConfig { journal_bytes: 1 << 20, ..config() }
}

/// Flips a bit in each byte of the files with this extension, one at a time, and checks what is served after a restart.
/// Returns how many were tried, and how many of them were answered with an error.
fn flip_all(
    simulation: &Simulation,
    expected: &[u8],
    extension: &str,
    length_of: impl Fn(&[u8]) -> usize,
) -> (usize, usize) {
    let named = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    let (mut tried, mut refused) = (0, 0);
    for path in simulation.disk.files().into_iter().filter(named) {
        let length = length_of(&simulation.disk.contents(&path).expect("the file is there"));
        tried += length;
        for byte in 0..length {
            let copy = Simulation::with_disk(1, simulation.disk.fork(1));
            copy.disk.flip_bit(&path, byte as u64, (byte % 8) as u8).expect("the file is there");
            let (log, report) = open(&copy, roomy());
            let (bytes, error) = stored(&log);
            assert!(expected.starts_with(&bytes), "byte {byte} of {}: served what was not written", path.display());
            if bytes.len() < expected.len() {
                let told = matches!(error, Some(LogError::Corrupt { .. }));
                assert!(
                    told,
                    "byte {byte} of {}: {} bytes are gone, {report:?}",
                    path.display(),
                    expected.len() - bytes.len()
                );
                refused += 1;
            }
            drop(log);
            let (log, _) = open(&copy, roomy());
            let (again, error) = stored(&log);
            // Without the journal, which told the very batch, all of its block counts as damaged.
            assert!(bytes.starts_with(&again), "byte {byte} of {}: a second start serves no more", path.display());
            assert_eq!(error.is_some(), bytes.len() < expected.len(), "{}: it tells the same", path.display());
            let kept = copy.disk.contents(&path).map_or(0, |kept| kept.len());
            assert!(extension != "log" || length <= kept, "the bytes of {} are kept", path.display());
        }
    }
    assert!(0 < tried, "there is no .{extension} file to damage");
    (tried, refused)
}

/// Bytes up to the last one that is not zero.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[test]
fn every_flipped_bit_of_a_trimmed_log_is_found() {
    let (simulation, expected) = written(1, true, 64 << 10);
    // The journal no longer holds the bytes, so each flip costs something, headers and the last batch included.
    let (tried, refused) = flip_all(&simulation, &expected, "log", used);
    assert_eq!(tried, refused);
}

#[test]
fn what_the_journal_still_holds_is_put_right() {
    let (simulation, expected) = written(2, false, 64 << 10);
    assert_eq!(flip_all(&simulation, &expected, "log", used).1, 0);
}

#[test]
fn every_flipped_bit_of_a_directly_synced_log_is_found() {
    let (simulation, expected) = written(3, false, 0);
    let (tried, refused) = flip_all(&simulation, &expected, "log", used);
    assert_eq!(tried, refused);
}

#[test]
fn a_damaged_journal_loses_nothing_that_the_segments_hold() {
    for (seed, trimmed, ride_bytes_max) in [(4, false, 64 << 10), (5, false, 0), (6, true, 0)] {
        let (simulation, expected) = written(seed, trimmed, ride_bytes_max);
        // The last header is the confirmation of the last group, which is the stated ambiguity.
        flip_all(&simulation, &expected, "journal", |bytes| used(bytes).saturating_sub(64));
    }
}

#[test]
fn damaged_caches_are_made_again() {
    let (simulation, expected) = written(7, true, 64 << 10);
    for extension in ["index", "blocks", "snapshot"] {
        assert_eq!(flip_all(&simulation, &expected, extension, <[u8]>::len).1, 0, "{extension}");
    }
}

#[test]
fn rot_under_a_running_server_fails_the_read_and_nothing_else() {
    let simulation = Simulation::new(8);
    let (log, _) = open(&simulation, roomy());
    for at in [0, 1] {
        log.create(partition(at), PartitionConfig::default()).expect("it is made");
    }
    let filler = vec![9; 5_000];
    for _ in 0..60 {
        append(&log, partition(0), batch(&[&filler])).expect("it appends");
    }
    append(&log, partition(1), batch(&[b"0"])).expect("it appends");
    let path = files::segment_file(&files::partition_dir(dir(), partition(0)), Offset(0), "log");
    // Byte 15 is the last of the first batch's leader epoch, which no CRC covers.
    for byte in [15, 100_000, 300_000] {
        simulation.disk.flip_bit(&path, byte, 1).expect("the file is there");
        let (bytes, error) = stored(&log);
        assert!(matches!(error, Some(LogError::Corrupt { .. })), "byte {byte}");
        assert!(bytes.len() as u64 <= byte);
        simulation.disk.flip_bit(&path, byte, 1).expect("the file is there");
    }
    assert!(stored(&log).1.is_none());
    assert_eq!(values(&log, partition(1)).expect("it reads"), numbered(0..1));
}

#[test]
fn a_wait_for_what_is_damaged_is_refused() {
    let (simulation, _) = written(9, true, 64 << 10);
    let last = simulation.disk.files().into_iter().rfind(|path| path.extension().is_some_and(|found| found == "log"));
    simulation.disk.flip_bit(&last.expect("there are segments"), 30, 2).expect("the file is there");
    let (log, report) = open(&simulation, roomy());
    let [(_, damage)] = report.corrupt[..] else { panic!("one partition is damaged: {report:?}") };
    assert!(matches!(log.durable(partition(0), damage).now_or_never(), Some(Ok(()))), "what lies before is durable");
    for end in [damage.plus(1), Offset(10), Offset(11)] {
        let waited = log.durable(partition(0), end).now_or_never();
        assert!(matches!(waited, Some(Err(LogError::Corrupt { .. }))), "{end}: {waited:?}");
    }
}

#[test]
fn a_damaged_partition_that_the_journal_forgot_keeps_its_bytes_over_restarts() {
    let (simulation, expected) = written(10, true, 64 << 10);
    let named = |extension: &str| {
        let files = simulation.disk.files();
        files.into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect::<Vec<_>>()
    };
    for path in named("journal") {
        simulation.disk.set_contents(&path, &[]).expect("the file is there");
    }
    let segments = named("log");
    simulation.disk.flip_bit(&segments[0], 30, 2).expect("the file is there");
    let before: Vec<_> = segments.iter().map(|path| simulation.disk.contents(path).expect("it is there")).collect();
    for _ in 0..3 {
        let (log, report) = open(&simulation, roomy());
        assert_eq!(report.corrupt, vec![(partition(0), Offset(0))]);
        assert!(stored(&log).0.len() < expected.len());
        drop(log);
        for (path, before) in segments.iter().zip(&before) {
            assert_eq!(&simulation.disk.contents(path).expect("it was kept"), before, "{}", path.display());
        }
    }
}

#[test]
fn what_is_damaged_can_be_given_up() {
    let (simulation, _) = written(9, true, 64 << 10);
    let paths: Vec<PathBuf> = simulation.disk.files();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")) {
        for byte in [5, 30, 75] {
            let copy = Simulation::with_disk(1, simulation.disk.fork(1));
            copy.disk.flip_bit(path, byte, 1).expect("the file is there");
            let (log, report) = open(&copy, roomy());
            let [(_, from)] = report.corrupt[..] else { panic!("{report:?}") };
            let before = values_below(&log, from);
            let end = log.cut_damage(partition(0), from).expect("it is given up");
            assert!(end == from || (from == Offset(0) && end == Offset(10)), "{from} {end}");
            let epoch = LeaderEpoch(200);
            let append = Append { leader_epoch: epoch, ..to(partition(0), batch(&[b"new"])) };
            let appended = log.append(vec![append]).expect("it appends");
            assert_eq!(appended[0].base_offset, end);
            flush(&log, partition(0), end.plus(1)).expect("it flushes");
            drop(log);
            copy.disk.lose_power();
            let (log, report) = open(&copy, roomy());
            assert_eq!((report.corrupt, report.journal_damaged), (vec![], false));
            let kept = if from == Offset(0) { vec![] } else { before };
            let expected = [kept, vec![(end, b"new".to_vec())]].concat();
            assert_eq!(values(&log, partition(0)).expect("it reads"), expected, "{} byte {byte}", path.display());
        }
    }
}

fn values_below(log: &LogDir, end: Offset) -> Vec<(Offset, Vec<u8>)> {
    numbered(log.ends(partition(0)).expect("it is there").log_start_offset.0..end.0)
}
