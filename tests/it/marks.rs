//! Event time that travels with a derived stream: what its readers may rely on, case by case. Chains by chance are in
//! `oracle::chains`.

use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::protocol::partition_for_key;

const PARTITIONS: i32 = 2;

const SOURCES: &str = "
    CREATE STREAM s (k TEXT KEY, a BIGINT, b BIGINT) WITH (kafka_topic = 's', partitions = 2);";

/// Windows of a second over a stream.
fn windows(name: &str, from: &str) -> String {
    format!(
        "CREATE TABLE {name} AS SELECT a, COUNT(*) AS n FROM {from} \
         WINDOW TUMBLING (SIZE 1 SECOND, GRACE PERIOD 0 SECONDS) GROUP BY a;"
    )
}

/// The same, each written once it has closed.
fn closed_windows(name: &str, from: &str) -> String {
    windows(name, from).replace("GROUP BY a", "GROUP BY a EMIT FINAL")
}

async fn pipeline(statements: &str) -> Pipeline {
    let mut pipeline = Pipeline::open(PipelineOptions::default()).await.expect("a pipeline opens");
    execute(&mut pipeline, &format!("{SOURCES}{statements}")).await;
    pipeline
}

async fn execute(pipeline: &mut Pipeline, statements: &str) {
    pipeline.execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

/// A key of a partition.
fn key_of(partition: i32) -> String {
    let mut keys = (0..).map(|number| format!("k{number}"));
    keys.find(|key| partition_for_key(key.as_bytes(), PARTITIONS).0 == partition).expect("there are many keys")
}

/// A row of `s` in a partition, with `a` and a time in seconds.
async fn write(pipeline: &Pipeline, partition: i32, a: i64, second: i64) {
    let value = format!("{{\"a\": {a}, \"b\": 1}}");
    let key = key_of(partition);
    let produced = pipeline.produce("s", partition, second * 1_000, Some(key.as_bytes()), Some(value.as_bytes()));
    produced.await.expect("a record is taken");
}

/// A row of somebody else in each partition of `d`, whose key is `a`, at a second.
async fn write_derived(pipeline: &Pipeline, second: i64) {
    for partition in 0..PARTITIONS {
        let (key, value) = (i64::from(partition).to_be_bytes(), r#"{"k": "x", "b": 0}"#.as_bytes());
        let produced = pipeline.produce("d", partition, second * 1_000, Some(&key), Some(value));
        produced.await.expect("a record is taken");
    }
}

async fn drive(pipeline: &Pipeline) {
    pipeline.drive_with(100, &mut || false).await.expect("the queries run");
    assert_eq!(pipeline.failed_query(), None);
}

fn late(pipeline: &Pipeline, name: &str) -> u64 {
    pipeline.tasks(name).expect("the query is there").iter().map(|task| task.counts.late).sum()
}

fn rows(pipeline: &Pipeline, name: &str) -> usize {
    pipeline.view(name).expect("the view is read").iter().map(|batch| batch.num_rows()).sum()
}

/// The first offset after everything, of each partition of a topic.
async fn ends(pipeline: &Pipeline, topic: &str) -> Vec<i64> {
    let mut ends = Vec::new();
    for partition in 0..pipeline.partitions(topic) {
        ends.push(pipeline.end(topic, partition).await.expect("the topic is there"));
    }
    ends
}

#[tokio::test]
async fn rows_of_a_derived_stream_are_not_late_because_a_neighbour_ran_ahead() {
    let derived = "CREATE STREAM d AS SELECT k, a, b FROM s PARTITION BY a;";
    let pipeline = pipeline(&format!("{derived}{}{}", windows("chained", "d"), windows("single", "s"))).await;
    for second in 0..50 {
        write(&pipeline, 0, second % 5, second).await;
    }
    for second in 0..50 {
        write(&pipeline, 1, second % 5, second).await;
    }
    // One task of the first query reads to its end before the other one begins.
    drive(&pipeline).await;
    assert_eq!((late(&pipeline, "single"), late(&pipeline, "chained")), (0, 0));
    assert_eq!((rows(&pipeline, "single"), rows(&pipeline, "chained")), (50, 50));
}

#[tokio::test]
async fn rows_that_a_filter_leaves_out_move_the_time_of_the_stream_behind_it() {
    let derived = "CREATE STREAM d AS SELECT k, a, b FROM s WHERE a < 5;";
    let pipeline = pipeline(&format!("{derived}{}", closed_windows("v", "d"))).await;
    for partition in 0..PARTITIONS {
        write(&pipeline, partition, 1, 10).await;
    }
    drive(&pipeline).await;
    assert_eq!(rows(&pipeline, "v"), 0);
    for partition in 0..PARTITIONS {
        write(&pipeline, partition, 7, 11).await;
    }
    drive(&pipeline).await;
    assert_eq!(rows(&pipeline, "v"), 1, "the window of second 10 has closed");
}

#[tokio::test]
async fn a_late_row_of_one_query_is_late_in_a_chain_too() {
    let derived = "CREATE STREAM d AS SELECT k, a, b FROM s WHERE a < 5;";
    let by_key = |name: &str, from: &str, filter: &str| {
        format!(
            "CREATE TABLE {name} AS SELECT k, COUNT(*) AS n FROM {from} \
             WINDOW TUMBLING (SIZE 1 SECOND, GRACE PERIOD 0 SECONDS){filter} GROUP BY k;"
        )
    };
    let single = by_key("single", "s", " WHERE a < 5");
    let pipeline = pipeline(&format!("{derived}{}{single}", by_key("chained", "d", ""))).await;
    // All in one cut of the first query: the filter takes out the row that closes the window.
    for (a, second) in [(1, 10), (7, 20), (1, 10), (2, 20)] {
        write(&pipeline, 0, a, second).await;
    }
    drive(&pipeline).await;
    assert_eq!((late(&pipeline, "single"), late(&pipeline, "chained")), (1, 1));
    assert_eq!((rows(&pipeline, "single"), rows(&pipeline, "chained")), (2, 2));
}

#[tokio::test]
async fn a_query_that_has_ended_holds_time_no_longer() {
    let derived = "CREATE STREAM d AS SELECT k, a, b FROM s PARTITION BY a;";
    let mut pipeline = pipeline(&format!("{derived}{}", closed_windows("v", "d"))).await;
    write(&pipeline, 0, 1, 100).await;
    write(&pipeline, 1, 1, 10).await;
    drive(&pipeline).await;
    assert_eq!(rows(&pipeline, "v"), 0, "one task stands at second 10");
    let query = pipeline.catalog().expect("a catalog").queries().next().expect("a query").name.clone();
    execute(&mut pipeline, &format!("TERMINATE {query};")).await;
    write_derived(&pipeline, 300).await;
    drive(&pipeline).await;
    assert_eq!(rows(&pipeline, "v"), 2, "seconds 10 and 100 have closed");
}

#[tokio::test]
async fn what_others_write_holds_time_like_one_more_task() {
    let derived = "CREATE STREAM d AS SELECT k, a, b FROM s PARTITION BY a;";
    let pipeline = pipeline(&format!("{derived}{}", windows("v", "d"))).await;
    write_derived(&pipeline, 5).await;
    for partition in 0..PARTITIONS {
        write(&pipeline, partition, 1, 100).await;
    }
    drive(&pipeline).await;
    write_derived(&pipeline, 6).await;
    drive(&pipeline).await;
    assert_eq!(late(&pipeline, "v"), 0);
}

#[tokio::test]
async fn a_query_that_stands_still_writes_nothing_and_a_restart_neither() {
    let derived = "CREATE STREAM d AS SELECT k, a, b FROM s PARTITION BY a;";
    let mut pipeline = pipeline(&format!("{derived}{}", windows("v", "d"))).await;
    for second in 0..20 {
        write(&pipeline, (second % 2) as i32, second % 5, second).await;
    }
    drive(&pipeline).await;
    let before = ends(&pipeline, "d").await;
    drive(&pipeline).await;
    pipeline = pipeline.restart().await.expect("a restart");
    drive(&pipeline).await;
    assert_eq!(ends(&pipeline, "d").await, before);
}

#[tokio::test]
async fn a_reader_that_stops_between_the_records_of_a_mark_goes_on_under_it() {
    let derived = "CREATE STREAM d AS SELECT k, a, b FROM s PARTITION BY a;";
    for rounds in 1..30 {
        let mut pipeline = pipeline(&format!("{derived}{}", windows("v", "d"))).await;
        for second in 0..20 {
            write(&pipeline, 0, 1, 100 + second).await;
        }
        for second in 0..20 {
            write(&pipeline, 1, 1, second).await;
        }
        // Each task of the first query writes its rows under one mark; their reader takes three a round.
        pipeline.drive_rounds(100, &mut || false, Some(4)).await.expect("the first query runs");
        pipeline.drive_rounds(3, &mut || true, Some(rounds)).await.expect("the second query runs");
        pipeline = pipeline.restart().await.expect("a restart");
        pipeline.drive_with(3, &mut || true).await.expect("the queries run");
        assert_eq!((late(&pipeline, "v"), rows(&pipeline, "v")), (0, 40), "stopped after {rounds} rounds");
    }
}

#[tokio::test]
async fn records_of_a_column_of_time_have_the_time_of_that_column() {
    let derived = "CREATE STREAM d WITH (timestamp = 'b') AS SELECT k, a, b FROM s PARTITION BY a;";
    let pipeline = pipeline(&format!("{derived}{}", windows("v", "d"))).await;
    for (partition, ahead) in [(0, 1_000_000), (1, 0)] {
        for second in 0..20 {
            let value = format!("{{\"a\": {}, \"b\": {}}}", second % 5, ahead + second * 1_000);
            let key = key_of(partition);
            let produced = pipeline.produce("s", partition, 1, Some(key.as_bytes()), Some(value.as_bytes()));
            produced.await.expect("a record is taken");
        }
    }
    drive(&pipeline).await;
    assert_eq!((late(&pipeline, "v"), rows(&pipeline, "v")), (0, 40));
}

#[tokio::test]
async fn a_task_that_writes_no_rows_holds_the_times_of_a_column_only_for_a_while() {
    let derived = "CREATE STREAM d WITH (timestamp = 'b') AS SELECT k, a, b FROM s WHERE a < 5 PARTITION BY a;";
    let pipeline = pipeline(&format!("{derived}{}", closed_windows("v", "d"))).await;
    let write = async |partition: i32, a: i64, second: i64| {
        let value = format!("{{\"a\": {a}, \"b\": {}}}", second * 1_000);
        let key = key_of(partition);
        pipeline.produce("s", partition, 1, Some(key.as_bytes()), Some(value.as_bytes())).await.expect("it is taken");
    };
    write(0, 1, 10).await;
    write(0, 1, 20).await;
    write(1, 7, 20).await;
    drive(&pipeline).await;
    assert_eq!(rows(&pipeline, "v"), 0, "the other task may yet write");
    pipeline.simulation().clock.advance(std::time::Duration::from_secs(11));
    write(0, 1, 30).await;
    write(1, 7, 30).await;
    drive(&pipeline).await;
    assert_eq!(rows(&pipeline, "v"), 2, "seconds 10 and 20 have closed");
}
