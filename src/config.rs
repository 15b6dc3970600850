//! Every knob of the server, with its default: TOML file, environment, flags, in rising precedence.
//!
//! A knob's path in the file (`exec.commit_interval`) is its name everywhere: `TIDEMILL_EXEC_COMMIT_INTERVAL` in
//! the environment. Knobs of the top level have flags too (`--pg-listen`).
//!
//! Invariants:
//!   * an unknown name is an error that names the nearest known one, never ignored
//!   * every limit has a finite default
//!   * a value that makes no sense is refused, with the knob's name, who says it, and what would
//!   * `docs/reference/config.md` lists exactly these knobs and defaults (a test compares them)
//!
//! Not here: reading the file or the environment (`main.rs` hands both over as text).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;
use toml::de::DeTable;

use crate::error::Error;
use crate::error::SqlState;

/// Threads of a kind that a machine can be asked for.
const THREADS_MAX: usize = 1024;

/// All knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where all data lies.
    pub data_dir: PathBuf,
    /// Where the PostgreSQL door listens, `host:port`; port 0 takes a free one.
    pub pg_listen: String,
    /// Where the HTTP door (`/health`, `/metrics`) listens.
    pub http_listen: String,
    /// Where the Kafka door listens, `host:port`; port 0 takes a free one, `off` opens none.
    pub kafka_listen: String,
    /// The filter of the server log, in `tracing`'s words: `info`, `tidemill=debug`.
    pub log_filter: String,
    /// Lets the doors listen on an address that is not loopback, although nobody has to prove who they are.
    pub allow_remote_without_auth: bool,
    /// The log on disk.
    pub log: Log,
    /// Standing queries.
    pub exec: Exec,
    /// State of standing queries on disk.
    pub state: State,
    /// Memory, in pools.
    pub memory: Memory,
    /// Connections and statements.
    pub limits: Limits,
    /// What Kafka clients get.
    pub kafka: Kafka,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./tidemill-data"),
            pg_listen: "127.0.0.1:7432".to_string(),
            http_listen: "127.0.0.1:8088".to_string(),
            kafka_listen: "127.0.0.1:9092".to_string(),
            log_filter: "info".to_string(),
            allow_remote_without_auth: false,
            log: Log::default(),
            exec: Exec::default(),
            state: State::default(),
            memory: Memory::default(),
            limits: Limits::default(),
            kafka: Kafka::default(),
        }
    }
}

/// The log on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A journal file that has grown to this size is followed by a new one and trimmed away in the background.
    pub journal_bytes: ByteSize,
    /// A partition with more than this in one flush has its segment synced instead of riding in the journal.
    pub ride_bytes_max: ByteSize,
    /// Bytes that may wait for a flush; an append that passes it flushes by itself.
    pub pending_bytes_max: ByteSize,
    /// A segment file that would pass this size is followed by a new one; partitions made before learn of it at the next start.
    pub segment_bytes: ByteSize,
    /// Room kept for the server itself when the disk is full, at most a hundredth of the disk; `0 B` keeps none.
    pub disk_reserve: ByteSize,
    /// How long after the last data flush an idle log flushes once more, to confirm its durable offsets.
    #[serde(with = "duration_text")]
    pub confirm_after: Duration,
    /// Idempotent producers remembered per partition; the one silent for longest is forgotten.
    pub producers_max: usize,
    /// Keys that a compaction remembers at once, 38 to 76 bytes each, at most what an eighth of `memory.limit` holds; with more it takes several passes.
    pub compaction_keys_max: usize,
    /// How often it is looked for topics to compact.
    #[serde(with = "duration_text")]
    pub compaction_interval: Duration,
    /// Bytes that compactions read and write in a second.
    pub compaction_bytes_per_second: ByteSize,
    /// How often it is looked for records that their topic's retention drops, and for segments to seal for their age.
    #[serde(with = "duration_text")]
    pub retention_check_interval: Duration,
    /// How often it is looked for segments whose check is due.
    #[serde(with = "duration_text")]
    pub scrub_interval: Duration,
    /// How often each sealed segment is checked against its hashes.
    #[serde(with = "duration_text")]
    pub scrub_period: Duration,
    /// Bytes that checks of segments read in a second; nothing while the log has much to flush.
    pub scrub_bytes_per_second: ByteSize,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            journal_bytes: ByteSize::mebibytes(64),
            ride_bytes_max: ByteSize(64 << 10),
            pending_bytes_max: ByteSize::mebibytes(64),
            segment_bytes: ByteSize::mebibytes(1024),
            disk_reserve: ByteSize::mebibytes(1024),
            confirm_after: Duration::from_millis(10),
            producers_max: 10_000,
            compaction_keys_max: 4 << 20,
            compaction_interval: Duration::from_secs(15),
            compaction_bytes_per_second: ByteSize::mebibytes(64),
            retention_check_interval: Duration::from_secs(5 * 60),
            scrub_interval: Duration::from_secs(60 * 60),
            scrub_period: Duration::from_secs(7 * 24 * 60 * 60),
            scrub_bytes_per_second: ByteSize::mebibytes(8),
        }
    }
}

