//! A checker that kills the server with -9 and trusts nothing that the server says of itself.
//!
//! Writers insert payments with unique ids and never retry. A killer ends the server when it has seen a chosen event
//! (an acknowledgement, a cut, a fold, a roll, a recovery, a restore) a chosen number of times, by seed. At the end:
//! acknowledged <= stored <= sent, each id once, and the views equal the batch query over what is stored.
//!
//! `TIDEMILL_KILLS` sets the number of kills (12 if unset), `TIDEMILL_SEED` the seed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;

use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tokio_postgres::NoTls;

use super::server::binary;
use super::server::on_free_ports;
use super::server::rows;

/// What the killer waits for: its name, the text of the server's own log that tells of it, and how often it is awaited at
/// most in one life.
const EVENTS: &[(&str, &str, u64)] = &[
    ("load", ACKNOWLEDGED, 40),
    ("cut", "cut committed", 40),
    ("fold", "view folded", 2),
    ("roll", "segment rolled", 2),
    ("start", "starting", 1),
    ("recovery", "log recovered", 1),
    ("transactions", "transactions recovered", 1),
    // The stores are gone in such a life, so that there is something to restore.
    ("restore", "restoring state", 4),
    ("views", "restoring view", 2),
];
/// Lines that a life may write before the event has come.
const LINES_MAX: u64 = 200_000;
const ACKNOWLEDGED: &str = "checker: acknowledged";
const WRITERS: i64 = 4;
/// Cards that pay; every second of them has a holder.
const CARDS: i64 = 5_000;

