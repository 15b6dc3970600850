//! Consumer groups: who is a member since when, and where each group stands.
//!
//! Offsets that a transaction wrote count once its commit marker follows, as in Kafka. While a commit of a group is
//! under way its offsets are unstable: who took over must not read them (KIP-447), or it would repeat the commit's work.
//!
//! Invariants:
//!   * a group's generation rises with every join, also over restarts
//!   * the fence and the start of a commit are one step: no join lies between them unseen

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

use super::offset_record::GroupRecord;
use super::offset_record::OffsetKey;
use crate::broker::CommittedOffset;
use crate::broker::Generation;
use crate::model::ProducerId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::BatchError;
use crate::protocol::ControlMarker;

/// The member is not, or no longer, the one that may commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker) struct FenceError;

/// All groups of this coordinator.
#[derive(Debug, Default)]
pub(in crate::broker) struct Groups {
    groups: BTreeMap<String, Group>,
    /// Records of open transactions, by producer, as replay meets them.
    open: HashMap<ProducerId, Vec<GroupRecord>>,
}

#[derive(Debug, Default)]
struct Group {
    generation: Generation,
    members: BTreeMap<String, Generation>,
    offsets: BTreeMap<TopicPartition, CommittedOffset>,
    commits_under_way: usize,
}

impl Groups {
    /// Gives `member` a new generation, which fences its earlier ones at once, and the record that says so.
    pub(in crate::broker) fn join(&mut self, group: &str, member: &str) -> (Generation, GroupRecord) {
        let state = self.groups.entry(group.to_string()).or_default();
        state.generation = Generation(state.generation.0.wrapping_add(1).max(1));
        state.members.insert(member.to_string(), state.generation);
        let members = state.members.iter().map(|(member, joined)| (member.clone(), *joined)).collect();
        let record = GroupRecord::Group { group: group.to_string(), value: Some((state.generation, members)) };
        (state.generation, record)
    }

    /// Fences every member of `group` and gives the records that forget it; replay of them does.
    pub(in crate::broker) fn delete(
        &mut self,
        group: &str,
        name_of: impl Fn(TopicId) -> Option<String>,
    ) -> Vec<GroupRecord> {
        let Some(state) = self.groups.get_mut(group) else { return Vec::new() };
        state.members.clear();
        let mut records: Vec<_> = state
            .offsets
            .keys()
            .map(|partition| GroupRecord::Offset { key: offset_key(group, *partition, &name_of), value: None })
            .collect();
        records.push(GroupRecord::Group { group: group.to_string(), value: None });
        records
    }

    /// Begins a commit of `group` if `member` still has `generation`. Each must be ended.
    pub(in crate::broker) fn begin_commit(
        &mut self,
        group: &str,
        member: &str,
        generation: Generation,
    ) -> Result<(), FenceError> {
        let state = self.groups.get_mut(group).ok_or(FenceError)?;
        if state.members.get(member) != Some(&generation) {
            return Err(FenceError);
        }
        state.commits_under_way += 1;
        Ok(())
    }

    /// Ends a commit that was begun.
    pub(in crate::broker) fn end_commit(&mut self, group: &str) {
        let state = self.groups.get_mut(group).expect("a group with a commit under way is there");
        state.commits_under_way -= 1;
    }

    /// Where `group` stands; `None` while a commit of it is under way.
    pub(in crate::broker) fn stable_offsets(&self, group: &str) -> Option<HashMap<TopicPartition, CommittedOffset>> {
        match self.groups.get(group) {
            None => Some(HashMap::new()),
            Some(state) if 0 < state.commits_under_way => None,
            Some(state) => Some(state.offsets.iter().map(|(partition, offset)| (*partition, offset.clone())).collect()),
        }
    }

    /// Every group: its name, members and offsets.
    pub(in crate::broker) fn describe(
        &self,
    ) -> impl Iterator<Item = (&str, Vec<(String, Generation)>, &BTreeMap<TopicPartition, CommittedOffset>)> {
        self.groups.iter().map(|(name, state)| {
            let members = state.members.iter().map(|(member, joined)| (member.clone(), *joined)).collect();
            (name.as_str(), members, &state.offsets)
        })
    }

    /// Applies a batch of `__consumer_offsets`. `id_of` finds topics of records that carry a name only.
    pub(in crate::broker) fn replay(
        &mut self,
        batch: &Batch,
        id_of: impl Fn(&str) -> Option<TopicId>,
    ) -> Result<(), BatchError> {
        let producer = batch.producer().map(|(id, _)| id).filter(|_| batch.is_transactional());
        if let (Some(marker), Some(producer)) = (batch.control_marker()?, producer) {
            let records = self.open.remove(&producer).unwrap_or_default();
            if marker == ControlMarker::Commit {
                records.into_iter().for_each(|record| self.apply(record, &id_of));
            }
            return Ok(());
        }
        for record in batch.payload()?.records() {
            let record = record?;
            let Some(key) = record.key else { continue };
            // A record that cannot be read is Kafka's or a newer server's; it says nothing about our groups.
            match GroupRecord::decode(key, record.value) {
                Ok(Some(understood)) => match producer {
                    Some(producer) => self.open.entry(producer).or_default().push(understood),
                    None => self.apply(understood, &id_of),
                },
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, offset = record.offset.0, "passed an unreadable group record"),
            }
        }
        Ok(())
    }

    /// The groups with offsets in a transaction that has no marker, as replay left it.
    pub(in crate::broker) fn undecided(&self) -> BTreeSet<String> {
        let groups = self.open.values().flatten().map(|record| match record {
            GroupRecord::Offset { key, .. } => key.group.clone(),
            GroupRecord::Group { group, .. } => group.clone(),
        });
        groups.collect()
    }

    /// Takes in the groups of another partition.
    pub(in crate::broker) fn merge(&mut self, other: Groups) {
        self.groups.extend(other.groups);
    }

    /// Applies what is durable.
    pub(in crate::broker) fn apply(&mut self, record: GroupRecord, id_of: impl Fn(&str) -> Option<TopicId>) {
        match record {
            GroupRecord::Offset { key, value: Some((id, committed)) } => {
                let Some(topic) = id.or_else(|| id_of(&key.topic)) else { return };
                let partition = TopicPartition::new(topic, key.partition);
                self.groups.entry(key.group).or_default().offsets.insert(partition, committed);
            }
            GroupRecord::Offset { key, value: None } => {
                if let (Some(topic), Some(state)) = (id_of(&key.topic), self.groups.get_mut(&key.group)) {
                    state.offsets.remove(&TopicPartition::new(topic, key.partition));
                }
            }
            GroupRecord::Group { group, value: Some((generation, members)) } => {
                let state = self.groups.entry(group).or_default();
                if state.generation <= generation {
                    state.generation = generation;
                    state.members = members.into_iter().collect();
                }
            }
            GroupRecord::Group { group, value: None } => match self.groups.get_mut(&group) {
                // The commit under way will be fenced or will bring the group back; its count must stay.
                Some(state) if 0 < state.commits_under_way => state.offsets.clear(),
                _ => {
                    self.groups.remove(&group);
                }
            },
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
