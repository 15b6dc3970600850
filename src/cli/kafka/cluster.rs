//! A cluster: what there is, and each request to the broker that can answer it.

use std::collections::BTreeMap;

use super::client::Connection;
use super::refused;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::protocol::Api;
use crate::protocol::ErrorCode;
use crate::protocol::api_versions;
use crate::protocol::find_coordinator;
use crate::protocol::metadata as message;

/// With ids and null names, and answered since Kafka 2.8.
const METADATA: i16 = 12;
const FIND_COORDINATOR: i16 = 3;
const API_VERSIONS: i16 = 0;

/// Partitions, each with the node that leads it.
pub(in crate::cli) type TopicPartitions = Vec<(String, i32, i32)>;

/// What a coordinator keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum CoordinatorOf {
    /// A consumer group.
    Group,
    /// A transactional id.
    Transaction,
}

/// A cluster, through as many connections as are needed.
pub(in crate::cli) struct Cluster<'e> {
    env: &'e Env,
    first: Connection,
    /// `host:port` of each node that is known.
    nodes: BTreeMap<i32, String>,
    open: BTreeMap<i32, Connection>,
}

impl<'e> Cluster<'e> {
    /// Connects to one broker of it.
    pub async fn connect(env: &'e Env, address: &str) -> Result<Self, Error> {
        let first = Connection::connect(env, address).await?;
        Ok(Self { env, first, nodes: BTreeMap::new(), open: BTreeMap::new() })
    }

    /// Asks what any broker can answer.
    pub async fn ask<A: Api>(&mut self, version: i16, request: &A) -> Result<A::Response, Error> {
        self.first.ask(version, request).await
    }

    /// Asks a node that the cluster has named.
    pub async fn ask_at<A: Api>(&mut self, node: i32, version: i16, request: &A) -> Result<A::Response, Error> {
        if !self.open.contains_key(&node) {
            let address = self.nodes.get(&node).ok_or_else(|| {
                Error::new(SqlState::CONNECTION_FAILURE, format!("the cluster does not say where node {node} is"))
            })?;
            self.open.insert(node, Connection::connect(self.env, address).await?);
        }
        self.open.get_mut(&node).expect("it was opened").ask(version, request).await
    }

    /// Whether a node answers this version of an API.
    pub async fn takes<A: Api>(&mut self, node: i32, version: i16) -> Result<bool, Error> {
        let answered = self.ask_at(node, API_VERSIONS, &api_versions::Request::default()).await?;
        let takes = |api: &api_versions::ApiVersion| (api.min_version..=api.max_version).contains(&version);
        Ok(answered.api_keys.iter().any(|api| api.api_key == A::KEY && takes(api)))
    }

    /// What the cluster says of these topics, or of all.
    pub async fn metadata(&mut self, topics: Option<&[String]>) -> Result<message::Response, Error> {
        let asked = |name: &String| message::RequestedTopic { name: Some(name.clone()), ..Default::default() };
        let request = message::Request {
            topics: topics.map(|topics| topics.iter().map(asked).collect()),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let answered = self.ask(METADATA, &request).await?;
        let at = |broker: &message::Broker| (broker.node_id, format!("{}:{}", broker.host, broker.port));
        self.nodes.extend(answered.brokers.iter().map(at));
        Ok(answered)
    }

    /// What the cluster says of one topic that is there.
    pub async fn topic(&mut self, name: &str) -> Result<message::Topic, Error> {
        let mut found = self.metadata(Some(&[name.to_string()])).await?.topics;
        match found.pop() {
            Some(mut topic) if topic.error_code == ErrorCode::NONE => {
                topic.partitions.sort_by_key(|partition| partition.partition_index);
                Ok(topic)
            }
            Some(topic) if topic.error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                Err(refused(&format!("topic \"{name}\""), topic.error_code, None))
            }
            _ => {
                let message = format!("topic \"{name}\" does not exist");
                Err(Error::new(SqlState::UNDEFINED_TABLE, message).hint("`tidemill topic list` lists them."))
            }
        }
    }

    /// The partitions of a topic that is there.
    pub async fn partitions(&mut self, name: &str) -> Result<TopicPartitions, Error> {
        let topic = self.topic(name).await?;
        let led = |partition: message::Partition| (name.to_string(), partition.partition_index, partition.leader_id);
        Ok(topic.partitions.into_iter().map(led).collect())
    }

    /// The node that keeps a group or a transactional id.
    pub async fn coordinator(&mut self, of: CoordinatorOf, name: &str) -> Result<i32, Error> {
        let (key_type, kind) = match of {
            CoordinatorOf::Group => (0, "group"),
            CoordinatorOf::Transaction => (1, "transactional id"),
        };
        let request = find_coordinator::Request { key: name.to_string(), key_type, ..Default::default() };
        let found = self.ask(FIND_COORDINATOR, &request).await?;
        if found.error_code != ErrorCode::NONE {
            let what = format!("{kind} \"{name}\" has no coordinator");
            return Err(refused(&what, found.error_code, found.error_message.as_deref()));
        }
        self.nodes.insert(found.node_id, format!("{}:{}", found.host, found.port));
        Ok(found.node_id)
    }

    /// All nodes.
    pub async fn nodes(&mut self) -> Result<Vec<i32>, Error> {
        self.metadata(Some(&[])).await?;
        Ok(self.nodes.keys().copied().collect())
    }
}
