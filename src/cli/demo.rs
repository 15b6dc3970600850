//! `tidemill demo`: a server on defaults, the flights of 2013 streaming into views, answers, and the psql line.
//!
//! It works through the PostgreSQL door like any client. A second start finds the data of the first.

use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;

use super::server::stop_signal;
use super::sql::Client;
use super::sql::SqlError;
use super::sql::Table;
use super::sql::Target;
use super::sql::send_parquet;
use super::sql::statements;
use crate::config::Config;
use crate::env::Clock;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::node::Node;

const STREAM: &str = include_str!("../../sql/flights/01_stream.sql");
const VIEWS: &str = include_str!("../../sql/flights/02_views.sql");
const QUESTIONS: &str = include_str!("../../sql/flights/03_ask.sql");
const FLIGHTS: &[u8] = include_bytes!("../../sql/flights/flights.parquet");

/// Width of the progress bar in characters.
const BAR: u64 = 40;
/// Without a terminal, one line for so many rows.
const ROWS_PER_LINE: u64 = 50_000;

/// Runs the demo until Ctrl-C.
pub async fn run(env: &Env, config: Config) -> Result<(), Error> {
    let data_dir = config.data_dir.display().to_string();
    say(&format!("Tidemill {}: starting a server, data in {data_dir}\n", env!("CARGO_PKG_VERSION")));
    let node = Node::start(config, env.clone()).await?;
    say(&format!("{}\n\n", node.ready_line()));
    let address = node.pg_address().to_string();
    let stop = stop_signal();
    tokio::pin!(stop);
    let shown = tokio::select! {
        shown = show(env, &address) => shown.map_err(|error| failed(&error)),
        () = &mut stop => Err(Error::new(SqlState::QUERY_CANCELED, "interrupted")),
    };
    if shown.is_ok() {
        let (host, port) = address.rsplit_once(':').unwrap_or((&address, "7432"));
        say(&format!(
            "The server goes on until Ctrl-C. Ask it yourself:\n\n    psql -h {host} -p {port}\n\n\
             for example: SELECT * FROM delay_per_origin;  or  EXPLAIN SELECT carrier FROM flights;\n"
        ));
        stop.await;
        say("\n");
    }
    node.stop().await?;
    shown
}

fn failed(error: &SqlError) -> Error {
    let detail = match error {
        SqlError::Statement(report) | SqlError::Fatal(report) => report.detail.clone(),
        _ => None,
    };
    let error = Error::new(SqlState::INTERNAL_ERROR, format!("the demo failed: {error}"));
    match detail {
        Some(detail) => error.detail(detail),
        None => error,
    }
}

async fn show(env: &Env, address: &str) -> Result<(), SqlError> {
    let target = Target { address: address.to_string(), user: "demo".to_string(), database: "tidemill".to_string() };
    let mut client = Client::connect(env, &target).await?;
    for statement in statements(STREAM).into_iter().chain(statements(VIEWS)) {
        let tag = client.execute(&statement).await?;
        say(&format!("{}\n{tag}\n\n", without_comments(&statement)));
    }
    // What this session wrote is waited for by its reads.
    client.execute("SET read_your_writes = on").await?;
    let found = count(&mut client).await?;
    if found == 0 {
        load(env, &mut client).await?;
    } else {
        say(&format!("{found} flights are there from an earlier start.\n\n"));
    }
    for question in statements(QUESTIONS) {
        say(&format!("{}\n", without_comments(&question)));
        let start = env.clock.monotonic();
        let table = client.table(&question).await?;
        let took = env.clock.monotonic().saturating_sub(start);
        say(&format!("{table}Time: {:.1} ms\n\n", took.as_secs_f64() * 1000.0));
    }
    client.close().await;
    Ok(())
}

async fn count(client: &mut Client) -> Result<u64, SqlError> {
    let rows = client.rows("SELECT COUNT(*) FROM flights").await?.1;
    let cell = rows.first().and_then(|row| row.first()).cloned().flatten();
    cell.and_then(|count| count.parse().ok()).ok_or(SqlError::Protocol("COUNT(*) gave no number"))
}

async fn load(env: &Env, client: &mut Client) -> Result<(), SqlError> {
    let start = env.clock.monotonic();
    let mut progress = Progress::new(env.clock.clone());
    // The file's months run 1, 10, 11, 12, 2 ... 9; the demo plays the year as it was, so that no flight is late.
    let flights = Bytes::from_static(FLIGHTS);
    let tag = send_parquet(client, "flights", flights, "time_hour", &mut |sent, all| progress.tell(sent, all)).await?;
    progress.end();
    let loaded = env.clock.monotonic().saturating_sub(start).as_secs_f64();
    say(&format!("{tag} in {loaded:.1} s: parsed, written to the log, flushed.\n"));
    count(client).await?;
    client.rows("SELECT COUNT(*) FROM delay_per_carrier_day").await?;
    let kept = env.clock.monotonic().saturating_sub(start).as_secs_f64() - loaded;
    say(&format!("The views had caught up {kept:.1} s later.\n\n"));
    Ok(())
}

struct Progress {
    clock: Arc<dyn Clock>,
    terminal: bool,
    next_line: u64,
    drawn: std::time::Duration,
}

impl Progress {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let drawn = clock.monotonic();
        Self { clock, terminal: io::stdout().is_terminal(), next_line: ROWS_PER_LINE, drawn }
    }

    fn tell(&mut self, sent: u64, all: u64) {
        if self.terminal {
            let now = self.clock.monotonic();
            if sent != all && now.saturating_sub(self.drawn).as_millis() < 50 {
                return;
            }
            self.drawn = now;
            let done = (sent * BAR).checked_div(all).unwrap_or(BAR).min(BAR) as usize;
            let left = BAR as usize - done;
            say(&format!("\rflights [{}{}] {sent} of {all}", "#".repeat(done), " ".repeat(left)));
        } else if self.next_line <= sent || sent == all {
            say(&format!("flights: {sent} of {all}\n"));
            self.next_line = sent - sent % ROWS_PER_LINE + ROWS_PER_LINE;
        }
    }

    fn end(&self) {
        if self.terminal {
            say("\n");
        }
    }
}

fn without_comments(statement: &str) -> String {
    let lines: Vec<&str> = statement.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    format!("{};", lines.join("\n").trim())
}

/// The demo goes on when nobody reads its output.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

impl Client {
    /// A result as text.
    async fn table(&mut self, statement: &str) -> Result<String, SqlError> {
        let (columns, rows) = self.rows(statement).await?;
        let mut table = Table::new(columns, &rows, false);
        let mut text = table.header();
        for row in &rows {
            text.push_str(&table.row(row));
        }
        text.push_str(&table.footer());
        Ok(text)
    }
}
