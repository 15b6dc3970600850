//! The broker of one node: its log, the metadata, the coordinators, and the clients that use them.
//!
//! Single-node replication is the rule "the only in-sync replica is the leader": the high watermark follows the durable
//! offset where the topic says `flush = ack`, and the log end elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::Acks;
use super::Appended;
use super::BrokerConfig;
use super::BrokerError;
use super::Client;
use super::Committed;
use super::CommittedOffset;
use super::Ends;
use super::Fetched;
use super::Generation;
use super::GroupDescription;
use super::GroupOffset;
use super::Isolation;
use super::Lag;
use super::PartitionHealth;
use super::Position;
use super::QueryCommit;
use super::SegmentDescription;
use super::TopicUsers;
use super::TransactionDescription;
use super::commit::Producer;
use super::commit::ProducerIds;
use super::compression::packed;
use super::coordinator::GroupEvent;
use super::coordinator::coordinator_partition;
use super::damage::Damage;
use super::groups::Coordinator;
use super::partitions;
use super::transactions::ClientTransactions;
use crate::cluster::CleanupPolicy;
use crate::cluster::ClusterMetadata;
use crate::cluster::FlushPolicy;
use crate::cluster::MetadataError;
use crate::cluster::MetadataLog;
use crate::cluster::MetadataRecord;
use crate::cluster::TopicConfig;
use crate::cluster::TopicRecord;
use crate::env::Env;
use crate::log::Append;
use crate::log::LogDir;
use crate::log::LogError;
use crate::log::Origin;
use crate::model::EventTime;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::security::Operation;
use crate::security::Principal;
use crate::security::Resource;
use crate::security::authorize;

/// Group, member and transactional id, in bytes.
const NAME_BYTES_MAX: usize = 249;
/// How often a coordinator topic is proposed while others change the metadata.
const PROPOSALS_MAX: usize = 100;

/// The broker of one node.
pub struct Broker {
    pub(super) env: Env,
    pub(super) log: Arc<LogDir>,
    pub(super) metadata: Arc<MetadataLog>,
    pub(super) config: BrokerConfig,
    pub(super) groups: Mutex<Coordinator>,
    /// When the groups are to be told that time has passed.
    pub(super) groups_deadline: watch::Sender<Option<Duration>>,
    /// Counts commits that ended; who waits for stable offsets watches it.
    pub(super) commits_ended: watch::Sender<u64>,
    pub(super) producers: Mutex<HashMap<String, Arc<Producer>>>,
    pub(super) producer_ids: ProducerIds,
    /// The transactional ids of clients.
    pub(super) clients: ClientTransactions,
    /// Why the last compaction of a partition failed.
    pub(super) compaction_errors: Mutex<HashMap<TopicPartition, String>>,
    /// Written once, when the broker is opened.
    pub(super) damage: RwLock<Damage>,
    /// Who knows what stands on topics.
    pub(super) topic_users: RwLock<Option<TopicUsers>>,
}

impl Broker {
    /// A client that may do what `principal` may.
    pub fn client(self: &Arc<Self>, principal: Principal) -> Arc<dyn Client> {
        Arc::new(LocalClient { broker: Arc::clone(self), principal })
    }

    /// Flushes and closes the log; every later call answers `Closed`.
    pub async fn close(&self) -> Result<(), BrokerError> {
        let log = Arc::clone(&self.log);
        self.env.threads.blocking(move || log.close()).await.map_err(BrokerError::from)
    }

    /// Has `work` done once every `interval`, until the broker is closed or gone. What fails is tried again.
    pub(super) fn every(
        self: &Arc<Self>,
        interval: Duration,
        work: impl Fn(Arc<Self>) -> BoxFuture<'static, Result<(), BrokerError>> + Send + 'static,
    ) {
        let (broker, clock) = (Arc::downgrade(self), Arc::clone(&self.env.clock));
        tokio::spawn(async move {
            loop {
                clock.sleep(interval).await;
                let Some(broker) = broker.upgrade() else { return };
                match work(broker).await {
                    Ok(()) => {}
                    Err(BrokerError::Closed | BrokerError::Unknown) => return,
                    Err(error) => tracing::warn!(%error, "housekeeping will be tried again"),
                }
            }
        });
    }

    /// The topic of `partition`, whose directory is there afterwards.
    pub(super) async fn ensure(&self, partition: TopicPartition) -> Result<Arc<TopicRecord>, BrokerError> {
        let metadata = self.metadata.snapshot();
        let topic = metadata.topic_of(partition).cloned().map(Arc::new);
        let topic = topic.ok_or(BrokerError::UnknownPartition { partition })?;
        match self.log.ends(partition) {
            Ok(_) => {}
            Err(LogError::UnknownPartition { .. }) => {
                let (log, made, epoch) = (Arc::clone(&self.log), Arc::clone(&topic), metadata.leader_epoch());
                self.env.threads.blocking(move || partitions::create(&log, &made, partition, epoch)).await?;
            }
            // It is there: what cannot be used must not be made anew.
            Err(error) => return Err(error.into()),
        }
        Ok(topic)
    }

