//! What exists, as an immutable value: the state machine that metadata entries are applied to.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::entry::Entry;
use super::error::MetadataError;
use super::record::MetadataRecord;
use super::record::TopicRecord;
use crate::model::LeaderEpoch;
use crate::model::TopicId;
use crate::model::TopicPartition;

const PARTITIONS_MAX: i32 = 10_000;
const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Everything that the metadata log says, at one version.
#[derive(Debug, Clone, Default)]
pub struct ClusterMetadata {
    /// How many entries were applied; 0 when nothing was ever proposed.
    pub version: u64,
    /// The catalog's changes in order, each with the version that brought it.
    pub catalog_records: Arc<Vec<(u64, Bytes)>>,
    /// The first producer id that was not handed out.
    pub next_producer_id: i64,
    leader_epoch: LeaderEpoch,
    topics: BTreeMap<TopicId, Arc<TopicRecord>>,
    by_name: BTreeMap<String, TopicId>,
    dropped: BTreeSet<TopicId>,
}

impl ClusterMetadata {
    /// The topic of that name.
    pub fn topic(&self, name: &str) -> Option<&TopicRecord> {
        self.by_name.get(name).and_then(|id| self.topic_by_id(*id))
    }

    /// The topic of that id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&TopicRecord> {
        self.topics.get(&id).map(Arc::as_ref)
    }

    /// All topics, by id.
    pub fn topics(&self) -> impl Iterator<Item = &TopicRecord> {
        self.topics.values().map(Arc::as_ref)
    }

    /// The topic that `partition` is part of; `None` if there is no such topic or it has no such partition.
    pub fn topic_of(&self, partition: TopicPartition) -> Option<&TopicRecord> {
        let topic = self.topic_by_id(partition.topic)?;
        (0..topic.partitions).contains(&partition.partition.0).then_some(topic)
    }

    /// Whether the topic existed and was dropped, so that what is left of its data may go.
    pub fn was_dropped(&self, id: TopicId) -> bool {
        self.dropped.contains(&id)
    }

    /// The epoch that this process leads all its partitions with.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The same metadata under the reign of `leader_epoch`.
    pub(super) fn led_in(mut self, leader_epoch: LeaderEpoch) -> Self {
        self.leader_epoch = leader_epoch;
        self
    }

    /// Whether `records` may follow, before anything is written.
    pub fn check(&self, records: &[MetadataRecord]) -> Result<(), MetadataError> {
        let mut next = self.clone();
        for record in records {
            match record {
                MetadataRecord::Topic(topic) => next.check_topic(topic)?,
                MetadataRecord::DropTopic(id) if !next.topics.contains_key(id) => {
                    return Err(MetadataError::UnknownTopic { topic: *id });
                }
                MetadataRecord::ConfigureTopic(id, _) if !next.topics.contains_key(id) => {
                    return Err(MetadataError::UnknownTopic { topic: *id });
                }
                MetadataRecord::AddPartitions(id, count) => next.check_partitions(*id, *count)?,
                MetadataRecord::DropTopic(_)
                | MetadataRecord::ConfigureTopic(..)
                | MetadataRecord::Catalog(_)
                | MetadataRecord::ProducerIds { .. } => {}
            }
            next.apply_record(self.version + 1, record);
        }
        Ok(())
    }

    fn check_partitions(&self, id: TopicId, count: i32) -> Result<(), MetadataError> {
        let topic = self.topic_by_id(id).ok_or(MetadataError::UnknownTopic { topic: id })?;
        let (name, current, partitions) = (topic.name.clone(), topic.partitions, count);
        match () {
            () if count <= current => Err(MetadataError::NotMorePartitions { name, current, partitions }),
            () if PARTITIONS_MAX < count => Err(MetadataError::InvalidPartitions { name, partitions }),
            () => Ok(()),
        }
    }

    /// Whether a topic may have that name.
    pub fn is_topic_name(name: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let reserved = matches!(name, "" | "." | "..");
        !reserved && name.len() <= TOPIC_NAME_BYTES_MAX && name.bytes().all(allowed)
    }

    fn check_topic(&self, topic: &TopicRecord) -> Result<(), MetadataError> {
        let name = topic.name.clone();
        if !Self::is_topic_name(&name) {
            return Err(MetadataError::InvalidTopicName { name });
        }
        if !(1..=PARTITIONS_MAX).contains(&topic.partitions) {
            return Err(MetadataError::InvalidPartitions { name, partitions: topic.partitions });
        }
        if self.by_name.contains_key(&name) || self.topics.contains_key(&topic.id) {
            return Err(MetadataError::TopicExists { name });
        }
        Ok(())
    }

    /// The metadata after `entry`. An entry that was applied before changes nothing.
    pub(super) fn apply(&self, entry: &Entry) -> Self {
        let mut next = self.clone();
        if entry.version <= self.version {
            return next;
        }
        for record in &entry.records {
            next.apply_record(entry.version, record);
        }
        next.version = entry.version;
        next
    }

    fn apply_record(&mut self, version: u64, record: &MetadataRecord) {
        match record {
            MetadataRecord::Topic(topic) => {
                self.by_name.insert(topic.name.clone(), topic.id);
                self.topics.insert(topic.id, Arc::new(topic.clone()));
            }
            MetadataRecord::ConfigureTopic(id, config) => {
                if let Some(topic) = self.topics.get_mut(id) {
                    Arc::make_mut(topic).config = *config;
                }
            }
            MetadataRecord::AddPartitions(id, count) => {
                if let Some(topic) = self.topics.get_mut(id) {
                    Arc::make_mut(topic).partitions = *count;
                }
            }
            MetadataRecord::DropTopic(id) => {
                if let Some(topic) = self.topics.remove(id) {
                    self.by_name.remove(&topic.name);
                }
                self.dropped.insert(*id);
            }
            MetadataRecord::Catalog(bytes) => {
                Arc::make_mut(&mut self.catalog_records).push((version, bytes.clone()));
            }
            MetadataRecord::ProducerIds { next } => self.next_producer_id = self.next_producer_id.max(*next),
        }
    }
}
