//! An hour at load, with queries that come and go and `kill -9` every few minutes: what the server's memory does meanwhile, and
//! whether its views are right at the end.
//!
//! `cargo bench --bench soak` prints a line a minute and ends with an error if a view differs from the batch query over what is
//! stored. `TIDEMILL_SOAK_MINUTES` (60 if unset), `TIDEMILL_BENCH_MEMORY` (the server's `memory.limit`, 512 MiB),
//! `TIDEMILL_SOAK_RATE` (rows a second, 4,000), `TIDEMILL_SEED`. The log grows by some 600 bytes a row.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use futures::SinkExt;
use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tokio_postgres::Client;
use tokio_postgres::SimpleQueryMessage;

#[path = "shared/server.rs"]
mod server;

use server::Server;
use server::connect_to;

/// Cards that pay.
const CARDS: u64 = 300_000;
/// Rows of one COPY.
const COPY_ROWS: u64 = 1_000;
/// Queries that come and go live for so many of their kind.
const PASSING: usize = 4;
/// After a start, memory is not compared with the limit of growth for so long: caches fill.
const WARM: Duration = Duration::from_secs(60);

/// Above so many times the limit it is told, once a minute, where the memory is.
const OVER: f64 = 1.1;

/// What the writer, the churn and the killer share.
struct Shared {
    port: AtomicU16,
    stop: AtomicBool,
    acknowledged: AtomicU64,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn main() {
    let minutes = setting("TIDEMILL_SOAK_MINUTES", 60);
    let memory = std::env::var("TIDEMILL_BENCH_MEMORY").unwrap_or_else(|_| "512 MiB".to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(soak(minutes, memory));
}

async fn soak(minutes: u64, memory: String) {
    let (seed, rate) = (setting("TIDEMILL_SEED", 1), setting("TIDEMILL_SOAK_RATE", 4_000));
    let limit: f64 = memory.split(' ').next().and_then(|number| number.parse().ok()).expect("a limit in MiB");
    println!("{minutes} minutes, {rate} rows/s, memory.limit = {memory}, seed {seed}");
    let settings = vec![("TIDEMILL_MEMORY_LIMIT", memory), ("TIDEMILL_LOG_DISK_RESERVE", "64 MiB".to_string())];
    let mut server = Server::start_with(settings);
    create(&server.connect().await).await;
    let shared = Arc::new(Shared {
        port: AtomicU16::new(server.port()),
        stop: AtomicBool::new(false),
        acknowledged: AtomicU64::new(0),
    });
    let writer = tokio::spawn(write(Arc::clone(&shared), rate));
    let churn = tokio::spawn(come_and_go(Arc::clone(&shared)));
    let random = SeededRandom::new(seed);
    let (begun, mut resident) = (Instant::now(), Vec::new());
    let (mut started, mut kills) = (Instant::now(), 0);
    let mut next_kill = started + Duration::from_secs(120 + random.next_u64() % 120);
    let (mut next_line, mut told) = (1, 0);
    while begun.elapsed() < Duration::from_secs(60 * minutes) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = server.resident_mebibytes();
        resident.push((started.elapsed(), now));
        if limit * OVER < now && told < next_line {
            told = next_line;
            println!("{now:.0} MiB resident {:.0?} after the start: {}", started.elapsed(), pools(&server).await);
        }
        if Duration::from_secs(60 * next_line) <= begun.elapsed() {
            let rows = shared.acknowledged.load(Ordering::Relaxed);
            println!("minute {next_line:>3}: {rows:>10} rows, {now:>5.0} MiB resident, {kills} kills");
            next_line += 1;
        }
        if next_kill <= Instant::now() {
            let took = server.kill_and_start();
            shared.port.store(server.port(), Ordering::Release);
            kills += 1;
            println!("killed; ready again after {took:.2?}");
            started = Instant::now();
            next_kill = started + Duration::from_secs(120 + random.next_u64() % 120);
        }
    }
    shared.stop.store(true, Ordering::Release);
    writer.await.expect("the writer ends");
    churn.await.expect("the churn ends");
    report(&resident);
    check(&server.connect().await).await;
}

/// Where the memory is, as the server tells it.
async fn pools(server: &Server) -> String {
    let Ok(client) = connect_to(server.port()).await else { return "it does not answer".to_string() };
    let rows =
        client.simple_query("SELECT pool, bytes / 1048576 AS mib FROM tidemill.memory ORDER BY bytes DESC").await;
    let cell =
        |row: &tokio_postgres::SimpleQueryRow| format!("{} {}", row.get(0).unwrap_or(""), row.get(1).unwrap_or(""));
    let rows = rows.unwrap_or_default();
    let cells = rows.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(cell(row)),
        _ => None,
    });
    cells.collect::<Vec<_>>().join(", ")
}