/// Standing queries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exec {
    /// A task with output commits at the latest after this time.
    #[serde(with = "duration_text")]
    pub commit_interval: Duration,
    /// A task commits at most this often.
    #[serde(with = "duration_text")]
    pub commit_interval_min: Duration,
    /// A producer whose input has been at its end for this long no longer holds stream time back.
    #[serde(with = "duration_text")]
    pub idle_timeout: Duration,
    /// A partition of a stream to which a query writes no rows learns the query's stream time at most this often.
    #[serde(with = "duration_text")]
    pub mark_interval: Duration,
    /// A record whose event time lies further ahead of the wall clock is a bad record.
    #[serde(with = "duration_text")]
    pub timestamp_future_max: Duration,
    /// Rows that one round takes from its inputs together.
    pub round_rows_max: usize,
    /// Bytes that one round takes from its inputs together.
    pub round_bytes_max: ByteSize,
    /// Bytes of output after which a task commits before its interval is over.
    pub cut_bytes_max: ByteSize,
    /// Bytes of output that one row may make, which one commit has to take; a query with one that makes more fails.
    pub change_bytes_max: ByteSize,
    /// Threads that run tasks; 0 takes the number of cores.
    pub workers: usize,
}

impl Default for Exec {
    fn default() -> Self {
        Self {
            commit_interval: Duration::from_millis(100),
            commit_interval_min: Duration::from_millis(5),
            idle_timeout: Duration::from_secs(10),
            mark_interval: Duration::from_secs(1),
            timestamp_future_max: Duration::from_secs(3600),
            round_rows_max: 8192,
            round_bytes_max: ByteSize::mebibytes(1),
            cut_bytes_max: ByteSize::mebibytes(8),
            change_bytes_max: ByteSize::mebibytes(256),
            workers: 0,
        }
    }
}

/// State of standing queries on disk: a cache of what the log holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// The stores' own journals on disk; at least 64 MiB.
    pub journal_bytes_max: ByteSize,
    /// Records of a partition of a view's topic that a start after a kill reads again, about.
    pub view_replay_max: u64,
    /// Threads that write and merge tables. Of several, one busies itself with handing merges on to the others while they
    /// merge (fjall 3.1): they are a little faster where cores are idle and cost a core where they are not.
    pub threads: usize,
}

impl Default for State {
    fn default() -> Self {
        Self { journal_bytes_max: ByteSize::mebibytes(256), view_replay_max: 500_000, threads: 1 }
    }
}

/// Memory, in pools: what grows with data and use. The process itself takes some more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Three quarters of it are shared by the pools that have no size of their own; the rest is for what no pool counts.
    pub limit: ByteSize,
    /// Newest batches of the log; `0 B` takes an eighth of the limit.
    pub tail: ByteSize,
    /// Columns decoded from them, shared by the queries that read them; `0 B` takes an eighth of the limit.
    pub decode: ByteSize,
    /// State of standing queries, the stores' own caches included; `0 B` takes a quarter of the limit.
    pub state: ByteSize,
    /// Rows and pages of views; `0 B` takes a quarter of the limit.
    pub views: ByteSize,
    /// Statements that are read once; `0 B` takes a quarter of the limit.
    pub statements: ByteSize,
}

impl Default for Memory {
    fn default() -> Self {
        let share = ByteSize(0);
        let limit = ByteSize::mebibytes(1024);
        Self { limit, tail: share, decode: share, state: share, views: share, statements: share }
    }
}

