//! Rounds, and single rows, that give out more than should wait for a commit.

use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::config;
use tidemill::config::ByteSize;

use super::server::TestServer;
use super::server::column;
use super::server::rows;
use super::server::run;
use super::server::settled;

const WIDE: &str = "CREATE STREAM wide (id INT KEY, n INT) WITH (kafka_topic = 'wide', value_format = 'JSON')";
const LONG: &str = "CREATE STREAM long AS SELECT id, unnest(generate_series(1, n)) AS u FROM wide";
const SUMS: &str = "CREATE TABLE sums AS SELECT id, COUNT(*) AS n, SUM(u) AS s FROM long GROUP BY id";

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_gives_out_too_much_is_taken_again_in_smaller_ones_and_each_row_once() {
    // Eight cuts hold what a few of 64 rows make, of 500 each.
    let server = TestServer::start_with(|config| config.exec.cut_bytes_max = ByteSize(16 << 10)).await;
    let client = server.connect().await;
    run(&client, WIDE).await;
    run(&client, "INSERT INTO wide SELECT g.value, 500 FROM generate_series(1, 64) AS g(value)").await;
    run(&client, LONG).await;
    run(&client, SUMS).await;
    let sums = "SELECT COUNT(*), MIN(n), MAX(n), MIN(s), MAX(s) FROM sums";
    assert_eq!(settled(&client, sums).await, [["64", "500", "500", "125250", "125250"]]);
    let written = "SELECT COUNT(*), COUNT(DISTINCT id * 1000 + u) FROM long";
    assert_eq!(rows(&client, written).await, [["32000", "32000"]]);
    let told = "SELECT last_error FROM tidemill.tasks WHERE query LIKE 'csas_long%'";
    assert_eq!(column(&client, told).await, ["the rows of one round make more output than fits into memory"]);
    // What is over it by one row alone is written all the same.
    run(&client, "INSERT INTO wide VALUES (65, 20000)").await;
    assert_eq!(settled(&client, "SELECT n, s FROM sums WHERE id = 65").await, [["20000", "200010000"]]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_makes_more_than_a_commit_may_take_stops_its_query_and_is_taken_by_a_server_that_allows_more() {
    let server = TestServer::start_with(|config| {
        config.exec.cut_bytes_max = ByteSize(16 << 10);
        config.exec.change_bytes_max = ByteSize(256 << 10);
    })
    .await;
    let client = server.connect().await;
    run(&client, WIDE).await;
    run(&client, LONG).await;
    run(&client, SUMS).await;
    run(&client, "INSERT INTO wide VALUES (1, 5), (2, 40000), (3, 5)").await;
    let state = "SELECT state, reason FROM tidemill.queries WHERE name LIKE 'csas_long%'";
    let failed = loop {
        let found = rows(&client, state).await;
        if found[0][0] == "FAILED" {
            break found;
        }
        tokio::task::yield_now().await;
    };
    let reason = "one row makes more output than exec.change_bytes_max, 256 KiB: that of offset 1 of partition 0 of topic \"wide\"";
    assert_eq!(failed, [["FAILED", reason]]);
    drop(client);
    let server = server.restart().await;
    let client = server.connect().await;
    // What is asked after it shows all before it.
    run(&client, "INSERT INTO wide VALUES (4, 1)").await;
    let sums = settled(&client, "SELECT id, n FROM sums ORDER BY id").await;
    assert_eq!(sums, [["1", "5"], ["2", "40000"], ["3", "5"], ["4", "1"]]);
    server.stop().await;
}

#[tokio::test]
async fn output_that_waits_for_a_commit_counts_as_memory_of_state() {
    let memory = config::Memory { state: ByteSize(256), ..config::Memory::default() };
    let mut pipeline =
        Pipeline::open(PipelineOptions { memory, ..PipelineOptions::default() }).await.expect("it opens");
    pipeline.execute(&WIDE.replace("WITH (", "WITH (partitions = 1, ")).await.expect("a stream is made");
    let copy = "CREATE STREAM narrow WITH (kafka_topic = 'narrow') AS SELECT id, n FROM wide";
    pipeline.execute(copy).await.expect("a query is made");
    pipeline
        .execute("INSERT INTO wide SELECT g.value, 500 FROM generate_series(1, 100) AS g(value)")
        .await
        .expect("rows");
    pipeline.drive_with(10, &mut || false).await.expect("the query runs");
    let tasks = pipeline.tasks("narrow").expect("the query is there");
    // What one or two rounds of ten rows give out fills 256 bytes; nothing else asks for a cut before the end.
    assert!((4..=10).contains(&tasks[0].counts.cuts), "{}", tasks[0].counts.cuts);
    assert_eq!(pipeline.records("narrow").await.expect("the topic is read").len(), 100);
}
