//! How fast the log appends, reads and recovers, beside bare writes to the same disk with the same syncs.
//!
//! `cargo bench --bench log` prints three tables, `cargo bench --bench log -- recovery` one of them. `+N ms` is sleep added to each sync call of both, since a cloud volume takes
//! 1 to 3 ms where a host's cache takes almost nothing. `TIDEMILL_BENCH_GIB` sets the size of the recovery (1 if unset).

#[path = "shared/delayed_disk.rs"]
mod delayed_disk;

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tidemill::env::Env;
use tidemill::log::Append;
use tidemill::log::FlushOn;
use tidemill::log::FlushPolicy;
use tidemill::log::LogConfig;
use tidemill::log::LogDir;
use tidemill::log::Origin;
use tidemill::log::PartitionConfig;
use tidemill::model::LeaderEpoch;
use tidemill::model::Offset;
use tidemill::model::TopicId;
use tidemill::model::TopicPartition;
use tidemill::protocol::Batch;
use tidemill::protocol::BatchBuilder;

use self::delayed_disk::Delayed;

type Failure = Box<dyn std::error::Error>;
/// Measures in a directory, and prints.
type Table = fn(&Path) -> Result<(), Failure>;

/// As a Kafka producer fills a batch by default.
const BATCH_BYTES: usize = 16 << 10;
const MIB: f64 = (1u64 << 20) as f64;

fn main() -> Result<(), Failure> {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("log-bench");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let tables: [(&str, Table); 3] = [("appends", appends), ("reads", reads), ("recovery", recovery)];
    for (name, table) in tables {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            table(&root)?;
        }
    }
    fs::remove_dir_all(&root)?;
    Ok(())
}

fn empty(root: &Path) -> io::Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root)
}

fn ids(partitions: usize) -> Vec<TopicPartition> {
    (0..partitions as i32).map(|number| TopicPartition::new(TopicId([1; 16]), number)).collect()
}

/// A batch of about 16 KiB of records of `size` bytes.
fn filled(size: usize) -> Batch {
    let value = vec![7; size];
    let mut builder = BatchBuilder::new();
    while builder.size_in_bytes() < BATCH_BYTES {
        builder.append(0, None, Some(&value), &[]);
    }
    builder.finish()
}

fn to(partition: TopicPartition, batch: &Batch) -> Append {
    let batches = vec![batch.clone()];
    Append { partition, leader_epoch: LeaderEpoch(0), batches, origin: Origin::Client }
}

fn open(root: &Path, added: Duration, partitions: usize, flush: FlushPolicy) -> Result<Arc<LogDir>, Failure> {
    empty(root)?;
    let real = Env::real();
    let disk = Arc::new(Delayed::new(real.disk.clone()));
    let delay = disk.delay();
    let config = LogConfig { flush_on: FlushOn::Step, ..LogConfig::default() };
    let (log, _) = LogDir::open(Env { disk, ..real }, root, config)?;
    for id in ids(partitions) {
        log.create(id, PartitionConfig { flush, ..PartitionConfig::default() })?;
    }
    delay.set(added);
    Ok(log)
}

/// Rounds that write one batch to each partition and make them durable, for a second or more.
fn appends(root: &Path) -> Result<(), Failure> {
    println!(
        "appends: a round writes a batch of 16 KiB to each partition, 64 KiB to a single one, and makes all durable"
    );
    println!(
        "{:>10} {:>7} {:>9} {:>8} {:>8} {:>12} {:>8} {:>6}",
        "partitions", "record", "flush", "added", "MB/s", "records/s", "raw MB/s", "of raw"
    );
    for (partitions, flush) in
        [(1, FlushPolicy::Ack), (1, FlushPolicy::Os), (16, FlushPolicy::Ack), (16, FlushPolicy::Os)].into_iter().chain(
            [(256, FlushPolicy::Ack), (256, FlushPolicy::Os), (2_000, FlushPolicy::Ack), (2_000, FlushPolicy::Os)],
        )
    {
        for size in [100, 1_024] {
            for added_ms in [0, 1, 3] {
                let added = Duration::from_millis(added_ms);
                if flush == FlushPolicy::Os && 0 < added_ms {
                    continue;
                }
                append_row(root, partitions, size, flush, added)?;
            }
        }
    }
    Ok(())
}

