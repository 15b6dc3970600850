//! A broker on a simulated disk, a catalog, and a runtime in manual mode.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::config::ConfigOptions;

use tidemill::broker::Acks;
use tidemill::broker::Broker;
use tidemill::broker::BrokerConfig;
use tidemill::broker::Client;
use tidemill::broker::Isolation;
use tidemill::broker::Position;
use tidemill::catalog::Catalog;
use tidemill::catalog::Change;
use tidemill::catalog::Compatibility;
use tidemill::catalog::EmitMode;
use tidemill::catalog::Format;
use tidemill::catalog::Formats;
use tidemill::catalog::OnError;
use tidemill::catalog::Relation;
use tidemill::catalog::RelationKind;
use tidemill::catalog::Semantics;
use tidemill::cluster::MetadataLog;
use tidemill::cluster::MetadataRecord;
use tidemill::cluster::NodeId;
use tidemill::cluster::TopicConfig;
use tidemill::cluster::TopicRecord;
use tidemill::config;
use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tidemill::env::Simulation;
use tidemill::exec::DriveOptions;
use tidemill::exec::PushSpec;
use tidemill::exec::PushStart;
use tidemill::exec::PushStream;
use tidemill::exec::QuerySpec;
use tidemill::exec::Runtime;
use tidemill::exec::RuntimeParts;
use tidemill::functions::Context;
use tidemill::log::FlushOn;
use tidemill::log::LogConfig;
use tidemill::log::LogDir;
use tidemill::model::Column;
use tidemill::model::ColumnRole;
use tidemill::model::Offset;
use tidemill::model::OperatorId;
use tidemill::model::QueryId;
use tidemill::model::RelationId;
use tidemill::model::SqlType;
use tidemill::model::TopicId;
use tidemill::model::TopicPartition;
use tidemill::plan::Destination;
use tidemill::plan::Functions;
use tidemill::plan::Node;
use tidemill::plan::StandingPlan;
use tidemill::plan::StandingRequest;
use tidemill::plan::plan_standing;
use tidemill::protocol::BatchBuilder;
use tidemill::protocol::partition_for_key;
use tidemill::security::Principal;
use tidemill::sql::ObjectKind;
use tidemill::sql::Statement;
use tidemill::state::Frontier;
use tidemill::state::Publisher;
use tidemill::state::SimulatedStores;

/// Numbers below a bound, from a seed.
pub struct Dice(SeededRandom);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    pub fn below(&self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }
}

/// A source in short.
pub struct Sql {
    pub partitions: i32,
    pub table: bool,
    /// `name:type[:key]`, by blanks.
    pub columns: &'static str,
}

pub struct Pipeline {
    simulation: Simulation,
    stores: SimulatedStores,
    metadata: Arc<MetadataLog>,
    broker: Arc<Broker>,
    client: Arc<dyn Client>,
    catalog: Catalog,
    pub runtime: Arc<Runtime>,
    specs: Vec<QuerySpec>,
    semantics: Semantics,
    next: u64,
}

/// Who moves tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// `drive`.
    ByHand,
    /// Worker threads, fetchers and timers.
    ByThreads,
}

async fn open(
    simulation: &Simulation,
    stores: &SimulatedStores,
    moved: Moved,
) -> (Arc<MetadataLog>, Arc<Broker>, Arc<Runtime>) {
    let env = simulation.env.clone();
    let metadata = MetadataLog::open(&env, Path::new("/data/metadata"), NodeId(0)).expect("metadata opens");
    let dir = Path::new("/data/log");
    env.disk.create_dir_all(dir).expect("a directory");
    env.disk.sync_dir(Path::new("/data")).expect("a directory");
    let log_config = LogConfig { flush_on: FlushOn::Wait, ..LogConfig::default() };
    let (log, _) = LogDir::open(env.clone(), dir, log_config).expect("the log opens");
    let broker = Broker::open(env.clone(), log, Arc::clone(&metadata), BrokerConfig::default()).await;
    let broker = broker.expect("the broker opens");
    let mut functions = ConfigOptions::new();
    functions.extensions.insert(Context::default());
    let parts = RuntimeParts {
        env,
        client: broker.client(Principal::server()),
        stores: Arc::new(stores.clone()),
        publisher: Arc::new(Publisher::new()),
        functions: Arc::new(functions),
        config: config::Exec { timestamp_future_max: Duration::MAX, ..config::Exec::default() },
        transactional_id: "tidemill-0".to_string(),
        on_fatal: Arc::new(|error| panic!("fatal: {error}")),
    };
    let runtime = match moved {
        Moved::ByHand => Runtime::manual(parts),
        Moved::ByThreads => Runtime::new(parts).expect("threads start"),
    };
    (metadata, broker, runtime)
}

