//! What the metadata log carries: topics, blocks of producer ids, and the catalog's changes as opaque bytes.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;

use crate::model::TopicId;
use crate::model::TopicPartition;

/// The number of a node in its cluster, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub i32);

/// The identity of a cluster: a random UUID, made with its first data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClusterId(pub [u8; 16]);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// When an append is answered as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlushPolicy {
    /// After its flush.
    #[default]
    Ack,
    /// At once; flushed at least this often.
    Interval(Duration),
    /// At once; flushed when the operating system likes, as Kafka does.
    Os,
}

/// What happens to old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CleanupPolicy {
    /// Dropped when older than the retention.
    #[default]
    Delete,
    /// The newest of each key is kept.
    Compact,
    /// Both.
    CompactDelete,
}

/// Whose the times of a topic's records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The time of the append.
    LogAppendTime,
}

/// How the batches of a topic are packed, Kafka's `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressionType {
    /// As their producer packed them.
    #[default]
    Producer,
    /// Not at all.
    Uncompressed,
    /// With gzip.
    Gzip,
    /// With Snappy.
    Snappy,
    /// With LZ4.
    Lz4,
    /// With Zstandard.
    Zstd,
}

/// What becomes of batches that are packed in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct CompressionConfig {
    /// How they are packed.
    pub kind: CompressionType,
    /// gzip's level, from 1 to 9; -1 for its own default.
    pub gzip_level: i32,
    /// LZ4's level, which is kept and not obeyed: its encoder has one.
    pub lz4_level: i32,
    /// Zstandard's level.
    pub zstd_level: i32,
}

impl Default for CompressionConfig {
    /// Kafka's.
    fn default() -> Self {
        Self { kind: CompressionType::Producer, gzip_level: -1, lz4_level: 9, zstd_level: 3 }
    }
}

/// Settings of Kafka's that are kept for those who ask for them, and that nothing here obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptConfig {
    /// `file.delete.delay.ms`
    pub file_delete_delay_ms: i64,
    /// `index.interval.bytes`
    pub index_interval_bytes: i32,
    /// `local.retention.bytes`
    pub local_retention_bytes: i64,
    /// `local.retention.ms`
    pub local_retention_ms: i64,
    /// `preallocate`
    pub preallocate: bool,
    /// `segment.jitter.ms`
    pub segment_jitter_ms: i64,
    /// `unclean.leader.election.enable`
    pub unclean_leader_election: bool,
}

impl Default for KeptConfig {
    /// Kafka's.
    fn default() -> Self {
        Self {
            file_delete_delay_ms: 60_000,
            index_interval_bytes: 4096,
            local_retention_bytes: -2,
            local_retention_ms: -2,
            preallocate: false,
            segment_jitter_ms: 0,
            unclean_leader_election: false,
        }
    }
}

/// When a compacted topic is compacted, and what of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct CompactionConfig {
    /// Milliseconds after its append in which a record is not compacted away.
    pub lag_min_ms: i64,
    /// Milliseconds after which a record is compacted, however little is new; `None` for no limit.
    pub lag_max_ms: Option<i64>,
    /// Milliseconds that a tombstone is kept for those who still read.
    pub delete_retention_ms: i64,
    /// The part of the bytes that must be new, in thousandths.
    pub dirty_permille_min: u16,
}

impl Default for CompactionConfig {
    /// Kafka's.
    fn default() -> Self {
        Self { lag_min_ms: 0, lag_max_ms: None, delete_retention_ms: 24 * 60 * 60 * 1000, dirty_permille_min: 500 }
    }
}

impl CompactionConfig {
    /// Whether a record may be compacted before it must be.
    pub fn lags_fit(&self) -> bool {
        self.lag_max_ms.is_none_or(|lag_max_ms| self.lag_min_ms <= lag_max_ms)
    }
}