fn append_row(root: &Path, partitions: usize, size: usize, flush: FlushPolicy, added: Duration) -> Result<(), Failure> {
    let batch = filled(size);
    let copies = if partitions == 1 { 4 } else { 1 };
    let log = open(root, added, partitions, flush)?;
    let ids = ids(partitions);
    let mut rounds = 0;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        let appends = (0..copies).flat_map(|_| &ids).map(|id| to(*id, &batch)).collect();
        log.append(appends)?;
        if flush == FlushPolicy::Ack {
            log.flush_once()?;
        }
        log.trim_once()?;
        rounds += 1;
    }
    let ours = rate(start, rounds * copies * partitions, &batch);
    drop(log);
    let raw = raw(root, partitions, copies, rounds, &batch, flush, added)?;
    let name = if flush == FlushPolicy::Ack { "ack" } else { "os" };
    let records = ours * MIB / batch.size_in_bytes() as f64 * f64::from(batch.record_count());
    println!(
        "{partitions:>10} {size:>5} B {name:>9} {:>5} ms {ours:>8.0} {records:>12.0} {raw:>8.0} {:>4.0} %",
        added.as_millis(),
        100.0 * ours / raw
    );
    Ok(())
}

/// The same bytes to plain files, preallocated; with `ack` one file is synced a round, as with a journal that costs nothing.
fn raw(
    root: &Path,
    partitions: usize,
    copies: usize,
    rounds: usize,
    batch: &Batch,
    flush: FlushPolicy,
    added: Duration,
) -> io::Result<f64> {
    empty(root)?;
    let files: Vec<fs::File> =
        (0..partitions).map(|number| fs::File::create(root.join(number.to_string()))).collect::<io::Result<_>>()?;
    let size = batch.size_in_bytes() as u64;
    let start = Instant::now();
    for round in 0..(rounds * copies) as u64 {
        for file in &files {
            file.write_all_at(batch.bytes(), round * size)?;
        }
        if flush == FlushPolicy::Ack && (round + 1) % copies as u64 == 0 {
            files[0].sync_data()?;
            std::thread::sleep(added);
        }
    }
    Ok(rate(start, rounds * copies * partitions, batch))
}

/// MiB per second.
fn rate(start: Instant, batches: usize, batch: &Batch) -> f64 {
    batches as f64 * batch.size_in_bytes() as f64 / MIB / start.elapsed().as_secs_f64()
}

/// All of 256 MiB of one partition, from the hot tail and from segments; every block's hash is checked.
fn reads(root: &Path) -> Result<(), Failure> {
    println!("\nreads of 256 MiB of one partition, in fetches of 1 MiB");
    for (name, tail_bytes) in [("hot tail", 512 << 20), ("segments", 0)] {
        empty(root)?;
        let config = LogConfig { flush_on: FlushOn::Step, tail_bytes, ..LogConfig::default() };
        let (log, _) = LogDir::open(Env::real(), root, config)?;
        let id = ids(1)[0];
        log.create(id, PartitionConfig::default())?;
        let batch = filled(1_024);
        for _ in 0..(256 << 20) / batch.size_in_bytes() {
            log.append(vec![to(id, &batch)])?;
        }
        log.flush_once()?;
        let end = log.ends(id)?.log_end_offset;
        let (start, mut next, mut bytes) = (Instant::now(), Offset::ZERO, 0);
        while next < end {
            for tail in log.read(id, next, end, 1 << 20)? {
                next = tail.batch.next_offset();
                bytes += tail.batch.size_in_bytes();
            }
        }
        println!("{name:>10} {:>8.0} MB/s", bytes as f64 / MIB / start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Opens what a killed process has left.
fn recovery(root: &Path) -> Result<(), Failure> {
    let gib: usize = std::env::var("TIDEMILL_BENCH_GIB").ok().and_then(|gib| gib.parse().ok()).unwrap_or(1);
    println!("\nrecovery of {gib} GiB after a kill");
    for partitions in [16, 2_000] {
        empty(root)?;
        let config = LogConfig { flush_on: FlushOn::Step, ..LogConfig::default() };
        let (log, _) = LogDir::open(Env::real(), root, config)?;
        let ids = ids(partitions);
        for id in &ids {
            log.create(*id, PartitionConfig { segment_bytes: 64 << 20, ..PartitionConfig::default() })?;
        }
        let batch = filled(1_024);
        for _ in 0..(gib << 30) / batch.size_in_bytes() / partitions {
            log.append(ids.iter().map(|id| to(*id, &batch)).collect())?;
            log.flush_once()?;
            log.trim_once()?;
        }
        // Without `close`, as after a kill: the page cache is there, and the journal says what it said.
        drop(log);
        let config = LogConfig { flush_on: FlushOn::Thread, ..config };
        let start = Instant::now();
        let (log, report) = LogDir::open(Env::real(), root, config)?;
        let took = start.elapsed();
        assert_eq!(report.partitions, partitions);
        println!("{partitions:>10} partitions {:>8.2} s", took.as_secs_f64());
        log.close()?;
        drop(log);
        let start = Instant::now();
        drop(LogDir::open(Env::real(), root, config)?);
        println!("{:>10} after a clean stop {:>8.2} s", "", start.elapsed().as_secs_f64());
    }
    Ok(())
}
