//! An idle server: INSERT's answer to visible, in a view and in a push query; resident memory and processor time.
//!
//! `cargo bench --bench idle` prints p50, p99 and the greatest of 1,000 inserts, a server of its own, data in the build's
//! folder. Between two inserts is a pause of 20 to 60 ms, by seed, so that each meets an idle server. Reads are asked for
//! again at once until the row is there, so a figure holds at least one round trip of the reader.

use std::time::Duration;
use std::time::Instant;

use futures::StreamExt;
use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tokio_postgres::Client;
use tokio_postgres::SimpleQueryMessage;

#[path = "shared/server.rs"]
mod server;

use server::Server;

const INSERTS: usize = 1_000;

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
        "CREATE STREAM payments (card TEXT KEY, amount DECIMAL(12,2), country TEXT, number BIGINT) WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 1)",
        "CREATE STREAM repartitioned (card TEXT KEY, amount DECIMAL(12,2), country TEXT, number BIGINT) WITH (kafka_topic = 'repartitioned', value_format = 'JSON', partitions = 4)",
        "CREATE TABLE one_hop AS SELECT country, COUNT(*) AS n, MAX(number) AS number FROM payments GROUP BY country",
        "CREATE TABLE two_hops AS SELECT country, COUNT(*) AS n, MAX(number) AS number FROM repartitioned GROUP BY country",
    ] {
        client.batch_execute(statement).await.expect("the bench's relations are made");
    }
    view(&client, "payments", "one_hop").await;
    view(&client, "repartitioned", "two_hops").await;
    push(server, &client).await;
    resources(server);
}

/// From INSERT's answer until a pull query on the view shows the row.
async fn view(client: &Client, stream: &str, view: &str) {
    let (mut waits, random) = (Vec::with_capacity(INSERTS), SeededRandom::new(1));
    for number in 1..=INSERTS {
        pause(&random).await;
        insert(client, stream, number).await;
        let answered = Instant::now();
        loop {
            let seen = client.simple_query(&format!("SELECT number FROM {view}")).await.expect("the view answers");
            let found = seen.iter().any(|message| match message {
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
    report(&format!("INSERT's answer to visible in {view}"), waits);
}

/// From INSERT's answer until the row is at the client of a push query.
async fn push(server: &Server, client: &Client) {
    let listener = server.connect().await;
    let rows = listener
        .query_raw("SELECT number FROM payments EMIT CHANGES", Vec::<i64>::new())
        .await
        .expect("the push query starts");
    tokio::pin!(rows);
    let (mut waits, random) = (Vec::with_capacity(INSERTS), SeededRandom::new(2));
    for number in 1..=INSERTS {
        pause(&random).await;
        insert(client, "payments", number).await;
        let answered = Instant::now();
        let row = tokio::time::timeout(Duration::from_secs(30), rows.next()).await.expect("the row comes");
        row.expect("a push query goes on").expect("a row");
        waits.push(answered.elapsed());
    }
    report("INSERT's answer to the push query's row", waits);
}

async fn insert(client: &Client, stream: &str, number: usize) {
    client
        .batch_execute(&format!("INSERT INTO {stream} VALUES ('c1', 1.50, 'DE', {number})"))
        .await
        .expect("INSERT answers");
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
