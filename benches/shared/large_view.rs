//! A view that is larger than the memory it may take: how fast it grows and changes, what the server's memory comes to,
//! whether it is right, and how soon it is read again after `kill -9`.

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::Client;

use super::server::Server;

/// Rows of one COPY.
const COPY_ROWS: u64 = 500_000;
/// Rows of one message of it.
const MESSAGE_ROWS: u64 = 2_000;

/// Loads `keys` keys, then changes a tenth of them, then kills the server and asks again.
pub fn measure(keys: u64, memory: &str) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(run(keys, memory));
}

async fn run(keys: u64, memory: &str) {
    println!("a view of {keys} keys of 16 bytes, COUNT and SUM, memory.limit = {memory}");
    let mut server = Server::start_with(vec![("TIDEMILL_MEMORY_LIMIT", memory.to_string())]);
    let mut resident = Resident::default();
    let client = server.connect().await;
    for statement in [
        "CREATE STREAM payments (card TEXT KEY, amount BIGINT) WITH (kafka_topic = 'payments', value_format = 'JSON')",
        "CREATE TABLE totals AS SELECT card, COUNT(*) AS n, SUM(amount) AS total FROM payments GROUP BY card",
    ] {
        client.batch_execute(statement).await.expect("the statement runs");
    }
    let grown = load(&client, (&server, &mut resident), 0, keys, &|number| number).await;
    println!("  new keys:      {:>9.0} rows/s, {}", keys as f64 / grown.as_secs_f64(), resident.text(&server));
    let changes = keys / 10;
    let changed = load(&client, (&server, &mut resident), keys, changes, &|number| mix(number) % keys).await;
    println!("  known keys:    {:>9.0} rows/s, {}", changes as f64 / changed.as_secs_f64(), resident.text(&server));
    check(&client, keys, changes).await;
    println!("  after a scan:  {}", resident.text(&server));
    pools(&client).await;
    println!("  on disk:       {}", disk(&server.data().join("data")));
    drop(client);
    let wanted = expected(7, keys, changes);
    let ready = server.kill_and_start();
    let begun = Instant::now();
    let client = server.connect().await;
    let found = point(&client, 7).await;
    let first = ready + begun.elapsed();
    println!("  kill -9, then: ready after {ready:.2?}, the first point read after {first:.2?}");
    assert_eq!(found, wanted, "the first read is right");
    check(&client, keys, changes).await;
    println!("  after a scan:  {}", Resident::default().text(&server));
}

/// The most memory that a server was seen with, MiB.
#[derive(Default)]
struct Resident {
    greatest: f64,
}

impl Resident {
    fn note(&mut self, server: &Server) -> f64 {
        let now = server.resident_mebibytes();
        self.greatest = self.greatest.max(now);
        now
    }

    fn text(&mut self, server: &Server) -> String {
        let now = self.note(server);
        format!("resident {now:.0} MiB, {:.0} MiB at most", self.greatest)
    }
}

/// Bijective: keys that look like chance.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x7fb5_d329_728e_a185);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x81da_def4_bc2d_d44d);
    mixed ^ (mixed >> 33)
}

fn card(key: u64) -> String {
    format!("{:016x}", mix(key))
}

/// Sends rows `from..from + count`; returns how long it took until the view had them.
async fn load(
    client: &Client,
    (server, resident): (&Server, &mut Resident),
    from: u64,
    count: u64,
    key: &(dyn Fn(u64) -> u64 + Sync),
) -> Duration {
    let begun = Instant::now();
    let mut next = from;
    while next < from + count {
        let upto = (next + COPY_ROWS).min(from + count);
        let sink = client.copy_in::<_, Bytes>("COPY payments (card, amount) FROM STDIN").await.expect("COPY begins");
        futures::pin_mut!(sink);
        while next < upto {
            let rows = next..(next + MESSAGE_ROWS).min(upto);
            next = rows.end;
            let text: String = rows.map(|number| format!("{}\t{}\n", card(key(number)), number % 100)).collect();
            sink.send(Bytes::from(text)).await.expect("rows are taken");
        }
        sink.finish().await.expect("COPY ends");
        resident.note(server);
    }
    loop {
        let lag =
            client.query_one("SELECT COALESCE(SUM(lag), 1)::bigint FROM tidemill.frontiers", &[]).await.expect("read");
        resident.note(server);
        if lag.get::<_, i64>(0) == 0 {
            return begun.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Count and sum of a key after all that was sent.
fn expected(key: u64, keys: u64, changes: u64) -> (i64, i64) {
    let again = (keys..keys + changes).filter(|number| mix(*number) % keys == key);
    let amounts: Vec<i64> = std::iter::once(key).chain(again).map(|number| (number % 100) as i64).collect();
    (amounts.len() as i64, amounts.iter().sum())
}

async fn point(client: &Client, key: u64) -> (i64, i64) {
    let text = format!("SELECT n, total::bigint FROM totals WHERE card = '{}'", card(key));
    let row = client.query_one(&text, &[]).await.expect("a row");
    (row.get(0), row.get(1))
}

async fn check(client: &Client, keys: u64, changes: u64) {
    let begun = Instant::now();
    let row = client.query_one("SELECT COUNT(*), SUM(n)::bigint, SUM(total)::bigint FROM totals", &[]).await;
    let row = row.expect("the view is read");
    let total: u64 = (0..keys + changes).map(|number| number % 100).sum();
    let found: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(found, (keys as i64, (keys + changes) as i64, total as i64), "the view is right");
    let scanned = begun.elapsed();
    let begun = Instant::now();
    for key in (0..keys).step_by((keys / 100).max(1) as usize) {
        assert!((1, (key % 100) as i64) <= point(client, key).await, "key {key} has at least its first row");
    }
    let reads = (0..keys).step_by((keys / 100).max(1) as usize).count();
    println!("  scan and sum:  {scanned:.2?}; a point read {:.2?}", begun.elapsed() / reads as u32);
}

async fn pools(client: &Client) {
    for row in client.query("SELECT pool, bytes, limit_bytes FROM tidemill.memory", &[]).await.expect("read") {
        let (pool, bytes, limit): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        println!("    {pool:<11} {:>5} of {:>5} MiB", bytes >> 20, limit >> 20);
    }
}

/// Mebibytes of each folder of the data directory.
fn disk(root: &Path) -> String {
    let folders = ["log", "state", "metadata"].map(|name| format!("{name} {} MiB", size_of(&root.join(name)) >> 20));
    folders.join(", ")
}

fn size_of(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return std::fs::metadata(path).map_or(0, |file| file.len()) };
    entries.flatten().map(|entry| size_of(&entry.path())).sum()
}
