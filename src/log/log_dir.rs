//! A log directory: all partitions of one data directory, and the journal that makes them durable together.

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::env::Env;
use crate::env::JoinHandle;
use crate::memory::MemoryPool;
use crate::metrics::Metrics;
use crate::model::EventTime;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerId;
use crate::model::TopicPartition;

use super::AbortedTransaction;
use super::Append;
use super::Appended;
use super::CompactionReport;
use super::CompactionRequest;
use super::Ends;
use super::FlushOn;
use super::Flushed;
use super::LogConfig;
use super::LogError;
use super::OnDurable;
use super::PartitionConfig;
use super::PartitionHealth;
use super::ProducerDescription;
use super::ScrubReport;
use super::SegmentDescription;
use super::TailBatch;
use super::core::Core;
use super::core::Stop;
use super::measures::Measures;
use super::open;
use super::room::RoomFor;
use super::tail::Wanted;
use super::threads;

/// With more bytes than this waiting for a flush the log is busy.
const BUSY_BYTES: u64 = 1 << 20;

/// What recovery found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Partitions opened.
    pub partitions: usize,
    /// Batches that the journal had to put into their segments again.
    pub repaired_batches: usize,
    /// Bytes cut that were never durable.
    pub cut_bytes: u64,
    /// The last flush group was torn, and dropped whole.
    pub torn_group: bool,
    /// The journal lost entries that had been durable.
    pub journal_damaged: bool,
    /// Partitions of which something durable cannot be read, and from where.
    pub corrupt: Vec<(TopicPartition, Offset)>,
    /// Partitions whose files cannot be read; they refuse everything.
    pub unreadable: Vec<TopicPartition>,
}

/// All partitions of one directory. Shared; calls block for a write to the page cache, or for a flush where said.
pub struct LogDir {
    core: Arc<Core>,
    threads: Mutex<Vec<JoinHandle>>,
}

impl LogDir {
    /// Opens the directory and recovers what is in it. The caller holds the lock on the data directory.
    pub fn open(env: Env, dir: &Path, config: LogConfig) -> Result<(Arc<LogDir>, OpenReport), LogError> {
        let (core, report) = open::open(env, dir, config)?;
        let threads = match config.flush_on {
            FlushOn::Thread => threads::start(&core)?,
            FlushOn::Wait | FlushOn::Step => Vec::new(),
        };
        Ok((Arc::new(LogDir { core, threads: Mutex::new(threads) }), report))
    }

    /// Makes a partition, durably; of one that is there, changes the configuration. Blocks for a flush.
    pub fn create(&self, partition: TopicPartition, config: PartitionConfig) -> Result<(), LogError> {
        self.core.create(partition, config)
    }

    /// Removes a partition and its files, durably; nothing if it is not there. Blocks for a flush.
    pub fn delete(&self, partition: TopicPartition) -> Result<(), LogError> {
        self.core.delete(partition)
    }

    /// Takes a partition out and keeps its directory as `<name>-stray`: nobody knows its topic. Blocks for a flush.
    pub fn set_aside(&self, partition: TopicPartition) -> Result<(), LogError> {
        self.core.set_aside(partition)
    }

    /// The partitions, sorted.
    pub fn partitions(&self) -> Vec<TopicPartition> {
        let mut partitions: Vec<_> = self.core.partitions.read().keys().copied().collect();
        partitions.sort();
        partitions
    }

    /// The partitions that could not be read when the directory was opened, sorted.
    pub fn unreadable(&self) -> Vec<TopicPartition> {
        self.core.unreadable.read().keys().copied().collect()
    }

    /// Checks all appends, then appends all or none, in one flush group and in this order: after power loss either all
    /// or none of what became durable with `flush = ack`, or was written by a coordinator or a transaction, is there.
    ///
    /// Answers when the bytes are in the page cache; `durable` says when they are on the disk.
    pub fn append(&self, appends: Vec<Append>) -> Result<Vec<Appended>, LogError> {
        self.core.append(appends, RoomFor::Client)
    }

    /// Whether clients' records are refused since the disk is full.
    pub fn is_full(&self) -> bool {
        self.core.is_full()
    }

