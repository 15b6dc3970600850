//! A query that reads much gives others their turn, counted by turns and not by time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;

use super::harness::World;
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
use tidemill::config::Limits;
use tidemill::model::EventTime;
use tidemill::model::Offset;
use tidemill::model::TopicPartition;
use tidemill::protocol::Batch;

/// How often a query fetched, and how many others had their turn behind a fetch of it.
#[derive(Default)]
struct Turns {
    fetches: AtomicUsize,
    others: AtomicUsize,
    /// The most fetches that one turn had.
    most_at_once: AtomicUsize,
}

/// At each fetch another future wants to run on the same thread.
struct Watched {
    client: Arc<dyn Client>,
    turns: Arc<Turns>,
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
        let turns = Arc::clone(&self.turns);
        let fetches = turns.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        let waiting = fetches - turns.others.load(Ordering::SeqCst);
        turns.most_at_once.fetch_max(waiting, Ordering::SeqCst);
        tokio::spawn(async move { turns.others.fetch_add(1, Ordering::SeqCst) });
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

#[tokio::test]
async fn a_scan_of_a_topic_gives_way_between_its_reads() {
    let turns = Arc::new(Turns::default());
    let watching = Arc::clone(&turns);
    let watch = move |client| -> Arc<dyn Client> { Arc::new(Watched { client, turns: Arc::clone(&watching) }) };
    // One thread: what waits for it runs only when the scan gives way.
    let limits = Limits { query_threads: 1, ..Limits::default() };
    let mut client = World::watched(limits, watch).await.session();
    client.expect("CREATE STREAM t (id INT KEY, v TEXT) WITH (kafka_topic = 't')", "CREATE STREAM").await;
    let insert = "INSERT INTO t SELECT g.value, repeat('x', 1000) FROM generate_series(1, 6000) AS g(value)";
    client.expect(insert, "INSERT 0 6000").await;
    client.expect("SELECT COUNT(*) FROM t", "6000").await;
    assert!(4 < turns.fetches.load(Ordering::SeqCst), "several reads");
    assert_eq!(turns.most_at_once.load(Ordering::SeqCst), 1, "fetches of one turn");
}
