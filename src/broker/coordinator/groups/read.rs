//! What groups there are, and where they stand.

use std::collections::BTreeSet;
use std::collections::HashMap;

use super::Group;
use super::Groups;
use super::Members;
use super::query::PROTOCOL_TYPE;
use crate::broker::CommittedOffset;
use crate::broker::DescribedGroup;
use crate::broker::DescribedMember;
use crate::broker::FetchedOffset;
use crate::broker::Generation;
use crate::broker::GroupError;
use crate::broker::GroupListing;
use crate::broker::GroupMember;
use crate::broker::GroupMemberClient;
use crate::broker::GroupState;
use crate::broker::coordinator::event::Pending;
use crate::broker::coordinator::offset_record::GroupRecord;
use crate::model::TopicPartition;

/// A group as the coordinator knows it.
pub(in crate::broker) struct KnownGroup {
    pub(in crate::broker) name: String,
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
            GroupRecord::Offset { .. } | GroupRecord::Group { .. } => None,
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
                        let client = Some(GroupMemberClient { instance, client_id, client_host, assignment });
                        GroupMember { member, generation, client }
                    };
                    classic.describe().members.into_iter().map(known).collect()
                }
            };
            let offsets = group.offsets.iter().map(|(partition, offset)| (partition, offset.clone()));
            KnownGroup { name: name.clone(), members, offsets: offsets.collect() }
        };
        self.groups.iter().map(known).collect()
    }

    /// All groups in short.
    pub(in crate::broker) fn list(&self) -> Vec<GroupListing> {
        let listing = |(name, group): (&String, &Group)| {
            let described = group.describe();
            let (protocol_type, state) = (described.protocol_type, described.state);
            GroupListing { group: name.clone(), protocol_type, state }
        };
        self.groups.iter().map(listing).collect()
    }

    /// One group; `None` if it is not there.
    pub(in crate::broker) fn describe(&self, group: &str) -> Option<DescribedGroup> {
        self.groups.get(group).map(Group::describe)
    }
}

impl Group {
    fn is_dead(&self) -> bool {
        matches!(&self.members, Members::Classic(classic) if classic.is_dead())
    }

    fn describe(&self) -> DescribedGroup {
        let query = match &self.members {
            Members::Classic(classic) => return classic.describe(),
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
        DescribedGroup {
            state: if query.members.is_empty() { GroupState::Empty } else { GroupState::Stable },
            protocol_type: PROTOCOL_TYPE.to_string(),
            protocol: PROTOCOL_TYPE.to_string(),
            generation: query.generation.0,
            members: query.members.keys().map(member).collect(),
        }
    }
}
