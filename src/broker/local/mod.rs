//! The broker of this node as a Kafka connection uses it, for a principal.
//!
//! `Client` is what queries need of any log; this is what Kafka's own protocol asks: every partition of a request is answered by
//! itself, batches stay as they lie in the log, topics and their settings are managed.

mod describe;
mod fetch;
mod offsets;
mod produce;
mod settings;
mod topics;

use std::sync::Arc;

pub use describe::DiskSpace;
pub use fetch::{FetchLimits, FetchPartition, FetchedPartition, Fetching};
pub use offsets::{FoundOffset, OffsetQuery};
pub use produce::{CheckedBatch, Placed};
pub use settings::{ListChange, SettingKind, TOPIC_SETTINGS, TopicSetting};
pub use topics::{NewTopic, TopicUser, TopicUsers};

use super::Broker;
use super::BrokerError;
use crate::cluster::ClusterMetadata;
use crate::cluster::TopicRecord;
use crate::env::Env;
use crate::model::LeaderEpoch;
use crate::model::TopicPartition;
use crate::security::Operation;
use crate::security::Principal;
use crate::security::Resource;
use crate::security::authorize;

/// The broker of this node, used by a principal. Cheap to clone.
#[derive(Clone)]
pub struct LocalBroker {
    pub(super) broker: Arc<Broker>,
    pub(super) principal: Principal,
}

impl Broker {
    /// This broker, for what `principal` may do.
    pub fn local(self: &Arc<Self>, principal: Principal) -> LocalBroker {
        LocalBroker { broker: Arc::clone(self), principal }
    }
}

impl LocalBroker {
    /// What exists.
    pub fn metadata(&self) -> Arc<ClusterMetadata> {
        self.broker.metadata.snapshot()
    }

    /// Whether the principal may do that to a topic.
    pub fn may(&self, operation: Operation, topic: &str) -> bool {
        authorize(&self.principal, operation, Resource::Topic(topic)).is_ok()
    }

    pub(super) fn env(&self) -> &Env {
        &self.broker.env
    }

    /// The topic of `partition`, which the principal may use and whose directory is there.
    pub(super) async fn authorized(
        &self,
        partition: TopicPartition,
        operation: Operation,
    ) -> Result<Arc<TopicRecord>, BrokerError> {
        let topic = self.broker.ensure(partition).await?;
        authorize(&self.principal, operation, Resource::Topic(&topic.name)).map_err(BrokerError::NotAuthorized)?;
        Ok(topic)
    }

    /// Refuses a client whose view of a partition's leader is not ours (KIP-320).
    pub(super) fn check_leader_epoch(
        &self,
        partition: TopicPartition,
        known: Option<LeaderEpoch>,
    ) -> Result<(), BrokerError> {
        let current = self.broker.leader_epoch();
        match known {
            Some(found) if found != current => Err(BrokerError::LeaderEpoch { partition, found, current }),
            Some(_) | None => Ok(()),
        }
    }
}