#[derive(Default)]
struct Ledger {
    sent: BTreeSet<i64>,
    acknowledged: BTreeSet<i64>,
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kill_nine() {
    let kills = number("TIDEMILL_KILLS", 12);
    let seed = number("TIDEMILL_SEED", 1);
    println!("seed {seed}, {kills} kills");
    let random = SeededRandom::new(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut struck: BTreeMap<&str, u64> = BTreeMap::new();

    let server = Server::start(folder.path());
    runtime.block_on(create(server.ready()));
    server.kill();
    let mut round = 0;
    while struck.values().sum::<u64>() < kills {
        let (event, text, times_max) = EVENTS[(round % EVENTS.len() as u64) as usize];
        let times = 1 + random.next_u64() % times_max;
        if event == "restore" {
            // The first such life finds no stores if it comes before any was made.
            let _ = std::fs::remove_dir_all(folder.path().join("state"));
        }
        round += 1;
        if runtime.block_on(strike(folder.path(), &ledger, round, text, times)) {
            *struck.entry(event).or_default() += 1;
        }
        assert!(round < kills * 20, "the events that the checker waits for do not come: {struck:?}");
    }
    println!("kills: {struck:?}");
    let least = if 50 <= kills { 3 } else { u64::from(EVENTS.len() as u64 <= kills) };
    for (event, ..) in EVENTS {
        assert!(least <= struck.get(event).copied().unwrap_or_default(), "too few kills at {event}: {struck:?}");
    }
    runtime.block_on(check(folder.path(), &ledger.lock().expect("no writer panicked")));
}

/// A knob of the environment.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// One life of the server: load it until `text` was seen `times` times, then kill it. False if it never came.
async fn strike(data: &Path, ledger: &Arc<Mutex<Ledger>>, round: u64, text: &str, times: u64) -> bool {
    let mut server = Server::start(data);
    let mut seen = 0;
    let mut writers = Vec::new();
    let mut acknowledgements = 0;
    let events = server.events();
    for _ in 0..LINES_MAX {
        let line = tokio::task::block_in_place(|| events.recv_timeout(std::time::Duration::from_secs(60)));
        match line {
            Ok(line) if line.contains(text) => seen += 1,
            Ok(line) if line.starts_with("ready: ") && writers.is_empty() => {
                let port = port_of(&line);
                for writer in 0..WRITERS {
                    let first = (round as i64 * WRITERS + writer) * 1_000_000;
                    writers.push(tokio::spawn(write(port, first, Arc::clone(ledger), server.lines.clone())));
                }
            }
            Ok(line) if line == ACKNOWLEDGED => acknowledgements += 1,
            Ok(_) => {}
            Err(_) => panic!("the server neither wrote nor answered for a minute: {}", server.tail()),
        }
        if seen >= times {
            break;
        }
        // Rare events (a fold, a restore) may not come in this life; a bounded load and then the next try.
        if acknowledgements >= 2_000 {
            break;
        }
    }
    server.kill();
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
    seen >= times
}

/// Inserts rows with ids from `first` on until the connection breaks. Never retries.
async fn write(port: u16, first: i64, ledger: Arc<Mutex<Ledger>>, lines: mpsc::Sender<String>) {
    let Ok((client, connection)) = tokio_postgres::connect(&address(port), NoTls).await else { return };
    let connection = tokio::spawn(connection);
    let mut next = first;
    loop {
        let ids: Vec<i64> = (next..next + 1 + next % 5).collect();
        next += ids.len() as i64;
        let rows: Vec<String> = ids.iter().map(|id| row(*id)).collect();
        ledger.lock().expect("no writer panicked").sent.extend(&ids);
        if client.batch_execute(&format!("INSERT INTO payments VALUES {}", rows.join(", "))).await.is_err() {
            break;
        }
        ledger.lock().expect("no writer panicked").acknowledged.extend(&ids);
        if lines.send(ACKNOWLEDGED.to_string()).is_err() {
            break;
        }
    }
    connection.abort();
}

fn row(id: i64) -> String {
    let minute = id % 240;
    format!(
        "('{}', {}.25, {}, 'country {}', '2026-01-01 {:02}:{:02}:00')",
        id % CARDS,
        id % 90,
        id,
        id % 7,
        minute / 60,
        minute % 60
    )
}

pub fn address(port: u16) -> String {
    format!("host=127.0.0.1 port={port} user=checker dbname=tidemill connect_timeout=10")
}

/// The port of the Postgres door that the ready line names.
pub fn port_of(ready: &str) -> u16 {
    let after = ready.split("pg=").nth(1).expect("the ready line names pg=");
    let address = after.split_whitespace().next().expect("an address");
    address.rsplit(':').next().expect("a port").parse().expect("a port is a number")
}

/// A session as the checker.
pub async fn connect(port: u16) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(&address(port), NoTls).await.expect("the server takes a connection");
    tokio::spawn(connection);
    client
}

async fn create(port: u16) {
    let client = connect(port).await;
    for statement in [
        "CREATE STREAM payments (card TEXT KEY, amount DECIMAL(12,2), id BIGINT, country TEXT, paid_at TIMESTAMP) \
         WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 4, timestamp = 'paid_at')",
        "CREATE TABLE per_country AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM payments \
         WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 1 DAY) GROUP BY country",
        "CREATE TABLE per_card AS SELECT card, COUNT(*) AS n, MAX(id) AS id FROM payments GROUP BY card",
        // In a keyed view a record that was written twice folds away; in these it stays.
        "CREATE STREAM copies AS SELECT card, id FROM payments",
        "CREATE TABLE cards (card TEXT PRIMARY KEY, holder TEXT) WITH (kafka_topic = 'cards', partitions = 4)",
        "CREATE STREAM held AS SELECT p.card, p.id, c.holder FROM payments p LEFT JOIN cards c ON p.card = c.card",
    ] {
        client.batch_execute(statement).await.expect("the checker's relations are made");
    }
    // Before all payments in event time, so that each of them finds its holder.
    let holders: Vec<String> = (0..CARDS).step_by(2).map(|card| format!("('{card}', 'holder {card}', 1)")).collect();
    let insert = format!("INSERT INTO cards (card, holder, rowtime) VALUES {}", holders.join(", "));
    client.batch_execute(&insert).await.expect("the cards get their holders");
}

/// What the server holds after all, against what was sent and acknowledged.
async fn check(data: &Path, ledger: &Ledger) {
    let server = Server::start(data);
    let client = connect(server.ready()).await;
    client.batch_execute("SET read_your_writes = on").await.expect("SET");
    // What a session reads covers what it wrote itself, so it writes behind all that lies in each partition.
    let last: Vec<String> =
        (1..=64).map(|n| format!("('last {n}', 0.25, -{n}, 'nowhere', '2026-01-01 00:00:00')")).collect();
    client.batch_execute(&format!("INSERT INTO payments VALUES {}", last.join(", "))).await.expect("INSERT");
    let behind = rows(&client, "SELECT count(DISTINCT rowpartition) FROM payments WHERE id < 0").await;
    assert_eq!(behind, [["4"]], "each partition ends with a row of this session");

    let stored = rows(&client, "SELECT id, count(*) FROM payments WHERE id >= 0 GROUP BY id ORDER BY id").await;
    let ids: BTreeSet<i64> = stored.iter().map(|row| row[0].parse().expect("an id")).collect();
    let lost: Vec<_> = ledger.acknowledged.difference(&ids).collect();
    let invented: Vec<_> = ids.difference(&ledger.sent).collect();
    let doubled: Vec<_> = stored.iter().filter(|row| row[1] != "1").collect();
    println!("sent {}, stored {}, acknowledged {}", ledger.sent.len(), ids.len(), ledger.acknowledged.len());
    assert!(lost.is_empty(), "{} acknowledged ids are lost: {lost:?}", lost.len());
    assert!(invented.is_empty(), "ids that nobody sent: {invented:?}");
    assert!(doubled.is_empty(), "ids that are there more than once: {doubled:?}");
    assert!(!ledger.acknowledged.is_empty(), "nothing was acknowledged: the checker checked nothing");

    let view = rows(&client, "SELECT country, windowstart, n, total FROM per_country ORDER BY 1, 2").await;
    let batch = rows(
        &client,
        "SELECT country, date_trunc('hour', paid_at) AT TIME ZONE 'UTC', count(*), sum(amount) FROM payments GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .await;
    assert_eq!(view, batch, "the windowed view differs from the batch query over what is stored");
    let view = rows(&client, "SELECT card, n, id FROM per_card ORDER BY 1").await;
    let batch = rows(&client, "SELECT card, count(*), max(id) FROM payments GROUP BY card ORDER BY 1").await;
    assert_eq!(view, batch, "the keyed view differs from the batch query over what is stored");
    let stream = rows(&client, "SELECT card, id FROM copies ORDER BY id").await;
    let batch = rows(&client, "SELECT card, id FROM payments ORDER BY id").await;
    assert_eq!(stream, batch, "the copy has not each payment once");
    let stream = rows(&client, "SELECT card, id, holder FROM held ORDER BY id").await;
    let join = "SELECT p.card, p.id, c.holder FROM payments p LEFT JOIN cards c ON p.card = c.card ORDER BY p.id";
    assert_eq!(stream, rows(&client, join).await, "the join has not each payment once with its holder");
    assert!(stream.iter().any(|row| row[2] != "NULL"), "no payment found its holder: the join checked nothing");
    server.kill();
}

/// A server process and the lines that it writes.
pub struct Server {
    child: Child,
    events: Option<mpsc::Receiver<String>>,
    lines: mpsc::Sender<String>,
    last: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts it on `data`, with segments and views so small that rolls and folds come often.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[("TIDEMILL_LOG_SEGMENT_BYTES", "65536"), ("TIDEMILL_STATE_VIEW_REPLAY_MAX", "200")])
    }