    /// The partition of a coordinator's topic that holds `name`; makes the topic with its first name.
    pub(super) async fn coordinator(&self, topic: &str, name: &str) -> Result<TopicPartition, BrokerError> {
        for _ in 0..PROPOSALS_MAX {
            let metadata = self.metadata.snapshot();
            if let Some(found) = metadata.topic(topic) {
                let partition = TopicPartition::new(found.id, coordinator_partition(name, found.partitions));
                self.ensure(partition).await?;
                return Ok(partition);
            }
            let record = MetadataRecord::Topic(TopicRecord {
                id: TopicId::from_random(self.env.random.uuid_bytes()),
                name: topic.to_string(),
                partitions: self.config.coordinator_partitions,
                config: TopicConfig::internal(CleanupPolicy::Compact),
            });
            match self.metadata.propose(metadata.version, vec![record]).await {
                Ok(_) | Err(MetadataError::Stale { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(MetadataError::Stale { expected: 0, current: self.metadata.snapshot().version }.into())
    }

    /// Has the high watermark follow where nobody waits for a flush.
    pub(super) fn raise_high_watermark(
        &self,
        topic: &TopicRecord,
        partition: TopicPartition,
        end: Offset,
    ) -> Result<(), BrokerError> {
        match topic.config.flush {
            FlushPolicy::Ack => Ok(()),
            FlushPolicy::Interval(_) | FlushPolicy::Os => Ok(self.log.set_high_watermark(partition, end)?),
        }
    }

    pub(super) fn leader_epoch(&self) -> LeaderEpoch {
        self.metadata.snapshot().leader_epoch()
    }

    pub(super) async fn lag_of(&self, partition: TopicPartition, position: Offset) -> Result<Lag, BrokerError> {
        let readable_end = self.log.ends(partition)?.readable_end();
        let from = Position { partition, offset: position, leader_epoch: None };
        // One short read passes the markers and marks behind the position; what follows real records cannot be told apart.
        let fetched = self.fetch_at(from, Isolation::ReadCommitted, LAG_READ_BYTES, Duration::ZERO).await.ok();
        let next = fetched.map_or(position, |fetched| {
            let first = fetched.batches.first().map(|tail| tail.batch.base_offset());
            first.map_or(fetched.next, |first| first.max(position))
        });
        Ok(Lag { readable_end, records: (readable_end.0 - next.0).max(0) })
    }
}

/// Bytes of one read that looks whether only markers and marks follow a position.
const LAG_READ_BYTES: usize = 64 * 1024;

/// Refuses a name that no record of a coordinator can hold.
pub(super) fn check_name(kind: &'static str, name: &str) -> Result<(), BrokerError> {
    if name.is_empty() || NAME_BYTES_MAX < name.len() {
        return Err(BrokerError::InvalidName { kind, name: name.to_string() });
    }
    Ok(())
}

/// A broker of this process, used by a principal.
struct LocalClient {
    broker: Arc<Broker>,
    principal: Principal,
}

impl LocalClient {
    async fn authorized(
        &self,
        partition: TopicPartition,
        operation: Operation,
    ) -> Result<Arc<TopicRecord>, BrokerError> {
        let topic = self.broker.ensure(partition).await?;
        authorize(&self.principal, operation, Resource::Topic(&topic.name)).map_err(BrokerError::NotAuthorized)?;
        Ok(topic)
    }
}

#[async_trait]
impl Client for LocalClient {
    async fn append_many(
        &self,
        batches: Vec<(TopicPartition, Batch)>,
        acks: Acks,
    ) -> Result<Vec<Appended>, BrokerError> {
        let broker = &self.broker;
        let leader_epoch = broker.leader_epoch();
        let mut topics = Vec::with_capacity(batches.len());
        let mut appends = Vec::with_capacity(batches.len());
        for (partition, batch) in batches {
            let topic = self.authorized(partition, Operation::Write).await?;
            if topic.config.internal && self.principal != Principal::server() {
                return Err(BrokerError::InternalTopic { topic: topic.name.clone() });
            }
            let packed = packed(&topic.config, batch);
            let batch = packed.map_err(|source| BrokerError::Batch { partition, source })?;
            topics.push((partition, topic));
            appends.push(Append { partition, leader_epoch, batches: vec![batch], origin: Origin::Client });
        }
        let appended = broker.log.append(appends)?;
        let mut waits = Vec::new();
        for ((partition, topic), appended) in topics.iter().zip(&appended) {
            broker.raise_high_watermark(topic, *partition, appended.next_offset)?;
            if topic.config.flush == FlushPolicy::Ack && acks == Acks::All {
                waits.push((*partition, appended.next_offset));
            }
        }
        broker.log.durable_all(waits.clone()).await?;
        broker.log.visible_all(waits).await?;
        let told = |appended: &crate::log::Appended| Appended {
            base_offset: appended.base_offset,
            next_offset: appended.next_offset,
            leader_epoch,
        };
        Ok(appended.iter().map(told).collect())
    }

    async fn fetch(
        &self,
        position: Position,
        isolation: Isolation,
        max_bytes: usize,
        max_wait: Duration,
    ) -> Result<Fetched, BrokerError> {
        self.authorized(position.partition, Operation::Read).await?;
        self.broker.fetch_at(position, isolation, max_bytes, max_wait).await
    }

    async fn commit(&self, transactional_id: &str, queries: Vec<QueryCommit>) -> Result<Committed, BrokerError> {
        let broker = Arc::clone(&self.broker);
        broker.commit_queries(self.principal.clone(), transactional_id, queries).await
    }

    async fn committed_offsets(&self, group: &str) -> Result<HashMap<TopicPartition, CommittedOffset>, BrokerError> {
        self.broker.check_group(group)?;
        let mut ended = self.broker.commits_ended.subscribe();
        loop {
            ended.borrow_and_update();
            if let Some(offsets) = self.broker.groups.lock().groups.stable_offsets(group) {
                return Ok(offsets);
            }
            ended.changed().await.map_err(|_| BrokerError::Closed)?;
        }
    }

    async fn join(&self, group: &str, member: &str) -> Result<Generation, BrokerError> {
        check_name("group", group)?;
        check_name("member", member)?;
        self.broker.check_group(group)?;
        let of = |reply| GroupEvent::JoinQuery { group: group.to_string(), member: member.to_string(), reply };
        self.broker
            .coordinate(group, of)
            .await
            .map_err(|reason| BrokerError::Group { group: group.to_string(), reason })
    }

    async fn delete_group(&self, group: &str) -> Result<(), BrokerError> {
        self.broker.check_group(group)?;
        let of = |reply| GroupEvent::Forget { group: group.to_string(), reply };
        self.broker
            .coordinate(group, of)
            .await
            .map_err(|reason| BrokerError::Group { group: group.to_string(), reason })
    }

    async fn groups(&self) -> Result<Vec<GroupDescription>, BrokerError> {
        let known = self.broker.groups.lock().groups.everything();
        let mut described = Vec::with_capacity(known.len());
        for group in known {
            let mut offsets = Vec::with_capacity(group.offsets.len());
            for (partition, committed) in group.offsets {
                let lag = self.broker.lag_of(partition, committed.offset).await.ok();
                let (readable_end, lag) = lag.map(|lag| (lag.readable_end, lag.records)).unzip();
                offsets.push(GroupOffset { partition, committed, readable_end, lag });
            }
            let (name, kind) = (group.name, group.kind);
            described.push(GroupDescription { group: name, kind, members: group.members, offsets });
        }
        Ok(described)
    }

    fn transactions(&self) -> Vec<TransactionDescription> {
        self.broker.local(self.principal.clone()).list_transactions()
    }

    async fn delete_records(&self, partition: TopicPartition, before: Offset) -> Result<(), BrokerError> {
        self.authorized(partition, Operation::Write).await?;
        let log = Arc::clone(&self.broker.log);
        Ok(self.broker.env.threads.blocking(move || log.delete_records(partition, before)).await?)
    }

    async fn advance_log_start(&self, partition: TopicPartition, offset: Offset) -> Result<(), BrokerError> {
        self.authorized(partition, Operation::Write).await?;
        Ok(self.broker.log.advance_log_start(partition, offset)?)
    }

    async fn ends(&self, partition: TopicPartition) -> Result<Ends, BrokerError> {
        self.authorized(partition, Operation::Read).await?;
        Ok(self.broker.log.ends(partition)?)
    }

    fn compaction_error(&self, partition: TopicPartition) -> Option<String> {
        self.broker.compaction_errors.lock().get(&partition).cloned()
    }

    async fn health(&self, partition: TopicPartition) -> Result<PartitionHealth, BrokerError> {
        self.authorized(partition, Operation::Read).await?;
        Ok(self.broker.log.health(partition)?)
    }

    async fn segments(&self, partition: TopicPartition) -> Result<Vec<SegmentDescription>, BrokerError> {
        self.authorized(partition, Operation::Read).await?;
        Ok(self.broker.log.segments(partition)?)
    }

    async fn lag(&self, partition: TopicPartition, position: Offset) -> Result<Lag, BrokerError> {
        self.authorized(partition, Operation::Read).await?;
        self.broker.lag_of(partition, position).await
    }

    async fn offset_for_time(
        &self,
        partition: TopicPartition,
        time: EventTime,
    ) -> Result<Option<(Offset, EventTime)>, BrokerError> {
        self.authorized(partition, Operation::Read).await?;
        let readable_end = self.broker.log.ends(partition)?.readable_end();
        let found = self.broker.log.offset_for_time(partition, time)?;
        Ok(found.filter(|(offset, _)| *offset < readable_end))
    }

    fn metadata(&self) -> Arc<ClusterMetadata> {
        self.broker.metadata.snapshot()
    }
}
