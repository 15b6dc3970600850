//! Events a second of CPU time of each query of `sql/nexmark`, from JSON in the log to the kept view or stream.
//!
//! `cargo bench --bench nexmark` starts a server, loads the events through the PostgreSQL door, then makes one query after
//! another and takes the processor time of the whole server (all threads, fetching, decoding, committing, writing) until the
//! query has read all and has committed it. A query counts the events that it reads: those of `bid` alone are 92 % of all.
//! `TIDEMILL_NEXMARK_EVENTS` sets how many events (300,000 if unset); arguments name the queries (`-- q4 q20`).

use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use tokio_postgres::Client;
use tokio_postgres::SimpleQueryMessage;

#[path = "shared/server.rs"]
mod server;

use server::Server;
use server::tidemill;

/// The queries that run today, with the streams that they read.
const QUERIES: [(&str, &[&str]); 17] = [
    ("q0", &["bid"]),
    ("q1", &["bid"]),
    ("q2", &["bid"]),
    ("q3", &["person", "auction"]),
    ("q4", &["auction", "bid"]),
    ("q5", &["bid"]),
    ("q7", &["bid"]),
    ("q8", &["person", "auction"]),
    ("q9", &["auction", "bid"]),
    ("q11", &["bid"]),
    ("q12", &["bid"]),
    ("q15", &["bid"]),
    ("q16", &["bid"]),
    ("q17", &["bid"]),
    ("q18", &["bid"]),
    ("q19", &["bid"]),
    ("q20", &["auction", "bid"]),
];
/// How long a query may take before the bench gives it up.
const GIVE_UP: Duration = Duration::from_secs(600);

fn main() {
    let events = std::env::var("TIDEMILL_NEXMARK_EVENTS").unwrap_or_else(|_| "300000".to_owned());
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| argument.starts_with('q')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let server = Server::start();
        let client = server.connect().await;
        client.batch_execute(&text("01_streams")).await.expect("the streams are made");
        let address = format!("127.0.0.1:{}", server.port());
        let loaded = tidemill().args(["datagen", "nexmark", "--events", &events, "--server", &address]).status();
        assert!(loaded.expect("the events are made").success(), "the events are loaded");
        println!("{events} events");
        for (name, streams) in
            QUERIES.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|it| it == name))
        {
            measure(&server, &client, name, streams).await;
        }
    });
}

fn text(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "sql", "nexmark", &format!("{name}.sql")].iter().collect();
    std::fs::read_to_string(path).expect("the query is part of the repository")
}

async fn measure(server: &Server, client: &Client, name: &str, streams: &[&str]) {
    let mut read = 0.0;
    for stream in streams {
        let ends = format!("SELECT SUM(log_end_offset) FROM tidemill.partitions WHERE topic = '{stream}'");
        read += number(client, &ends).await;
    }
    // What earlier queries do when idle is no work of this one, but their memory is there; so they go.
    let (cpu, start) = (server.processor_seconds(), Instant::now());
    client.batch_execute(&text(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut taken = 0.0;
    while !is_done(client, &mut taken).await {
        assert!(start.elapsed() < GIVE_UP, "{name} is not done after {GIVE_UP:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (cpu, wall) = (server.processor_seconds() - cpu, start.elapsed().as_secs_f64());
    println!(
        "{name:<4} {:>8.0} events/s of CPU, {:>8.0} events/s; {cpu:.2} s of CPU, {:.0} MB resident",
        read / cpu,
        read / wall,
        server.resident_megabytes()
    );
    // The relations of a query are named after it; the one made last goes first.
    for relation in rows(client, "SELECT sink FROM tidemill.queries ORDER BY query_id DESC").await {
        let tables = format!("SELECT name FROM tidemill.tables WHERE name = '{relation}'");
        let is_table = !rows(client, &tables).await.is_empty();
        let kind = if is_table { "TABLE" } else { "STREAM" };
        client.batch_execute(&format!("DROP {kind} {relation} DELETE TOPIC")).await.expect("the query goes");
    }
    if name == "q12" {
        client.batch_execute("DROP STREAM q12_bid").await.expect("the stream goes");
    }
}

/// Whether every query has committed all that there is to read, and has come no further since it was asked last.
async fn is_done(client: &Client, taken: &mut f64) -> bool {
    let behind = "SELECT COUNT(*) FROM tidemill.queries WHERE lag IS NULL OR 0 < lag";
    let now = number(client, "SELECT SUM(rows) FROM tidemill.tasks").await;
    let moved = std::mem::replace(taken, now) != now;
    !moved && 0.0 < now && number(client, behind).await == 0.0
}

async fn rows(client: &Client, question: &str) -> Vec<String> {
    let answer = client.simple_query(question).await.unwrap_or_else(|error| panic!("{question}: {error}"));
    let cell = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    answer.iter().filter_map(cell).collect()
}

async fn number(client: &Client, question: &str) -> f64 {
    rows(client, question).await.first().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}