async fn create(client: &Client) {
    for statement in [
        "CREATE STREAM payments (card TEXT KEY, amount DECIMAL(12,2), country TEXT, number BIGINT, paid_at TIMESTAMP) \
         WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 4, timestamp = 'paid_at')",
        "CREATE TABLE cards (card TEXT PRIMARY KEY, holder TEXT) WITH (kafka_topic = 'cards', partitions = 4)",
        "INSERT INTO cards (card, holder) SELECT 'card ' || n, 'holder ' || n FROM generate_series(0, 9999) AS t(n)",
        "CREATE TABLE per_card AS SELECT card, COUNT(*) AS n, SUM(amount) AS total FROM payments GROUP BY card",
        "CREATE TABLE per_country AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM payments \
         WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 1 DAY) GROUP BY country",
        "CREATE TABLE velocity AS SELECT card, COUNT(*) AS n FROM payments \
         WINDOW HOPPING (SIZE 10 MINUTES, ADVANCE BY 1 MINUTE, RETENTION 1 HOUR, GRACE PERIOD 1 MINUTE) \
         WHERE number % 20 = 0 GROUP BY card",
        "CREATE STREAM held AS SELECT p.card, p.number, c.holder FROM payments p JOIN cards c ON p.card = c.card",
        "CREATE TABLE per_holder AS SELECT holder, COUNT(*) AS n, MAX(number) AS newest FROM held GROUP BY holder",
    ] {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
}

/// Bijective: keys that look like chance.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x7fb5_d329_728e_a185);
    mixed ^ (mixed >> 33)
}

/// Copies rows at a rate; after a kill it goes on with the next ones, whatever became of the last.
async fn write(shared: Arc<Shared>, rate: u64) {
    let mut number = 0;
    while !shared.stop.load(Ordering::Acquire) {
        let Ok(client) = connect_to(shared.port.load(Ordering::Acquire)).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let mut next = Instant::now();
        while !shared.stop.load(Ordering::Acquire) {
            let rows: String = (number..number + COPY_ROWS).map(|number| line(number, rate)).collect();
            number += COPY_ROWS;
            if copy(&client, rows).await.is_err() {
                break;
            }
            shared.acknowledged.fetch_add(COPY_ROWS, Ordering::Relaxed);
            next += Duration::from_secs_f64(COPY_ROWS as f64 / rate as f64);
            tokio::time::sleep_until(next.max(Instant::now() - Duration::from_secs(5)).into()).await;
        }
    }
}

fn line(number: u64, rate: u64) -> String {
    // Event time goes on as the rate does, from 2026-01-01.
    let seconds = 1_767_225_600 + number / rate;
    let time = chrono::DateTime::from_timestamp(seconds as i64, 0).expect("a time").format("%Y-%m-%d %H:%M:%S+00");
    let random = mix(number);
    format!("card {}\t{}.25\tcountry {}\t{number}\t{time}\n", random % CARDS, random % 90, random % 37)
}

async fn copy(client: &Client, rows: String) -> Result<(), tokio_postgres::Error> {
    let sink = client.copy_in::<_, Bytes>("COPY payments FROM STDIN").await?;
    futures::pin_mut!(sink);
    sink.send(Bytes::from(rows)).await?;
    sink.finish().await.map(|_| ())
}

