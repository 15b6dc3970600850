//! What a partition holds and who writes to it, for people and tools.

use super::LocalBroker;
use crate::broker::BrokerError;
use crate::log::ProducerDescription;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::security::Operation;

/// The disk that all partitions are on, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSpace {
    /// The directory.
    pub path: String,
    /// Of the whole file system; `None` if it cannot be told.
    pub total_bytes: Option<u64>,
    /// What is free of it.
    pub free_bytes: Option<u64>,
}

impl LocalBroker {
    /// A new producer id, never used before.
    pub async fn new_producer_id(&self) -> Result<ProducerId, BrokerError> {
        self.broker.new_producer_id().await
    }

    /// The producers that a partition remembers, by id.
    pub async fn producers(&self, partition: TopicPartition) -> Result<Vec<ProducerDescription>, BrokerError> {
        self.authorized(partition, Operation::Read).await?;
        Ok(self.broker.log.producers(partition)?)
    }

    /// Bytes of a partition's batches.
    pub async fn partition_bytes(&self, partition: TopicPartition) -> Result<u64, BrokerError> {
        self.authorized(partition, Operation::Read).await?;
        Ok(self.broker.log.segments(partition)?.iter().map(|segment| segment.size_in_bytes).sum())
    }

    /// The disk.
    pub fn disk_space(&self) -> DiskSpace {
        let path = self.broker.log.path();
        let disk = &self.env().disk;
        DiskSpace {
            path: path.display().to_string(),
            total_bytes: disk.size_bytes(path).ok(),
            free_bytes: disk.free_bytes(path).ok(),
        }
    }
}
