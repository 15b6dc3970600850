//! What the log directory, its flusher and its trimmer share.
//!
//! Locks are taken in this order: compacting, trimming or making, journal, partitions (several: by id), then one of pending, tail, reserve, room. The map of partitions
//! is never held while another lock is taken.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Condvar;
use parking_lot::Mutex;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::env::Env;
use crate::env::FileSystem;
use crate::env::OpenMode;
use crate::model::TopicPartition;

use super::Ends;
use super::LogConfig;
use super::LogError;
use super::files;
use super::journal::Journal;
use super::measures::Measures;
use super::partition::Partition;
use super::partition::Queued;
use super::room::GROUP_OVERHEAD;
use super::room::JournalRoom;
use super::room::Reserve;
use super::room::RoomFor;
use super::tail::Tail;

/// Is called with each partition whose durable offset has moved, on the thread that flushed.
pub type OnDurable = Arc<dyn Fn(TopicPartition, Ends) + Send + Sync>;

/// Why nothing is taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A flush failed.
    Failed,
    /// The directory was closed.
    Closed,
}

/// The shared parts.
pub(super) struct Core {
    pub(super) env: Env,
    /// What the directory lies on.
    pub(super) file_system: Arc<dyn FileSystem>,
    pub(super) dir: PathBuf,
    pub(super) config: LogConfig,
    pub(super) partitions: RwLock<HashMap<TopicPartition, Arc<Partition>>>,
    /// Held while a partition is compacted.
    pub(super) compacting: Mutex<()>,
    /// Held while the journal's old files are trimmed away.
    pub(super) trimming: Mutex<()>,
    /// Partitions whose files could not be read when the directory was opened.
    pub(super) unreadable: RwLock<BTreeMap<TopicPartition, LogError>>,
    /// What the journal said of those, in its own bytes: it goes into each new journal file.
    pub(super) carried: Mutex<Vec<(TopicPartition, Bytes)>>,
    /// Held while a partition's directory is made or taken away.
    pub(super) making: Mutex<()>,
    pub(super) tail: Tail,
    /// What a sync of the journal takes lately, in microseconds.
    pub(super) sync_micros: AtomicU64,
    pub(super) pending: Mutex<Pending>,
    /// Wakes the flusher.
    pub(super) wake: Condvar,
    /// Wakes the trimmer.
    pub(super) trim: Condvar,
    pub(super) journal: Mutex<Journal>,
    /// The room of the journal's newest file. Locked last.
    pub(super) room: Arc<Mutex<JournalRoom>>,
    /// Locked last.
    pub(super) reserve: Mutex<Reserve>,
    pub(super) stop: watch::Sender<Option<Stop>>,
    pub(super) on_durable: RwLock<Option<OnDurable>>,
    /// Set once, if anybody measures.
    pub(super) measures: OnceLock<Measures>,
}

/// What waits for a flush.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) entries: Vec<Queued>,
    pub(super) bytes: u64,
    /// Partitions with `flush = interval`, and when (monotonic) their data is to be flushed.
    pub(super) due: Vec<(Duration, Arc<Partition>)>,
    /// When (monotonic) the confirming flush is to run.
    pub(super) confirm_at: Option<Duration>,
    /// The journal has files to trim away.
    pub(super) trim_wanted: bool,
}

impl Core {
    /// The partition, or why not.
    pub(super) fn partition(&self, id: TopicPartition) -> Result<Arc<Partition>, LogError> {
        self.check_running()?;
        let found = self.partitions.read().get(&id).cloned();
        found.ok_or_else(|| match self.unreadable.read().get(&id) {
            Some(source) => LogError::Unreadable { partition: id, source: Arc::new(source.clone()) },
            None => LogError::UnknownPartition { partition: id },
        })
    }

    /// An error once a flush has failed or the directory was closed.
    pub(super) fn check_running(&self) -> Result<(), LogError> {
        match *self.stop.borrow() {
            None => Ok(()),
            Some(stop) => Err(stop.into()),
        }
    }