impl Pipeline {
    pub async fn new(seed: u64, emit: EmitMode) -> Self {
        Self::moved(seed, emit, Moved::ByHand).await
    }

    pub async fn moved(seed: u64, emit: EmitMode, moved: Moved) -> Self {
        let simulation = Simulation::new(seed);
        let stores = SimulatedStores::new();
        let (metadata, broker, runtime) = open(&simulation, &stores, moved).await;
        let client = broker.client(Principal::server());
        let semantics = Semantics { emit, ..Semantics::default() };
        let catalog = Catalog::default();
        Self { simulation, stores, metadata, broker, client, catalog, runtime, specs: Vec::new(), semantics, next: 1 }
    }

    /// Drops all memory and opens the same disk again.
    pub async fn restart(&mut self) {
        self.simulation.disk.kill_process();
        (self.metadata, self.broker, self.runtime) = open(&self.simulation, &self.stores, Moved::ByHand).await;
        self.client = self.broker.client(Principal::server());
        for spec in self.specs.clone() {
            self.runtime.start(spec).await.expect("the query starts again");
        }
    }

    async fn topic(&mut self, name: &str, partitions: i32) -> TopicId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next.to_be_bytes());
        self.next += 1;
        let id = TopicId::from_random(bytes);
        let config = TopicConfig::default();
        let record = MetadataRecord::Topic(TopicRecord { id, name: name.to_string(), partitions, config });
        self.metadata.propose(self.metadata.snapshot().version, vec![record]).await.expect("the topic is made");
        id
    }

    async fn relation(&mut self, name: &str, table: bool, columns: Vec<Column>, partitions: i32, formats: Formats) {
        let topic_id = self.topic(name, partitions).await;
        let dead_letter = format!("{name}_dlq");
        let dead_letter_id = self.topic(&dead_letter, 1).await;
        let relation = Relation {
            id: RelationId(self.catalog.next_relation_id().0),
            name: name.to_string(),
            kind: if table { RelationKind::Table } else { RelationKind::Stream },
            materialized_view: false,
            columns,
            formats,
            topic: name.to_string(),
            topic_id,
            partitions,
            timestamp_column: None,
            timestamp_format: None,
            window: None,
            on_error: OnError::DeadLetter,
            dead_letter_topic: Some((dead_letter, dead_letter_id)),
            query: None,
            compatibility: Compatibility::Postgres,
            statement: String::new(),
            owner: "test".to_string(),
        };
        self.catalog = self.catalog.apply(&Change::CreateRelation(Box::new(relation))).expect("a new relation");
    }

    pub async fn source(&mut self, name: &str, sql: Sql) {
        let columns = sql.columns.split(' ').map(|column| {
            let parts: Vec<&str> = column.split(':').collect();
            let sql_type = if parts[1] == "text" { SqlType::Text } else { SqlType::BigInt };
            let role = if parts.len() == 3 { ColumnRole::Key } else { ColumnRole::Value };
            Column { name: parts[0].to_string(), sql_type, role }
        });
        let formats = Formats { key: Format::Kafka, value: Format::Json, wrap_single_value: true };
        self.relation(name, sql.table, columns.collect(), sql.partitions, formats).await;
    }

    /// Moves the clock for as long as `body` runs.
    pub async fn while_time_passes<T>(&self, body: impl Future<Output = T>) -> T {
        let clock = Arc::clone(&self.simulation.clock);
        let passing = async move {
            loop {
                clock.advance(Duration::from_millis(1));
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = body => done,
            () = passing => unreachable!("time passes for ever"),
        }
    }

    /// Where the topic of a relation ends.
    pub async fn ends(&self, name: &str) -> Frontier {
        let relation = self.catalog.relation(name).expect("a relation");
        let mut ends = Frontier::new();
        for partition in 0..relation.partitions {
            let partition = TopicPartition::new(relation.topic_id, partition);
            ends.insert(partition, self.client.ends(partition).await.expect("a partition").readable_end());
        }
        ends
    }

    pub fn relation_id(&self, name: &str) -> RelationId {
        self.catalog.relation(name).expect("a relation").id
    }

    /// A push query from what is still kept.
    pub async fn push(&self, text: &str) -> PushStream {
        let parsed = tidemill::sql::parse(text).expect("a statement").remove(0);
        let Statement::Select(select) = parsed.statement else { panic!("not a SELECT: {text}") };
        let request = StandingRequest::new(self.semantics, Destination::Client);
        let plan = plan_standing(&select, &self.catalog, &Functions::new(), &request).expect("a plan");
        let spec = PushSpec { plan: Arc::new(plan), start: PushStart::Earliest, rows_max: 100 };
        self.runtime.push(spec).await.expect("it starts")
    }

    pub async fn query(&mut self, text: &str) -> QueryId {
        let parsed = tidemill::sql::parse(text).expect("a statement").remove(0);
        let Statement::CreateAs(create) = parsed.statement else { panic!("not a CREATE AS: {text}") };
        let name = create.name.value.clone();
        let kind = if create.kind == ObjectKind::Stream { ObjectKind::Stream } else { ObjectKind::Table };
        let request = StandingRequest::new(self.semantics, Destination::Create { kind, name: name.clone() });
        let plan = plan_standing(&create.select, &self.catalog, &Functions::new(), &request).expect("a plan");
        let output = plan.output.clone();
        let formats = Formats { key: output.key_format, value: output.value_format, wrap_single_value: true };
        let table = output.kind == RelationKind::Table;
        self.relation(&name, table, output.columns.clone(), output.partitions, formats).await;
        let mut sink = Relation::clone(self.catalog.relation(&name).expect("it was made"));
        sink.window = output.window;
        let id = QueryId(self.next);
        let internal_topics = self.internal_topics(id, &plan).await;
        let spec = QuerySpec { id, plan: Arc::new(plan), sink: Arc::new(sink), internal_topics };
        self.runtime.start(spec.clone()).await.expect("the query starts");
        self.specs.push(spec);
        id
    }

    async fn internal_topics(&mut self, id: QueryId, plan: &StandingPlan) -> Vec<(OperatorId, String, TopicId)> {
        let mut wanted = Vec::new();
        for fragment in &plan.fragments {
            collect(&fragment.root, fragment.partitions, &mut wanted);
        }
        let mut topics = Vec::new();
        for (operator, role, partitions) in wanted {
            let topic = self.topic(&format!("__tidemill.{id}.{operator}.{role}"), partitions).await;
            topics.push((operator, role.to_string(), topic));
        }
        topics
    }

    pub async fn produce(&self, name: &str, key: &str, value: &str, time: i64) {
        let relation = self.catalog.relation(name).expect("a source");
        let partition = partition_for_key(key.as_bytes(), relation.partitions);
        let mut batch = BatchBuilder::new();
        batch.append(time, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
        let partition = TopicPartition { topic: relation.topic_id, partition };
        self.client.append(partition, batch.finish(), Acks::All).await.expect("it is appended");
    }

    pub async fn drive(&self, rows_per_round: usize, mut cut: impl FnMut() -> bool + Send) {
        self.runtime
            .drive(DriveOptions { rows_per_round, cut: &mut cut, rounds_max: None })
            .await
            .expect("queries run");
        for spec in &self.specs {
            let status = self.runtime.status(spec.id).expect("it runs");
            assert_eq!(status.state, tidemill::exec::QueryState::Running);
        }
    }

    /// Key, value and time of each record, partition after partition.
    pub async fn records(&self, topic: &str) -> Vec<(String, Option<String>, i64)> {
        let metadata = self.client.metadata();
        let topic = metadata.topic(topic).expect("a topic");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_string();
        let mut records = Vec::new();
        for partition in 0..topic.partitions {
            let partition = TopicPartition::new(topic.id, partition);
            let mut offset = Offset::ZERO;
            let end = self.client.ends(partition).await.expect("a partition").readable_end();
            while offset < end {
                let position = Position { partition, offset, leader_epoch: None };
                let fetched = self.client.fetch(position, Isolation::ReadCommitted, 1 << 20, Duration::ZERO).await;
                let fetched = fetched.expect("it can be read");
                for tail in &fetched.batches {
                    for record in tail.batch.payload().expect("records").records() {
                        let record = record.expect("a record");
                        records.push((
                            record.key.map(text).unwrap_or_default(),
                            record.value.map(text),
                            record.timestamp,
                        ));
                    }
                }
                offset = fetched.next;
            }
        }
        records
    }

    pub fn view_rows(&self, name: &str) -> usize {
        let relation = self.catalog.relation(name).expect("a view");
        self.runtime.published().view(relation.id).map_or(0, |view| view.row_count())
    }
}

fn collect(
    plan: &datafusion::logical_expr::LogicalPlan,
    partitions: i32,
    wanted: &mut Vec<(OperatorId, &'static str, i32)>,
) {
    match Node::of(plan) {
        Some(Node::Exchange(exchange)) => wanted.push((exchange.id.clone(), "repartition", exchange.partitions)),
        Some(Node::Aggregate(aggregate)) => wanted.push((aggregate.id.clone(), "changelog", partitions)),
        Some(Node::Join(join)) => wanted.push((join.id.clone(), "changelog", partitions)),
        Some(Node::Normalise(normalise)) => wanted.push((normalise.id.clone(), "changelog", partitions)),
        _ => {}
    }
    plan.inputs().into_iter().for_each(|input| collect(input, partitions, wanted));
}