/// Connections and statements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections of the PostgreSQL door; one more is told 53300.
    pub connections_max: usize,
    /// The longest message that a PostgreSQL client may send.
    pub message_bytes_max: ByteSize,
    /// How long a connection may take from its first byte to its first statement.
    #[serde(with = "duration_text")]
    pub startup_timeout: Duration,
    /// Prepared statements of one session.
    pub prepared_statements_max: usize,
    /// Open portals and cursors of one session.
    pub portals_max: usize,
    /// Bytes of rows that one INSERT .. SELECT may gather; they are written together once all are there.
    pub insert_bytes_max: ByteSize,
    /// Threads that compute queries that are read once; 0 takes the number of cores.
    pub query_threads: usize,
    /// Bytes of files in which statements that are read once sort and group what memory does not hold, together; 0 makes none.
    pub temporary_bytes_max: ByteSize,
    /// Rows that a push query may hold for a client that reads slowly; then it stops reading the log.
    pub push_rows_max: usize,
    /// How long a statement may read what it pinned at its start; then it ends with 72000. `0 s` is for ever.
    #[serde(with = "duration_text")]
    pub snapshot_age_max: Duration,
    /// Bytes of rows that old versions of views may hold for statements that still read them; beyond it the oldest end with
    /// 72000. `0 B` takes half of `memory.views`.
    pub snapshot_bytes_max: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 200,
            message_bytes_max: ByteSize::mebibytes(64),
            startup_timeout: Duration::from_secs(30),
            prepared_statements_max: 1024,
            portals_max: 256,
            insert_bytes_max: ByteSize::mebibytes(256),
            query_threads: 0,
            temporary_bytes_max: ByteSize::mebibytes(4096),
            push_rows_max: 8192,
            snapshot_age_max: Duration::from_secs(3600),
            snapshot_bytes_max: ByteSize(0),
        }
    }
}

/// What Kafka clients get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// `host:port` that clients are told to connect to; empty for where the door listens.
    pub advertised_listen: String,
    /// Makes a topic that a client asks for and that is not there.
    pub auto_create_topics: bool,
    /// Partitions of a topic that does not say how many.
    pub default_partitions: u16,
    /// Open connections of the Kafka door; one more is closed at once.
    pub connections_max: usize,
    /// The largest request.
    pub request_bytes_max: ByteSize,
    /// Records in the largest answer; a single batch may be larger.
    pub fetch_bytes_max: ByteSize,
    /// Bytes of large requests that are read at the same time, over all connections; more wait.
    pub requests_memory: ByteSize,
    /// Bytes of records that wait for clients to take them, over all connections; more wait.
    pub answers_memory: ByteSize,
    /// Partitions that fetch sessions remember, over all connections; without room clients fetch without a session.
    pub fetch_session_partitions: usize,
    /// A connection that sends nothing for so long is closed.
    #[serde(with = "duration_text")]
    pub idle_timeout: Duration,
    /// A client that stops in the middle of a request, or does not take its answer, for so long is disconnected.
    #[serde(with = "duration_text")]
    pub stall_timeout: Duration,
    /// How long the first rebalance of a consumer group without members waits for further ones.
    #[serde(with = "duration_text")]
    pub group_initial_rebalance_delay: Duration,
    /// Silence after which a member of a group of the consumer protocol (KIP-848) is taken for dead.
    #[serde(with = "duration_text")]
    pub group_consumer_session_timeout: Duration,
    /// How often a member of a group of the consumer protocol is to say that it lives.
    #[serde(with = "duration_text")]
    pub group_consumer_heartbeat_interval: Duration,
    /// How long positions of a consumer group are kept after its last member left.
    #[serde(with = "duration_text")]
    pub offsets_retention: Duration,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            advertised_listen: String::new(),
            auto_create_topics: true,
            default_partitions: 1,
            connections_max: 1000,
            request_bytes_max: ByteSize::mebibytes(100),
            fetch_bytes_max: ByteSize::mebibytes(16),
            requests_memory: ByteSize::mebibytes(256),
            answers_memory: ByteSize::mebibytes(256),
            fetch_session_partitions: 200_000,
            idle_timeout: Duration::from_secs(10 * 60),
            stall_timeout: Duration::from_secs(30),
            group_initial_rebalance_delay: Duration::from_secs(3),
            group_consumer_session_timeout: Duration::from_secs(45),
            group_consumer_heartbeat_interval: Duration::from_secs(5),
            offsets_retention: Duration::from_hours(7 * 24),
        }
    }
}

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not TOML.
    #[error("cannot read the configuration in {file}: {message}")]
    NotToml {
        /// Which.
        file: String,
        /// What the TOML parser says.
        message: String,
    },
    /// A name that is no knob.
    #[error("unknown setting \"{name}\" in {origin}")]
    Unknown {
        /// As it was written.
        name: String,
        /// The file and its line, the environment or the flags.
        origin: String,
        /// The known name that looks most like it, if one looks like it.
        nearest: Option<String>,
    },
    /// A value of the wrong kind, or out of bounds.
    #[error("{name} in {origin} must be {wanted}, not {value}")]
    Invalid {
        /// The knob, as it is called there.
        name: String,
        /// The file and its line, the environment or the flags.
        origin: String,
        /// What it takes.
        wanted: String,
        /// As it was written.
        value: String,
    },
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let user = Error::new(SqlState::INVALID_PARAMETER_VALUE, error.to_string());
        match &error {
            ConfigError::Unknown { nearest: Some(nearest), .. } => user.hint(format!("Did you mean \"{nearest}\"?")),
            ConfigError::Unknown { nearest: None, .. } => user.hint("docs/reference/config.md has all settings."),
            ConfigError::NotToml { .. } | ConfigError::Invalid { .. } => user,
        }
    }
}

