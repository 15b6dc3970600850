//! The composition root: opens the rooms in order, closes them in the other.
//!
//! Order: data directory (lock, meta) -> log -> metadata -> broker (topics, transactions, offsets) -> stores, views ->
//! runtime -> engine with its standing queries -> doors -> ready. No room names this file.

use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use datafusion::config::ConfigOptions;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::broker::Broker;
use crate::broker::BrokerConfig;
use crate::broker::GroupConfig;
use crate::broker::TopicUser;
use crate::cluster::DataDir;
use crate::cluster::MetadataLog;
use crate::config::Config;
use crate::config::Exec;
use crate::engine::Engine;
use crate::engine::EngineParts;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::exec::Runtime;
use crate::exec::RuntimeParts;
use crate::functions;
use crate::log::FlushOn;
use crate::log::LogConfig;
use crate::log::LogDir;
use crate::log::OpenReport;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::probe::NodeProbe;
use crate::security::Principal;
use crate::state::FjallStores;
use crate::state::Publisher;
use crate::state::StoreLimits;
use crate::state::ViewMemory;
use crate::wire::Entrance;
use crate::wire::HttpServer;
use crate::wire::KafkaServer;
use crate::wire::KafkaServerConfig;
use crate::wire::PgServer;
use crate::wire::PgServerConfig;
use crate::wire::Probe;

/// The value of `kafka_listen` with which there is no Kafka door.
const KAFKA_OFF: &str = "off";

/// A running server.
pub struct Node {
    env: Env,
    data_dir: DataDir,
    broker: Arc<Broker>,
    runtime: Arc<Runtime>,
    /// Ends with the node.
    _fitting: JoinSet<()>,
    pg: PgServer,
    http: HttpServer,
    kafka: Option<KafkaServer>,
    probe: Arc<NodeProbe>,
    failed: watch::Receiver<Option<Error>>,
}

impl Node {
    /// Opens everything below `config.data_dir` and serves. Must be called inside a multi-threaded tokio runtime.
    pub async fn start(config: Config, env: Env) -> Result<Self, Error> {
        let broker_config = broker_config(&config)?;
        let doors = Doors::open(&env, &config).await?;
        let metrics = Metrics::new();
        let probe = Arc::new(NodeProbe::new(&env, &config, &metrics));
        // Whoever watches the server sees it start.
        let http = HttpServer::start(&env, doors.http, metrics.clone(), Arc::clone(&probe) as Arc<dyn Probe>);
        let (fail, failed) = watch::channel(None);
        let memory = Memory::new(&config.memory, &metrics);
        let _fitting = keep_memory_fitted(&env, &memory);
        let data_dir = DataDir::open(&env, &config.data_dir)?;
        let (log, metadata) = open_log(&env, &data_dir, &config, &memory, &metrics).await?;
        end_on_failure(&log, &metadata, fail.clone());
        let broker = Broker::open(env.clone(), Arc::clone(&log), Arc::clone(&metadata), broker_config).await?;
        broker.keep_retention(config.log.retention_check_interval);
        let scrub = (config.log.scrub_interval, config.log.scrub_period, config.log.scrub_bytes_per_second.0);
        broker.keep_scrubbed(scrub.0, scrub.1, scrub.2);
        broker.keep_compacted(config.log.compaction_interval, config.log.compaction_bytes_per_second.0);
        let damaged = "Partitions of which something could not be read when the server started.";
        let damaged = metrics.gauge("tidemill_broker_damaged_partitions", damaged, &[]);
        damaged.set(i64::try_from(broker.damaged_partitions().len()).unwrap_or(i64::MAX));
        let view_memory = ViewMemory::new(memory.views.clone(), config.state.view_replay_max)
            .with_pinned_max(config.limits.snapshot_bytes_max.as_usize());
        let publisher = Arc::new(Publisher::new(Arc::new(view_memory)));
        let runtime = open_runtime(&env, &data_dir, &config, &broker, &publisher, &memory, fail)?;
        let clients = Arc::clone(&broker);
        let engine = Engine::open(EngineParts {
            env: env.clone(),
            limits: config.limits.clone(),
            memory,
            temporary: Some(temporary_folder(&env, data_dir.path())?),
            metadata,
            clients: Arc::new(move |principal| clients.client(principal)),
            publisher,
            runtime: Arc::clone(&runtime),
        })
        .await?;
        let users = Arc::downgrade(&engine);
        broker.ask_before_topics_go(Arc::new(move |topic| {
            // A catalog that cannot be read is nothing to take topics from.
            let user = users.upgrade()?.topic_user(topic);
            user.unwrap_or_else(|error| {
                let name = format!("what could not be read ({})", error.message());
                Some(TopicUser { name, is_table: true, is_of_query: true, readers: Vec::new() })
            })
        }));
        let remote = config.allow_remote_without_auth;
        let kafka = match doors.kafka {
            None => None,
            Some(entrance) => {
                let kafka = kafka_config(&config, &data_dir);
                Some(KafkaServer::start(&env, entrance, Arc::clone(&broker), kafka, &metrics)?)
            }
        };
        probe.serve(log, &engine);
        let pg_config = PgServerConfig { allow_remote_without_auth: remote, limits: config.limits };
        let pg = PgServer::start(&env, doors.pg, engine, pg_config, &metrics);
        let kafka_address = kafka.as_ref().map_or(KAFKA_OFF, KafkaServer::address);
        info!(pg = pg.address(), http = http.address(), kafka = kafka_address, "ready");
        Ok(Self { env, data_dir, broker, runtime, _fitting, pg, http, kafka, probe, failed })
    }

