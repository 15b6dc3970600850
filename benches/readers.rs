//! What another query on the same stream costs: memory when idle, and processor time for the same rows.
//!
//! `cargo bench --bench readers` starts a server and makes 1, 10, 50, then 100 queries on one stream, in two kinds: views that
//! let few rows through, and views that aggregate all. With each number of queries the same rows are copied in, and the processor
//! time of the whole server is taken until all queries have committed them; without queries it is what the rows cost by themselves.

use std::fmt::Write;
use std::time::Duration;

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
        measure("few rows pass each query", &selective).await;
        measure("each query aggregates all rows", &aggregating).await;
    });
}

async fn measure(what: &str, statement: &dyn Fn(usize) -> String) {
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
}

async fn copy(client: &Client) {
    for copy in 0..COPIES {
        let mut lines = String::new();
        for row in 0..ROWS / COPIES {
            let number = copy * ROWS / COPIES + row;
            let country = ["DE", "CH", "AT", "FR"][number % 4];
            writeln!(lines, "card-{}\t{}.50\t{country}\t{number}\ta note of some length", number % 5_000, number % 900)
                .expect("a text takes all");
        }
        let sink = client.copy_in::<_, Bytes>("COPY payments FROM STDIN").await.expect("the server takes rows");
        let mut sink = Box::pin(sink);
        sink.send(Bytes::from(lines)).await.expect("rows are taken");
        sink.as_mut().finish().await.expect("they are durable");
    }
}

/// Waits until every query has committed all rows.
async fn settle(client: &Client) {
    let behind = "SELECT COUNT(*) FROM tidemill.queries WHERE lag IS NULL OR 0 < lag";
    loop {
        let answer = client.simple_query(behind).await.expect("the server answers");
        let found = answer.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("0"),
            _ => false,
        });
        if found {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
