//! How fast the log appends, reads and recovers, beside bare writes to the same disk with the same syncs.
//!
//! `cargo bench --bench log` prints four tables, `cargo bench --bench log -- recovery` one of them. `+N ms` is sleep added to each sync call of both, since a cloud volume takes
//! 1 to 3 ms where a host's cache takes almost nothing. `TIDEMILL_BENCH_GIB` sets the size of the recovery (1 if unset), `TIDEMILL_BENCH_PARTITIONS` picks rows of the appends.

#[path = "shared/delayed_disk.rs"]
mod delayed_disk;

use std::fs;
use std::io;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use futures::future::join_all;
use tidemill::env::Env;
use tidemill::log::Append;
use tidemill::log::FlushOn;
use tidemill::log::FlushPolicy;
use tidemill::log::LogConfig;
use tidemill::log::LogDir;
use tidemill::log::LogError;
use tidemill::log::Origin;
use tidemill::log::PartitionConfig;
use tidemill::metrics::Metrics;
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
/// How long a row of a table takes.
const ROW: Duration = Duration::from_secs(1);
/// As a cautious user of Kafka would set `log.flush.interval.ms`.
const INTERVAL: Duration = Duration::from_millis(100);

fn main() -> Result<(), Failure> {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("log-bench");
    // What an ended run has left.
    remove(&root)?;
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let tables: [(&str, Table); 4] =
        [("appends", appends), ("groups", groups), ("reads", reads), ("recovery", recovery)];
    for (name, table) in tables {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            table(&root)?;
        }
    }
    remove(&root)
}

fn remove(root: &Path) -> Result<(), Failure> {
    for dir in [root, &aside(root)] {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
    }
    Ok(())
}

/// An empty `root`. What stood there moves aside and loses its bytes, but no file goes before the end: ext4 looks for a free
/// inode past each one that was freed in the last minutes, and a row with thousands of partitions would measure that.
fn empty(root: &Path) -> io::Result<()> {
    if root.exists() {
        let aside = aside(root);
        fs::create_dir_all(&aside)?;
        let number = fs::read_dir(&aside)?.count();
        for path in files_below(root)? {
            fs::OpenOptions::new().write(true).open(&path)?.set_len(0)?;
        }
        fs::rename(root, aside.join(number.to_string()))?;
    }
    fs::create_dir_all(root)
}

fn aside(root: &Path) -> PathBuf {
    root.with_extension("aside")
}

fn files_below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(files_below(&path)?) } else { files.push(path) }
    }
    Ok(files)
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

fn open(
    root: &Path,
    added: Duration,
    partitions: usize,
    flush: FlushPolicy,
    flush_on: FlushOn,
) -> Result<Arc<LogDir>, Failure> {
    empty(root)?;
    let real = Env::real();
    let disk = Arc::new(Delayed::new(real.disk.clone()));
    let delay = disk.delay();
    let (log, _) = LogDir::open(Env { disk, ..real }, root, LogConfig { flush_on, ..LogConfig::default() })?;
    for id in ids(partitions) {
        log.create(id, PartitionConfig { flush, ..PartitionConfig::default() })?;
    }
    delay.set(added);
    Ok(log)
}

/// Rounds that write one batch to each partition and make them durable as their policy says, for a second or more.
fn appends(root: &Path) -> Result<(), Failure> {
    println!(
        "appends: a round writes a batch of 16 KiB to each partition, 64 KiB to a single one; with `ack` it makes all durable"
    );
    println!(
        "{:>10} {:>7} {:>9} {:>8} {:>8} {:>12} {:>8} {:>6} {:>11}",
        "partitions", "record", "flush", "added", "MB/s", "records/s", "raw MB/s", "of raw", "first round"
    );
    let only = std::env::var("TIDEMILL_BENCH_PARTITIONS").ok().and_then(|number| number.parse::<usize>().ok());
    for partitions in [1, 16, 256, 2_000].into_iter().filter(|number| only.is_none_or(|only| only == *number)) {
        for flush in [FlushPolicy::Ack, FlushPolicy::Interval(INTERVAL), FlushPolicy::Os] {
            for size in [100, 1_024] {
                // Nobody waits for the syncs of the other policies.
                let added = if flush == FlushPolicy::Ack { &[0, 1, 3][..] } else { &[0] };
                for added in added {
                    append_row(root, partitions, size, flush, Duration::from_millis(*added))?;
                }
            }
        }
    }
    Ok(())
}

