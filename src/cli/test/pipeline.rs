//! Broker, tasks, cuts and topics in one process, in memory, with time and chance that only follow from a seed.
//!
//! Nothing moves but in `drive`. The same parts as the server's, put together without its doors.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::common::config::ConfigOptions;
use futures::TryStreamExt;
use parking_lot::Mutex;

use super::record::RawOutput;
use crate::broker::Acks;
use crate::broker::Broker;
use crate::broker::BrokerConfig;
use crate::broker::Client;
use crate::broker::Isolation;
use crate::broker::Position;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::Compatibility;
use crate::catalog::EmitMode;
use crate::catalog::Semantics;
use crate::cluster::DataDir;
use crate::cluster::MetadataLog;
use crate::cluster::MetadataRecord;
use crate::cluster::TopicConfig;
use crate::cluster::TopicRecord;
use crate::config;
use crate::engine::Engine;
use crate::engine::EngineParts;
use crate::engine::Outcome;
use crate::engine::OutputField;
use crate::engine::Session;
use crate::engine::SessionOptions;
use crate::env::Env;
use crate::env::Simulation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::exec::DriveOptions;
use crate::exec::QueryState;
use crate::exec::Runtime;
use crate::exec::RuntimeParts;
use crate::exec::TaskStatus;
use crate::functions::Context;
use crate::log::FlushOn;
use crate::log::LogConfig;
use crate::log::LogDir;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::model::Offset;
use crate::model::PartitionId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;
use crate::protocol::partition_for_key;
use crate::security::Principal;
use crate::state::Publisher;
use crate::state::SimulatedStores;
use crate::state::ViewMemory;

/// Bytes that one fetch of `records` asks for.
const FETCH_BYTES: usize = 1 << 20;

/// Where the clock of a case stands: 2024-01-01, since some of ksqlDB's cases want now to be long after 1970.
const WALL_MICROS: i64 = 1_704_067_200_000_000;

/// How a pipeline begins.
#[derive(Debug, Clone, Default)]
pub struct PipelineOptions {
    /// All chance follows from it.
    pub seed: u64,
    /// The rules before a `SET` says otherwise.
    pub semantics: Semantics,
    /// Where the wall clock stands until it is moved, in microseconds since 1970; a restart sets it back.
    pub wall_micros: i64,
    /// What sessions may take.
    pub limits: config::Limits,
    /// Memory, in pools.
    pub memory: config::Memory,
    /// How state is kept.
    pub state: config::State,
    /// What stands between sessions and the log.
    pub layer: ClientLayer,
}

/// What makes of a session's client another one, to watch what it is asked.
#[derive(Clone)]
pub struct ClientLayer(pub Arc<WrapClient>);

type WrapClient = dyn Fn(Arc<dyn Client>) -> Arc<dyn Client> + Send + Sync;

impl Default for ClientLayer {
    /// Nothing.
    fn default() -> Self {
        Self(Arc::new(|client| client))
    }
}

impl fmt::Debug for ClientLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientLayer")
    }
}

/// What a statement answers.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its columns.
    pub fields: Vec<OutputField>,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
}

/// An engine in memory, with a session of its own.
pub struct Pipeline {
    options: PipelineOptions,
    /// The SET statements so far, for the session after a restart.
    settings: Vec<String>,
    env: Env,
    /// What moves `env`, if this pipeline made it.
    simulation: Option<Simulation>,
    data_dir: DataDir,
    metadata: Arc<MetadataLog>,
    broker: Arc<Broker>,
    client: Arc<dyn Client>,
    runtime: Arc<Runtime>,
    engine: Arc<Engine>,
    session: Session,
    stores: SimulatedStores,
    fatal: Arc<Mutex<Option<Error>>>,
}

impl Pipeline {
    /// An empty pipeline as a case of ksqlDB wants it.
    pub async fn open_for_case() -> Result<Self> {
        let semantics = Semantics::ksqldb_conformance();
        Self::open(PipelineOptions { semantics, wall_micros: WALL_MICROS, ..PipelineOptions::default() }).await
    }

    /// An empty pipeline.
    pub async fn open(options: PipelineOptions) -> Result<Self> {
        let simulation = Simulation::new(options.seed);
        Self::over_own(options, simulation, SimulatedStores::new()).await?.with_semantics().await
    }

    /// A pipeline over what another left in `env` and `stores`.
    pub async fn reopen(options: PipelineOptions, env: Env, stores: SimulatedStores) -> Result<Self> {
        Self::over(options, env, stores).await?.with_semantics().await
    }

