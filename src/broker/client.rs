//! The seam between queries and the log: what a `Client` can be asked, by a principal.
//!
//! `Broker` implements it over this node's log; other implementations may stand over another engine. One conformance
//! test (`conformance`) holds for all of them.
//!
//! Every call is cancel-safe: a future that is dropped leaves what it began to go on or not to have begun, never half.
//! Every answer is bounded by the limits given or by the topic's.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::BrokerError;
use super::Ends;
use super::GroupKind;
use super::PartitionHealth;
use super::PendingBatch;
use super::SegmentDescription;
use super::TailBatch;
use super::TransactionDescription;
use crate::cluster::ClusterMetadata;
use crate::model::EventTime;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::QueryId;
use crate::model::TopicPartition;
use crate::protocol::Batch;

/// How much must have happened to an append before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acks {
    /// Nothing: errors after the checks are not told.
    None,
    /// The leader has it.
    Leader,
    /// All in-sync replicas have it, as durably as the topic's flush policy says.
    All,
}

/// Which records of transactions a fetch returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Those of committed ones, up to the first that is open. Markers and aborted batches are left out, marks come apart.
    ReadCommitted,
    /// All below the high watermark, with their markers.
    ReadUncommitted,
}

/// Where a reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// In which partition.
    pub partition: TopicPartition,
    /// The next offset to read.
    pub offset: Offset,
    /// The leader epoch of what was read last, if known: a newer or divergent one is refused.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// Where an append went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Offset after the last record; all between are the append's.
    pub next_offset: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
}

/// What a fetch found.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Whole batches in offset order; the first may begin before the position.
    pub batches: Vec<TailBatch>,
    /// Under read committed, the marks of committed transactions between them, in offset order.
    pub marks: Vec<TailBatch>,
    /// The position after what was returned or skipped.
    pub next: Offset,
    /// Readers see what lies below.
    pub readable_end: Offset,
    /// What lies below was dropped.
    pub log_start: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
}

/// The number of one membership of a group's member; a later one fences it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub i32);

/// Where a group goes on in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// The leader epoch of the last record read.
    pub leader_epoch: LeaderEpoch,
    /// What the member keeps with it.
    pub metadata: String,
}

/// One query's share of a commit: all of it becomes visible, or nothing.
#[derive(Debug, Clone)]
pub struct QueryCommit {
    /// Whose.
    pub query: QueryId,
    /// The group that holds its positions.
    pub group: String,
    /// As `join` gave it.
    pub generation: Generation,
    /// As it joined.
    pub member: String,
    /// Records to append. An empty batch is passed over.
    pub appends: Vec<(TopicPartition, PendingBatch)>,
    /// Positions to commit.
    pub offsets: Vec<(TopicPartition, CommittedOffset)>,
}

/// How a commit went.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Rises with every commit, over restarts too.
    pub commit_number: u64,
    /// For each query in the order given.
    pub outcomes: Vec<(QueryId, CommitOutcome)>,
}

/// What became of one query's share.
#[derive(Debug, Clone)]
pub enum CommitOutcome {
    /// It is durable and visible.
    Committed {
        /// Where each append of the query went, in its order; `None` for an empty batch.
        appended: Vec<(TopicPartition, Option<Appended>)>,
    },
    /// Nothing of it is visible or ever will be; the query may try again.
    LeftOut(LeftOutReason),
}

/// Why a query was left out of a commit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LeftOutReason {
    /// Another member or generation took over.
    #[error("member \"{member}\" of group \"{group}\" was fenced at generation {}", generation.0)]
    Fenced {
        /// The group.
        group: String,
        /// The member.
        member: String,
        /// The generation that the commit came with.
        generation: Generation,
    },
    /// An append of it could not be done.
    #[error("an append failed: {0}")]
    Append(#[source] Arc<BrokerError>),
    /// A position of it cannot be committed.
    #[error("an offset cannot be committed: {0}")]
    Offset(#[source] Arc<BrokerError>),
}

/// One group, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub group: String,
    /// The protocol of its members.
    pub kind: GroupKind,
    /// Its members.
    pub members: Vec<GroupMember>,
    /// Where it stands.
    pub offsets: Vec<GroupOffset>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Its name.
    pub member: String,
    /// The generation it joined with, or its epoch in the consumer protocol.
    pub generation: Generation,
    /// What is known of its client; `None` for a standing query's task.
    pub client: Option<GroupMemberClient>,
}

