//! The knobs of a log directory and of a partition.

use std::time::Duration;

/// When appended data is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushPolicy {
    /// At once; an answer waits for it.
    Ack,
    /// At most this long after the append; answers do not wait for it.
    Interval(Duration),
    /// When the operating system likes.
    Os,
}

/// Whose the times of records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps {
    /// The producer's.
    Create {
        /// How far behind the wall clock a client's record may lie, in ms.
        before_max_ms: i64,
        /// How far ahead of it, in ms.
        after_max_ms: i64,
    },
    /// The wall clock's at the append.
    Append,
}

/// What a partition is told when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionConfig {
    /// When appended data is made durable.
    pub flush: FlushPolicy,
    /// A segment that would pass this size in bytes is sealed and a new one begun.
    pub segment_bytes: u64,
    /// The largest batch taken, in bytes.
    pub batch_bytes_max: u32,
    /// A segment whose index would pass this size in bytes is sealed, too.
    pub index_bytes_max: u64,
    /// Whose the times of records are.
    pub timestamps: Timestamps,
}

impl Default for PartitionConfig {
    fn default() -> Self {
        Self {
            flush: FlushPolicy::Ack,
            segment_bytes: 1 << 30,
            batch_bytes_max: 1_048_588,
            index_bytes_max: 10 << 20,
            timestamps: Timestamps::Create { before_max_ms: i64::MAX, after_max_ms: i64::MAX },
        }
    }
}

/// Who runs the flushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushOn {
    /// Threads of the log's own.
    Thread,
    /// Whoever waits for durable data, while it waits. For one-threaded tests and runners.
    Wait,
    /// Nobody but the caller of `flush_once`, `confirm_once` and `trim_once`. For simulations.
    Step,
}

/// What a log directory is told when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// Who runs the flushes.
    pub flush_on: FlushOn,
    /// A journal file that has passed this size in bytes is followed by a new one, and trimmed away in the background.
    pub journal_bytes: u64,
    /// A partition with more bytes than this in a flush group has its segment synced instead of riding in the journal; where a
    /// sync takes long, more may ride.
    pub ride_bytes_max: u64,
    /// Bytes that may wait for a flush; an append that passes it flushes by itself.
    pub pending_bytes_max: u64,
    /// The greatest `segment_bytes` in bytes that a partition may have; more is taken as this.
    pub segment_bytes_max: u64,
    /// Bytes of the newest batches kept in memory, over all partitions.
    pub tail_bytes: usize,
    /// Bytes kept free for the server itself, at most a hundredth of the disk; with 0 nothing is.
    pub disk_reserve_bytes: u64,
    /// How long after the last data flush the confirming flush follows.
    pub confirm_after: Duration,
    /// Idempotent producers remembered per partition; the one silent for longest is forgotten.
    pub producers_max: usize,
    /// Keys that a compaction remembers at once, 38 to 76 bytes each; with more it takes several passes.
    pub compaction_keys_max: usize,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            flush_on: FlushOn::Thread,
            journal_bytes: 64 << 20,
            ride_bytes_max: 128 << 10,
            pending_bytes_max: 64 << 20,
            segment_bytes_max: 1 << 30,
            tail_bytes: 64 << 20,
            disk_reserve_bytes: 0,
            confirm_after: Duration::from_millis(10),
            producers_max: 10_000,
            compaction_keys_max: 4 << 20,
        }
    }
}
