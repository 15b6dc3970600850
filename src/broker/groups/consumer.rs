//! What members of the consumer protocol (KIP-848) ask of a group's coordinator, and what it tells them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use super::GroupState;
use crate::model::PartitionId;
use crate::model::TopicId;
use crate::model::TopicPartition;

/// A member joins, says that it lives and what it has, or leaves. What did not change since it said it last may be `None`.
#[derive(Debug, Clone, Default)]
pub struct ConsumerHeartbeat {
    /// The group.
    pub group: String,
    /// The name that the member gave itself.
    pub member: String,
    /// The epoch that it was told last; 0 to join, -1 to leave, -2 if it will be back under its instance.
    pub member_epoch: i32,
    /// The name that stays over restarts of a static member.
    pub instance: Option<String>,
    /// Where its machine stands.
    pub rack: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// How long it may take to give partitions back.
    pub rebalance_timeout: Option<Duration>,
    /// The topics that it reads.
    pub topics: Option<Vec<String>>,
    /// It also reads topics whose whole name fits this; empty for none.
    pub pattern: Option<String>,
    /// How it wants partitions shared out.
    pub assignor: Option<String>,
    /// The partitions that it has.
    pub owned: Option<BTreeSet<TopicPartition>>,
}

/// What a member is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerHeartbeatAnswer {
    /// Its name.
    pub member: String,
    /// Its epoch from now on.
    pub member_epoch: i32,
    /// When it is to come again, at the latest.
    pub heartbeat_interval: Duration,
    /// What it may read, and no more than that; `None` if that did not change.
    pub assignment: Option<BTreeSet<TopicPartition>>,
}

/// A group of the consumer protocol and its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    /// How far it is.
    pub state: GroupState,
    /// Rises with each change of what is to be shared out, or among whom.
    pub group_epoch: i32,
    /// The group's epoch when its partitions were shared out.
    pub assignment_epoch: i32,
    /// How they were.
    pub assignor: String,
    /// Its members.
    pub members: Vec<DescribedConsumerMember>,
}

/// A member of a described group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumerMember {
    /// Its name.
    pub member: String,
    /// The instance of a static member.
    pub instance: Option<String>,
    /// Whether it speaks the classic protocol.
    pub is_classic: bool,
    /// Where its machine stands.
    pub rack: Option<String>,
    /// Its epoch; -2 while a static member is away.
    pub member_epoch: i32,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// The topics that it named.
    pub topics: Vec<String>,
    /// The pattern of further topics.
    pub pattern: Option<String>,
    /// What it may read.
    pub assignment: BTreeSet<TopicPartition>,
    /// What it has yet to give back.
    pub revoking: BTreeSet<TopicPartition>,
    /// What it is to have in the end.
    pub target: BTreeSet<TopicPartition>,
}

/// The numbers of partitions, by topic.
pub fn partitions_by_topic(partitions: &BTreeSet<TopicPartition>) -> BTreeMap<TopicId, Vec<i32>> {
    let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
    for TopicPartition { topic, partition: PartitionId(number) } in partitions {
        topics.entry(*topic).or_default().push(*number);
    }
    topics
}