fn append_row(root: &Path, partitions: usize, size: usize, flush: FlushPolicy, added: Duration) -> Result<(), Failure> {
    let batch = filled(size);
    let copies = if partitions == 1 { 4 } else { 1 };
    // An interval needs the log's own threads.
    let flush_on = if matches!(flush, FlushPolicy::Interval(_)) { FlushOn::Thread } else { FlushOn::Step };
    let log = open(root, added, partitions, flush, flush_on)?;
    let ids = ids(partitions);
    let round = || -> Result<(), Failure> {
        let appends = (0..copies).flat_map(|_| &ids).map(|id| to(*id, &batch)).collect();
        log.append(appends)?;
        if flush == FlushPolicy::Ack {
            log.flush_once()?;
        }
        if flush_on == FlushOn::Step {
            log.trim_once()?;
        }
        Ok(())
    };
    // The first round makes the files; those of the bare writes are there before they begin.
    let begun = Instant::now();
    round()?;
    let first = begun.elapsed();
    let mut rounds = 0;
    let start = Instant::now();
    while start.elapsed() < ROW {
        round()?;
        rounds += 1;
    }
    let ours = rate(start, rounds * copies * partitions, &batch);
    drop(log);
    let raw = raw(root, partitions, copies, rounds, &batch, flush, added)?;
    let name = match flush {
        FlushPolicy::Ack => "ack",
        FlushPolicy::Interval(_) => "interval",
        FlushPolicy::Os => "os",
    };
    let records = ours * MIB / batch.size_in_bytes() as f64 * f64::from(batch.record_count());
    println!(
        "{partitions:>10} {size:>5} B {name:>9} {:>5} ms {ours:>8.0} {records:>12.0} {raw:>8.0} {:>4.0} % {:>8.0} ms",
        added.as_millis(),
        100.0 * ours / raw,
        first.as_secs_f64() * 1e3
    );
    Ok(())
}

/// The same bytes to plain files with the same pattern of syncs. With `ack` a round is one sync: of the file if there is one,
/// else of a journal to which the bytes of all go too. With an interval there is one in it.
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
    let mut journal = fs::File::create(root.join("journal"))?;
    let size = batch.size_in_bytes() as u64;
    let group = batch.bytes().repeat(partitions);
    let (start, mut synced) = (Instant::now(), Instant::now());
    for round in 0..(rounds * copies) as u64 {
        for file in &files {
            file.write_all_at(batch.bytes(), round * size)?;
        }
        let due = match flush {
            FlushPolicy::Ack => (round + 1) % copies as u64 == 0,
            FlushPolicy::Interval(interval) => interval <= synced.elapsed(),
            FlushPolicy::Os => false,
        };
        if !due {
            continue;
        }
        if partitions == 1 {
            files[0].sync_data()?;
        } else {
            journal.write_all(&group)?;
            journal.sync_data()?;
        }
        std::thread::sleep(added);
        synced = Instant::now();
    }
    Ok(rate(start, rounds * copies * partitions, batch))
}

/// MiB per second.
fn rate(start: Instant, batches: usize, batch: &Batch) -> f64 {
    batches as f64 * batch.size_in_bytes() as f64 / MIB / start.elapsed().as_secs_f64()
}

/// Writers that each append one record of 1 KiB to a partition of their own and wait until it is durable: how many share a sync.
fn groups(root: &Path) -> Result<(), Failure> {
    println!("\ngroups: each writer appends a record of 1 KiB and waits for its flush");
    println!("{:>8} {:>8} {:>10} {:>10} {:>12}", "writers", "added", "acks/s", "groups/s", "batches each");
    let mut builder = BatchBuilder::new();
    builder.append(0, None, Some(&[7; 1_024]), &[]);
    let batch = builder.finish();
    for writers in [1, 4, 16, 64, 256] {
        for added in [0, 1, 3] {
            let added = Duration::from_millis(added);
            let log = open(root, added, writers, FlushPolicy::Ack, FlushOn::Thread)?;
            let metrics = Metrics::new();
            log.measure(&metrics);
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            let start = Instant::now();
            let acks: usize = runtime
                .block_on(join_all(ids(writers).into_iter().map(|id| write_singly(&log, id, &batch))))
                .into_iter()
                .sum::<Result<_, _>>()?;
            let took = start.elapsed().as_secs_f64();
            let groups = value_of(&metrics.render(), "tidemill_log_group_batches_count")?;
            println!(
                "{writers:>8} {:>5} ms {:>10.0} {:>10.0} {:>12.1}",
                added.as_millis(),
                acks as f64 / took,
                groups / took,
                acks as f64 / groups
            );
            log.close()?;
        }
    }
    Ok(())
}