/// The text of each place that may set a knob.
#[derive(Debug, Default)]
pub struct Layers {
    /// The TOML file's name and its text.
    pub file: Option<(String, String)>,
    /// The environment: names with `TIDEMILL_`; others are not looked at.
    pub environment: Vec<(String, String)>,
    /// Flags, by the knob's path.
    pub flags: Vec<(&'static str, String)>,
}

/// Names in the environment that are no knobs: the configuration file, and what `tidemill sql`, `topic`, `group` and `transaction` read.
const NOT_KNOBS: [&str; 3] = ["TIDEMILL_CONFIG", "TIDEMILL_HISTORY", "TIDEMILL_KAFKA"];

/// A knob's value, and who says it.
struct Told {
    value: toml::Value,
    /// What the knob is called there.
    name: String,
    origin: String,
}

impl Config {
    /// Defaults, then the file, then the environment, then flags.
    pub fn load(layers: Layers) -> Result<Self, ConfigError> {
        let paths = Self::paths();
        let mut told: BTreeMap<String, Told> = BTreeMap::new();
        if let Some((file, text)) = layers.file {
            let of = |error: toml::de::Error| ConfigError::NotToml { file: file.clone(), message: error.to_string() };
            let (table, lines) = (text.parse::<toml::Table>().map_err(of)?, lines(&text).map_err(of)?);
            for (path, value) in flatten(&table) {
                let origin = lines.get(&path).map_or_else(|| file.clone(), |line| format!("{file} line {line}"));
                if !paths.contains(&path) {
                    return Err(unknown(path, origin, &paths));
                }
                told.insert(path.clone(), Told { value, name: path, origin });
            }
        }
        for (name, text) in layers.environment {
            if !name.starts_with("TIDEMILL_") || NOT_KNOBS.contains(&name.as_str()) {
                continue;
            }
            let origin = "the environment".to_string();
            let Some(path) = paths.iter().find(|path| environment_name(path) == name) else {
                let names: Vec<String> = paths.iter().map(|path| environment_name(path)).collect();
                return Err(unknown(name, origin, &names));
            };
            told.insert(path.clone(), Told { value: of_text(path, text), name, origin });
        }
        for (path, text) in layers.flags {
            assert!(paths.iter().any(|known| known == path), "flag {path} names no knob");
            let (name, origin) = (format!("--{}", path.replace('_', "-")), "the arguments".to_string());
            told.insert(path.to_string(), Told { value: of_text(path, text), name, origin });
        }
        let mut config = default_table();
        for (path, Told { value, name, origin }) in &told {
            set(&mut config, path, value.clone());
            // One at a time, so that it is known which one is wrong.
            if let Err(error) = config.clone().try_into::<Self>() {
                let wanted = wanted(path, error.message());
                let (name, origin, value) = (name.clone(), origin.clone(), value.to_string());
                return Err(ConfigError::Invalid { name, origin, wanted, value });
            }
        }
        let config: Config = config.try_into().expect("it was read just now");
        let Some((path, wanted)) = config.out_of_bounds() else { return Ok(config) };
        if let Some(Told { value, name, origin }) = told.remove(path) {
            return Err(ConfigError::Invalid { name, origin, wanted: wanted.to_string(), value: value.to_string() });
        }
        // A default beside which another knob does not fit.
        let value = flatten(&default_table()).into_iter().find(|(known, _)| *known == path);
        let value = value.map(|(_, value)| value.to_string()).unwrap_or_default();
        let (name, origin) = (path.to_string(), "the defaults".to_string());
        Err(ConfigError::Invalid { name, origin, wanted: wanted.to_string(), value })
    }

