//! A node in this process with a directory of its own, on free ports.

use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Command;

use tempfile::TempDir;
use tidemill::config::ByteSize;
use tidemill::config::Config;
use tidemill::config::Log;
use tidemill::env::Env;
use tidemill::env::Stream;
use tidemill::node::Node;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio_postgres::Client;
use tokio_postgres::NoTls;
use tokio_postgres::RowStream;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::ToSql;

/// A running node; its directory lives as long as this value.
pub struct TestServer {
    node: Node,
    directory: TempDir,
}

impl TestServer {
    /// A node over an empty directory.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// A node over an empty directory, with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_in(Env::real(), change).await
    }

    /// The same, on a machine that differs from this one.
    pub async fn start_in(env: Env, change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut config = config_in(directory.path().join("data"));
        change(&mut config);
        let node = Node::start(config, env).await.expect("the node starts");
        Self { node, directory }
    }

    /// Stops the node and starts another over the same directory.
    pub async fn restart(self) -> Self {
        self.restart_after(|_| ()).await
    }

    /// The same, with something done to the directory in between.
    pub async fn restart_after(self, change: impl FnOnce(&Path)) -> Self {
        let Self { node, directory } = self;
        node.stop().await.expect("the node stops");
        change(&directory.path().join("data"));
        let config = config_in(directory.path().join("data"));
        let node = Node::start(config, Env::real()).await.expect("the node starts again");
        Self { node, directory }
    }

    /// Stops the node.
    pub async fn stop(self) {
        self.node.stop().await.expect("the node stops");
    }

    /// Where the data lies.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The settings that `start` uses, for another node over the same directory.
    pub fn config(&self) -> Config {
        config_in(self.data_dir())
    }

    /// `host:port` of the PostgreSQL door.
    pub fn pg_address(&self) -> &str {
        self.node.pg_address()
    }

    /// `host:port` of the Kafka door.
    pub fn kafka_address(&self) -> &str {
        self.node.kafka_address().expect("the Kafka door is open")
    }

    /// `host:port` of the HTTP door.
    pub fn http_address(&self) -> &str {
        self.node.http_address()
    }

    /// A connection that has said who it is and nothing more, for what no driver sends.
    pub async fn connect_raw(&self) -> Box<dyn Stream> {
        let mut stream = Env::real().network.connect(self.pg_address()).await.expect("the door is open");
        let parameters = b"\0\x03\0\0user\0ann\0database\0tidemill\0\0";
        stream.write_all(&with_length(parameters)).await.expect("it is sent");
        stream
    }

    /// A session.
    pub async fn connect(&self) -> Client {
        self.connect_to("tidemill").await.expect("a session opens")
    }

    /// A session in a database, if there is one.
    pub async fn connect_to(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        let (host, port) = self.pg_address().rsplit_once(':').expect("an address has a port");
        let parameters = format!("host={host} port={port} user=ann dbname={database}");
        let (client, connection) = tokio_postgres::connect(&parameters, NoTls).await?;
        tokio::spawn(async move {
            // A test that ends its session in the middle has seen what it wanted.
            let _ = connection.await;
        });
        Ok(client)
    }
}

/// A message to the PostgreSQL door.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], &with_length(body)[..]].concat()
}

fn with_length(body: &[u8]) -> Vec<u8> {
    [&(body.len() as i32 + 4).to_be_bytes(), body].concat()
}

/// Reads until `wanted` was among what came.
pub async fn read_until(stream: &mut Box<dyn Stream>, wanted: &[u8]) {
    let mut seen = Vec::new();
    while !seen.windows(wanted.len()).any(|window| window == wanted) {
        assert_ne!(stream.read_buf(&mut seen).await.expect("it answers"), 0, "{}", String::from_utf8_lossy(&seen));
    }
}

/// The server's binary. Knobs of the tests are not knobs of a server, which refuses what it does not know.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with("TIDEMILL_")) {
        command.env_remove(name);
    }
    command
}

/// Has a command that starts a server open it on `data_dir`, at ports that nobody else has.
pub fn on_free_ports<'c>(command: &'c mut Command, data_dir: &Path) -> &'c mut Command {
    for door in ["--pg-listen", "--http-listen", "--kafka-listen"] {
        command.args([door, "127.0.0.1:0"]);
    }
    command.arg("--data-dir").arg(data_dir)
}

fn config_in(data_dir: PathBuf) -> Config {
    Config {
        data_dir,
        pg_listen: "127.0.0.1:0".to_string(),
        http_listen: "127.0.0.1:0".to_string(),
        kafka_listen: "127.0.0.1:0".to_string(),
        // Many servers at once would keep much of a small machine's disk.
        log: Log { disk_reserve: ByteSize(1 << 20), ..Log::default() },
        ..Config::default()
    }
}

/// Runs statements; their rows as text, `NULL` for null.
pub async fn rows(client: &Client, statements: &str) -> Vec<Vec<String>> {
    let messages = client.simple_query(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|index| row.get(index).unwrap_or("NULL").to_string()).collect())
        }
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

/// The rows of a query without parameters, as they come.
pub async fn stream(client: &Client, query: &str) -> Pin<Box<RowStream>> {
    let parameters: [&(dyn ToSql + Sync); 0] = [];
    Box::pin(client.query_raw(query, parameters).await.expect("the query runs"))
}

/// Runs statements for their effect.
pub async fn run(client: &Client, statements: &str) {
    rows(client, statements).await;
}

/// Runs statements in so many sessions at a time, each so many turns: `statement` gives one by its session and its turn.
pub async fn run_in_sessions(
    server: &TestServer,
    (sessions, turns): (usize, usize),
    statement: impl Fn(usize, usize) -> String + Copy + Send + 'static,
) {
    let mut writers = Vec::new();
    for session in 0..sessions {
        let client = server.connect().await;
        writers.push(tokio::spawn(async move {
            for turn in 0..turns {
                let statement = statement(session, turn);
                client.batch_execute(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
            }
        }));
    }
    for writer in writers {
        writer.await.expect("a session writes");
    }
}

/// The rows of a query, once it shows all that this session wrote.
pub async fn settled(client: &Client, query: &str) -> Vec<Vec<String>> {
    run(client, "SET read_your_writes = on").await;
    let found = rows(client, query).await;
    run(client, "SET read_your_writes = off").await;
    found
}

/// The rows of one statement that has one column.
pub async fn column(client: &Client, statement: &str) -> Vec<String> {
    rows(client, statement).await.into_iter().map(|mut row| row.remove(0)).collect()
}

/// The error of a statement that must fail: SQLSTATE, message, hint, position.
pub async fn failure(client: &Client, statement: &str) -> (String, String, Option<String>, Option<u32>) {
    match client.simple_query(statement).await {
        Ok(_) => panic!("{statement} did not fail"),
        Err(error) => told(&error),
    }
}

/// What an error tells.
pub fn told(error: &tokio_postgres::Error) -> (String, String, Option<String>, Option<u32>) {
    let error = error.as_db_error().unwrap_or_else(|| panic!("not an error of the server: {error:?}"));
    let position = match error.position() {
        Some(tokio_postgres::error::ErrorPosition::Original(position)) => Some(*position),
        _ => None,
    };
    (error.code().code().to_string(), error.message().to_string(), error.hint().map(str::to_string), position)
}
