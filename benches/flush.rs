//! What making N dirty partitions durable costs: one fdatasync per file, one syncfs, or one journal group.
//!
//! `cargo bench --profile dev --bench flush` prints a table of the median milliseconds of a round. A round writes one
//! 200-byte record to each partition and makes all of them durable; the journal's round goes through the whole log. `+N ms` is sleep added to each
//! sync call, since a cloud volume takes 1 to 3 ms where a host's cache takes almost nothing.

#[path = "shared/delayed_disk.rs"]
mod delayed_disk;

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tidemill::env::Env;
use tidemill::log::Append;
use tidemill::log::FlushOn;
use tidemill::log::LogConfig;
use tidemill::log::LogDir;
use tidemill::log::Origin;
use tidemill::log::PartitionConfig;
use tidemill::model::LeaderEpoch;
use tidemill::model::TopicId;
use tidemill::model::TopicPartition;
use tidemill::protocol::BatchBuilder;

use self::delayed_disk::Delayed;

const RECORD: [u8; 200] = [7; 200];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("flush-bench");
    println!("{:>10} {:>8} {:>14} {:>10} {:>10}", "partitions", "added", "fdatasync each", "syncfs", "journal");
    for partitions in [1usize, 16, 256, 2000] {
        for added_ms in [0u64, 1, 3] {
            let added = Duration::from_millis(added_ms);
            // A round of thousands of delayed syncs takes seconds; a few of them tell enough.
            let rounds = [15, 3, 1][usize::from(256 <= partitions) + usize::from(2000 <= partitions)];
            let each = per_file(&root, partitions, rounds, added)?;
            let whole = syncfs(&root, partitions, rounds, added)?;
            let journal = journal(&root, partitions, rounds.max(9), added)?;
            println!("{partitions:>10} {added_ms:>5} ms {each:>14.2} {whole:>10.2} {journal:>10.2}");
        }
    }
    fs::remove_dir_all(&root)?;
    Ok(())
}

/// The median of the rounds in ms, after one that does not count.
fn median(rounds: usize, mut round: impl FnMut(u64) -> io::Result<()>) -> io::Result<f64> {
    let mut took = Vec::new();
    for number in 0..=rounds as u64 {
        let start = Instant::now();
        round(number)?;
        took.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    took.remove(0);
    took.sort_by(f64::total_cmp);
    Ok(took[took.len() / 2])
}

fn empty(root: &Path) -> io::Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root)
}

fn files(root: &Path, partitions: usize) -> io::Result<Vec<fs::File>> {
    empty(root)?;
    (0..partitions).map(|number| fs::File::create(root.join(number.to_string()))).collect()
}

fn per_file(root: &Path, partitions: usize, rounds: usize, added: Duration) -> io::Result<f64> {
    let files = files(root, partitions)?;
    median(rounds, |round| {
        for file in &files {
            file.write_all_at(&RECORD, round * RECORD.len() as u64)?;
        }
        for file in &files {
            file.sync_data()?;
            std::thread::sleep(added);
        }
        Ok(())
    })
}

fn syncfs(root: &Path, partitions: usize, rounds: usize, added: Duration) -> io::Result<f64> {
    let files = files(root, partitions)?;
    median(rounds, |round| {
        for file in &files {
            file.write_all_at(&RECORD, round * RECORD.len() as u64)?;
        }
        // SAFETY: the descriptor is open for as long as `files` lives.
        if unsafe { libc::syncfs(files[0].as_raw_fd()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        std::thread::sleep(added);
        Ok(())
    })
}

fn journal(root: &Path, partitions: usize, rounds: usize, added: Duration) -> Result<f64, Box<dyn std::error::Error>> {
    empty(root)?;
    let real = Env::real();
    let config = LogConfig { flush_on: FlushOn::Step, ..LogConfig::default() };
    let disk = Arc::new(Delayed::new(real.disk.clone()));
    let delay = disk.delay();
    let env = Env { disk, ..real };
    let (log, _) = LogDir::open(env, root, config)?;
    let ids: Vec<_> = (0..partitions as i32).map(|number| TopicPartition::new(TopicId([1; 16]), number)).collect();
    for id in &ids {
        log.create(*id, PartitionConfig::default())?;
    }
    delay.set(added);
    Ok(median(rounds, |_| {
        let batch = || {
            let mut builder = BatchBuilder::new();
            builder.append(0, None, Some(&RECORD), &[]);
            builder.finish()
        };
        let append = |partition: &TopicPartition| Append {
            partition: *partition,
            leader_epoch: LeaderEpoch(0),
            batches: vec![batch()],
            origin: Origin::Client,
        };
        log.append(ids.iter().map(append).collect()).map_err(io::Error::other)?;
        log.flush_once().map_err(io::Error::other)?;
        Ok(())
    })?)
}
