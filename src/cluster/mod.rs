//! Many nodes, one truth: the data directory's identity, and the metadata log that says what exists.
//!
//! `MetadataLog` has one voter today, in its own files; its parts are cut as openraft's storage traits are (an entry
//! log and a vote in `storage`, a pure state machine in `metadata`), so that a quorum replaces only `metadata_log`.
//!
//! Invariants:
//!   * a proposal that was answered is durable; one that was refused left nothing
//!   * versions rise by one; every node that applied version `v` holds the same `ClusterMetadata`
//!   * a leader epoch (the voter's term) is used by one process only: each start takes the next
//!
//! Not here: replication and leaders of several nodes (they come with the second node), topics' data (`log`, `broker`).

mod data_dir;
mod entry;
mod error;
#[cfg(test)]
mod fuzz_tests;
mod metadata;
mod metadata_log;
mod record;
mod storage;
#[cfg(test)]
mod tests;

pub use data_dir::{DataDir, DataDirMeta, FORMAT_LEVEL};
pub use error::MetadataError;
pub use metadata::ClusterMetadata;
pub use metadata_log::{MetadataLog, MetadataSubscriber};
pub use record::{CleanupPolicy, ClusterId, CompactionConfig, CompressionConfig, CompressionType, FlushPolicy};
pub use record::{MetadataRecord, NodeId, TimestampType, TopicConfig, TopicRecord};
