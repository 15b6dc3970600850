//! Topics: made, by people or by their first use.

use super::LocalBroker;
use crate::broker::BrokerError;
use crate::cluster::ClusterMetadata;
use crate::cluster::MetadataError;
use crate::cluster::MetadataRecord;
use crate::cluster::TopicConfig;
use crate::cluster::TopicRecord;
use crate::model::TopicId;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;

/// How often a change is proposed while others change the metadata.
const PROPOSALS_MAX: usize = 100;

/// A topic that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// Its settings.
    pub config: TopicConfig,
}

impl LocalBroker {
    /// Makes a topic; with `validate_only` only says whether it could be made.
    pub async fn create_topic(&self, topic: NewTopic, validate_only: bool) -> Result<TopicRecord, BrokerError> {
        let allowed = authorize(&self.principal, Operation::Create, Resource::Topic(&topic.name));
        allowed.map_err(BrokerError::NotAuthorized)?;
        let NewTopic { name, partitions, config } = topic;
        let id = TopicId::from_random(self.env().random.uuid_bytes());
        let record = TopicRecord { id, name, partitions, config };
        let change = |_: &ClusterMetadata| Ok(vec![MetadataRecord::Topic(record.clone())]);
        self.change(change, validate_only).await?;
        Ok(record)
    }

    /// Proposes what `change` makes of the metadata until nobody else was quicker. With `validate_only` it is only checked.
    pub(super) async fn change(
        &self,
        change: impl Fn(&ClusterMetadata) -> Result<Vec<MetadataRecord>, BrokerError>,
        validate_only: bool,
    ) -> Result<(), BrokerError> {
        let mut stale = None;
        for _ in 0..PROPOSALS_MAX {
            let metadata = self.broker.metadata.snapshot();
            let records = change(&metadata)?;
            if validate_only {
                return Ok(metadata.check(&records)?);
            }
            match self.broker.metadata.propose(metadata.version, records).await {
                Ok(_) => return Ok(()),
                Err(error @ MetadataError::Stale { .. }) => stale = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(stale.expect("it was proposed at least once").into())
    }
}
