//! What groups there are, and where they stand.

use std::collections::BTreeSet;
use std::collections::HashMap;

use super::Group;
use super::Groups;
use super::Members;
use super::query::PROTOCOL_TYPE;
use crate::broker::CommittedOffset;
use crate::broker::DescribedConsumerGroup;
use crate::broker::DescribedConsumerMember;
use crate::broker::DescribedGroup;
use crate::broker::DescribedMember;
use crate::broker::FetchedOffset;
use crate::broker::Generation;
use crate::broker::GroupError;
use crate::broker::GroupKind;
use crate::broker::GroupListing;
use crate::broker::GroupMember;
use crate::broker::GroupMemberClient;
use crate::broker::MemberAssignment;
use crate::broker::coordinator::consumer::CONSUMER;
use crate::broker::coordinator::event::Pending;
use crate::broker::coordinator::offset_record::GroupRecord;
use crate::model::TopicPartition;

/// A group as the coordinator knows it.
pub(in crate::broker) struct KnownGroup {
    pub(in crate::broker) name: String,
    pub(in crate::broker) kind: GroupKind,
    pub(in crate::broker) members: Vec<GroupMember>,
    pub(in crate::broker) offsets: Vec<(TopicPartition, CommittedOffset)>,
}

impl Groups {
    /// Where `group` stands; `None` while a commit of it is under way.
    pub(in crate::broker) fn stable_offsets(&self, group: &str) -> Option<HashMap<TopicPartition, CommittedOffset>> {
        match self.groups.get(group) {
            None => Some(HashMap::new()),
            Some(group) if 0 < group.commits_under_way => None,
            Some(group) => Some(group.offsets.iter().map(|(partition, offset)| (partition, offset.clone())).collect()),
        }
    }

    /// Where `group` stands in `partitions`, or in all that it has. With `only_stable`, a position that a commit under way may
    /// replace is not told.
    pub(in crate::broker) fn fetch(
        &self,
        name: &str,
        partitions: Option<&[TopicPartition]>,
        only_stable: bool,
    ) -> Result<Vec<FetchedOffset>, GroupError> {
        let group = self.groups.get(name);
        if group.is_some_and(Group::is_dead) {
            return Err(GroupError::CoordinatorUnavailable);
        }
        let is_under_way = group.is_some_and(|group| 0 < group.commits_under_way);
        let open = if only_stable { self.unsettled(name) } else { BTreeSet::new() };
        let all = || group.map(|group| group.offsets.iter().map(|(partition, _)| partition).collect());
        let partitions = partitions.map(<[_]>::to_vec).or_else(all).unwrap_or_default();
        let of = |partition: TopicPartition| match only_stable && (is_under_way || open.contains(&partition)) {
            true => Err(GroupError::UnstableOffset),
            false => Ok(group.and_then(|group| group.offsets.get(partition)).cloned()),
        };
        Ok(partitions.into_iter().map(|partition| (partition, of(partition))).collect())
    }

    /// The partitions of which a transaction holds a position of `group`, on its way to the disk or there.
    fn unsettled(&self, group: &str) -> BTreeSet<TopicPartition> {
        let partition = |record: &GroupRecord| match record {
            GroupRecord::Offset { key, value: Some(value) } => Some(TopicPartition::new(value.topic?, key.partition)),
            GroupRecord::Offset { .. } | GroupRecord::Group { .. } | GroupRecord::Consumer { .. } => None,
        };
        self.in_transactions(group).filter_map(partition).collect()
    }

    /// What transactions that have not ended hold of `group`, on its way to the disk or there.
    pub(super) fn in_transactions(&self, group: &str) -> impl Iterator<Item = &GroupRecord> {
        let under_way = self.writes.pending.values().filter_map(|(_, pending)| match pending {
            Pending::OffsetsInTransaction { records, .. } => Some(records.iter()),
            _ => None,
        });
        let open = self.open.values().flatten().map(|(record, _)| record);
        let is_of_group =
            move |record: &&GroupRecord| matches!(record, GroupRecord::Offset { key, .. } if key.group == group);
        under_way.flatten().chain(open).filter(is_of_group)
    }