    /// As `append`, for what the server needs to go on or to make room: it may use the disk reserve.
    pub fn append_in_reserve(&self, appends: Vec<Append>) -> Result<Vec<Appended>, LogError> {
        self.core.append(appends, RoomFor::Server)
    }

    /// Resolves when all below `end` is durable; asks for a flush if the policy would not. Cancel-safe. An error if
    /// something below `end` is damaged.
    ///
    /// `LogError::Unknown` means that a flush failed and the process must end.
    pub fn durable(&self, partition: TopicPartition, end: Offset) -> BoxFuture<'static, Result<(), LogError>> {
        let core = self.core.clone();
        async move {
            let found = core.partition(partition)?;
            if let Some(offset) = found.state.lock().corrupt_from {
                // Nothing is appended to it, so nothing of it is waited for.
                return if end <= offset { Ok(()) } else { Err(LogError::Corrupt { partition, offset }) };
            }
            let ends = found.ends.subscribe();
            if end <= ends.borrow().durable_offset {
                return Ok(());
            }
            core.force(&found)?;
            if core.config.flush_on == FlushOn::Wait {
                core.flush_once()?;
            }
            until(&core, partition, ends, |ends| end <= ends.durable_offset).await
        }
        .boxed()
    }

    /// Resolves when the high watermark of each of these partitions has reached its end: what is durable is visible a moment
    /// later. Cancel-safe; `LogError::Unknown` as for `durable`.
    pub async fn visible_all(&self, ends: Vec<(TopicPartition, Offset)>) -> Result<(), LogError> {
        for (partition, end) in ends {
            let moved = self.core.partition(partition)?.ends.subscribe();
            until(&self.core, partition, moved, |ends| end <= ends.high_watermark).await?;
        }
        Ok(())
    }

    /// Resolves when a flush has failed: what is durable is not known any more, and the process must end.
    pub fn failed(&self) -> BoxFuture<'static, ()> {
        let mut stop = self.core.stop.subscribe();
        async move {
            match stop.wait_for(Option::is_some).await.map(|stop| *stop) {
                Ok(Some(Stop::Failed)) => {}
                // Closed, or gone without a failure.
                Ok(Some(Stop::Closed) | None) | Err(_) => std::future::pending().await,
            }
        }
        .boxed()
    }

    /// Resolves when each of these partitions is durable below its end.
    pub fn durable_all(&self, ends: Vec<(TopicPartition, Offset)>) -> BoxFuture<'static, Result<(), LogError>> {
        let waits: Vec<_> = ends.into_iter().map(|(partition, end)| self.durable(partition, end)).collect();
        futures::future::try_join_all(waits).map(|all| all.map(|_| ())).boxed()
    }

    /// Whole batches from the one that contains `from` on: the first always, further ones while they fit `bytes_max`,
    /// none that starts at or after `upto`. Empty at the end.
    pub fn read(
        &self,
        partition: TopicPartition,
        from: Offset,
        upto: Offset,
        bytes_max: usize,
    ) -> Result<Vec<TailBatch>, LogError> {
        self.core.read(partition, Wanted { from, upto, bytes_max })
    }

    /// The ends now.
    pub fn ends(&self, partition: TopicPartition) -> Result<Ends, LogError> {
        Ok(*self.core.partition(partition)?.ends.borrow())
    }

    /// The ends, and each change of one.
    pub fn watch(&self, partition: TopicPartition) -> Result<watch::Receiver<Ends>, LogError> {
        Ok(self.core.partition(partition)?.ends.subscribe())
    }

    /// Calls `callback` after each move of a durable offset, on the thread that flushed, without a lock held.
    pub fn on_durable(&self, callback: OnDurable) {
        *self.core.on_durable.write() = Some(callback);
    }

    /// Moves the high watermark forward, at most to the log end; it never goes back but by truncation.
    pub fn set_high_watermark(&self, partition: TopicPartition, offset: Offset) -> Result<(), LogError> {
        self.core.set_high_watermark(partition, offset)
    }

    /// Drops records before `offset`, which is at most the high watermark.
    pub fn advance_log_start(&self, partition: TopicPartition, offset: Offset) -> Result<(), LogError> {
        self.core.advance_log_start(partition, offset)
    }

    /// Fences appends of older leader epochs.
    pub fn set_leader_epoch(&self, partition: TopicPartition, epoch: LeaderEpoch) -> Result<(), LogError> {
        self.core.set_leader_epoch(partition, epoch)
    }

    /// Cuts what diverges from a leader whose `epoch` ends at `end`: at the lesser of that and our own end of the epoch.
    pub fn truncate_to(&self, partition: TopicPartition, epoch: LeaderEpoch, end: Offset) -> Result<(), LogError> {
        self.core.truncate_to(partition, epoch, end)
    }

    /// Drops everything and begins again at `offset`, at or after the log end: for a follower whose leader has dropped what would
    /// follow. The high watermark is there, too. Blocks for a flush.
    pub fn begin_at(&self, partition: TopicPartition, offset: Offset) -> Result<(), LogError> {
        self.core.begin_at(partition, offset)
    }

    /// Gives up what is damaged: drops every record from `from` on, and the mark. Answers where the log ends then; if nothing stands
    /// before the damage, the log begins anew at its old end. Blocks for a flush.
    pub fn cut_damage(&self, partition: TopicPartition, from: Offset) -> Result<Offset, LogError> {
        self.core.cut_damage(partition, from)
    }

    /// The greatest epoch at or below `epoch` that has records, and the offset after its last one.
    pub fn epoch_end(
        &self,
        partition: TopicPartition,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, LogError> {
        let partition = self.core.partition(partition)?;
        let state = partition.state.lock();
        Ok(state.epochs.end_of(epoch, state.log_end_offset))
    }

    /// Where the first epoch begins that has records; without records where the log ends.
    pub fn epochs_begin(&self, partition: TopicPartition) -> Result<Offset, LogError> {
        let partition = self.core.partition(partition)?;
        let state = partition.state.lock();
        Ok(state.epochs.starts().first().map_or(state.log_end_offset, |(_, start)| *start))
    }

    /// The aborted transactions with records in `from..upto`.
    pub fn aborted(
        &self,
        partition: TopicPartition,
        from: Offset,
        upto: Offset,
    ) -> Result<Vec<AbortedTransaction>, LogError> {
        Ok(self.core.partition(partition)?.state.lock().producers.aborted(from, upto))
    }

    /// The producers that a partition remembers, by id.
    pub fn producers(&self, partition: TopicPartition) -> Result<Vec<ProducerDescription>, LogError> {
        Ok(self.core.partition(partition)?.state.lock().producers.describe())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.core.dir
    }

    /// The first record at or after a time, and its time.
    pub fn offset_for_time(
        &self,
        partition: TopicPartition,
        time: EventTime,
    ) -> Result<Option<(Offset, EventTime)>, LogError> {
        self.core.offset_for_time(partition, time)
    }

    /// The transactions that have no marker yet, with their first offset; none for a partition that is not there.
    pub fn open_transactions(&self, partition: TopicPartition) -> Vec<(ProducerId, Offset)> {
        self.core.partition(partition).map(|found| found.state.lock().producers.open()).unwrap_or_default()
    }

    /// The first offset that recovery could not read although it had been durable, if there is one.
    pub fn corrupt_from(&self, partition: TopicPartition) -> Option<Offset> {
        self.core.partition(partition).ok()?.state.lock().corrupt_from
    }

    /// The segments of a partition, oldest first.
    pub fn segments(&self, partition: TopicPartition) -> Result<Vec<SegmentDescription>, LogError> {
        self.core.segments(partition)
    }

    /// Keeps the newest record of each key in the sealed segments; `None` if there was nothing worth it. Blocks; `pace` is
    /// told of bytes before they are read or written, and may wait. One at a time for a partition.
    pub fn compact(
        &self,
        partition: TopicPartition,
        request: CompactionRequest,
        pace: &mut dyn FnMut(u64),
    ) -> Result<Option<CompactionReport>, LogError> {
        self.core.compact(partition, request, pace)
    }

    /// Checks the sealed segments that were last checked before that time, in ms of the wall clock; `segments` tells what was
    /// found. Blocks; `pace` is told of bytes that were read, and may wait.
    pub fn scrub(
        &self,
        partition: TopicPartition,
        checked_before_ms: i64,
        pace: &mut dyn FnMut(u64),
    ) -> Result<ScrubReport, LogError> {
        self.core.scrub(partition, checked_before_ms, pace)
    }

    /// Counts the segments with damage anew, for whoever measures.
    pub fn count_damaged_segments(&self) {
        if let Some(measures) = self.core.measures.get() {
            measures.damaged_segments(self.core.damaged_segments());
        }
    }

    /// Whether so much waits for a flush that other work should wait.
    pub fn is_busy(&self) -> bool {
        self.core.check_running().is_ok() && BUSY_BYTES < self.core.pending.lock().bytes
    }

    /// How a partition's files are.
    pub fn health(&self, partition: TopicPartition) -> Result<PartitionHealth, LogError> {
        Ok(self.core.partition(partition)?.state.lock().health())
    }

    /// Has the log counted by `metrics` from now on; the first ones stay.
    pub fn measure(&self, metrics: &Metrics) {
        self.core.measures.get_or_init(|| Measures::new(metrics));
    }

    /// Counts the bytes of the newest batches in `pool`; the first one stays.
    pub fn count_tail_in(&self, pool: &MemoryPool) {
        self.core.tail.count_in(pool);
    }

    /// Seals the last segment, if it holds records: what comes next goes to a new one.
    pub fn roll(&self, partition: TopicPartition) -> Result<(), LogError> {
        self.core.roll(partition)
    }

    /// Bytes on the disk that hold batches of a partition.
    pub fn size_in_bytes(&self, partition: TopicPartition) -> Result<u64, LogError> {
        let partition = self.core.partition(partition)?;
        let state = partition.state.lock();
        Ok(state.segments.iter().map(|segment| segment.length).sum())
    }

    /// Flushes what waits, as the flusher does. For simulations.
    pub fn flush_once(&self) -> Result<Flushed, LogError> {
        self.core.flush_once()
    }

    /// Runs the confirming flush, if one is due or will be. For simulations.
    pub fn confirm_once(&self) -> Result<(), LogError> {
        self.core.confirm_once()
    }

    /// Trims the journal's old files away, if there are any. For simulations.
    pub fn trim_once(&self) -> Result<(), LogError> {
        self.core.trim_once()
    }

    /// Flushes everything, whatever its policy, and stops. Later calls answer `LogError::Closed`.
    pub fn close(&self) -> Result<(), LogError> {
        let partitions: Vec<_> = self.core.partitions.read().values().cloned().collect();
        let forced = partitions.iter().map(|partition| self.core.force(partition)).fold(Ok(()), Result::and);
        let flushed = self.core.flush_once().and_then(|_| self.core.confirm_once()).and(forced);
        self.stop();
        flushed
    }

    fn stop(&self) {
        self.core.stop.send_if_modified(|stop| {
            let running = stop.is_none();
            *stop = stop.or(Some(Stop::Closed));
            running
        });
        self.core.wake_threads();
        for thread in self.threads.lock().drain(..) {
            if let Err(panic) = thread.join() {
                tracing::error!(panic, "a thread of the log panicked");
            }
        }
    }
}

impl Drop for LogDir {
    /// Stops without flushing, as a crash would.
    fn drop(&mut self) {
        self.stop();
    }
}

/// Resolves when the ends are as wanted; an error once the partition is deleted or the log stops.
async fn until(
    core: &Core,
    partition: TopicPartition,
    mut ends: watch::Receiver<Ends>,
    wanted: impl Fn(&Ends) -> bool,
) -> Result<(), LogError> {
    let mut stop = core.stop.subscribe();
    tokio::select! {
        biased;
        moved = ends.wait_for(|ends| ends.deleted || wanted(ends)) => match moved.map(|ends| wanted(&ends)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(LogError::UnknownPartition { partition }),
            Err(_) => Err(LogError::Closed),
        },
        stopped = stop.wait_for(Option::is_some) => {
            let stop = stopped.ok().and_then(|stop| *stop).unwrap_or(Stop::Closed);
            Err(stop.into())
        }
    }
}
