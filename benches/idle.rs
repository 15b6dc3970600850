//! An idle server: INSERT's answer to visible, in a view and in a push query; resident memory and processor time.
//!
//! `cargo bench --bench idle` prints p50, p99 and the greatest of 1,000 inserts, a server of its own, data in the build's
//! folder. Between two inserts is a pause of 20 to 60 ms, by seed, so that each meets an idle server. Reads are asked for
//! again at once until the row is there, so a figure holds at least one round trip of the reader.

use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use futures::StreamExt;
use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tokio_postgres::Client;
use tokio_postgres::NoTls;
use tokio_postgres::SimpleQueryMessage;

const INSERTS: usize = 1_000;

fn main() {
    // Not the folder for temporary files, which may lie in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    let settings = std::env::vars_os().map(|(name, _)| name);
    for name in settings.filter(|name| name.to_string_lossy().starts_with("TIDEMILL_")) {
        command.env_remove(name);
    }
    let child = command
        .args([
            "server",
            "--pg-listen",
            "127.0.0.1:0",
            "--http-listen",
            "127.0.0.1:0",
            "--kafka-listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let mut server = Server(child);
    let port = port_of(&mut server.0);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(measure(port, server.0.id()));
}

/// A server that ends with the bench, however that ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has ended by itself needs no end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A pause of 20 to 60 ms.
async fn pause(random: &SeededRandom) {
    tokio::time::sleep(Duration::from_millis(20 + random.next_u64() % 41)).await;
}

fn port_of(child: &mut Child) -> u16 {
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let ready = output
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("ready: "))
        .expect("the server becomes ready");
    let address = ready.split("pg=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("pg=address");
    address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

async fn connect(port: u16) -> Client {
    let address = format!("host=127.0.0.1 port={port} user=bench dbname=tidemill");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.expect("the server takes a connection");
    tokio::spawn(connection);
    client
}

async fn measure(port: u16, pid: u32) {
    let client = connect(port).await;
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
    push(port, &client).await;
    resources(pid);
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
async fn push(port: u16, client: &Client) {
    let listener = connect(port).await;
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
fn resources(pid: u32) {
    let before = processor_seconds(pid);
    std::thread::sleep(Duration::from_secs(10));
    let share = (processor_seconds(pid) - before) / 10.0 * 100.0;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the server is there");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS").trim();
    println!("idle: {share:.2} % of a core, resident {resident}");
}

fn processor_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the server is there");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime");
    // USER_HZ is 100 on every Linux that this runs on.
    ticks as f64 / 100.0
}
