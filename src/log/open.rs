//! Opens a log directory: surveys the journal, replays it over all partitions, begins a new one.
//!
//! A partition whose files cannot be read does not keep the others from being served. Its files stay as they are, it
//! refuses everything, and what the old journal says of it is carried into each new one until a later start reads it.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use parking_lot::Condvar;
use parking_lot::Mutex;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::env::Env;
use crate::model::TopicPartition;

use super::FlushOn;
use super::LogConfig;
use super::LogError;
use super::OpenReport;
use super::core::Core;
use super::core::Pending;
use super::files;
use super::journal;
use super::journal::Journal;
use super::journal::Survey;
use super::partition::Partition;
use super::progress::Progress;
use super::recover;
use super::recover::Recovery;
use super::recover::Told;
use super::room::Reserve;
use super::tail::Tail;

/// What was made of the partitions' directories.
#[derive(Default)]
struct Opened {
    partitions: HashMap<TopicPartition, Arc<Partition>>,
    unreadable: BTreeMap<TopicPartition, LogError>,
    carried: Vec<(TopicPartition, Bytes)>,
}

/// See `LogDir::open`.
pub(super) fn open(env: Env, dir: &Path, config: LogConfig) -> Result<(Arc<Core>, OpenReport), LogError> {
    let disk = env.disk.clone();
    let journal_dir = dir.join(files::JOURNAL_DIR);
    disk.create_dir_all(&journal_dir).map_err(LogError::io("create", &journal_dir))?;
    // The entry of a new directory lies in its parent.
    for dir in [Some(dir), dir.parent()].into_iter().flatten() {
        disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    }
    // Before anything is written: it tells only of what is lost from now on.
    let file_system = disk.file_system(dir).map_err(LogError::io("open", dir))?;
    let mut reserve = Reserve::open(&*disk, dir, config.disk_reserve_bytes)?;
    let survey = journal::survey(&*disk, &journal_dir)?;
    if let Some((path, position)) = &survey.torn_at {
        recover::cut_journal(&*disk, path, *position)?;
    }
    survey.confirm(&*disk)?;
    let mut report =
        OpenReport { torn_group: survey.damage.torn, journal_damaged: survey.damage.rotten, ..OpenReport::default() };
    // The journal is there before the first partition is.
    report.journal_damaged |= survey.blank && !partition_dirs(&env, dir)?.is_empty();
    if report.journal_damaged {
        tracing::error!("the journal is damaged; partitions keep what their segments hold");
    }
    let sync_failed = dir.join(files::SYNC_FAILED_FILE);
    let told = Told {
        sync_failed: disk.exists(&sync_failed),
        journal_rotten: report.journal_damaged,
        producers_max: config.producers_max,
        now_ms: env.clock.wall_millis(),
        // A simulation has one thread, so that its calls have an order.
        threads: if config.flush_on == FlushOn::Thread { env.threads.cores() } else { 1 },
    };
    let opened = recover_all(&env, dir, &survey, told, &mut report)?;
    let (next, old) = (survey.generation() + 1, survey.old_files());
    let journal = Journal::begin(disk.clone(), &journal_dir, next, survey.group, old)?;
    reserve.take(&*disk, dir);
    let core = Arc::new(Core {
        env,
        file_system,
        dir: dir.to_path_buf(),
        config,
        partitions: RwLock::new(opened.partitions),
        unreadable: RwLock::new(opened.unreadable),
        carried: Mutex::new(opened.carried),
        compacting: Mutex::new(()),
        trimming: Mutex::new(()),
        making: Mutex::new(()),
        tail: Tail::new(config.tail_bytes),
        sync_micros: AtomicU64::new(0),
        pending: Mutex::new(Pending::default()),
        wake: Condvar::new(),
        trim: Condvar::new(),
        room: journal.room(),
        reserve: Mutex::new(reserve),
        journal: Mutex::new(journal),
        stop: watch::Sender::new(None),
        on_durable: RwLock::new(None),
        measures: OnceLock::new(),
    });
    // What recovery put right must be durable before the journal that knows of it is gone.
    core.trim_at_open()?;
    if told.sync_failed {
        disk.remove_file(&sync_failed).map_err(LogError::io("remove", &sync_failed))?;
    }
    tracing::info!(partitions = report.partitions, repaired = report.repaired_batches, "log recovered");
    Ok((core, report))
}