/// The client that is a member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMemberClient {
    /// The instance of a static member.
    pub instance: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// What it reads.
    pub assignment: MemberAssignment,
}

/// What a client reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberAssignment {
    /// In the words of the clients' own protocol; empty while the group is not stable.
    Classic(Bytes),
    /// As the coordinator gave it.
    Consumer(BTreeSet<TopicPartition>),
}

/// Where a group stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// What was committed.
    pub committed: CommittedOffset,
    /// The readable end; `None` if the partition is gone.
    pub readable_end: Option<Offset>,
    /// Readable end minus position, markers passed: 0 when there is nothing to read.
    pub lag: Option<i64>,
}

/// What a reader at some offset has before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// The offset after the last one that a committed read may see.
    pub readable_end: Offset,
    /// Readable end minus position, markers passed: 0 when there is nothing to read.
    pub records: i64,
}

/// The log, as a query or a connection uses it.
#[async_trait]
pub trait Client: Send + Sync {
    /// Appends one batch.
    async fn append(&self, partition: TopicPartition, batch: Batch, acks: Acks) -> Result<Appended, BrokerError> {
        let appended = self.append_many(vec![(partition, batch)], acks).await?;
        Ok(appended[0])
    }

    /// Appends batches as one flush group: all are checked before any is appended. Answers in the same order.
    async fn append_many(
        &self,
        batches: Vec<(TopicPartition, Batch)>,
        acks: Acks,
    ) -> Result<Vec<Appended>, BrokerError>;

    /// Reads from `position` about `max_bytes` (one batch at least), waiting up to `max_wait` for something to read.
    /// Returns early, without batches, when only markers or aborted batches were passed.
    async fn fetch(
        &self,
        position: Position,
        isolation: Isolation,
        max_bytes: usize,
        max_wait: Duration,
    ) -> Result<Fetched, BrokerError>;

    /// Commits many queries at once, each whole or not at all. At most one commit of a `transactional_id` runs.
    ///
    /// `BrokerError::Unknown` means that the process must end: only a restart can tell what is durable.
    async fn commit(&self, transactional_id: &str, queries: Vec<QueryCommit>) -> Result<Committed, BrokerError>;

    /// Where a group stands; empty for one that never committed.
    async fn committed_offsets(&self, group: &str) -> Result<HashMap<TopicPartition, CommittedOffset>, BrokerError>;

    /// Joins `group` as `member`: the generation it got fences the member's earlier ones.
    async fn join(&self, group: &str, member: &str) -> Result<Generation, BrokerError>;

    /// Forgets a group: members are fenced, positions are gone. No error if there is none.
    async fn delete_group(&self, group: &str) -> Result<(), BrokerError>;

    /// All groups, with their lag.
    async fn groups(&self) -> Result<Vec<GroupDescription>, BrokerError>;

    /// The transactional ids of clients.
    fn transactions(&self) -> Vec<TransactionDescription>;

    /// As `advance_log_start`; where no record is left, its bytes go at once.
    async fn delete_records(&self, partition: TopicPartition, before: Offset) -> Result<(), BrokerError>;

    /// Drops what lies below `offset`; never moves back.
    async fn advance_log_start(&self, partition: TopicPartition, offset: Offset) -> Result<(), BrokerError>;

    /// Where a partition begins and ends.
    async fn ends(&self, partition: TopicPartition) -> Result<Ends, BrokerError>;

    /// Why the last compaction of a partition failed; `None` if it did not.
    fn compaction_error(&self, partition: TopicPartition) -> Option<String>;

    /// How a partition's files are.
    async fn health(&self, partition: TopicPartition) -> Result<PartitionHealth, BrokerError>;

    /// The segments of a partition, oldest first.
    async fn segments(&self, partition: TopicPartition) -> Result<Vec<SegmentDescription>, BrokerError>;

    /// What a committed reader at `position` has before it.
    async fn lag(&self, partition: TopicPartition, position: Offset) -> Result<Lag, BrokerError>;

    /// The first offset whose record's time is `time` or later, with that time.
    async fn offset_for_time(
        &self,
        partition: TopicPartition,
        time: EventTime,
    ) -> Result<Option<(Offset, EventTime)>, BrokerError>;

    /// What exists.
    fn metadata(&self) -> Arc<ClusterMetadata>;
}