    /// The first knob whose value makes no sense, and what would.
    fn out_of_bounds(&self) -> Option<(&'static str, &'static str)> {
        let wrong = |(.., fits): &(&str, &str, bool)| !fits;
        let mut bounds = self.bounds_of_doors().into_iter().chain(self.bounds_of_work()).chain(self.bounds_of_kafka());
        bounds.find(wrong).map(|(path, wanted, _)| (path, wanted))
    }

    /// Knobs with what their values must be, and whether they are.
    fn bounds_of_doors(&self) -> Vec<(&'static str, &'static str, bool)> {
        const ADDRESS: &str = "host:port";
        let limits = &self.limits;
        vec![
            ("data_dir", "a path", !self.data_dir.as_os_str().is_empty()),
            ("pg_listen", ADDRESS, is_address(&self.pg_listen)),
            ("http_listen", ADDRESS, is_address(&self.http_listen)),
            ("kafka_listen", "host:port, or off", self.kafka_listen == "off" || is_address(&self.kafka_listen)),
            ("limits.connections_max", "at least 1", 1 <= limits.connections_max),
            ("limits.message_bytes_max", "at least 64 KiB", 64 << 10 <= limits.message_bytes_max.0),
            ("limits.startup_timeout", "at least 100 ms", Duration::from_millis(100) <= limits.startup_timeout),
            ("limits.prepared_statements_max", "at least 1", 1 <= limits.prepared_statements_max),
            ("limits.portals_max", "at least 1", 1 <= limits.portals_max),
            ("limits.query_threads", "at most 1024", limits.query_threads <= THREADS_MAX),
            ("limits.push_rows_max", "at least 1", 1 <= limits.push_rows_max),
        ]
    }

    fn bounds_of_work(&self) -> Vec<(&'static str, &'static str, bool)> {
        let (log, exec) = (&self.log, &self.exec);
        let least = Duration::from_millis(1);
        vec![
            ("log.journal_bytes", "at least 64 KiB", 64 << 10 <= log.journal_bytes.0),
            ("log.pending_bytes_max", "at least 64 KiB", 64 << 10 <= log.pending_bytes_max.0),
            ("log.segment_bytes", "at least 16 KiB", 16 << 10 <= log.segment_bytes.0),
            ("log.producers_max", "at least 1", 1 <= log.producers_max),
            ("log.compaction_keys_max", "at least 1", 1 <= log.compaction_keys_max),
            ("log.compaction_interval", "at least 1 ms", least <= log.compaction_interval),
            ("log.compaction_bytes_per_second", "at least 64 KiB", 64 << 10 <= log.compaction_bytes_per_second.0),
            ("log.retention_check_interval", "at least 1 ms", least <= log.retention_check_interval),
            ("log.scrub_interval", "at least 1 ms", least <= log.scrub_interval),
            ("log.scrub_bytes_per_second", "at least 64 KiB", 64 << 10 <= log.scrub_bytes_per_second.0),
            ("exec.commit_interval", "at least 1 ms", least <= exec.commit_interval),
            (
                "exec.commit_interval",
                "at least exec.commit_interval_min",
                exec.commit_interval_min <= exec.commit_interval,
            ),
            ("exec.round_rows_max", "at least 1", 1 <= exec.round_rows_max),
            ("exec.round_bytes_max", "at least 1 KiB", 1 << 10 <= exec.round_bytes_max.0),
            ("exec.cut_bytes_max", "at least 1 KiB", 1 << 10 <= exec.cut_bytes_max.0),
            ("exec.workers", "at most 1024", exec.workers <= THREADS_MAX),
            ("state.threads", "1 to 1024", (1..=THREADS_MAX).contains(&self.state.threads)),
            ("memory.limit", "at least 32 MiB", 32 << 20 <= self.memory.limit.0),
        ]
    }

