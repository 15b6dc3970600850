//! The demo from its first line to Ctrl-C. It works through the PostgreSQL door like any client.

use super::load::load;
use crate::cli::demo::output::say;
use crate::cli::server::stop_signal;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::cli::sql::Table;
use crate::cli::sql::Target;
use crate::cli::sql::statements;
use crate::config::Config;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::node::Node;

const STREAM: &str = include_str!("../../../../sql/flights/01_stream.sql");
const VIEWS: &str = include_str!("../../../../sql/flights/02_views.sql");
const QUESTIONS: &str = include_str!("../../../../sql/flights/03_ask.sql");

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
        failed = node.failed() => return Err(failed),
    };
    if shown.is_ok() {
        let (host, port) = address.rsplit_once(':').unwrap_or((&address, "7432"));
        say(&format!(
            "The server goes on until Ctrl-C. Ask it yourself:\n\n    psql -h {host} -p {port}\n\n\
             for example: SELECT * FROM delay_per_origin;  or  EXPLAIN SELECT carrier FROM flights;\n"
        ));
        tokio::select! {
            () = stop => say("\n"),
            // No clean stop: the next start recovers.
            failed = node.failed() => return Err(failed),
        }
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
    load(env, &mut client).await?;
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

fn without_comments(statement: &str) -> String {
    let lines: Vec<&str> = statement.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    format!("{};", lines.join("\n").trim())
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
