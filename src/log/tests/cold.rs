//! Reads from the disk: what is asked for and no more, in few calls, and what is whole before damage.

use super::*;
use crate::env::CallKind;

const BLOCK: usize = 64 << 10;

/// A log with batches of about these sizes, one record each, of which nothing is in memory.
fn written(sizes: &[usize]) -> (Simulation, Arc<LogDir>, Vec<Batch>) {
    let simulation = Simulation::new(1);
    let (log, _) = open(&simulation, LogConfig { journal_bytes: 64 << 20, ..config() });
    let partition_config = PartitionConfig { batch_bytes_max: 8 << 20, ..PartitionConfig::default() };
    log.create(partition(0), partition_config).expect("it is made");
    let mut batches = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let value: Vec<u8> = (0..*size).map(|place| (place * 7 + number) as u8).collect();
        let sent = batch(&[&value]);
        append(&log, partition(0), sent.clone()).expect("it appends");
        batches.push(sent.stamped(Offset(number as i64), LeaderEpoch(0)));
    }
    flush(&log, partition(0), Offset(sizes.len() as i64)).expect("it flushes");
    (simulation, log, batches)
}

fn read(log: &LogDir, from: usize, upto: usize, bytes_max: usize) -> Result<Vec<Batch>, LogError> {
    let read = log.read(partition(0), Offset(from as i64), Offset(upto as i64), bytes_max)?;
    Ok(read.into_iter().map(|tail| tail.batch).collect())
}

/// Batches within blocks, across them, larger than a read and of the size of one.
const SIZES: [usize; 12] = [10, 16_000, 70_000, 100, 1 << 20, 3_000_000, 5, BLOCK - 80, 2 * BLOCK, 400_000, 700_000, 1];

#[test]
fn a_cold_read_is_the_batches_that_fit_and_at_least_one() {
    let (_, log, batches) = written(&SIZES);
    for from in 0..SIZES.len() {
        for upto in [from + 1, (from + SIZES.len()).div_ceil(2), SIZES.len()] {
            for bytes_max in [0, 20_000, BLOCK, 100_000, 1 << 20, 1_500_000, usize::MAX] {
                let mut bytes = 0;
                let fits = |batch: &&Batch| {
                    bytes += batch.size_in_bytes();
                    bytes <= bytes_max
                };
                let count = batches[from..upto].iter().take_while(fits).count().max(1);
                let expected: Vec<_> = batches[from..from + count].iter().map(Batch::bytes).collect();
                let found = read(&log, from, upto, bytes_max).expect("all is whole");
                let found: Vec<_> = found.iter().map(Batch::bytes).collect();
                assert!(found == expected, "from {from} to {upto}, {bytes_max} bytes: {} batches", found.len());
            }
        }
    }
}

#[test]
fn a_cold_read_of_much_takes_few_calls_and_one_of_little_reads_little() {
    let (simulation, log, batches) = written(&[16_000; 200]);
    let reads = |from, bytes_max| {
        simulation.disk.reset_calls();
        let found = read(&log, from, 200, bytes_max).expect("all is whole").len();
        let reads = simulation.disk.calls().iter().filter(|call| **call == CallKind::Read).count();
        (found, reads)
    };
    let size = batches[0].size_in_bytes();
    assert_eq!(reads(0, 1 << 20), ((1 << 20) / size, 1), "the one that does not fit is not read");
    let (found, calls) = reads(70, 2 << 20);
    assert_eq!(found, 130, "to the end");
    assert!(calls <= 3, "{calls} reads of 2 MiB");
    assert!(reads(100, 1).1 <= 2, "a batch that lies in two blocks");
}

#[test]
fn what_is_whole_before_damage_within_a_read_is_served() {
    let (simulation, log, batches) = written(&[16_000; 100]);
    let size = batches[0].size_in_bytes();
    let path = simulation.disk.files().into_iter().find(|path| path.extension().is_some_and(|found| found == "log"));
    let path = path.expect("there is a segment");
    let damaged = 7 * BLOCK;
    simulation.disk.flip_bit(&path, damaged as u64 + 100, 3).expect("the file is there");
    let found = read(&log, 2, 100, 2 << 20).expect("it begins before the damage");
    let whole = damaged / size;
    assert_eq!(found.len(), whole - 2, "every batch that ends before the damaged block");
    assert!(found.iter().zip(&batches[2..]).all(|(found, expected)| found.bytes() == expected.bytes()));
    assert!(
        matches!(read(&log, whole, 100, 1 << 20), Err(LogError::Corrupt { offset, .. }) if offset == Offset(whole as i64))
    );
}