    fn bounds_of_kafka(&self) -> Vec<(&'static str, &'static str, bool)> {
        let kafka = &self.kafka;
        let advertised = kafka.advertised_listen.as_str();
        vec![
            ("kafka.advertised_listen", "host:port, or empty", advertised.is_empty() || is_address(advertised)),
            ("kafka.default_partitions", "at least 1", 1 <= kafka.default_partitions),
            ("kafka.connections_max", "at least 1", 1 <= kafka.connections_max),
            ("kafka.request_bytes_max", "at least 1 KiB", 1 << 10 <= kafka.request_bytes_max.0),
            ("kafka.fetch_bytes_max", "at least 1 KiB", 1 << 10 <= kafka.fetch_bytes_max.0),
            ("kafka.idle_timeout", "at least 1 s", Duration::from_secs(1) <= kafka.idle_timeout),
            ("kafka.stall_timeout", "at least 1 s", Duration::from_secs(1) <= kafka.stall_timeout),
        ]
    }

    /// The paths of all knobs, in the file's spelling.
    pub fn paths() -> Vec<String> {
        flatten(&default_table()).into_iter().map(|(path, _)| path).collect()
    }
}

/// The name of a knob in the environment.
pub fn environment_name(path: &str) -> String {
    format!("TIDEMILL_{}", path.replace('.', "_").to_uppercase())
}

fn default_table() -> toml::Table {
    toml::Table::try_from(Config::default()).expect("the defaults are tables of text and numbers")
}

fn unknown(name: String, origin: String, known: &[String]) -> ConfigError {
    // What differs in more than a third of its letters is no slip of the hand.
    let alike = |(distance, _): &(usize, &String)| *distance <= (name.chars().count() / 3).max(2);
    let nearest = known.iter().map(|known| (edit_distance(known, &name), known)).min().filter(alike);
    let nearest = nearest.map(|(_, known)| known.clone());
    ConfigError::Unknown { name, origin, nearest }
}

/// Whether a door may listen there: a host and a port.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// The line of each leaf of a TOML text.
fn lines(text: &str) -> Result<BTreeMap<String, usize>, toml::de::Error> {
    fn walk(table: &DeTable<'_>, before: &str, text: &str, lines: &mut BTreeMap<String, usize>) {
        for (key, value) in table {
            let path = format!("{before}{}", key.get_ref());
            match value.get_ref().as_table() {
                Some(inner) => walk(inner, &format!("{path}."), text, lines),
                None => {
                    let line = text[..key.span().start].matches('\n').count() + 1;
                    lines.insert(path, line);
                }
            }
        }
    }
    let mut lines = BTreeMap::new();
    walk(DeTable::parse(text)?.get_ref(), "", text, &mut lines);
    Ok(lines)
}

/// What a knob takes: it may have said so itself, as `told`.
fn wanted(path: &str, told: &str) -> String {
    let defaults = flatten(&default_table());
    match defaults.iter().find(|(known, _)| known == path).map(|(_, value)| value) {
        Some(toml::Value::Integer(_)) if path == "kafka.default_partitions" => {
            "a whole number from 0 to 65535".to_string()
        }
        Some(toml::Value::Integer(_)) => "a whole number, 0 or more".to_string(),
        Some(toml::Value::Boolean(_)) => "true or false".to_string(),
        _ => match told.strip_prefix(EXPECTED).and_then(|rest| rest.split_once(NOT)) {
            Some((wanted, _)) => wanted.to_string(),
            None => "a text in quotes".to_string(),
        },
    }
}

/// The leaves of nested tables with their dotted paths.
fn flatten(table: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut leaves = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                leaves.extend(flatten(inner).into_iter().map(|(path, value)| (format!("{name}.{path}"), value)));
            }
            leaf => leaves.push((name.clone(), leaf.clone())),
        }
    }
    leaves
}

fn set(table: &mut toml::Table, path: &str, value: toml::Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_string(), value);
        }
        Some((section, rest)) => {
            let section = table.get_mut(section).and_then(toml::Value::as_table_mut);
            set(section.expect("a known path's section is a table"), rest, value);
        }
    }
}

/// A knob's value from text, in the kind that its default has; text that does not read so stays text, and is refused as such.
fn of_text(path: &str, text: String) -> toml::Value {
    let defaults = flatten(&default_table());
    let of_kind = match defaults.iter().find(|(known, _)| known == path).map(|(_, value)| value) {
        Some(toml::Value::Integer(_)) => text.trim().parse().ok().map(toml::Value::Integer),
        Some(toml::Value::Boolean(_)) => text.trim().parse().ok().map(toml::Value::Boolean),
        _ => None,
    };
    of_kind.unwrap_or(toml::Value::String(text))
}

