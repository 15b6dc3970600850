//! The knobs themselves, by section of the file, with their defaults.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use super::ByteSize;
use super::quantity::duration_text;

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
    /// State and waiting output of standing queries, the stores' own caches included; `0 B` takes a quarter of the limit.
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
    /// Temporary tables of one session: each is a topic with its files.
    pub temporary_tables_max: usize,
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
            temporary_tables_max: 100,
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
