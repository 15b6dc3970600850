//! INSERT's answer to visible: in views behind 0 to 3 hops and in a push query, on an idle server and at half of the load that it
//! can take; resident memory and processor time of an idle server.
//!
//! `cargo bench --bench latency` prints p50, p99 and the greatest of 500 inserts each, a server of its own, data in the build's
//! folder. A hop is a topic between the stream and the view: a repartition, or a stream that a query writes. Between two inserts is
//! a pause of 20 to 60 ms, by seed. Reads are asked for again at once until the row is there, so a figure holds at least one
//! round trip of the reader.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use futures::SinkExt;
use futures::StreamExt;
use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tokio_postgres::Client;
use tokio_postgres::SimpleQueryMessage;

#[path = "shared/server.rs"]
mod server;

use server::Server;

const INSERTS: usize = 500;
/// How long the server is loaded without pause to find what it can take.
const PEAK: Duration = Duration::from_secs(15);
/// Rows of one COPY of the load.
const COPY_ROWS: u64 = 500;
/// The view, the topics between the stream and it.
const VIEWS: [(&str, u32); 4] = [("direct", 0), ("repartitioned", 1), ("derived", 2), ("derived_twice", 3)];

fn main() {
    let server = Server::start();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(measure(&server));
}

/// A pause of 20 to 60 ms.
async fn pause(random: &SeededRandom) {
    tokio::time::sleep(Duration::from_millis(20 + random.next_u64() % 41)).await;
}

async fn measure(server: &Server) {
    let client = server.connect().await;
    for statement in [
        "CREATE STREAM payments (card TEXT KEY, amount DECIMAL(12,2), country TEXT, number BIGINT) \
         WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 4)",
        "CREATE TABLE direct AS SELECT card, COUNT(*) AS n, MAX(number) AS number FROM payments GROUP BY card",
        "CREATE TABLE repartitioned AS SELECT country, COUNT(*) AS n, MAX(number) AS number FROM payments GROUP BY country",
        "CREATE STREAM by_country AS SELECT * FROM payments PARTITION BY country",
        "CREATE TABLE derived AS SELECT country, COUNT(*) AS n, MAX(number) AS number FROM by_country GROUP BY country",
        "CREATE TABLE derived_twice AS SELECT card, COUNT(*) AS n, MAX(number) AS number FROM by_country GROUP BY card",
    ] {
        client.batch_execute(statement).await.expect("the bench's relations are made");
    }
    for (name, hops) in VIEWS {
        view(&client, name, hops, "idle").await;
    }
    push(server, &client).await;
    resources(server);
    let peak = load(server, PEAK, None).await;
    println!("the load that it takes: {peak:.0} rows/s through all of these");
    let loaded = load(server, Duration::MAX, Some(peak / 2.0));
    let probes = async {
        for (name, hops) in VIEWS {
            view(&client, name, hops, "loaded").await;
        }
    };
    tokio::select! {
        _ = loaded => unreachable!("the load does not end by itself"),
        () = probes => {}
    }
}

/// Copies rows of many cards for so long, at a rate or as fast as they are taken and read; rows a second.
async fn load(server: &Server, time: Duration, rate: Option<f64>) -> f64 {
    let client = server.connect().await;
    let (begun, mut rows) = (Instant::now(), 0);
    while begun.elapsed() < time {
        let lines: String = (rows..rows + COPY_ROWS)
            .map(|row| format!("card {}\t1.50\tcountry {}\t0\n", row * 7 % 20_000, row % 50))
            .collect();
        let sink = client.copy_in::<_, Bytes>("COPY payments FROM STDIN").await.expect("COPY begins");
        futures::pin_mut!(sink);
        sink.send(Bytes::from(lines)).await.expect("rows are taken");
        sink.finish().await.expect("COPY ends");
        rows += COPY_ROWS;
        if let Some(rate) = rate {
            tokio::time::sleep_until((begun + Duration::from_secs_f64(rows as f64 / rate)).into()).await;
        }
    }
    let behind = "SELECT COUNT(*) FROM tidemill.queries WHERE lag IS NULL OR 0 < lag";
    while client.query_one(behind, &[]).await.expect("the queries are told").get::<_, i64>(0) != 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rows as f64 / begun.elapsed().as_secs_f64()
}

/// From INSERT's answer until a pull query on the view shows the row.
async fn view(client: &Client, view: &str, hops: u32, load: &str) {
    let key = if matches!(view, "direct" | "derived_twice") { "card = 'c1'" } else { "country = 'DE'" };
    let (mut waits, random) = (Vec::with_capacity(INSERTS), SeededRandom::new(1));
    let number = NUMBER.fetch_add(INSERTS, Ordering::Relaxed);
    for number in number + 1..=number + INSERTS {
        pause(&random).await;
        insert(client, number).await;
        let answered = Instant::now();
        loop {
            let seen = client.simple_query(&format!("SELECT number FROM {view} WHERE {key}")).await;
            let found = seen.expect("the view answers").iter().any(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0) == Some(number.to_string().as_str()),
                _ => false,
            });
            if found {
                break;
            }
            assert!(answered.elapsed() < Duration::from_secs(30), "the row never came to {view}");
        }
        waits.push(answered.elapsed());
    }
    report(&format!("{load}, {hops} hops, INSERT's answer to visible in {view}"), waits);
}

/// The greatest number that was inserted.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// From INSERT's answer until the row is at the client of a push query.
async fn push(server: &Server, client: &Client) {
    let listener = server.connect().await;
    let rows = listener
        .query_raw("SELECT number FROM payments EMIT CHANGES", Vec::<i64>::new())
        .await
        .expect("the push query starts");
    tokio::pin!(rows);
    let (mut waits, random) = (Vec::with_capacity(INSERTS), SeededRandom::new(2));
    for _ in 0..INSERTS {
        pause(&random).await;
        insert(client, NUMBER.fetch_add(1, Ordering::Relaxed) + 1).await;
        let answered = Instant::now();
        let row = tokio::time::timeout(Duration::from_secs(30), rows.next()).await.expect("the row comes");
        row.expect("a push query goes on").expect("a row");
        waits.push(answered.elapsed());
    }
    report("idle, INSERT's answer to the push query's row", waits);
}

async fn insert(client: &Client, number: usize) {
    let insert = format!("INSERT INTO payments VALUES ('c1', 1.50, 'DE', {number})");
    client.batch_execute(&insert).await.expect("INSERT answers");
}

fn report(what: &str, mut waits: Vec<Duration>) {
    waits.sort();
    let at = |share: f64| waits[((waits.len() as f64 * share) as usize).min(waits.len() - 1)].as_secs_f64() * 1000.0;
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0));
}

/// Resident memory now, and the share of a core over ten seconds in which nobody asks for anything.
fn resources(server: &Server) {
    let before = server.processor_seconds();
    std::thread::sleep(Duration::from_secs(10));
    let share = (server.processor_seconds() - before) / 10.0 * 100.0;
    println!("idle: {share:.2} % of a core, {:.0} MB of its own resident", server.resident_megabytes());
}
