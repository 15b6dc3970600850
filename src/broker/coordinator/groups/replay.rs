//! What is durable becomes state: at a start from the topic, later from commits as they end.

use std::collections::BTreeSet;

use super::Group;
use super::Groups;
use super::Members;
use super::query::QueryMembers;
use crate::broker::coordinator::classic::ClassicGroup;
use crate::broker::coordinator::consumer::ConsumerGroup;
use crate::broker::coordinator::consumer_record::ConsumerRecord;
use crate::broker::coordinator::event::Now;
use crate::broker::coordinator::group_record::GroupMetadata;
use crate::broker::coordinator::offset_record::GroupRecord;
use crate::model::Offset;
use crate::model::ProducerId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::BatchError;
use crate::protocol::ControlMarker;

impl Groups {
    /// Applies a batch of `__consumer_offsets`. `id_of` finds topics of records that carry a name only.
    pub(in crate::broker) fn replay(
        &mut self,
        batch: &Batch,
        now: Now,
        id_of: impl Fn(&str) -> Option<TopicId>,
    ) -> Result<(), BatchError> {
        let producer = batch.producer().map(|(id, _)| id).filter(|_| batch.is_transactional());
        if let (Some(marker), Some(producer)) = (batch.control_marker()?, producer) {
            self.end_transaction(producer, marker, now, id_of);
            return Ok(());
        }
        for record in batch.payload()?.records() {
            let record = record?;
            let (Some(key), at) = (record.key, record.offset) else { continue };
            // A record that cannot be read is Kafka's or a newer server's; it says nothing about our groups.
            match GroupRecord::decode(key, record.value) {
                Ok(Some(understood)) => match producer {
                    Some(producer) => self.open.entry(producer).or_default().push((understood, at)),
                    None => self.apply(understood, at, now, &id_of),
                },
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, offset = at.0, "passed an unreadable group record"),
            }
        }
        Ok(())
    }

    /// A producer's transaction ended: its positions count from now on, or never will.
    pub(in crate::broker) fn end_transaction(
        &mut self,
        producer: ProducerId,
        marker: ControlMarker,
        now: Now,
        id_of: impl Fn(&str) -> Option<TopicId>,
    ) {
        let records = self.open.remove(&producer).unwrap_or_default();
        if marker == ControlMarker::Commit {
            records.into_iter().for_each(|(record, at)| self.apply(record, at, now, &id_of));
        }
    }

    /// As `end_transaction`, of the groups that `is_its` says alone: one partition has a marker.
    pub(in crate::broker) fn end_transaction_of(
        &mut self,
        producer: ProducerId,
        marker: ControlMarker,
        now: Now,
        id_of: impl Fn(&str) -> Option<TopicId>,
        is_its: impl Fn(&str) -> bool,
    ) {
        let records = self.open.remove(&producer).unwrap_or_default();
        let (ended, others): (Vec<_>, Vec<_>) = records.into_iter().partition(|(record, _)| is_its(record.group()));
        self.open.insert(producer, ended);
        self.end_transaction(producer, marker, now, id_of);
        if !others.is_empty() {
            self.open.insert(producer, others);
        }
    }

    /// Whether a transaction that has not ended holds positions of `group`.
    pub(super) fn is_in_transaction(&self, group: &str) -> bool {
        self.in_transactions(group).next().is_some()
    }

    /// The groups with offsets in a transaction that has no marker, as replay left it.
    pub(in crate::broker) fn undecided(&self) -> BTreeSet<String> {
        self.open.values().flatten().map(|(record, _)| record.group().to_string()).collect()
    }

    /// Takes in the groups of another partition.
    pub(in crate::broker) fn merge(&mut self, other: Groups) {
        self.groups.extend(other.groups);
        for (producer, records) in other.open {
            self.open.entry(producer).or_default().extend(records);
        }
    }

    /// All records were replayed: from now on members must give signs of life.
    pub(in crate::broker) fn replayed(&mut self) {
        let names: Vec<_> = self.groups.keys().cloned().collect();
        names.iter().for_each(|name| self.arm(name));
    }

    /// Applies a durable record, which is at `at`.
    pub(in crate::broker) fn apply(
        &mut self,
        record: GroupRecord,
        at: Offset,
        now: Now,
        id_of: impl Fn(&str) -> Option<TopicId>,
    ) {
        match record {
            GroupRecord::Offset { key, value: Some(value) } => {
                let Some(topic) = value.topic.or_else(|| id_of(&key.topic)) else { return };
                let partition = TopicPartition::new(topic, key.partition);
                let group = self.groups.entry(key.group).or_insert_with(|| Group::new(value.committed_ms));
                group.offsets.put(partition, key.topic, value, at);
            }
            GroupRecord::Offset { key, value: None } => {
                let Some(group) = self.groups.get_mut(&key.group) else { return };
                group.offsets.remove_named(&key.topic, key.partition);
                if let Some(topic) = id_of(&key.topic) {
                    group.offsets.remove(TopicPartition::new(topic, key.partition));
                }
            }
            GroupRecord::Group { group, value: Some(metadata) } => {
                let group = self.groups.entry(group).or_insert_with(|| Group::new(now.wall_ms));
                group.members = members(&metadata, now);
            }
            GroupRecord::Group { group, value: None } => self.end_members(&group, now),
            GroupRecord::Consumer { group, record: ConsumerRecord::Epoch(None) } => self.end_members(&group, now),
            GroupRecord::Consumer { group, record } => {
                let session_timeout = self.config.consumer_session_timeout;
                let known = self.groups.get(&group).map(|group| &group.members);
                // What forgets a part of a group does not begin one.
                if matches!(known, Some(Members::Consumer(_))) || !record.is_tombstone() {
                    let group = self.groups.entry(group).or_insert_with(|| Group::new(now.wall_ms));
                    group.consumer_mut(now).apply(&record, now, session_timeout);
                }
            }
        }
    }

    /// A group's end: of the group, or, while it has positions, of its members in one protocol. Whoever deletes a group
    /// deletes its positions first.
    fn end_members(&mut self, name: &str, now: Now) {
        let Some(group) = self.groups.get_mut(name) else { return };
        match group.offsets.is_empty() {
            true => drop(self.groups.remove(name)),
            false => group.members = Members::Classic(ClassicGroup::new(now.wall_ms)),
        }
    }
}

impl Group {
    /// The members in the consumer protocol; the later record says which protocol it is.
    fn consumer_mut(&mut self, now: Now) -> &mut ConsumerGroup {
        if !matches!(self.members, Members::Consumer(_)) {
            self.members = Members::Consumer(ConsumerGroup::new(now.wall_ms));
        }
        match &mut self.members {
            Members::Consumer(consumer) => consumer,
            Members::Classic(_) | Members::Query(_) => unreachable!("it was made one"),
        }
    }
}

fn members(metadata: &GroupMetadata, now: Now) -> Members {
    match QueryMembers::restored(metadata) {
        Some(query) => Members::Query(query),
        None => Members::Classic(ClassicGroup::restored(metadata, now)),
    }
}