    /// The line that tells that it serves.
    pub fn ready_line(&self) -> String {
        let data = self.data_dir.path().display();
        let kafka = self.kafka_address().unwrap_or(KAFKA_OFF);
        format!("ready: pg={} http={} kafka={kafka} data={data}", self.pg.address(), self.http.address())
    }

    /// Where the PostgreSQL door listens.
    pub fn pg_address(&self) -> &str {
        self.pg.address()
    }

    /// Where the Kafka door listens, if it does.
    pub fn kafka_address(&self) -> Option<&str> {
        self.kafka.as_ref().map(KafkaServer::address)
    }

    /// Where the HTTP door listens.
    pub fn http_address(&self) -> &str {
        self.http.address()
    }

    /// Resolves when the process must end: what a write came to is not known, or a commit cannot be finished.
    ///
    /// Then nothing may be closed cleanly; the next start recovers.
    pub async fn failed(&self) -> Error {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            // The runtime owns the sender for as long as the node lives.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Closes the doors, ends the queries, flushes and closes the log.
    pub async fn stop(self) -> Result<(), Error> {
        let Self { env, data_dir, broker, runtime, pg, http, kafka, probe, .. } = self;
        probe.leave();
        pg.stop().await;
        if let Some(kafka) = kafka {
            kafka.stop().await;
        }
        http.stop(env.clock.as_ref()).await;
        runtime.close().await;
        let views = Arc::clone(&runtime.parts().publisher);
        env.threads.blocking(move || views.checkpoint()).await;
        broker.close().await?;
        // The lock goes last: until here another server would find a directory in use.
        drop(data_dir);
        info!("stopped");
        Ok(())
    }
}

/// Where the doors listen, bound before anything is recovered.
struct Doors {
    pg: Entrance,
    http: Entrance,
    kafka: Option<Entrance>,
}

impl Doors {
    async fn open(env: &Env, config: &Config) -> Result<Self, Error> {
        let remote = config.allow_remote_without_auth;
        let kafka = match config.kafka_listen.as_str() {
            KAFKA_OFF => None,
            listen => {
                let entrance = Entrance::open(env, listen, remote).await?;
                KafkaServer::check(&entrance, &config.kafka.advertised_listen)?;
                Some(entrance)
            }
        };
        Ok(Self {
            pg: Entrance::open(env, &config.pg_listen, remote).await?,
            http: Entrance::open(env, &config.http_listen, remote).await?,
            kafka,
        })
    }
}

fn broker_config(config: &Config) -> Result<BrokerConfig, Error> {
    let (interval, timeout) =
        (config.kafka.group_consumer_heartbeat_interval, config.kafka.group_consumer_session_timeout);
    if timeout <= interval || interval.is_zero() {
        let message =
            "kafka.group_consumer_heartbeat_interval must be above 0 and below kafka.group_consumer_session_timeout";
        let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, message);
        return Err(
            error.hint("Make it a third of the timeout or less: one lost answer must not cost a member its place.")
        );
    }
    let groups = GroupConfig {
        initial_rebalance_delay: config.kafka.group_initial_rebalance_delay,
        consumer_session_timeout: config.kafka.group_consumer_session_timeout,
        consumer_heartbeat_interval: config.kafka.group_consumer_heartbeat_interval,
        offsets_retention: config.kafka.offsets_retention,
        ..GroupConfig::default()
    };
    Ok(BrokerConfig { groups, ..BrokerConfig::default() })
}

