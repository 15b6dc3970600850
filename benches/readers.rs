//! What another query on the same stream costs: memory when idle, and processor time for the same rows.
//!
//! `cargo bench --bench readers` starts a server and makes 1, 10, 50, then 100 queries on one stream, in two kinds: views that
//! let few rows through, and views that aggregate all. With each number of queries the same rows are copied in, and the processor
//! time of the whole server is taken until all queries have committed them; without queries it is what the rows cost by themselves.
//! At last rows come at a rate, and each view is asked in turn how far it is behind what was acknowledged.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::Client;
use tokio_postgres::SimpleQueryMessage;

#[path = "shared/server.rs"]
mod server;

use server::Server;

/// Queries at each step.
const STEPS: [usize; 5] = [0, 1, 10, 50, 100];
/// Rows that are copied at each step, in so many COPYs.
const ROWS: usize = 200_000;
const COPIES: usize = 20;
/// What comes at a rate: rows a second, for so many seconds, in COPYs of so many rows.
const RATE: usize = 20_000;
const SECONDS: usize = 20;
const RATE_COPY_ROWS: usize = 1_000;
/// Between two questions to a view.
const QUESTIONS_APART: Duration = Duration::from_millis(10);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let selective = |number: usize| {
            format!(
                "CREATE TABLE v{number} AS SELECT country, COUNT(*) AS n FROM payments \
                 WHERE number = {number} GROUP BY country"
            )
        };
        let aggregating = |number: usize| {
            format!(
                "CREATE TABLE v{number} AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM payments \
                 WHERE {number} <= number GROUP BY country"
            )
        };
        drop(measure("few rows pass each query", &selective).await);
        let server = measure("each query aggregates all rows", &aggregating).await;
        measure_lag(&server, STEPS[4]).await;
    });
}

async fn measure(what: &str, statement: &dyn Fn(usize) -> String) -> Server {
    let server = Server::start();
    let client = server.connect().await;
    let columns = "card TEXT, amount DECIMAL(12,2), country TEXT, number BIGINT, note TEXT";
    let stream = format!("CREATE STREAM payments ({columns}) WITH (kafka_topic = 'payments', partitions = 1)");
    client.batch_execute(&stream).await.expect("the stream is made");
    println!("{what}; {ROWS} rows");
    // Memory that the first rows take for good is nobody's in particular.
    copy(&client).await;
    let (mut queries, mut costs, mut sizes) = (0, Vec::new(), Vec::new());
    for step in STEPS {
        while queries < step {
            client.batch_execute(&statement(queries)).await.expect("the query is made");
            queries += 1;
        }
        settle(&client).await;
        let before = server.processor_seconds();
        copy(&client).await;
        settle(&client).await;
        let (cpu, megabytes) = (server.processor_seconds() - before, server.resident_megabytes());
        println!("{queries:>4} queries: {cpu:.2} s of CPU, {megabytes:.0} MB");
        costs.push(cpu);
        sizes.push(megabytes);
    }
    let [none, one, .., all] = costs[..] else { unreachable!("there are as many as steps") };
    let added = (all - one) / (STEPS[4] - STEPS[1]) as f64;
    let megabytes = (sizes[4] - sizes[1]) / (STEPS[4] - STEPS[1]) as f64;
    println!(
        "the first query {:.2} s, each added one {added:.3} s (1/{:.0}) and {megabytes:.2} MB",
        one - none,
        (one - none) / added
    );
    server
}

async fn copy(client: &Client) {
    for copy in 0..COPIES {
        let first = copy * ROWS / COPIES;
        copy_rows(client, first..first + ROWS / COPIES).await;
    }
}

async fn copy_rows(client: &Client, numbers: std::ops::Range<usize>) {
    let mut lines = String::new();
    for number in numbers {
        let country = ["DE", "CH", "AT", "FR"][number % 4];
        writeln!(lines, "card-{}\t{}.50\t{country}\t{number}\ta note of some length", number % 5_000, number % 900)
            .expect("a text takes all");
    }
    let sink = client.copy_in::<_, Bytes>("COPY payments FROM STDIN").await.expect("the server takes rows");
    let mut sink = std::pin::pin!(sink);
    sink.send(Bytes::from(lines)).await.expect("rows are taken");
    sink.as_mut().finish().await.expect("they are durable");
}

/// How old the oldest acknowledged row is that a view does not show, while rows come at a rate that all queries take.
async fn measure_lag(server: &Server, queries: usize) {
    // Above all numbers that a query looks for, so that a view counts each of these rows or none of them.
    const FIRST: usize = 1_000_000;
    let (reader, writer) = (server.connect().await, server.connect().await);
    let seen = async |view: usize| {
        let sum = first(&reader, &format!("SELECT COALESCE(SUM(n), 0) FROM v{view}")).await;
        sum.and_then(|sum| sum.parse::<usize>().ok()).expect("a view has a sum")
    };
    let mut before = Vec::new();
    for view in 0..queries {
        before.push(seen(view).await);
    }
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&acknowledged);
    let cpu = server.processor_seconds();
    let writing = tokio::spawn(async move {
        let begun = Instant::now();
        for copy in 0..RATE * SECONDS / RATE_COPY_ROWS {
            let due = Duration::from_secs_f64((copy * RATE_COPY_ROWS) as f64 / RATE as f64);
            tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
            let row = FIRST + copy * RATE_COPY_ROWS;
            copy_rows(&writer, row..row + RATE_COPY_ROWS).await;
            told.lock().expect("nobody panicked").push(Instant::now());
        }
        begun.elapsed()
    });
    let mut lags = Vec::new();
    for view in (0..queries).cycle() {
        if writing.is_finished() {
            break;
        }
        let asked = Instant::now();
        let shown = (seen(view).await - before[view]) / RATE_COPY_ROWS;
        let unseen = acknowledged.lock().expect("nobody panicked").get(shown).copied();
        lags.push(unseen.map_or(Duration::ZERO, |since| asked.saturating_duration_since(since)));
        tokio::time::sleep(QUESTIONS_APART).await;
    }
    let took = writing.await.expect("all rows are copied").as_secs_f64();
    lags.sort();
    let part = |percent: usize| lags[(lags.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    println!(
        "{:.0} rows/s into {queries} queries: behind by p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms; {:.2} of a core",
        (RATE * SECONDS) as f64 / took,
        part(50),
        part(99),
        part(100),
        (server.processor_seconds() - cpu) / took
    );
}

/// Waits until every query has committed all rows: none has one left, and none has come further since it was asked last.
async fn settle(client: &Client) {
    let behind = "SELECT COUNT(*) FROM tidemill.queries WHERE lag IS NULL OR 0 < lag";
    let mut taken = None;
    loop {
        let now = Some(first(client, "SELECT SUM(rows) FROM tidemill.tasks").await);
        if taken == now && first(client, behind).await.as_deref() == Some("0") {
            return;
        }
        taken = now;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The first cell of an answer.
async fn first(client: &Client, question: &str) -> Option<String> {
    let answer = client.simple_query(question).await.expect("the server answers");
    answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}