    /// Starts it on `data` with settings; it writes a line of its log for each cut.
    pub fn start_with(data: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command = binary();
        // It would win over the filter below, and the checker would see no event.
        command.env_remove("RUST_LOG");
        let mut child = on_free_ports(command.arg("server"), data)
            .env("TIDEMILL_LOG_FILTER", "tidemill=debug")
            .env("TIDEMILL_LOG_DISK_RESERVE", "1 MiB")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's binary starts");
        let (lines, events) = mpsc::channel();
        let last = Arc::new(Mutex::new(Vec::new()));
        let outputs: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for output in outputs {
            let (lines, last) = (lines.clone(), Arc::clone(&last));
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let mut last = last.lock().expect("no reader panicked");
                    if last.len() == 200 {
                        last.remove(0);
                    }
                    last.push(line.clone());
                    if lines.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Self { child, events: Some(events), lines, last }
    }

    /// The lines that it writes from now on, to the caller alone.
    pub fn events(&mut self) -> mpsc::Receiver<String> {
        self.events.take().expect("nobody took the events")
    }

    /// Waits for the ready line; the port of its Postgres door.
    pub fn ready(&self) -> u16 {
        port_of(&self.ready_line())
    }

    /// The same, and the address of its Kafka door.
    pub fn ports(&self) -> (u16, String) {
        let line = self.ready_line();
        let kafka = line.split("kafka=").nth(1).and_then(|after| after.split_whitespace().next());
        (port_of(&line), kafka.expect("the ready line names kafka=").to_string())
    }

    fn ready_line(&self) -> String {
        let events = self.events.as_ref().expect("nobody took the events");
        loop {
            let line = events.recv_timeout(std::time::Duration::from_secs(120));
            let line = line.unwrap_or_else(|_| panic!("the server did not become ready: {}", self.tail()));
            if line.starts_with("ready: ") {
                return line;
            }
        }
    }

    /// The last lines that it wrote.
    pub fn tail(&self) -> String {
        self.last.lock().expect("no reader panicked").join("\n")
    }

    /// SIGKILL, as dropping it is too.
    pub fn kill(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself needs no signal.
        let _ = self.child.kill();
        self.child.wait().expect("the server is gone");
    }
}
