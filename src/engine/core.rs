//! The engine: what all sessions share.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::error;
use tracing::warn;

use super::advisory::AdvisoryLocks;
use super::numbers::Numbers;
use super::read::Planner;
use super::row_keys::RowKeys;
use super::session::Session;
use super::session::SessionOptions;
use crate::broker::Client;
use crate::broker::TopicUser;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::QueryDefinition;
use crate::cluster::ClusterMetadata;
use crate::cluster::MetadataError;
use crate::cluster::MetadataLog;
use crate::cluster::MetadataRecord;
use crate::config;
use crate::env::Env;
use crate::env::Pool;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::exec::Runtime;
use crate::exec::reader_groups;
use crate::memory::Memory;
use crate::model::QueryId;
use crate::model::SessionNumber;
use crate::model::TopicId;
use crate::plan::Functions;
use crate::plan::plan_bound;
use crate::security::Principal;
use crate::state::Published;
use crate::state::Publisher;

/// How often a DDL is bound again after others were faster.
const STALE_RETRIES_MAX: usize = 100;

/// So long a start waits for its queries. Those that come later, since what they keep is read from the log, go on starting while
/// others serve.
const START_WAIT: Duration = Duration::from_secs(5);

/// Makes a client that is bound to a principal.
pub type Clients = Arc<dyn Fn(Principal) -> Arc<dyn Client> + Send + Sync>;

/// What the engine is built from.
pub struct EngineParts {
    /// Clock, randomness, and the rest.
    pub env: Env,
    /// Limits of sessions.
    pub limits: config::Limits,
    /// Memory, in pools.
    pub memory: Memory,
    /// An empty folder of the real disk for what statements cannot hold in memory; without one they end.
    pub temporary: Option<PathBuf>,
    /// What exists, durably.
    pub metadata: Arc<MetadataLog>,
    /// The log, by principal.
    pub clients: Clients,
    /// What standing queries keep for reading.
    pub publisher: Arc<Publisher>,
    /// Where standing queries run; whoever made it closes it.
    pub runtime: Arc<Runtime>,
}

/// All sessions' engine.
pub struct Engine {
    env: Env,
    limits: config::Limits,
    memory: Memory,
    temporary: Option<PathBuf>,
    metadata: Arc<MetadataLog>,
    clients: Clients,
    publisher: Arc<Publisher>,
    runtime: Arc<Runtime>,
    functions: Functions,
    catalog: Mutex<CatalogFeed>,
    planner: Planner,
    /// Where queries that are read once are computed; made for the first of them.
    query_threads: OnceLock<Pool>,
    /// Held over a DDL that starts or stops queries.
    ddl: tokio::sync::Mutex<()>,
    /// Queries that could not be started, with the reason.
    stopped: Mutex<BTreeMap<QueryId, String>>,
    /// Whether each query that shall run does, or has its reason in `stopped`.
    started: watch::Sender<bool>,
    advisory_locks: Arc<AdvisoryLocks>,
    row_keys: RowKeys,
    numbers: Numbers,
    /// How many sessions had temporary tables.
    temporary_sessions: AtomicU64,
}

/// The catalog as far as the metadata's records were applied.
#[derive(Default)]
struct CatalogFeed {
    catalog: Arc<Catalog>,
    records: usize,
}

impl Engine {
    /// An engine over parts that are open; reads the catalog and starts the standing queries.
    pub async fn open(parts: EngineParts) -> Result<Arc<Self>> {
        let EngineParts { env, limits, memory, temporary, metadata, clients, publisher, runtime } = parts;
        let engine = Arc::new_cyclic(|engine| Self {
            planner: Planner::new(engine.clone()),
            env,
            limits,
            memory,
            temporary,
            metadata,
            clients,
            publisher,
            runtime,
            functions: Functions::new(),
            query_threads: OnceLock::new(),
            catalog: Mutex::default(),
            ddl: tokio::sync::Mutex::default(),
            stopped: Mutex::default(),
            started: watch::Sender::new(false),
            advisory_locks: Arc::default(),
            row_keys: RowKeys::default(),
            numbers: Numbers::default(),
            temporary_sessions: AtomicU64::new(0),
        });
        // The sessions of a run that ended are gone.
        engine.drop_temporary(|_| true).await?;
        engine.keep_tables()?;
        let mut starting = Arc::clone(&engine).start().boxed();
        tokio::select! {
            started = &mut starting => started?,
            () = engine.env.clock.sleep(START_WAIT) => {
                warn!("queries that are read from the log are not ready yet; others serve");
                tokio::spawn(starting);
            }
        }
        Ok(engine)
    }

    /// Starts the standing queries; nobody changes them meanwhile.
    async fn start(self: Arc<Self>) -> Result<()> {
        let _turn = self.ddl().await;
        let done = self.start_queries().await;
        self.started.send_replace(true);
        done.inspect_err(|cause| error!(error = ?cause, "queries are not started"))
    }

    /// The advisory locks of all sessions.
    pub(super) fn advisory_locks(&self) -> &Arc<AdvisoryLocks> {
        &self.advisory_locks
    }

    /// Who makes the numbers of rows whose table has no key.
    /// Who gives numbers to identity columns.
    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    pub(super) fn row_keys(&self) -> &RowKeys {
        &self.row_keys
    }