/// Levenshtein's distance, for "did you mean".
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

/// A number of bytes; in text `4096`, `64 KiB`, `1 MiB`, `1.5 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// So many times 2^20 bytes.
    pub const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    /// The number of bytes, as what memory and slices are counted in.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const BYTE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const TIME_UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("min", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
    ("m", 60_000_000),
];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_unit(self.0, &BYTE_UNITS))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quantity(deserializer, &BYTE_UNITS, Some(1), "a size such as \"64 KiB\"").map(ByteSize)
    }
}

/// Durations as text: `100 ms`, `10 s`, `1 h`.
mod duration_text {
    use super::*;

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        serializer.serialize_str(&with_unit(micros, &TIME_UNITS))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        quantity(deserializer, &TIME_UNITS, None, "a duration such as \"100 ms\"").map(Duration::from_micros)
    }
}

/// What a knob says of a value that it does not take, around what it does.
const EXPECTED: &str = "expected ";
const NOT: &str = ", not ";

/// The number in the largest unit that divides it.
fn with_unit(number: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().find(|(_, size)| number != 0 && number.is_multiple_of(*size));
    let (unit, size) = fits.unwrap_or(&units[3]);
    format!("{} {unit}", number / size)
}

/// Reads a number with a unit; a bare number only where `bare` says what it counts.
fn quantity<'de, D: Deserializer<'de>>(
    deserializer: D,
    units: &[(&str, u64)],
    bare: Option<u64>,
    expected: &str,
) -> Result<u64, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    let wrong = || de::Error::custom(format!("{EXPECTED}{expected}{NOT}{value}"));
    let text = match &value {
        toml::Value::String(text) => text.trim().to_string(),
        toml::Value::Integer(number) => number.to_string(),
        _ => return Err(wrong()),
    };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim();
    let size = match units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        Some((_, size)) => *size,
        None if unit.is_empty() => bare.ok_or_else(wrong)?,
        None => return Err(wrong()),
    };
    let scaled = number * size as f64;
    if scaled.is_finite() && scaled < i64::MAX as f64 { Ok(scaled as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Layers {
        Layers {
            file: Some(("f.toml".to_string(), file.to_string())),
            environment: environment.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
            flags: flags.iter().map(|(n, v)| (*n, v.to_string())).collect(),
        }
    }

    #[test]
    fn flags_win_over_environment_over_file_over_default() {
        let file = "pg_listen = 'file:1'\nhttp_listen = 'file:1'\n[exec]\ncommit_interval = '7 ms'\nworkers = 3\n";
        let environment = [
            ("TIDEMILL_PG_LISTEN", "environment:1"),
            ("TIDEMILL_EXEC_WORKERS", "5"),
            ("HOME", "/x"),
            ("TIDEMILL_CONFIG", "c"),
        ];
        let config = Config::load(layers(file, &environment, &[("pg_listen", "flag:1")])).expect("it is right");
        assert_eq!(config.pg_listen, "flag:1");
        assert_eq!(config.http_listen, "file:1");
        assert_eq!(config.exec.workers, 5);
        assert_eq!(config.exec.commit_interval, Duration::from_millis(7));
        assert_eq!(config.exec.commit_interval_min, Duration::from_millis(5));
    }

    #[test]
    fn an_unknown_name_is_an_error_with_the_nearest_known() {
        let error = Config::load(layers("[exec]\ncomit_interval = '1 s'", &[], &[])).expect_err("misspelt");
        assert_eq!(Error::from(error).hint_text(), Some("Did you mean \"exec.commit_interval\"?"));
        let error = Config::load(layers("", &[("TIDEMILL_PG_LISTN", "x")], &[])).expect_err("misspelt");
        assert_eq!(Error::from(error).hint_text(), Some("Did you mean \"TIDEMILL_PG_LISTEN\"?"));
        let error = Config::load(layers("", &[("TIDEMILL_NOSUCH", "x")], &[])).expect_err("nothing is like it");
        assert_eq!(Error::from(error).hint_text(), Some("docs/reference/config.md has all settings."));
    }

    #[test]
    fn a_wrong_value_is_told_with_its_name_its_place_and_what_would_do() {
        let file = |text: &str| Config::load(layers(text, &[], &[])).expect_err(text).to_string();
        let environment = |name, text| Config::load(layers("", &[(name, text)], &[])).expect_err(name).to_string();
        let flag = |name, text| Config::load(layers("", &[], &[(name, text)])).expect_err(name).to_string();
        let told = [
            (
                file("# first\n[exec]\nworkers = 1\ncommit_interval = '50'"),
                "exec.commit_interval in f.toml line 4 must be a duration such as \"100 ms\", not \"50\"",
            ),
            (file("exec.workers = -1"), "exec.workers in f.toml line 1 must be a whole number, 0 or more, not -1"),
            (
                file("[memory]\nlimit = '1 GB'"),
                "memory.limit in f.toml line 2 must be a size such as \"64 KiB\", not \"1 GB\"",
            ),
            (file("pg_listen = 7432"), "pg_listen in f.toml line 1 must be a text in quotes, not 7432"),
            (file("\n[exec]\nno = 1"), "unknown setting \"exec.no\" in f.toml line 3"),
            (
                environment("TIDEMILL_LIMITS_CONNECTIONS_MAX", "lots"),
                "TIDEMILL_LIMITS_CONNECTIONS_MAX in the environment must be a whole number, 0 or more, not \"lots\"",
            ),
            (
                environment("TIDEMILL_EXEC_COMMIT_INTERVAL", "1 ms"),
                "TIDEMILL_EXEC_COMMIT_INTERVAL in the environment must be at least exec.commit_interval_min, not \"1 ms\"",
            ),
            (flag("pg_listen", "localhost"), "--pg-listen in the arguments must be host:port, not \"localhost\""),
            (flag("data_dir", ""), "--data-dir in the arguments must be a path, not \"\""),
        ];
        for (error, wanted) in told {
            assert_eq!(error, wanted);
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        let senseless = [
            ("limits.connections_max = 0", "at least 1"),
            ("memory.limit = '0 B'", "at least 32 MiB"),
            ("memory.limit = '1 MiB'", "at least 32 MiB"),
            ("limits.message_bytes_max = '1 B'", "at least 64 KiB"),
            ("log.segment_bytes = '1 B'", "at least 16 KiB"),
            ("kafka.default_partitions = 0", "at least 1"),
            ("kafka.advertised_listen = 'foo'", "host:port, or empty"),
            ("state.threads = 0", "1 to 1024"),
            ("exec.commit_interval = '0 ms'", "at least 1 ms"),
            ("exec.commit_interval_min = '1 s'", "at least exec.commit_interval_min"),
            ("exec.workers = 100000", "at most 1024"),
            ("pg_listen = ':99999'", "host:port"),
            ("kafka_listen = 'on'", "host:port, or off"),
        ];
        for (file, wanted) in senseless {
            let error = Config::load(layers(file, &[], &[])).expect_err(file).to_string();
            assert!(error.contains(&format!(" must be {wanted}, not ")), "{file}: {error}");
        }
        assert_eq!(Config::default().out_of_bounds(), None);
    }

    #[test]
    fn the_reference_page_lists_exactly_these_knobs_and_defaults() {
        let page = include_str!("../docs/reference/config.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        for (path, default) in flatten(&default_table()) {
            let default = default.as_str().map_or_else(|| default.to_string(), str::to_string);
            let row = format!("| `{path}` | `{default}` | ");
            assert!(rows.iter().any(|line| line.starts_with(&row)), "docs/reference/config.md lacks: {row}");
        }
        assert_eq!(rows.len(), Config::paths().len());
    }

    #[test]
    fn sizes_and_durations_read_what_they_write() {
        let config = Config::default();
        let text = toml::to_string(&config).expect("the defaults are TOML");
        assert_eq!(Config::load(layers(&text, &[], &[])), Ok(config));
        for (text, bytes) in [("'64 KiB'", 65_536), ("4096", 4096), ("'1.5GiB'", 1_610_612_736), ("'12 b'", 12)] {
            let config = Config::load(layers(&format!("[kafka]\nrequests_memory = {text}"), &[], &[])).expect("a size");
            assert_eq!(config.kafka.requests_memory, ByteSize(bytes));
        }
        for wrong in ["'64 KB'", "'x'", "-1", "''", "true"] {
            assert!(Config::load(layers(&format!("[kafka]\nrequests_memory = {wrong}"), &[], &[])).is_err(), "{wrong}");
        }
        assert!(Config::load(layers("[exec]\nidle_timeout = 5", &[], &[])).is_err(), "a duration needs its unit");
    }
}
