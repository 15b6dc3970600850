//! Events into the streams of a server, by COPY over the PostgreSQL door.
//!
//! A stream gets its rows in the order of their numbers. Between the streams a run of events is copied kind by kind, so their
//! records come within a run of one another, as those of three services do.

use super::EventKind;
use super::Generator;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::cli::sql::Target;
use crate::cli::sql::begin_copy_in;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;

/// Events that are copied together.
const RUN: u64 = 5_000;

/// Rows of one kind.
#[derive(Default)]
struct Run {
    columns: String,
    lines: Vec<u8>,
}

/// Copies the events; each run is durable when the next one begins.
pub(super) async fn send(env: &Env, address: &str, generator: &Generator, events: u64) -> Result<(), Error> {
    copy(env, address, generator, events).await.map_err(|error| failed(&error))
}

async fn copy(env: &Env, address: &str, generator: &Generator, events: u64) -> Result<(), SqlError> {
    let target = Target { address: address.to_owned(), user: "tidemill".to_owned(), database: "tidemill".to_owned() };
    let mut client = Client::connect(env, &target).await?;
    for start in (0..events).step_by(RUN as usize) {
        let mut runs: [Run; EventKind::ALL.len()] = Default::default();
        for number in start..events.min(start + RUN) {
            let event = generator.event(number);
            let run = &mut runs[event.kind() as usize];
            if run.lines.is_empty() {
                run.columns = event.columns().join(", ");
            }
            event.write_copy_line(&mut run.lines);
        }
        for (kind, run) in EventKind::ALL.into_iter().zip(&runs).filter(|(_, run)| !run.lines.is_empty()) {
            begin_copy_in(&mut client, &format!("COPY {} ({}) FROM STDIN", kind.name(), run.columns)).await?;
            client.copy_data(&run.lines).await?;
            client.copy_done().await?;
            client.finish().await?;
        }
    }
    client.close().await;
    Ok(())
}

fn failed(error: &SqlError) -> Error {
    let told = Error::new(SqlState::IO_ERROR, format!("could not copy the events: {error}"));
    match error {
        SqlError::Statement(report) if report.state == "42P01" => {
            told.hint("Make the streams first: tidemill sql -f sql/nexmark/01_streams.sql")
        }
        _ => told,
    }
}
