//! All groups of this coordinator: those of Kafka's clients and those of standing queries, and where each stands.
//!
//! Offsets that a transaction wrote count once its commit marker follows, as in Kafka. While a commit of a group is
//! under way its offsets are unstable: who took over must not read them (KIP-447), or it would repeat the commit's work.
//!
//! Invariants:
//!   * of two positions of one partition, that of the later record counts, live and in replay
//!   * the fence and the start of a commit are one step: no join lies between them unseen
//!   * a query's generation rises with every join, also over restarts

mod commit;
mod consumer;
mod delete;
mod members;
mod offsets;
mod query;
mod read;
mod replay;
mod step;

#[cfg(test)]
mod model;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::time::Duration;

use self::offsets::GroupOffsets;
use self::query::QueryMembers;
use super::classic::ClassicGroup;
use super::consumer::ConsumerGroup;
use super::event::Writes;
use super::offset_record::GroupRecord;
use super::offset_record::OffsetKey;
use crate::broker::GroupConfig;
use crate::model::Offset;
use crate::model::ProducerId;
use crate::model::TopicId;
use crate::model::TopicPartition;

/// The member is not, or no longer, the one that may commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker) struct FenceError;

/// All groups of this coordinator.
#[derive(Debug)]
pub(in crate::broker) struct Groups {
    config: GroupConfig,
    groups: BTreeMap<String, Group>,
    /// Records of open transactions with their places, by producer, as replay meets them.
    open: HashMap<ProducerId, Vec<(GroupRecord, Offset)>>,
    writes: Writes,
    /// When each group is to be looked at, at the latest.
    timers: BTreeSet<(Duration, String)>,
}

#[derive(Debug)]
struct Group {
    members: Members,
    offsets: GroupOffsets,
    /// The group's place in `timers`.
    timer: Option<Duration>,
    commits_under_way: usize,
}

#[derive(Debug)]
enum Members {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
    Query(QueryMembers),
}

impl Group {
    fn new(now_ms: i64) -> Self {
        let members = Members::Classic(ClassicGroup::new(now_ms));
        Self { members, offsets: GroupOffsets::default(), timer: None, commits_under_way: 0 }
    }
}

impl Groups {
    /// No groups yet.
    pub(in crate::broker) fn new(config: GroupConfig) -> Self {
        Self {
            config,
            groups: BTreeMap::new(),
            open: HashMap::new(),
            writes: Writes::default(),
            timers: BTreeSet::new(),
        }
    }
}

/// The key of a committed offset. A topic that is gone is called by its id, which no topic can be called.
pub(in crate::broker) fn offset_key(
    group: &str,
    partition: TopicPartition,
    name_of: impl Fn(TopicId) -> Option<String>,
) -> OffsetKey {
    let topic = name_of(partition.topic).unwrap_or_else(|| format!("{{{}}}", partition.topic));
    OffsetKey { group: group.to_string(), topic, partition: partition.partition.0 }
}
