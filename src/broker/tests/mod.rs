//! The broker on a simulated disk.

mod behaviour;
mod compaction;
mod consumer_groups;
mod faults;
mod fetches;
mod groups;
mod markers;
mod recovery;
mod retention;
mod scrub;
mod transactions;
mod transactions_epochs;
mod transactions_model;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use super::Broker;
use super::BrokerConfig;
use super::BrokerError;
use super::Client;
use crate::cluster::DataDir;
use crate::cluster::MetadataLog;
use crate::cluster::MetadataRecord;
use crate::cluster::NodeId;
use crate::cluster::TopicConfig;
use crate::cluster::TopicRecord;
use crate::env::Env;
use crate::error::Error;
use crate::log::FlushOn;
use crate::log::LogConfig;
use crate::log::LogDir;
use crate::model::TopicId;
use crate::security::Principal;

const INPUT: TopicId = TopicId([1; 16]);
const OUTPUT: TopicId = TopicId([2; 16]);

/// A node without doors.
struct Node {
    broker: Arc<Broker>,
    metadata: Arc<MetadataLog>,
    log: Arc<LogDir>,
    client: Arc<dyn Client>,
    #[expect(dead_code, reason = "held for its lock")]
    data_dir: DataDir,
}

impl Node {
    async fn open(env: &Env, config: BrokerConfig) -> Result<Self, Error> {
        let data_dir = DataDir::open(env, Path::new("/data"))?;
        let metadata = MetadataLog::open(env, Path::new("/data/metadata"), NodeId(0))?;
        let log_config = LogConfig { flush_on: FlushOn::Wait, ..LogConfig::default() };
        let dir = Path::new("/data/log");
        env.disk.create_dir_all(dir).map_err(|error| Error::internal(error.to_string()))?;
        env.disk.sync_dir(Path::new("/data")).map_err(|error| Error::internal(error.to_string()))?;
        let (log, _) = LogDir::open(env.clone(), dir, log_config)?;
        let broker = Broker::open(env.clone(), Arc::clone(&log), Arc::clone(&metadata), config).await?;
        let client = broker.client(Principal::server());
        Ok(Self { broker, metadata, log, client, data_dir })
    }

    /// A node with the topics `input` and `output` of one partition each.
    async fn with_topics(env: &Env) -> Self {
        let node = Self::open(env, BrokerConfig::default()).await.expect("opens");
        for (id, name) in [(INPUT, "input"), (OUTPUT, "output")] {
            node.create(id, name, 1, TopicConfig::default()).await.expect("created");
        }
        node
    }

    async fn create(&self, id: TopicId, name: &str, partitions: i32, config: TopicConfig) -> Result<(), BrokerError> {
        let record = MetadataRecord::Topic(TopicRecord { id, name: name.to_string(), partitions, config });
        self.metadata.propose(self.metadata.snapshot().version, vec![record]).await?;
        Ok(())
    }
}

/// Runs a test's body; the simulated env needs a runtime, not a clock.
fn run<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(body)
}