    /// Room in the journal for `bytes` of entries of one group.
    pub(super) fn promise(&self, bytes: u64, room_for: RoomFor) -> Result<Promise<'_>, LogError> {
        let bytes = bytes + GROUP_OVERHEAD;
        {
            let mut reserve = self.reserve.lock();
            if room_for == RoomFor::Client && !reserve.take(&*self.env.disk, &self.dir) {
                return Err(LogError::DiskFull { path: reserve.path().to_path_buf() });
            }
        }
        let mut promised = self.room.lock().promise(bytes);
        if self.retry_in_reserve(promised.as_ref().err(), room_for) {
            promised = self.room.lock().promise(bytes);
        }
        promised.map(|()| Promise { room: &self.room, bytes })
    }

    /// Whether the disk has no room for clients.
    pub(super) fn is_full(&self) -> bool {
        !self.reserve.lock().take(&*self.env.disk, &self.dir)
            || self.env.disk.free_bytes(&self.dir).is_ok_and(|free| free == 0)
    }

    /// Gives the reserve up if the disk is full; whether who met it may try again.
    pub(super) fn retry_in_reserve(&self, error: Option<&LogError>, room_for: RoomFor) -> bool {
        if !matches!(error, Some(LogError::DiskFull { .. })) {
            return false;
        }
        let given_up = self.reserve.lock().give_up(&*self.env.disk);
        match given_up {
            Ok(given_up) => {
                if given_up {
                    tracing::warn!("the disk is full: appends are refused until there is room again");
                }
                given_up && room_for == RoomFor::Server
            }
            Err(error) => {
                tracing::warn!(%error, "could not give up the disk reserve");
                false
            }
        }
    }

    /// Takes entries into the next flush group; returns whether so much waits that the caller should flush.
    pub(super) fn enqueue(&self, entries: Vec<Queued>) -> bool {
        if entries.is_empty() {
            return false;
        }
        let mut pending = self.pending.lock();
        pending.bytes += entries.iter().map(|queued| queued.entry.payload.len() as u64 + 128).sum::<u64>();
        pending.entries.extend(entries);
        let full = self.config.pending_bytes_max < pending.bytes;
        drop(pending);
        self.wake.notify_one();
        full
    }

    /// After a failed flush nothing is known; the process must end.
    pub(super) fn fail(&self, error: &LogError) {
        tracing::error!(%error, "a flush of the log failed; the log takes nothing more");
        // It need not be durable: once the machine has restarted, the page cache shows nothing that the disk has lost.
        if let Err(error) = self.env.disk.open(&self.dir.join(files::SYNC_FAILED_FILE), OpenMode::Create) {
            tracing::warn!(%error, "the next start cannot be told that a flush failed");
        }
        self.stop.send_if_modified(|stop| stop.replace(Stop::Failed) != Some(Stop::Failed));
        self.wake_threads();
    }

    /// Has the flusher and the trimmer see that the log has stopped.
    pub(super) fn wake_threads(&self) {
        // Each looks under this lock before it waits: once it was free here, none is between its look and its wait.
        drop(self.pending.lock());
        self.wake.notify_all();
        self.trim.notify_all();
    }
}

/// Room in the journal that is given back unless it is kept.
pub(super) struct Promise<'a> {
    room: &'a Mutex<JournalRoom>,
    bytes: u64,
}

impl Promise<'_> {
    /// Keeps room for `bytes` of entries, and for their group; the rest is given back. Tells how much was kept.
    pub(super) fn keep(mut self, bytes: u64) -> u64 {
        let kept = bytes + GROUP_OVERHEAD;
        self.bytes = self.bytes.checked_sub(kept).expect("no more is kept than was promised");
        kept
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        self.room.lock().give_back(self.bytes);
    }
}

impl From<Stop> for LogError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed => LogError::Unknown,
            Stop::Closed => LogError::Closed,
        }
    }
}
