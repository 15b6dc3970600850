//! Topics: made, changed and dropped.
//!
//! What a relation of SQL stands on is not taken from under it: such a topic is neither dropped nor given more partitions or
//! another cleanup policy here; what a query writes keeps its records' times. Who knows the relations tells (`TopicUsers`).

use std::sync::Arc;

use super::LocalBroker;
use super::TopicSetting;
use crate::broker::Broker;
use crate::broker::BrokerError;
use crate::broker::CONSUMER_OFFSETS;
use crate::broker::TRANSACTION_STATE;
use crate::cluster::ClusterMetadata;
use crate::cluster::FlushPolicy;
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
/// What the names of the server's own topics begin with.
const INTERNAL_PREFIX: &str = "__tidemill.";

/// What stands on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicUser {
    /// For people: `stream "orders"`.
    pub name: String,
    /// The newest record of each key is a row of it.
    pub is_table: bool,
    /// A query writes the topic, and restores from it what it keeps.
    pub is_of_query: bool,
    /// The groups of the queries that read the topic, also of those that have not begun to.
    pub readers: Vec<String>,
}

impl TopicUser {
    /// The error of what it does not let happen to its topic.
    pub(super) fn uses(self, topic: &TopicRecord) -> BrokerError {
        BrokerError::TopicInUse { topic: topic.name.clone(), user: self.name }
    }
}

/// What stands on a topic; `None` if nothing does.
pub type TopicUsers = Arc<dyn Fn(TopicId) -> Option<TopicUser> + Send + Sync>;

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

/// Refuses settings that contradict one another.
fn check_together(config: &TopicConfig) -> Result<(), BrokerError> {
    match config.compaction.lags_fit() {
        true => Ok(()),
        false => Err(BrokerError::InvalidSetting {
            name: "min.compaction.lag.ms",
            value: config.compaction.lag_min_ms.to_string(),
            wanted: "no more than max.compaction.lag.ms",
        }),
    }
}

/// Refuses a name that differs from another topic's only where one has a dot and the other an underscore: who names measures
/// after topics writes both as an underscore, and Kafka refuses it too. The same name again is refused elsewhere.
fn check_collision(metadata: &ClusterMetadata, name: &str) -> Result<(), BrokerError> {
    if !name.contains(['.', '_']) {
        return Ok(());
    }
    let plain = |byte: u8| if byte == b'.' { b'_' } else { byte };
    let collides = |other: &&TopicRecord| {
        other.name.len() == name.len()
            && other.name != name
            && other.name.bytes().map(plain).eq(name.bytes().map(plain))
    };
    match metadata.topics().find(collides) {
        None => Ok(()),
        Some(other) => Err(BrokerError::TopicNameCollides { topic: name.to_string(), other: other.name.clone() }),
    }
}

impl Broker {
    /// Has `users` asked before a topic is taken from under somebody. It must know all that the newest metadata says.
    pub fn ask_before_topics_go(&self, users: TopicUsers) {
        *self.topic_users.write() = Some(users);
    }
}

impl LocalBroker {
    /// Makes a topic; with `validate_only` only says whether it could be made.
    pub async fn create_topic(&self, topic: NewTopic, validate_only: bool) -> Result<TopicRecord, BrokerError> {
        self.allowed(Operation::Create, &topic.name)?;
        let NewTopic { name, partitions, config } = topic;
        if name.starts_with(INTERNAL_PREFIX) || [CONSUMER_OFFSETS, TRANSACTION_STATE].contains(&name.as_str()) {
            return Err(BrokerError::InternalTopic { topic: name });
        }
        check_together(&config)?;
        let id = TopicId::from_random(self.env().random.uuid_bytes());
        let record = TopicRecord { id, name, partitions, config };
        let change = |metadata: &ClusterMetadata| {
            check_collision(metadata, &record.name)?;
            Ok(vec![MetadataRecord::Topic(record.clone())])
        };
        self.change(change, validate_only).await?;
        Ok(record)
    }

