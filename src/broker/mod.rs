//! Topics in use: produce, fetch, consumer groups, transactions, for whoever holds a `Client`.
//!
//! Invariants:
//!   * a commit is whole or absent, over all its partitions and offsets, whatever crashes when
//!   * what a `Client` was told to be committed stays committed
//!   * coordinator state is nothing but the replay of `__consumer_offsets` and `__transaction_state`
//!
//! Not here: the bytes of a partition (`log`), what exists (`cluster`), sockets (`wire`).

mod client;
mod commit;
mod compaction;
mod compression;
mod config;
mod coordinator;
mod core;
mod damage;
mod error;
mod fetch;
mod groups;
mod local;
mod outcomes;
mod partitions;
mod pattern;
mod pending;
mod recovery;
mod retention;
mod scrub;
mod transactions;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
mod tests;

pub use self::core::Broker;
pub use client::{
    Acks, Appended, Client, CommitOutcome, Committed, CommittedOffset, Fetched, Generation, GroupDescription,
    GroupMember, GroupMemberClient, GroupOffset, Isolation, Lag, LeftOutReason, MemberAssignment, Position,
    QueryCommit,
};
pub use config::BrokerConfig;
pub use error::BrokerError;
pub use groups::{
    CommitOffsets, ConsumerHeartbeat, ConsumerHeartbeatAnswer, DescribedConsumerGroup, DescribedConsumerMember,
    DescribedGroup, DescribedMember, FetchedOffset, GroupConfig, GroupError, GroupKind, GroupListing, GroupProtocol,
    GroupState, Heartbeat, JoinGroup, JoinedGroup, JoinedMember, LeaveGroup, LeavingMember, OffsetToCommit, SyncGroup,
    SyncedGroup, partitions_by_topic,
};
pub use local::{
    CheckedBatch, DiskSpace, FetchLimits, FetchPartition, FetchedPartition, Fetching, FoundOffset, ListChange,
    LocalBroker, NewTopic, OffsetQuery, Placed, SettingKind, TOPIC_SETTINGS, TopicSetting, TopicUser, TopicUsers,
};
pub use partitions::{CONSUMER_OFFSETS, TRANSACTION_STATE};
pub use pattern::{InvalidPattern, NamePattern};
pub use pending::PendingBatch;
pub use transactions::{
    MarkerError, OutsideMarker, TransactionDescription, TransactionError, TransactionState, TransactionVersion,
    UnknownTransactionState,
};

pub use crate::cluster::{ClusterMetadata, MetadataError, TopicConfig, TopicRecord};
pub use crate::log::{
    AbortedTransaction, Ends, LogError, PartitionHealth, ProducerDescription, SegmentCheck, SegmentDamage,
    SegmentDescription, Slot, TailBatch,
};
