//! Where one group stands, and which record says so.

use std::collections::BTreeMap;

use crate::broker::CommittedOffset;
use crate::broker::coordinator::offset_record::OffsetKey;
use crate::broker::coordinator::offset_record::OffsetValue;
use crate::model::Offset;
use crate::model::TopicPartition;

/// The positions of one group.
#[derive(Debug, Default)]
pub(super) struct GroupOffsets(BTreeMap<TopicPartition, Stored>);

#[derive(Debug)]
struct Stored {
    /// The topic as the record's key names it.
    topic: String,
    value: OffsetValue,
    /// The record's place.
    at: Offset,
}

impl GroupOffsets {
    /// Takes a position over unless a later record said another.
    pub(super) fn put(&mut self, partition: TopicPartition, topic: String, value: OffsetValue, at: Offset) {
        if self.0.get(&partition).is_none_or(|stored| stored.at <= at) {
            self.0.insert(partition, Stored { topic, value, at });
        }
    }

    pub(super) fn remove(&mut self, partition: TopicPartition) {
        self.0.remove(&partition);
    }

    /// Forgets the positions whose records have this key.
    pub(super) fn remove_named(&mut self, topic: &str, partition: i32) {
        self.0.retain(|at, stored| at.partition.0 != partition || stored.topic != topic);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, partition: TopicPartition) -> Option<&CommittedOffset> {
        self.0.get(&partition).map(|stored| &stored.value.committed)
    }

    /// The topic's name in the record of a position.
    pub(super) fn topic(&self, partition: TopicPartition) -> Option<&str> {
        self.0.get(&partition).map(|stored| stored.topic.as_str())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (TopicPartition, &CommittedOffset)> {
        self.0.iter().map(|(partition, stored)| (*partition, &stored.value.committed))
    }

    /// Each with the topic's name in its record and what was committed, and when.
    pub(super) fn records(&self) -> impl Iterator<Item = (TopicPartition, &str, &OffsetValue)> {
        self.0.iter().map(|(partition, stored)| (*partition, stored.topic.as_str(), &stored.value))
    }

    /// The keys of the records of `partitions`. A key that stands for another topic of the same name, too, is left out.
    pub(super) fn keys(&self, group: &str, partitions: &[TopicPartition]) -> Vec<OffsetKey> {
        let is_taken = |partition: &TopicPartition, topic: &str| {
            let others = self.0.iter().filter(|(other, _)| !partitions.contains(other));
            let mut same =
                others.filter(|(other, stored)| other.partition == partition.partition && stored.topic == topic);
            same.next().is_some()
        };
        let known = partitions.iter().filter_map(|partition| Some((partition, self.0.get(partition)?)));
        known
            .filter(|(partition, stored)| !is_taken(partition, &stored.topic))
            .map(|(partition, stored)| OffsetKey {
                group: group.to_string(),
                topic: stored.topic.clone(),
                partition: partition.partition.0,
            })
            .collect()
    }
}