    /// Drops a topic with its records.
    pub async fn delete_topic(&self, id: TopicId) -> Result<(), BrokerError> {
        let change = |metadata: &ClusterMetadata| {
            let topic = self.own_topic(metadata, id, Operation::Drop)?;
            self.unused(topic)?;
            Ok(vec![MetadataRecord::DropTopic(topic.id)])
        };
        self.change(change, false).await
    }

    /// Gives a topic partitions until it has `count`.
    pub async fn add_partitions(&self, id: TopicId, count: i32, validate_only: bool) -> Result<(), BrokerError> {
        let change = |metadata: &ClusterMetadata| {
            let topic = self.own_topic(metadata, id, Operation::Drop)?;
            self.unused(topic)?;
            Ok(vec![MetadataRecord::AddPartitions(topic.id, count)])
        };
        self.change(change, validate_only).await
    }

    /// Changes a topic's settings; `make` changes what they are at that moment.
    pub async fn alter_topic(
        &self,
        id: TopicId,
        make: impl Fn(&mut TopicConfig) -> Result<(), BrokerError>,
        validate_only: bool,
    ) -> Result<(), BrokerError> {
        let change = |metadata: &ClusterMetadata| {
            let topic = self.own_topic(metadata, id, Operation::Drop)?;
            let mut config = topic.config;
            make(&mut config)?;
            check_together(&config)?;
            if config.flush != topic.config.flush {
                // A reader's high watermark would step back.
                let name = match (config.flush, topic.config.flush) {
                    (FlushPolicy::Ack, _) | (_, FlushPolicy::Ack) => "flush.messages",
                    _ => "flush.ms",
                };
                let value = TopicSetting::named(name)?.value(&config);
                let wanted = "the value that the topic was made with";
                return Err(BrokerError::InvalidSetting { name, value, wanted });
            }
            if config.cleanup_policy != topic.config.cleanup_policy {
                self.unused(topic)?;
            }
            if config.timestamp_type != topic.config.timestamp_type
                && let Some(user) = self.user_of(topic.id).filter(|user| user.is_of_query)
            {
                return Err(user.uses(topic));
            }
            match config == topic.config {
                true => Ok(Vec::new()),
                false => Ok(vec![MetadataRecord::ConfigureTopic(topic.id, config)]),
            }
        };
        self.change(change, validate_only).await
    }

    fn allowed(&self, operation: Operation, topic: &str) -> Result<(), BrokerError> {
        authorize(&self.principal, operation, Resource::Topic(topic)).map_err(BrokerError::NotAuthorized)
    }

    /// A topic that is not the server's own.
    fn own_topic<'a>(
        &self,
        metadata: &'a ClusterMetadata,
        id: TopicId,
        operation: Operation,
    ) -> Result<&'a TopicRecord, BrokerError> {
        let topic = metadata.topic_by_id(id).ok_or(MetadataError::UnknownTopic { topic: id })?;
        self.allowed(operation, &topic.name)?;
        match topic.config.internal {
            true => Err(BrokerError::InternalTopic { topic: topic.name.clone() }),
            false => Ok(topic),
        }
    }

    fn unused(&self, topic: &TopicRecord) -> Result<(), BrokerError> {
        self.user_of(topic.id).map_or(Ok(()), |user| Err(user.uses(topic)))
    }

    /// What stands on a topic.
    pub(super) fn user_of(&self, topic: TopicId) -> Option<TopicUser> {
        let users = self.broker.topic_users.read().clone();
        users.and_then(|users| users(topic))
    }

    /// Proposes what `change` makes of the metadata until nobody else was quicker; nothing if it makes nothing. With
    /// `validate_only` it is only checked.
    async fn change(
        &self,
        change: impl Fn(&ClusterMetadata) -> Result<Vec<MetadataRecord>, BrokerError>,
        validate_only: bool,
    ) -> Result<(), BrokerError> {
        let mut stale = None;
        for _ in 0..PROPOSALS_MAX {
            let metadata = self.broker.metadata.snapshot();
            let records = change(&metadata)?;
            metadata.check(&records)?;
            if validate_only || records.is_empty() {
                return Ok(());
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