fn kafka_config(config: &Config, data_dir: &DataDir) -> KafkaServerConfig {
    let knobs = &config.kafka;
    KafkaServerConfig {
        advertised_listen: knobs.advertised_listen.clone(),
        allow_remote_without_auth: config.allow_remote_without_auth,
        node_id: data_dir.meta().node.0,
        // As Kafka writes a UUID, so that clients can show it.
        cluster_id: URL_SAFE_NO_PAD.encode(data_dir.meta().cluster.0),
        connections_max: knobs.connections_max,
        request_bytes_max: knobs.request_bytes_max.as_usize(),
        fetch_bytes_max: knobs.fetch_bytes_max.as_usize(),
        requests_memory: knobs.requests_memory.0,
        answers_memory: knobs.answers_memory.0,
        fetch_session_partitions: knobs.fetch_session_partitions,
        idle_timeout: knobs.idle_timeout,
        stall_timeout: knobs.stall_timeout,
        auto_create_topics: knobs.auto_create_topics,
        default_partitions: i32::from(knobs.default_partitions.max(1)),
    }
}

async fn open_log(
    env: &Env,
    data_dir: &DataDir,
    config: &Config,
    memory: &Memory,
    metrics: &Metrics,
) -> Result<(Arc<LogDir>, Arc<MetadataLog>), Error> {
    let log_config = LogConfig {
        flush_on: FlushOn::Thread,
        journal_bytes: config.log.journal_bytes.0,
        ride_bytes_max: config.log.ride_bytes_max.0,
        // While the disk stalls so much waits twice: what is being flushed, and what came meanwhile.
        pending_bytes_max: config.log.pending_bytes_max.0.min(config.memory.limit.0 / 16),
        segment_bytes_max: config.log.segment_bytes.0,
        tail_bytes: memory.tail.limit(),
        disk_reserve_bytes: config.log.disk_reserve.0,
        confirm_after: config.log.confirm_after,
        producers_max: config.log.producers_max,
        compaction_keys_max: config.log.compaction_keys_max.min(compaction_keys(config)),
    };
    let (opened, path, node, metrics, tail) =
        (env.clone(), data_dir.path().to_path_buf(), data_dir.meta().node, metrics.clone(), memory.tail.clone());
    env.threads
        .blocking(move || {
            let begun = opened.clock.monotonic();
            let (log, report) = LogDir::open(opened.clone(), &path.join("log"), log_config)?;
            log.measure(&metrics);
            log.count_tail_in(&tail);
            measure_recovery(&metrics, &report, opened.clock.monotonic().saturating_sub(begun));
            let metadata = MetadataLog::open(&opened, &path.join("metadata"), node)?;
            Ok((log, metadata))
        })
        .await
}

/// Looks at the memory of the process from time to time, and has the pools follow it.
fn keep_memory_fitted(env: &Env, memory: &Memory) -> JoinSet<()> {
    /// Between two looks while the process takes more than half of what it may, and else.
    const LOOKS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
    let (env, memory) = (env.clone(), memory.clone());
    let mut fitting = JoinSet::new();
    fitting.spawn(async move {
        let mut is_short = false;
        while let Some(resident) = (env.resident_bytes)() {
            let part = memory.fit(resident);
            // It is told once until all is given back, however often the half is passed.
            let short_below = if is_short { 1.0 } else { 0.5 };
            if (part < short_below) != is_short {
                is_short = !is_short;
                let (limit, percent) = (memory.limit(), (100.0 * part) as u8);
                match is_short {
                    true => warn!(resident, limit, percent, "memory is short: state and views keep less than they may"),
                    false => info!(resident, limit, percent, "memory is no longer short"),
                }
            }
            env.clock.sleep(LOOKS[usize::from(resident < memory.limit() / 2)]).await;
        }
    });
    fitting
}