/// Makes a query every 20 seconds and drops the oldest of its kind, whatever becomes of either.
async fn come_and_go(shared: Arc<Shared>) {
    let mut number = 0;
    while !shared.stop.load(Ordering::Acquire) {
        if let Ok(client) = connect_to(shared.port.load(Ordering::Acquire)).await {
            let create = format!(
                "CREATE TABLE passing_{number} AS SELECT country, COUNT(*) AS n, MAX(number) AS newest FROM payments \
                 WHERE number % 3 = {} GROUP BY country",
                number % 3
            );
            let drop = format!("DROP TABLE IF EXISTS passing_{} DELETE TOPIC", number as i64 - PASSING as i64);
            // A kill may come in the middle of it; the next round goes on.
            let _ = client.batch_execute(&create).await;
            if PASSING <= number {
                let _ = client.batch_execute(&drop).await;
            }
            number += 1;
        }
        for _ in 0..20 {
            if !shared.stop.load(Ordering::Acquire) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// The greatest memory, and the mean in each tenth of the time, without what followed a start too soon.
fn report(resident: &[(Duration, f64)]) {
    let greatest = resident.iter().map(|(_, now)| *now).fold(0.0, f64::max);
    println!("resident memory: {greatest:.0} MiB at most");
    let warm: Vec<f64> = resident.iter().filter(|(since, _)| WARM <= *since).map(|(_, now)| *now).collect();
    let means = warm.chunks(warm.len().div_ceil(10).max(1)).map(|part| part.iter().sum::<f64>() / part.len() as f64);
    let means: Vec<String> = means.map(|mean| format!("{mean:.0}")).collect();
    println!("its mean in each tenth, MiB: {}", means.join(" "));
}

async fn rows(client: &Client, query: &str) -> Vec<Vec<Option<String>>> {
    let answer = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    };
    answer.iter().filter_map(row).collect()
}

async fn check(client: &Client) {
    let lag = "SELECT COUNT(*) FROM tidemill.queries WHERE lag IS NULL OR 0 < lag";
    while rows(client, lag).await != [[Some("0".to_string())]] {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (view, batch) in [
        (
            "SELECT card, n, total FROM per_card ORDER BY card",
            "SELECT card, COUNT(*), SUM(amount) FROM payments GROUP BY card ORDER BY card",
        ),
        (
            "SELECT country, windowstart, n, total FROM per_country ORDER BY 1, 2",
            "SELECT country, date_trunc('minute', paid_at) AT TIME ZONE 'UTC', COUNT(*), SUM(amount) FROM payments \
             GROUP BY 1, 2 ORDER BY 1, 2",
        ),
        (
            "SELECT holder, n, newest FROM per_holder ORDER BY holder",
            // The small side first: a join's hash table is made of it, and does not go to files.
            "SELECT c.holder, COUNT(*), MAX(p.number) FROM cards c JOIN payments p ON p.card = c.card \
             GROUP BY c.holder ORDER BY c.holder",
        ),
    ] {
        let (found, expected) = (rows(client, view).await, rows(client, batch).await);
        assert!(!found.is_empty(), "the check has something to check: {view}");
        assert!(found == expected, "a view differs from the batch query: {view}");
        println!("{} rows equal: {view}", found.len());
    } // Hopping windows: the newest that is full.
    let newest = "SELECT MAX(windowstart) - INTERVAL '10 minutes' FROM velocity";
    let start = rows(client, newest).await.remove(0).remove(0).expect("there are windows");
    let view = format!("SELECT card, n FROM velocity WHERE windowstart = '{start}' ORDER BY card");
    let batch = format!(
        "SELECT card, COUNT(*) FROM payments WHERE number % 20 = 0 AND '{start}' <= paid_at \
         AND paid_at < TIMESTAMPTZ '{start}' + INTERVAL '10 minutes' GROUP BY card ORDER BY card"
    );
    let (found, expected) = (rows(client, &view).await, rows(client, &batch).await);
    assert!(!found.is_empty() && found == expected, "hopping windows differ from the batch query");
    println!("{} rows equal: {view}", found.len());
}
