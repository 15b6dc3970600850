//! Directories follow the metadata: partitions are made, found again, set aside, removed.
//!
//! Partitions of the coordinators' topics are made at first use; all others with their topic.

use std::sync::Arc;

use crate::cluster::ClusterMetadata;
use crate::cluster::FlushPolicy;
use crate::cluster::MetadataSubscriber;
use crate::cluster::TimestampType;
use crate::cluster::TopicRecord;
use crate::log;
use crate::log::LogDir;
use crate::log::LogError;
use crate::log::PartitionConfig;
use crate::log::Timestamps;
use crate::model::LeaderEpoch;
use crate::model::TopicPartition;

/// Where consumer groups keep their offsets.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// Where transactional ids keep their state.
pub const TRANSACTION_STATE: &str = "__transaction_state";

/// Makes and removes partitions as topics come and go.
pub(super) struct FollowMetadata {
    pub log: Arc<LogDir>,
}

impl MetadataSubscriber for FollowMetadata {
    fn applied(&self, before: &ClusterMetadata, after: &ClusterMetadata) {
        for topic in after.topics().filter(|topic| before.topic_by_id(topic.id).is_none() && !is_lazy(topic)) {
            for partition in topic.partition_ids() {
                // The topic exists whether or not its directory could be made now: the first use tries again.
                if let Err(error) = create(&self.log, topic, partition, after.leader_epoch()) {
                    tracing::warn!(topic = topic.name, %partition, %error, "could not make a partition");
                }
            }
        }
        for topic in after.topics().filter(|topic| !is_lazy(topic)) {
            let known = before.topic_by_id(topic.id).map_or(topic.partitions, |known| known.partitions);
            for partition in topic.partition_ids().filter(|partition| known <= partition.partition.0) {
                if let Err(error) = create(&self.log, topic, partition, after.leader_epoch()) {
                    tracing::warn!(topic = topic.name, %partition, %error, "could not make a partition");
                }
            }
        }
        let is_changed = |topic: &&TopicRecord| before.topic_by_id(topic.id).is_some_and(|known| known != *topic);
        for topic in after.topics().filter(is_changed) {
            for partition in topic.partition_ids().filter(|partition| self.log.ends(*partition).is_ok()) {
                // The next start tells it again.
                if let Err(error) = create(&self.log, topic, partition, after.leader_epoch()) {
                    tracing::warn!(topic = topic.name, %partition, %error, "could not configure a partition");
                }
            }
        }
        for topic in before.topics().filter(|topic| after.topic_by_id(topic.id).is_none()) {
            for partition in topic.partition_ids() {
                // What is left is removed at the next start: the metadata remembers that the topic was dropped.
                if let Err(error) = self.log.delete(partition)
                    && !matches!(error, LogError::Closed)
                {
                    tracing::warn!(topic = topic.name, %partition, %error, "could not remove a partition");
                }
            }
        }
    }
}

/// Makes `partition` if it is not there, led in `epoch`; of one that is there, changes the configuration.
pub(super) fn create(
    log: &LogDir,
    topic: &TopicRecord,
    partition: TopicPartition,
    epoch: LeaderEpoch,
) -> Result<(), LogError> {
    let flush = match topic.config.flush {
        FlushPolicy::Ack => log::FlushPolicy::Ack,
        FlushPolicy::Interval(interval) => log::FlushPolicy::Interval(interval),
        FlushPolicy::Os => log::FlushPolicy::Os,
    };
    let timestamps = match topic.config.timestamp_type {
        TimestampType::LogAppendTime => Timestamps::Append,
        TimestampType::CreateTime => Timestamps::Create {
            before_max_ms: topic.config.timestamp_before_max_ms.unwrap_or(i64::MAX),
            after_max_ms: topic.config.timestamp_after_max_ms.unwrap_or(i64::MAX),
        },
    };
    let config = PartitionConfig {
        flush,
        segment_bytes: topic.config.segment_bytes,
        batch_bytes_max: topic.config.batch_bytes_max,
        index_bytes_max: topic.config.index_bytes_max,
        timestamps,
    };
    log.create(partition, config)?;
    log.set_leader_epoch(partition, epoch)
}

/// At start: sets aside partitions whose topic nobody knows, removes what is left of dropped topics, makes what is
/// missing, takes over leadership.
pub(super) fn reconcile(log: &LogDir, metadata: &ClusterMetadata) -> Result<(), LogError> {
    for partition in log.unreadable().into_iter().filter(|partition| metadata.was_dropped(partition.topic)) {
        log.delete(partition)?;
    }
    for partition in log.partitions() {
        if metadata.topic_of(partition).is_some() {
            log.set_leader_epoch(partition, metadata.leader_epoch())?;
        } else if metadata.was_dropped(partition.topic) {
            log.delete(partition)?;
        } else {
            tracing::warn!(%partition, "set aside a partition whose topic is not known");
            log.set_aside(partition)?;
        }
    }
    for topic in metadata.topics().filter(|topic| !is_lazy(topic)) {
        for partition in topic.partition_ids() {
            match create(log, topic, partition, metadata.leader_epoch()) {
                Err(error @ (LogError::Io { .. } | LogError::DiskFull { .. })) => {
                    // The first use tries again.
                    tracing::warn!(topic = topic.name, %partition, %error, "could not make or configure a partition");
                }
                // It refuses everything, and says why.
                Err(LogError::Unreadable { .. }) => {}
                made => made?,
            }
        }
    }
    Ok(())
}

fn is_lazy(topic: &TopicRecord) -> bool {
    topic.name == CONSUMER_OFFSETS || topic.name == TRANSACTION_STATE
}