    async fn with_semantics(mut self) -> Result<Self> {
        let compatibility = match self.options.semantics.compatibility {
            Compatibility::Ksqldb => "ksqldb",
            Compatibility::Postgres => "postgres",
        };
        let emit = match self.options.semantics.emit {
            EmitMode::All => "all",
            EmitMode::Net => "net",
        };
        self.execute(&format!("SET compatibility = '{compatibility}'; SET emit = '{emit}';")).await?;
        Ok(self)
    }

    async fn over_own(options: PipelineOptions, simulation: Simulation, stores: SimulatedStores) -> Result<Self> {
        simulation.clock.set_wall_micros(options.wall_micros);
        let pipeline = Self::over(options, simulation.env.clone(), stores).await?;
        Ok(Self { simulation: Some(simulation), ..pipeline })
    }

    async fn over(options: PipelineOptions, env: Env, stores: SimulatedStores) -> Result<Self> {
        let data_dir = DataDir::open(&env, Path::new("/data"))?;
        let metadata = MetadataLog::open(&env, Path::new("/data/metadata"), data_dir.meta().node)?;
        let log_config = LogConfig { flush_on: FlushOn::Wait, ..LogConfig::default() };
        let (log, _) = LogDir::open(env.clone(), Path::new("/data/log"), log_config)?;
        let broker_config = BrokerConfig { coordinator_partitions: 1, ..BrokerConfig::default() };
        let broker = Broker::open(env.clone(), log, Arc::clone(&metadata), broker_config).await?;
        let client = broker.client(Principal::server());
        let mut functions = ConfigOptions::default();
        functions.extensions.insert(Context::new(env.clock.wall_micros(), options.seed, "UTC"));
        let fatal = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&fatal);
        let memory = Memory::new(&options.memory, &Metrics::new());
        let view_memory = ViewMemory::new(memory.views.clone(), options.state.view_replay_max)
            .with_pinned_max(options.limits.snapshot_bytes_max.as_usize());
        let publisher = Arc::new(Publisher::new(Arc::new(view_memory)));
        let runtime = Runtime::manual(RuntimeParts {
            env: env.clone(),
            client: (options.layer.0)(Arc::clone(&client)),
            stores: Arc::new(stores.clone()),
            publisher: Arc::clone(&publisher),
            functions: Arc::new(functions),
            config: config::Exec::default(),
            memory: memory.clone(),
            transactional_id: "tidemill".to_owned(),
            on_fatal: Arc::new(move |error| *seen.lock() = Some(error)),
        });
        let (clients, layer) = (Arc::clone(&broker), options.layer.clone());
        let engine = Engine::open(EngineParts {
            env: env.clone(),
            limits: options.limits.clone(),
            memory,
            temporary: None,
            metadata: Arc::clone(&metadata),
            clients: Arc::new(move |principal| (layer.0)(clients.client(principal))),
            publisher,
            runtime: Arc::clone(&runtime),
        })
        .await?;
        let session = engine.session(Principal::loopback("tidemill"), SessionOptions::default())?;
        let (settings, simulation) = (Vec::new(), None);
        Ok(Self {
            options,
            settings,
            env,
            simulation,
            data_dir,
            metadata,
            broker,
            client,
            runtime,
            engine,
            session,
            stores,
            fatal,
        })
    }

    /// Drops all memory, as a killed process does, and opens again over the same files.
    ///
    /// Panics over an environment that the pipeline did not make: its owner kills and reopens.
    pub async fn restart(self) -> Result<Self> {
        let disk = self.simulation().disk.clone();
        let Self { mut options, settings, data_dir, runtime, broker, engine, session, stores, .. } = self;
        runtime.close().await;
        drop((session, engine, runtime, broker, data_dir));
        disk.kill_process();
        // Chance goes on: the same draws again would give the same topic ids again.
        options.seed = options.seed.wrapping_add(1 << 32);
        let mut pipeline = Self::over_own(options.clone(), Simulation::with_disk(options.seed, disk), stores).await?;
        for setting in settings {
            pipeline.execute(&setting).await?;
        }
        Ok(pipeline)
    }

    /// The disk and the clock.
    ///
    /// Panics over an environment that the pipeline did not make: its owner holds them.
    pub fn simulation(&self) -> &Simulation {
        self.simulation.as_ref().expect("this pipeline made its own disk and clock")
    }

    /// Changes what exists without a statement, as another version of the server may have left it.
    pub async fn change_catalog(&self, change: &Change) -> Result<()> {
        let record = MetadataRecord::Catalog(change.encode().into());
        self.metadata.propose(self.metadata.snapshot().version, vec![record]).await?;
        Ok(())
    }

    /// Where state is kept.
    pub fn stores(&self) -> &SimulatedStores {
        &self.stores
    }

    /// Another session, with the default settings.
    pub fn session(&self) -> Result<Session> {
        self.session_of(Principal::loopback("tidemill"))
    }

    /// Another session, of somebody else.
    pub fn session_of(&self, principal: Principal) -> Result<Session> {
        self.engine.session(principal, SessionOptions::default())
    }

    /// Runs statements; rows that they answer are dropped.
    pub async fn execute(&mut self, text: &str) -> Result<()> {
        for prepared in self.session.parse(text)? {
            self.session.execute(&prepared, &[]).await?;
            if prepared.text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("set ")) {
                self.settings.push(prepared.text.clone());
            }
        }
        Ok(())
    }

    /// The rows that a statement answers, up to their end.
    pub async fn query(&mut self, text: &str) -> Result<Answer> {
        let mut answer = Answer::default();
        for prepared in self.session.parse(text)? {
            if let Outcome::Rows { fields, rows, .. } = self.session.execute(&prepared, &[]).await? {
                answer = Answer { fields, batches: rows.try_collect().await? };
            }
        }
        Ok(answer)
    }

    /// Makes a topic, if it is not there.
    pub async fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        let metadata = self.metadata.snapshot();
        if metadata.topic(name).is_some() {
            return Ok(());
        }
        let id = TopicId::from_random(self.env.random.uuid_bytes());
        let config = TopicConfig { retention_ms: None, ..TopicConfig::default() };
        let record = TopicRecord { id, name: name.to_owned(), partitions, config };
        self.metadata.propose(metadata.version, vec![MetadataRecord::Topic(record)]).await?;
        Ok(())
    }

    /// What exists.
    pub fn catalog(&self) -> Result<Arc<Catalog>> {
        self.engine.catalog()
    }

    /// The names of all topics.
    pub fn topics(&self) -> Vec<String> {
        self.metadata.snapshot().topics().map(|topic| topic.name.clone()).collect()
    }

    /// The partition that Kafka's producers choose for a key of a topic; the first where there is no key or no topic yet.
    pub fn partition_of(&self, topic: &str, key: Option<&[u8]>) -> i32 {
        let metadata = self.metadata.snapshot();
        match (metadata.topic(topic), key) {
            (Some(topic), Some(key)) => partition_for_key(key, topic.partitions).0,
            _ => 0,
        }
    }

    /// How many partitions a topic has; 0 if it is not there.
    pub fn partitions(&self, topic: &str) -> i32 {
        self.metadata.snapshot().topic(topic).map_or(0, |topic| topic.partitions)
    }

    /// The topics and their ids, as they come and go.
    pub fn metadata(&self) -> &Arc<MetadataLog> {
        &self.metadata
    }

    /// Writes one record; makes the topic if it is not there.
    pub async fn produce(
        &self,
        topic: &str,
        partition: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<()> {
        self.produce_many(topic, partition, [(timestamp_ms, key, value)]).await
    }

    /// Writes a record (time, key, value) with headers; makes the topic if it is not there.
    pub async fn produce_with_headers(
        &self,
        topic: &str,
        partition: i32,
        (timestamp_ms, key, value): (i64, Option<&[u8]>, Option<&[u8]>),
        headers: &[(&[u8], Option<&[u8]>)],
    ) -> Result<()> {
        self.create_topic(topic, 1).await?;
        let partition = TopicPartition { topic: self.topic_id(topic)?, partition: PartitionId(partition) };
        let mut batch = BatchBuilder::new();
        batch.append(timestamp_ms, key, value, headers);
        self.client.append(partition, batch.finish(), Acks::All).await?;
        Ok(())
    }

    /// Writes records (time, key, value) as one batch, which must keep to the topic's limit; makes the topic if it is not there.
    pub async fn produce_many<'a>(
        &self,
        topic: &str,
        partition: i32,
        records: impl IntoIterator<Item = (i64, Option<&'a [u8]>, Option<&'a [u8]>)>,
    ) -> Result<()> {
        self.create_topic(topic, 1).await?;
        let partition = TopicPartition { topic: self.topic_id(topic)?, partition: PartitionId(partition) };
        let mut batch = BatchBuilder::new();
        for (timestamp_ms, key, value) in records {
            batch.append(timestamp_ms, key, value, &[]);
        }
        self.client.append(partition, batch.finish(), Acks::All).await?;
        Ok(())
    }

    /// Removes the records of a partition below `offset`, as retention does.
    pub async fn remove_before(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let partition = TopicPartition { topic: self.topic_id(topic)?, partition: PartitionId(partition) };
        self.client.advance_log_start(partition, Offset(offset)).await?;
        Ok(())
    }

    /// The offset after everything that can be read of a partition.
    pub async fn end(&self, topic: &str, partition: i32) -> Result<i64> {
        let partition = TopicPartition { topic: self.topic_id(topic)?, partition: PartitionId(partition) };
        Ok(self.client.ends(partition).await?.readable_end().0)
    }

    fn topic_id(&self, name: &str) -> Result<TopicId> {
        let metadata = self.metadata.snapshot();
        metadata.topic(name).map(|topic| topic.id).ok_or_else(|| undefined("topic", name))
    }

    /// Runs all queries, one row a round, a cut after each round, until nothing is left to do.
    pub async fn drive(&self) -> Result<()> {
        self.drive_with(1, &mut || true).await
    }

    /// Runs all queries with rounds of `rows_per_round`; `cut` is asked after each round.
    pub async fn drive_with(&self, rows_per_round: usize, cut: &mut (dyn FnMut() -> bool + Send)) -> Result<()> {
        self.drive_rounds(rows_per_round, cut, None).await
    }

    /// `drive_with`, stopped after so many rounds in the middle of everything.
    pub async fn drive_rounds(
        &self,
        rows_per_round: usize,
        cut: &mut (dyn FnMut() -> bool + Send),
        rounds_max: Option<usize>,
    ) -> Result<()> {
        self.runtime.drive(DriveOptions { rows_per_round, cut, rounds_max }).await?;
        match self.fatal.lock().clone() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Why a query failed, if one did.
    pub fn failed_query(&self) -> Option<String> {
        self.runtime.queries().into_iter().filter_map(|id| self.runtime.status(id)).find_map(|status| {
            match status.state {
                QueryState::Failed(reason) => Some(reason.to_string()),
                QueryState::Running => None,
            }
        })
    }

    /// The tasks of the query that writes a relation.
    pub fn tasks(&self, relation: &str) -> Result<Vec<TaskStatus>> {
        let query = self.catalog()?.relation(relation).and_then(|relation| relation.query);
        let status = query.and_then(|id| self.runtime.status(id));
        status.map(|status| status.tasks).ok_or_else(|| undefined("query of", relation))
    }

    /// The rows of a view as its readers see them.
    pub fn view(&self, name: &str) -> Result<Vec<RecordBatch>> {
        let published = self.runtime.published();
        let view = self.catalog()?.relation(name).and_then(|relation| published.view(relation.id));
        Ok(view.ok_or_else(|| undefined("view", name))?.scan(None)?)
    }

    /// The runtime, for what is not here.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// All committed records of a topic: partition by partition, in offset order. Empty for a topic that is not there.
    pub async fn records(&self, topic: &str) -> Result<Vec<RawOutput>> {
        let metadata = self.metadata.snapshot();
        let mut found = Vec::new();
        let Some(topic) = metadata.topic(topic) else { return Ok(found) };
        for partition in 0..topic.partitions {
            let partition = TopicPartition { topic: topic.id, partition: PartitionId(partition) };
            let mut offset = Offset(0);
            loop {
                let position = Position { partition, offset, leader_epoch: None };
                let fetched =
                    self.client.fetch(position, Isolation::ReadCommitted, FETCH_BYTES, Duration::ZERO).await?;
                for batch in &fetched.batches {
                    let payload = batch.batch.payload()?;
                    for record in payload.records() {
                        let record = record?;
                        let headers = record
                            .headers
                            .map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), value.map(<[u8]>::to_vec)));
                        found.push(RawOutput {
                            key: record.key.map(<[u8]>::to_vec),
                            value: record.value.map(<[u8]>::to_vec),
                            timestamp: record.timestamp,
                            headers: headers.collect(),
                        });
                    }
                }
                if fetched.next == offset || fetched.readable_end <= fetched.next {
                    break;
                }
                offset = fetched.next;
            }
        }
        Ok(found)
    }
}

fn undefined(kind: &str, name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("{kind} \"{name}\" does not exist"))
}