    /// The number of a session that has its first temporary table.
    pub(super) fn next_session(&self) -> SessionNumber {
        SessionNumber(self.temporary_sessions.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Whether queries are still being started.
    pub(super) fn is_starting(&self) -> bool {
        !*self.started.borrow()
    }

    /// Waits until each query that shall run does, or cannot.
    pub(super) async fn started(&self) {
        // The sender lives as long as the engine.
        let _ = self.started.subscribe().wait_for(|started| *started).await;
    }

    /// A session for a client who has proved who they are.
    pub fn session(self: &Arc<Self>, principal: Principal, options: SessionOptions) -> Result<Session> {
        Session::new(Arc::clone(self), principal, options)
    }

    /// What exists, as the newest metadata says.
    pub fn catalog(&self) -> Result<Arc<Catalog>> {
        self.catalog_of(&self.metadata.snapshot())
    }

    /// What stands on a topic.
    pub fn topic_user(&self, topic: TopicId) -> Result<Option<TopicUser>> {
        let catalog = self.catalog()?;
        let readers = || self.reader_groups(&catalog, topic);
        Ok(catalog.users_of_topic(topic).fold(None, |user: Option<TopicUser>, relation| {
            let is_own = relation.topic_id == topic;
            let (is_table, is_of_query) = (is_own && relation.is_table(), is_own && relation.query.is_some());
            Some(match user {
                Some(user) => TopicUser {
                    is_table: user.is_table || is_table,
                    is_of_query: user.is_of_query || is_of_query,
                    ..user
                },
                None => {
                    let kind = if relation.is_table() { "table" } else { "stream" };
                    let name = format!("{kind} \"{}\"", relation.name);
                    TopicUser { name, is_table, is_of_query, readers: readers() }
                }
            })
        }))
    }

    /// The groups of the queries that read a topic, also of those that have not begun to.
    pub(super) fn reader_groups(&self, catalog: &Catalog, topic: TopicId) -> Vec<String> {
        let of_query = |query: &Arc<QueryDefinition>| match plan_bound(&query.bound_text, catalog, &self.functions) {
            Ok(plan) => reader_groups(query.id, &plan, topic),
            // What cannot be planned does not run; where it stands its first group says.
            Err(_) => vec![query.id.group()],
        };
        catalog.readers_of_topic(topic).flat_map(of_query).collect()
    }

    /// Where queries that are read once are computed: their work never stands in the way of a connection.
    pub(super) fn query_threads(&self) -> Result<&Pool> {
        if let Some(pool) = self.query_threads.get() {
            return Ok(pool);
        }
        let threads = match self.limits.query_threads {
            0 => self.env.threads.cores(),
            threads => threads,
        };
        let pool = self.env.threads.pool("query", threads).map_err(|error| {
            Error::new(SqlState::OUT_OF_MEMORY, "could not start the threads of queries").caused_by(error)
        })?;
        // Of two queries that come first, one makes it for both.
        Ok(self.query_threads.get_or_init(|| pool))
    }

    fn catalog_of(&self, metadata: &ClusterMetadata) -> Result<Arc<Catalog>> {
        let mut feed = self.catalog.lock();
        if feed.catalog.version() < metadata.version {
            let mut catalog = Catalog::clone(&feed.catalog);
            for (_, record) in metadata.catalog_records.iter().skip(feed.records) {
                catalog = catalog.apply(&Change::decode(record)?)?;
            }
            feed.records = metadata.catalog_records.len().max(feed.records);
            feed.catalog = Arc::new(catalog.at_version(metadata.version));
        }
        Ok(Arc::clone(&feed.catalog))
    }

    /// Changes what exists: `make` looks at what there is and says what shall become of it, nothing or one batch of
    /// records. It is asked again when another change came first.
    pub(super) async fn change<T>(
        &self,
        mut make: impl FnMut(&ClusterMetadata, &Catalog) -> Result<(Vec<MetadataRecord>, T)>,
    ) -> Result<T> {
        for _ in 0..STALE_RETRIES_MAX {
            let metadata = self.metadata.snapshot();
            let catalog = self.catalog_of(&metadata)?;
            let (records, made) = make(&metadata, &catalog)?;
            if records.is_empty() {
                return Ok(made);
            }
            match self.metadata.propose(metadata.version, records).await {
                Ok(_) => return Ok(made),
                Err(MetadataError::Stale { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::new(SqlState::SERIALIZATION_FAILURE, "the catalog is changed by others all the time")
            .hint("Try again."))
    }

    /// The newest commit that standing queries published.
    pub(super) fn published(&self) -> Arc<Published> {
        self.publisher.current()
    }

    pub(super) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Where standing queries run.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Waits for its turn to change queries.
    pub(super) async fn ddl(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.ddl.lock().await
    }

    pub(super) fn note_stopped(&self, query: QueryId, reason: String) {
        self.stopped.lock().insert(query, reason);
    }

    pub(super) fn forget_stop(&self, query: QueryId) {
        self.stopped.lock().remove(&query);
    }

    pub(super) fn noted_stop(&self, query: QueryId) -> Option<String> {
        self.stopped.lock().get(&query).cloned()
    }

    pub(super) fn metadata(&self) -> Arc<ClusterMetadata> {
        self.metadata.snapshot()
    }

    pub(super) fn client(&self, principal: &Principal) -> Arc<dyn Client> {
        (self.clients)(principal.clone())
    }

    pub(super) fn env(&self) -> &Env {
        &self.env
    }

    pub(super) fn limits(&self) -> &config::Limits {
        &self.limits
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The folder and the bytes of the files in which statements put what memory does not hold.
    pub(super) fn temporary_files(&self) -> Option<(&Path, u64)> {
        self.temporary.as_deref().map(|folder| (folder, self.limits.temporary_bytes_max.0))
    }

    pub(super) fn planner(&self) -> &Planner {
        &self.planner
    }
}
