//! Runs every `tests/sql/**/*.slt` over the PostgreSQL door, each against a node of its own.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use async_trait::async_trait;
use sqllogictest::AsyncDB;
use sqllogictest::DBOutput;
use sqllogictest::DefaultColumnType;
use tokio_postgres::Client;
use tokio_postgres::SimpleQueryMessage;

use super::server::TestServer;

/// A session, and who is told of each statement that begins.
struct Door(Client, mpsc::Sender<String>);

/// An error as the files expect it: `42P01: relation "x" does not exist`, and ` HINT: ..` if it has one.
#[derive(Debug)]
struct DoorError(tokio_postgres::Error);

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(error) => {
                write!(f, "{}: {}", error.code().code(), error.message())?;
                error.hint().map_or(Ok(()), |hint| write!(f, " HINT: {hint}"))
            }
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::error::Error for DoorError {}

#[async_trait]
impl AsyncDB for Door {
    type Error = DoorError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DoorError> {
        self.1.send(sql.to_string()).expect("it is watched");
        let mut rows = Vec::new();
        let mut columns = None;
        let mut affected = 0;
        for message in self.0.simple_query(sql).await.map_err(DoorError)? {
            match message {
                SimpleQueryMessage::RowDescription(fields) => columns = Some(fields.len()),
                SimpleQueryMessage::Row(row) => {
                    let cell = |index| match row.get(index) {
                        None => "NULL".to_string(),
                        Some("") => "(empty)".to_string(),
                        Some(text) => text.to_string(),
                    };
                    rows.push((0..row.len()).map(cell).collect());
                }
                SimpleQueryMessage::CommandComplete(count) => affected = count,
                _ => {}
            }
        }
        Ok(match columns {
            Some(count) => DBOutput::Rows { types: vec![DefaultColumnType::Any; count], rows },
            None => DBOutput::StatementComplete(affected),
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "tidemill"
    }
}

/// Far beyond what any statement, and the start or stop of a node, takes on a loaded machine.
const STEP_TAKES_MAX: Duration = Duration::from_secs(300);

/// Ends the process when a step never comes to its end, and tells which: it is told each that begins. A thread, because
/// what hangs may hold the runtime's.
fn watch_for_hangs() -> mpsc::Sender<String> {
    let (begun, steps) = mpsc::channel();
    std::thread::spawn(move || {
        let mut step = String::new();
        loop {
            match steps.recv_timeout(STEP_TAKES_MAX) {
                Ok(next) => step = next,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // Not `eprintln`, whose text a test keeps to itself until it ends.
                    let _ = writeln!(std::io::stderr(), "this hangs: {step}");
                    std::process::abort();
                }
            }
        }
    });
    begun
}

/// Runs a file against a node of its own.
async fn run_file(file: &Path, begun: &mpsc::Sender<String>, failures: &mut Vec<String>) {
    let tell = |step: &str| begun.send(format!("{step} of {}", file.display())).expect("it is watched");
    tell("the start");
    let server = TestServer::start().await;
    let mut runner = sqllogictest::Runner::new(|| async { Ok(Door(server.connect().await, begun.clone())) });
    if let Err(error) = runner.run_file_async(file).await {
        failures.push(format!("{}: {}", file.display(), error.display(false)));
    }
    runner.shutdown_async().await;
    tell("the stop");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_slt_file_holds() {
    let mut files = Vec::new();
    collect(Path::new("tests/sql"), &mut files);
    files.sort();
    assert!(!files.is_empty(), "tests/sql has no .slt file");
    let mut failures = Vec::new();
    let begun = watch_for_hangs();
    for file in files {
        run_file(&file, &begun, &mut failures).await;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory of tests") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
}