/// Appends one batch after the other, each when the last one is durable; how many.
async fn write_singly(log: &LogDir, id: TopicPartition, batch: &Batch) -> Result<usize, LogError> {
    let (start, mut acks) = (Instant::now(), 0);
    while start.elapsed() < ROW {
        let appended = log.append(vec![to(id, batch)])?;
        log.durable(id, appended[0].next_offset).await?;
        acks += 1;
    }
    Ok(acks)
}

/// The value of a metric without labels on a page of metrics.
fn value_of(page: &str, name: &str) -> Result<f64, Failure> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)).ok_or(name)?;
    Ok(line.trim().parse()?)
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

/// Opens what a killed process has left, and what a loss of power has.
fn recovery(root: &Path) -> Result<(), Failure> {
    let gib: usize = std::env::var("TIDEMILL_BENCH_GIB").ok().and_then(|gib| gib.parse().ok()).unwrap_or(1);
    println!("\nrecovery of {gib} GiB after a kill");
    for partitions in [16, 2_000] {
        let (batch, ids) = (filled(1_024), ids(partitions));
        let log = open_for_recovery(root, &ids)?;
        let rounds = (gib << 30) / batch.size_in_bytes() / partitions;
        for _ in 0..rounds {
            log.append(ids.iter().map(|id| to(*id, &batch)).collect())?;
            log.flush_once()?;
            log.trim_once()?;
        }
        // Without `close`, as after a kill: the page cache is there, and the journal says what it said.
        drop(log);
        let end = Offset(rounds as i64 * i64::from(batch.record_count()));
        println!("{partitions:>10} partitions {:>8.2} s", timed_open(root, &ids, end)?);
        println!("{:>10} after a clean stop {:>8.2} s", "", timed_open(root, &ids, end)?);
    }
    println!("\nrecovery after a loss of power, all segments empty, the journal full");
    for partitions in [500, 2_000] {
        let (batch, ids) = (filled(1_024), ids(partitions));
        let log = open_for_recovery(root, &ids)?;
        let rounds = LogConfig::default().journal_bytes as usize / (batch.size_in_bytes() + 200) / partitions;
        for _ in 0..rounds {
            log.append(ids.iter().map(|id| to(*id, &batch)).collect())?;
            log.flush_once()?;
        }
        drop(log);
        let segments = files_below(root)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "log"));
        // As a loss of power does that comes before their first sync.
        for path in segments.collect::<Vec<_>>() {
            fs::OpenOptions::new().write(true).open(&path)?.set_len(0)?;
        }
        let mib = (rounds * partitions * batch.size_in_bytes()) as f64 / MIB;
        let end = Offset(rounds as i64 * i64::from(batch.record_count()));
        println!("{partitions:>10} partitions, {mib:.0} MiB {:>8.2} s", timed_open(root, &ids, end)?);
    }
    Ok(())
}

fn open_for_recovery(root: &Path, ids: &[TopicPartition]) -> Result<Arc<LogDir>, Failure> {
    empty(root)?;
    let (log, _) = LogDir::open(Env::real(), root, LogConfig { flush_on: FlushOn::Step, ..LogConfig::default() })?;
    for id in ids {
        log.create(*id, PartitionConfig { segment_bytes: 64 << 20, ..PartitionConfig::default() })?;
    }
    Ok(log)
}

/// Opens and closes the log, whose partitions all have this end; how long the opening took, in seconds.
fn timed_open(root: &Path, ids: &[TopicPartition], end: Offset) -> Result<f64, Failure> {
    let start = Instant::now();
    let (log, report) = LogDir::open(Env::real(), root, LogConfig::default())?;
    let took = start.elapsed().as_secs_f64();
    assert_eq!(report.partitions, ids.len());
    for id in ids {
        assert_eq!(log.ends(*id)?.log_end_offset, end);
    }
    log.close()?;
    Ok(took)
}