/// Who may write a topic, and whether people see it in lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicConfig {
    /// When appends are answered.
    pub flush: FlushPolicy,
    /// Milliseconds that records are kept; `None` for ever.
    pub retention_ms: Option<i64>,
    /// Bytes of a partition above which its oldest segments are dropped; `None` for no limit.
    #[serde(default)]
    pub retention_bytes: Option<u64>,
    /// What happens to old records.
    pub cleanup_policy: CleanupPolicy,
    /// Only the server writes it.
    pub internal: bool,
    /// Bytes at which a segment is sealed.
    pub segment_bytes: u64,
    /// Milliseconds after which a segment is sealed, however small; `None` for never.
    #[serde(default)]
    pub segment_ms: Option<i64>,
    /// Bytes of the largest batch that is taken, Kafka's `max.message.bytes`.
    pub batch_bytes_max: u32,
    /// Bytes of a segment's index at which it is sealed.
    pub index_bytes_max: u64,
    /// Whose the times of records are.
    pub timestamp_type: TimestampType,
    /// Milliseconds that a record's time may lie before its append; `None` for no limit.
    pub timestamp_before_max_ms: Option<i64>,
    /// Milliseconds that it may lie after its append; `None` for no limit.
    pub timestamp_after_max_ms: Option<i64>,
    /// When it is compacted, if it is.
    pub compaction: CompactionConfig,
    /// In-sync replicas without which an append that waits for all of them is refused.
    pub min_insync_replicas: u16,
    /// How batches are packed.
    pub compression: CompressionConfig,
    /// What is kept and not obeyed.
    pub kept: KeptConfig,
    /// Which settings were given to it by name, defaults too: a bit each. Whose bit is whose is said where they are named.
    pub given: u64,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            flush: FlushPolicy::Ack,
            retention_ms: Some(7 * 24 * 60 * 60 * 1000),
            retention_bytes: None,
            cleanup_policy: CleanupPolicy::Delete,
            internal: false,
            segment_bytes: 1 << 30,
            segment_ms: Some(7 * 24 * 60 * 60 * 1000),
            batch_bytes_max: 1_048_588,
            index_bytes_max: 10 << 20,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: None,
            timestamp_after_max_ms: None,
            compaction: CompactionConfig::default(),
            min_insync_replicas: 1,
            compression: CompressionConfig::default(),
            kept: KeptConfig::default(),
            given: 0,
        }
    }
}

impl TopicConfig {
    /// For topics that only the server writes: kept for ever, `cleanup_policy` as given. A record in them holds a user's
    /// record and more (a dead letter has its headers, a repartition its columns), so their limit is higher.
    pub fn internal(cleanup_policy: CleanupPolicy) -> Self {
        let batch_bytes_max = 16 * Self::default().batch_bytes_max;
        // Compaction takes sealed segments only: what is written over and over is not to wait for a gigabyte.
        let segment_bytes = match cleanup_policy {
            CleanupPolicy::Delete => Self::default().segment_bytes,
            CleanupPolicy::Compact | CleanupPolicy::CompactDelete => 64 << 20,
        };
        Self { retention_ms: None, cleanup_policy, internal: true, segment_bytes, batch_bytes_max, ..Self::default() }
    }
}

/// A topic: its id is its identity, its name may be taken again after a drop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// Random, never reused.
    pub id: TopicId,
    /// As clients call it.
    pub name: String,
    /// How many partitions, at least 1.
    pub partitions: i32,
    /// The rest.
    pub config: TopicConfig,
}

impl TopicRecord {
    /// Its partitions, by number.
    pub fn partition_ids(&self) -> impl Iterator<Item = TopicPartition> + use<> {
        let id = self.id;
        (0..self.partitions).map(move |number| TopicPartition::new(id, number))
    }
}

/// One fact in the metadata log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataRecord {
    /// A topic exists.
    Topic(TopicRecord),
    /// A topic is told another configuration.
    ConfigureTopic(TopicId, TopicConfig),
    /// A topic has more partitions than before: so many.
    AddPartitions(TopicId, i32),
    /// A topic is gone, with its data.
    DropTopic(TopicId),
    /// A change of the catalog, which only the engine can read.
    Catalog(Bytes),
    /// Producer ids below `next` were handed out.
    ProducerIds {
        /// The first id that is free.
        next: i64,
    },
}