/// Keys that fit into an eighth of all memory: beside the pools, a compaction is what takes most.
fn compaction_keys(config: &Config) -> usize {
    const KEY_BYTES: usize = 76;
    (config.memory.limit.as_usize() / 8 / KEY_BYTES).max(1)
}

/// What the start of the log has found, and how long it took.
fn measure_recovery(metrics: &Metrics, report: &OpenReport, took: Duration) {
    let set = |name, help, value: u64| metrics.gauge(name, help, &[]).set(i64::try_from(value).unwrap_or(i64::MAX));
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    set("tidemill_log_recovery_milliseconds", "How long the start of the log took.", took_ms);
    set("tidemill_log_recovery_partitions", "Partitions that the start found.", report.partitions as u64);
    let repaired = "Batches that the start put into their segments again, from the journal.";
    set("tidemill_log_recovery_repaired_batches", repaired, report.repaired_batches as u64);
    set("tidemill_log_recovery_cut_bytes", "Bytes that the start cut since they were never durable.", report.cut_bytes);
}

/// Without this a server to which nobody commits would go on answering "unknown" for ever.
fn end_on_failure(log: &LogDir, metadata: &MetadataLog, fail: watch::Sender<Option<Error>>) {
    let (log_failed, metadata_failed) = (log.failed(), metadata.failed());
    tokio::spawn(async move {
        let what = tokio::select! {
            () = log_failed => "the log",
            () = metadata_failed => "the metadata log",
            () = fail.closed() => return,
        };
        let message = format!("a flush of {what} failed: what is durable is known only after a restart");
        error!("{message}");
        // The committer may have told of it already, and knows more.
        fail.send_if_modified(|told| told.is_none() && told.replace(Error::new(SqlState::IO_ERROR, message)).is_none());
    });
}

fn open_runtime(
    env: &Env,
    data_dir: &DataDir,
    config: &Config,
    broker: &Arc<Broker>,
    publisher: &Arc<Publisher>,
    memory: &Memory,
    fail: watch::Sender<Option<Error>>,
) -> Result<Arc<Runtime>, Error> {
    let limits = StoreLimits {
        cache_bytes: memory.state.limit() as u64 / 4,
        memtable_bytes: memory.state.limit() as u64 / 4,
        journal_bytes_max: config.state.journal_bytes_max.0,
        threads: config.state.threads,
    };
    let stores = FjallStores::open(env, &state_path(data_dir.path()), limits)?;
    // They are the stores' from now on, full or not.
    memory.state.hold_for_good(usize::try_from(limits.cache_bytes + limits.memtable_bytes).unwrap_or(usize::MAX));
    let mut options = ConfigOptions::new();
    options.extensions.insert(functions::Context::new(env.clock.wall_micros(), env.random.next_u64(), "UTC"));
    let exec: Exec = config.exec.clone();
    Runtime::new(RuntimeParts {
        env: env.clone(),
        client: broker.client(Principal::server()),
        stores: Arc::new(stores),
        publisher: Arc::clone(publisher),
        functions: Arc::new(options),
        config: exec,
        memory: memory.clone(),
        transactional_id: format!("tidemill.node.{}", data_dir.meta().node.0),
        on_fatal: Arc::new(move |fatal| {
            error!(error = ?fatal, "the process must end");
            fail.send_replace(Some(fatal));
        }),
    })
}

/// The folder for what statements cannot hold in memory, without what a killed server left there.
fn temporary_folder(env: &Env, data_dir: &Path) -> Result<PathBuf, Error> {
    let path = data_dir.join("temporary");
    let emptied = match env.disk.remove_dir_all(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => env.disk.create_dir_all(&path),
    };
    emptied.map_err(|error| {
        Error::new(SqlState::IO_ERROR, format!("{} could not be emptied", path.display())).caused_by(error)
    })?;
    Ok(path)
}

fn state_path(data_dir: &Path) -> PathBuf {
    data_dir.join("state")
}
