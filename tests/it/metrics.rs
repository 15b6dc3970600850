//! What `/metrics` and the system tables tell of the log of a whole node, on a real disk that somebody harms.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidemill::config::ByteSize;
use tidemill::env::Env;
use tidemill::env::OpenFiles;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio_postgres::Client;

use super::server::TestServer;
use super::server::column;
use super::server::failure;
use super::server::run;

async fn metrics(server: &TestServer) -> String {
    let mut stream = tokio::net::TcpStream::connect(server.http_address()).await.expect("the HTTP door opens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer
}

/// Asks until the answer is as wanted.
async fn until(client: &Client, query: &str, wanted: &[&str]) {
    let asked = async {
        while column(client, query).await != wanted {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), asked).await;
    assert!(in_time.is_ok(), "{query}: {:?}", column(client, query).await);
}

/// Asks until `/metrics` has a line.
async fn until_told(server: &TestServer, line: &str) {
    let asked = async {
        while !metrics(server).await.contains(&format!("\n{line}\n")) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), asked).await;
    assert!(in_time.is_ok(), "{line} is not in {}", metrics(server).await);
}

/// What the process of the next test is said to take.
static RESIDENT: AtomicUsize = AtomicUsize::new(0);

#[tokio::test(flavor = "multi_thread")]
async fn pools_shrink_while_the_process_takes_more_than_it_may() {
    let env = Env { resident_bytes: || Some(RESIDENT.load(Ordering::Relaxed)), ..Env::real() };
    let server = TestServer::start_in(env, |config| config.memory.limit = ByteSize::mebibytes(256)).await;
    let client = server.connect().await;
    let bytes = "SELECT bytes / 1048576 || ' of ' || limit_bytes / 1048576 FROM tidemill.memory WHERE pool = ";
    until(&client, &format!("{bytes}'process'"), &["0 of 256"]).await;
    until(&client, &format!("{bytes}'views'"), &["0 of 48"]).await;
    RESIDENT.store(600 << 20, Ordering::Relaxed);
    until(&client, &format!("{bytes}'process'"), &["600 of 256"]).await;
    until(&client, &format!("{bytes}'views'"), &["0 of 12"]).await;
    until(&client, &format!("{bytes}'statements'"), &["0 of 48"]).await;
    server.stop().await;
}

/// Files that the process of the next test is said to have open.
static OPEN: AtomicU64 = AtomicU64::new(10);

#[tokio::test(flavor = "multi_thread")]
async fn without_open_files_to_spare_nothing_is_made_and_what_there_is_goes_on() {
    let files = || Some(OpenFiles { open: OPEN.load(Ordering::Relaxed), limit: 1024 });
    let server = TestServer::start_in(Env { open_files: files, ..Env::real() }, |_| ()).await;
    let client = server.connect().await;
    run(&client, "CREATE STREAM t (k TEXT KEY, n INT)").await;
    OPEN.store(1000, Ordering::Relaxed);
    let refused = failure(&client, "CREATE TABLE counted AS SELECT k, COUNT(*) AS n FROM t GROUP BY k").await;
    assert_eq!(refused.0, "53000");
    assert_eq!(refused.1, "the server has 1000 files open of the 1024 that it may have");
    run(&client, "INSERT INTO t VALUES ('a', 1)").await;
    let answer = metrics(&server).await;
    assert!(answer.contains("\ntidemill_open_files 1000\n"), "{answer}");
    OPEN.store(10, Ordering::Relaxed);
    run(&client, "CREATE TABLE counted AS SELECT k, COUNT(*) AS n FROM t GROUP BY k").await;
    until(&client, "SELECT n FROM counted", &["1"]).await;
    for told in [
        "tidemill_query_state{query=\"ctas_counted_1\",state=\"RUNNING\"} 1",
        "tidemill_query_lag_records{query=\"ctas_counted_1\"} 0",
        "tidemill_query_lag_seconds{query=\"ctas_counted_1\"} 0",
        "tidemill_query_rows_total{query=\"ctas_counted_1\"} 1",
        "tidemill_log_full 0",
    ] {
        until_told(&server, told).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_exactly_the_metrics_that_there_are() {
    let server = TestServer::start().await;
    let answer = metrics(&server).await;
    let found: BTreeSet<_> =
        answer.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(|line| line.replace(' ', " | ")).collect();
    let page = include_str!("../../docs/reference/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `tidemill_"));
    let told: BTreeSet<_> = rows
        .map(|row| {
            let (name, rest) = row.split_once("` | ").expect("a name");
            let (kind, _) = rest.split_once(" |").expect("a kind");
            format!("tidemill_{name} | {kind}")
        })
        .collect();
    assert_eq!(told, found);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_removed_under_a_running_server_is_told_hurts_nobody_else_and_comes_back_from_the_journal() {
    let server = TestServer::start_with(|config| {
        config.log.retention_check_interval = Duration::from_millis(10);
        config.log.scrub_interval = Duration::from_millis(10);
        config.log.scrub_period = Duration::ZERO;
    })
    .await;
    let client = server.connect().await;
    for name in ["harmed", "whole"] {
        run(&client, &format!("CREATE STREAM {name} (n INT) WITH (kafka_topic = '{name}', segment_ms = 1)")).await;
        run(&client, &format!("INSERT INTO {name} VALUES (1)")).await;
        let sealed = format!("SELECT next_offset FROM tidemill.segments WHERE topic = '{name}' AND sealed");
        until(&client, &sealed, &["1"]).await;
    }
    let checked = "SELECT COUNT(*) FROM tidemill.segments WHERE sealed AND checked_at IS NOT NULL AND damage IS NULL";
    until(&client, checked, &["2"]).await;
    let id = &column(&client, "SELECT topic_id FROM tidemill.topics WHERE name = 'harmed'").await[0];
    let path: PathBuf = server.data_dir().join("log").join(format!("{id}-0")).join(format!("{:020}.log", 0));
    std::fs::remove_file(&path).expect("somebody removes it");
    let damage = "SELECT topic, damage FROM tidemill.segments WHERE damage IS NOT NULL";
    until(&client, damage, &["harmed"]).await;
    until(&client, "SELECT damage FROM tidemill.segments WHERE damage IS NOT NULL", &["missing"]).await;
    until(&client, "SELECT damaged_segments FROM tidemill.partitions WHERE topic = 'harmed'", &["1"]).await;
    let told = async {
        while !metrics(&server).await.contains("\ntidemill_log_damaged_segments 1\n") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.expect("the metric tells");
    for name in ["harmed", "whole"] {
        run(&client, &format!("INSERT INTO {name} VALUES (2)")).await;
        assert_eq!(column(&client, &format!("SELECT n FROM {name} ORDER BY 1")).await, ["1", "2"]);
    }
    drop(client);
    let server = server.restart().await;
    let client = server.connect().await;
    assert_eq!(column(&client, "SELECT n FROM whole ORDER BY 1").await, ["1", "2"]);
    run(&client, "INSERT INTO whole VALUES (3)").await;
    // The journal still had what the file held: the start has written it again.
    assert_eq!(column(&client, "SELECT n FROM harmed ORDER BY 1").await, ["1", "2"]);
    let damage = "SELECT COUNT(*) FROM tidemill.partitions WHERE damaged_from IS NOT NULL OR 0 < damaged_segments";
    assert_eq!(column(&client, damage).await, ["0"]);
    server.stop().await;
}