fn recover_all(
    env: &Env,
    dir: &Path,
    survey: &Survey,
    told: Told,
    report: &mut OpenReport,
) -> Result<Opened, LogError> {
    let disk = &*env.disk;
    let mut opened = Opened::default();
    let mut recoveries: HashMap<TopicPartition, Recovery<'_>> = HashMap::new();
    for (id, path) in partition_dirs(env, dir)? {
        let outline = survey.outlines.get(&id).cloned().unwrap_or_default();
        match unless_unreadable(&mut opened, id, Recovery::begin(disk, path, id, outline))? {
            Some(recovery) => drop(recoveries.insert(id, recovery)),
            None => continue,
        }
    }
    survey.replay(disk, &mut |replayed| {
        let id = replayed.entry.partition;
        let Some(recovery) = recoveries.get_mut(&id) else { return Ok(()) };
        let applied = recovery.apply(&replayed);
        if unless_unreadable(&mut opened, id, applied)?.is_none() {
            recoveries.remove(&id);
        }
        Ok(())
    })?;
    let mut recoveries: Vec<_> = recoveries.into_iter().collect();
    recoveries.sort_by_key(|(id, _)| *id);
    let (all, clock) = (recoveries.len(), &env.clock);
    let progress = Progress::new(all, clock.monotonic());
    let finished = env.threads.each(recoveries, told.threads, |(id, recovery)| {
        let finished = recovery.finish(told);
        if let Some(done) = progress.step(clock.monotonic()) {
            tracing::info!(done, all, "recovering partitions");
        }
        (id, finished)
    });
    for (id, finished) in finished {
        let Some(recovered) = unless_unreadable(&mut opened, id, finished)? else { continue };
        report.partitions += 1;
        report.repaired_batches += recovered.repaired;
        report.cut_bytes += recovered.cut_bytes;
        if let Some(offset) = recovered.partition.state.lock().corrupt_from {
            tracing::error!(partition = %id, %offset, "durable records cannot be read; their bytes were kept");
            report.corrupt.push((id, offset));
        }
        opened.partitions.insert(id, Arc::new(recovered.partition));
    }
    report.unreadable = opened.unreadable.keys().copied().collect();
    if !opened.unreadable.is_empty() {
        survey.replay(disk, &mut |replayed| {
            let id = replayed.entry.partition;
            if opened.unreadable.contains_key(&id) {
                // A copy: the entry shares its memory with what was read around it.
                opened.carried.push((id, Bytes::copy_from_slice(&replayed.bytes)));
            }
            Ok(())
        })?;
    }
    Ok(opened)
}

/// The partitions' directories, sorted. What was being deleted is removed.
fn partition_dirs(env: &Env, dir: &Path) -> Result<Vec<(TopicPartition, PathBuf)>, LogError> {
    let mut found = Vec::new();
    for path in env.disk.read_dir(dir).map_err(LogError::io("list", dir))? {
        if path.to_string_lossy().ends_with(files::DELETED) {
            if let Err(error) = env.disk.remove_dir_all(&path) {
                // It is nobody's any more; the next start tries again.
                tracing::warn!(path = %path.display(), %error, "could not remove what is left of a partition");
            }
        } else if let Some(id) = files::partition_of_dir(&path).filter(|_| env.disk.is_dir(&path)) {
            found.push((id, path));
        }
    }
    Ok(found)
}

/// Notes a partition that failed; an error if the failure is not its own.
fn unless_unreadable<T>(
    opened: &mut Opened,
    id: TopicPartition,
    result: Result<T, LogError>,
) -> Result<Option<T>, LogError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ (LogError::Io { .. } | LogError::Format { .. })) => {
            tracing::error!(partition = %id, %error, "a partition cannot be opened; its files were left as they are");
            opened.unreadable.insert(id, error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