    /// Every group.
    pub(in crate::broker) fn everything(&self) -> Vec<KnownGroup> {
        let known = |(name, group): (&String, &Group)| {
            let members = match &group.members {
                Members::Query(query) => {
                    let task = |(member, joined): (&String, &Generation)| GroupMember {
                        member: member.clone(),
                        generation: *joined,
                        client: None,
                    };
                    query.members.iter().map(task).collect()
                }
                Members::Classic(classic) => {
                    let generation = Generation(classic.generation());
                    let known = |DescribedMember { member, instance, client_id, client_host, assignment, .. }| {
                        let assignment = MemberAssignment::Classic(assignment);
                        let client = Some(GroupMemberClient { instance, client_id, client_host, assignment });
                        GroupMember { member, generation, client }
                    };
                    classic.describe().members.into_iter().map(known).collect()
                }
                Members::Consumer(consumer) => {
                    let known = |described: DescribedConsumerMember| {
                        let DescribedConsumerMember { member, instance, client_id, client_host, .. } = described;
                        let assignment = MemberAssignment::Consumer(described.assignment);
                        let client = Some(GroupMemberClient { instance, client_id, client_host, assignment });
                        GroupMember { member, generation: Generation(described.member_epoch), client }
                    };
                    consumer.describe().members.into_iter().map(known).collect()
                }
            };
            let offsets = group.offsets.iter().map(|(partition, offset)| (partition, offset.clone()));
            KnownGroup { name: name.clone(), kind: group.kind(), members, offsets: offsets.collect() }
        };
        self.groups.iter().map(known).collect()
    }

    /// All groups in short.
    pub(in crate::broker) fn list(&self) -> Vec<GroupListing> {
        let listing = |(name, group): (&String, &Group)| {
            let (protocol_type, state) = match &group.members {
                Members::Classic(classic) => (classic.protocol_type().unwrap_or_default(), classic.state()),
                Members::Consumer(consumer) => (CONSUMER, consumer.state()),
                Members::Query(query) => (PROTOCOL_TYPE, query.state()),
            };
            GroupListing { group: name.clone(), kind: group.kind(), protocol_type: protocol_type.to_string(), state }
        };
        self.groups.iter().map(listing).collect()
    }

    /// One group of the classic protocol, or of a query; `None` if it is not there.
    pub(in crate::broker) fn describe(&self, group: &str) -> Option<DescribedGroup> {
        self.groups.get(group).and_then(Group::describe)
    }

    /// One group of the consumer protocol; `None` if it is not there.
    pub(in crate::broker) fn describe_consumer(&self, group: &str) -> Option<DescribedConsumerGroup> {
        match &self.groups.get(group)?.members {
            Members::Consumer(consumer) => Some(consumer.describe()),
            Members::Classic(_) | Members::Query(_) => None,
        }
    }

    /// Why a group cannot be told as one of a protocol: it is of the other, or not there.
    pub(in crate::broker) fn why_not(&self, group: &str) -> GroupError {
        match self.groups.get(group).map(Group::kind) {
            Some(kind) => GroupError::OtherProtocol { kind },
            None => GroupError::GroupNotFound,
        }
    }

    /// Whether who says this of itself may read the positions of a group. Only the consumer protocol asks who it is.
    pub(in crate::broker) fn check_fetch(
        &self,
        group: &str,
        member: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), GroupError> {
        match self.groups.get(group).map(|group| &group.members) {
            Some(Members::Consumer(consumer)) => consumer.check_fetch(member, member_epoch),
            Some(Members::Classic(_) | Members::Query(_)) | None => Ok(()),
        }
    }
}

impl Group {
    pub(super) fn is_dead(&self) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.is_dead(),
            Members::Consumer(consumer) => consumer.is_dead(),
            Members::Query(_) => false,
        }
    }

    fn kind(&self) -> GroupKind {
        match &self.members {
            Members::Classic(_) | Members::Query(_) => GroupKind::Classic,
            Members::Consumer(_) => GroupKind::Consumer,
        }
    }

    /// As the classic protocol tells it; `None` for a group of another.
    fn describe(&self) -> Option<DescribedGroup> {
        let query = match &self.members {
            Members::Classic(classic) => return Some(classic.describe()),
            Members::Consumer(_) => return None,
            Members::Query(query) => query,
        };
        let member = |member: &String| DescribedMember {
            member: member.clone(),
            instance: None,
            client_id: member.clone(),
            client_host: String::new(),
            metadata: Default::default(),
            assignment: Default::default(),
        };
        Some(DescribedGroup {
            state: query.state(),
            protocol_type: PROTOCOL_TYPE.to_string(),
            protocol: PROTOCOL_TYPE.to_string(),
            generation: query.generation.0,
            members: query.members.keys().map(member).collect(),
        })
    }
}
