//! A client of the log that something happens at.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use tidemill::broker::Acks;
use tidemill::broker::Appended;
use tidemill::broker::BrokerError;
use tidemill::broker::Client;
use tidemill::broker::Committed;
use tidemill::broker::CommittedOffset;
use tidemill::broker::Ends;
use tidemill::broker::Fetched;
use tidemill::broker::Generation;
use tidemill::broker::GroupDescription;
use tidemill::broker::Isolation;
use tidemill::broker::Lag;
use tidemill::broker::PartitionHealth;
use tidemill::broker::Position;
use tidemill::broker::QueryCommit;
use tidemill::broker::SegmentDescription;
use tidemill::broker::TransactionDescription;
use tidemill::cluster::ClusterMetadata;
use tidemill::model::EventTime;
use tidemill::model::Offset;
use tidemill::model::TopicPartition;
use tidemill::protocol::Batch;

/// What is done before a fetch from the topic of that name.
pub(super) type BeforeFetch = Arc<dyn Fn(&str) -> BoxFuture<'static, ()> + Send + Sync>;

/// The client, and what is done before it fetches.
pub(super) struct Watched {
    pub(super) client: Arc<dyn Client>,
    pub(super) before_fetch: BeforeFetch,
}

#[async_trait]
impl Client for Watched {
    async fn fetch(
        &self,
        position: Position,
        isolation: Isolation,
        max_bytes: usize,
        max_wait: Duration,
    ) -> Result<Fetched, BrokerError> {
        let topic = self.metadata().topic_by_id(position.partition.topic).map(|topic| topic.name.clone());
        (self.before_fetch)(&topic.unwrap_or_default()).await;
        self.client.fetch(position, isolation, max_bytes, max_wait).await
    }

    async fn append_many(
        &self,
        batches: Vec<(TopicPartition, Batch)>,
        acks: Acks,
    ) -> Result<Vec<Appended>, BrokerError> {
        self.client.append_many(batches, acks).await
    }

    async fn commit(&self, transactional_id: &str, queries: Vec<QueryCommit>) -> Result<Committed, BrokerError> {
        self.client.commit(transactional_id, queries).await
    }

    async fn committed_offsets(&self, group: &str) -> Result<HashMap<TopicPartition, CommittedOffset>, BrokerError> {
        self.client.committed_offsets(group).await
    }

    async fn join(&self, group: &str, member: &str) -> Result<Generation, BrokerError> {
        self.client.join(group, member).await
    }

    async fn delete_group(&self, group: &str) -> Result<(), BrokerError> {
        self.client.delete_group(group).await
    }

    async fn groups(&self) -> Result<Vec<GroupDescription>, BrokerError> {
        self.client.groups().await
    }

    fn transactions(&self) -> Vec<TransactionDescription> {
        self.client.transactions()
    }

    async fn delete_records(&self, partition: TopicPartition, before: Offset) -> Result<(), BrokerError> {
        self.client.delete_records(partition, before).await
    }

    async fn advance_log_start(&self, partition: TopicPartition, offset: Offset) -> Result<(), BrokerError> {
        self.client.advance_log_start(partition, offset).await
    }

    async fn ends(&self, partition: TopicPartition) -> Result<Ends, BrokerError> {
        self.client.ends(partition).await
    }

    async fn lag(&self, partition: TopicPartition, offset: Offset) -> Result<Lag, BrokerError> {
        self.client.lag(partition, offset).await
    }

    fn compaction_error(&self, partition: TopicPartition) -> Option<String> {
        self.client.compaction_error(partition)
    }

    async fn health(&self, partition: TopicPartition) -> Result<PartitionHealth, BrokerError> {
        self.client.health(partition).await
    }

    async fn segments(&self, partition: TopicPartition) -> Result<Vec<SegmentDescription>, BrokerError> {
        self.client.segments(partition).await
    }

    async fn offset_for_time(
        &self,
        partition: TopicPartition,
        time: EventTime,
    ) -> Result<Option<(Offset, EventTime)>, BrokerError> {
        self.client.offset_for_time(partition, time).await
    }

    fn metadata(&self) -> Arc<ClusterMetadata> {
        self.client.metadata()
    }
}
