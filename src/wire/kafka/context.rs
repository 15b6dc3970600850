//! What an answer is made with: who asks, and what this door is.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::KafkaServerConfig;
use super::fetch_session::FetchSession;
use super::frame::Room;
use crate::broker::ClusterMetadata;
use crate::broker::LocalBroker;
use crate::env::Env;
use crate::model::LeaderEpoch;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::ErrorCode;

/// What all connections share.
pub(super) struct Door {
    pub env: Env,
    pub config: KafkaServerConfig,
    /// For records on their way to clients.
    pub answers: Room,
    /// For the partitions that fetch sessions remember.
    pub fetch_sessions: Arc<Semaphore>,
    /// What clients are told to connect to.
    pub host: String,
    /// See `host`.
    pub port: i32,
}

/// One client's connection.
pub(super) struct Peer {
    pub door: Arc<Door>,
    pub broker: LocalBroker,
    /// Where it comes from, as Kafka writes it: the address after a slash.
    pub host: String,
    /// What it asked for before, while it fetches in a session.
    pub fetch_session: Mutex<Option<FetchSession>>,
}

/// One request: what its answer needs besides what it asks.
#[derive(Clone)]
pub(super) struct Context {
    pub peer: Arc<Peer>,
    /// The version of the request.
    pub version: i16,
    /// What the client calls itself.
    pub client_id: Arc<str>,
}

impl Context {
    pub fn broker(&self) -> &LocalBroker {
        &self.peer.broker
    }

    /// What the client calls itself; may be empty.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Where the client comes from.
    pub fn client_host(&self) -> &str {
        &self.peer.host
    }

    pub fn door(&self) -> &Door {
        &self.peer.door
    }

    /// The number of this node.
    pub fn node_id(&self) -> i32 {
        self.door().config.node_id
    }

    /// What is said of a topic that is not there, where Kafka tells one that may never be.
    pub fn unknown_topic(&self, name: &str) -> ErrorCode {
        match ClusterMetadata::is_topic_name(name) {
            true => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            false => ErrorCode::INVALID_TOPIC_EXCEPTION,
        }
    }

    /// A partition of the topic that a request names, by name or, where its version has one, by id.
    pub fn partition(
        &self,
        name: &str,
        id: [u8; 16],
        by_id: bool,
        partition: i32,
    ) -> Result<TopicPartition, ErrorCode> {
        let metadata = self.broker().metadata();
        let (topic, unknown) = match by_id {
            true => (metadata.topic_by_id(TopicId(id)), ErrorCode::UNKNOWN_TOPIC_ID),
            false => (metadata.topic(name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        };
        let topic = topic.ok_or(unknown)?;
        if !(0..topic.partitions).contains(&partition) {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        Ok(TopicPartition::new(topic.id, partition))
    }
}

/// A leader epoch of a request; -1 stands for none.
pub(super) fn leader_epoch(epoch: i32) -> Option<LeaderEpoch> {
    (0 <= epoch).then_some(LeaderEpoch(epoch))
}
