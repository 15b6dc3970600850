//! Whole queries in memory, driven by hand: what rounds, cuts and restarts must not change.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use tidemill::catalog::Change;
use tidemill::catalog::EmitMode;
use tidemill::catalog::QueryState;
use tidemill::catalog::Semantics;
use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tidemill::error::SqlState;
use tidemill::protocol::partition_for_key;

const PARTITIONS: i32 = 2;
const SOURCES: &str = "
    CREATE STREAM payments (card TEXT KEY, country TEXT, amount BIGINT) WITH (kafka_topic = 'payments', partitions = 2);
    CREATE TABLE cards (card TEXT PRIMARY KEY, lim BIGINT) WITH (kafka_topic = 'cards', partitions = 2);";

/// A pipeline with its sources and one query.
async fn pipeline(seed: u64, emit: EmitMode, query: &str) -> Pipeline {
    let semantics = Semantics { emit, ..Semantics::default() };
    let options = PipelineOptions { seed, semantics, ..PipelineOptions::default() };
    let mut pipeline = Pipeline::open(options).await.expect("a pipeline opens");
    pipeline.execute(SOURCES).await.expect("the sources are made");
    pipeline.execute(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    pipeline
}

async fn write(pipeline: &Pipeline, topic: &str, key: &str, value: &str, time: i64) {
    let partition = partition_for_key(key.as_bytes(), PARTITIONS).0;
    let written = pipeline.produce(topic, partition, time, Some(key.as_bytes()), Some(value.as_bytes()));
    written.await.expect("a record is taken");
}

async fn drive(pipeline: &Pipeline, rows_per_round: usize, mut cut: impl FnMut() -> bool + Send) {
    pipeline.drive_with(rows_per_round, &mut cut).await.expect("the query runs");
    assert_eq!(pipeline.failed_query(), None);
}

/// Keys and values of a topic.
async fn records(pipeline: &Pipeline, topic: &str) -> Vec<(String, String)> {
    let text =
        |bytes: Option<Vec<u8>>| String::from_utf8(bytes.expect("neither key nor value is null")).expect("UTF-8");
    let records = pipeline.records(topic).await.expect("the topic is read");
    records.into_iter().map(|record| (text(record.key), text(record.value))).collect()
}

async fn values(pipeline: &Pipeline, topic: &str) -> Vec<String> {
    records(pipeline, topic).await.into_iter().map(|(_, value)| value).collect()
}

#[tokio::test]
async fn an_aggregate_through_a_repartition_takes_what_comes_between_rounds_cuts_and_restarts_once() {
    let query = "CREATE TABLE per_country WITH (key_format = 'KAFKA') AS
        SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM payments GROUP BY country";
    for seed in 0..12 {
        let random = SeededRandom::new(seed);
        let below = |bound: u64| random.next_u64() % bound;
        let emit = if seed % 2 == 0 { EmitMode::Net } else { EmitMode::All };
        let mut pipeline = pipeline(seed, emit, query).await;
        let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for step in 0..30 {
            for _ in 0..below(4) {
                let (card, country, amount) = (format!("c{}", below(5)), format!("x{}", below(4)), below(100));
                let value = format!("{{\"country\":\"{country}\",\"amount\":{amount}}}");
                write(&pipeline, "payments", &card, &value, step).await;
                let group = expected.entry(country).or_default();
                *group = (group.0 + 1, group.1 + amount);
            }
            let rows = 1 + below(5) as usize;
            drive(&pipeline, rows, || below(2) == 0).await;
            if below(4) == 0 {
                pipeline = pipeline.restart().await.expect("it starts again");
            }
        }
        let expected: BTreeMap<String, String> = expected
            .into_iter()
            .map(|(country, (n, total))| (country, format!("{{\"n\":{n},\"total\":{total}}}")))
            .collect();
        let folded: BTreeMap<String, String> = records(&pipeline, "per_country").await.into_iter().collect();
        assert_eq!(folded, expected, "seed {seed}");
        let view = pipeline.view("per_country").expect("the view is read");
        assert_eq!(view.iter().map(RecordBatch::num_rows).sum::<usize>(), expected.len(), "seed {seed}");
    }
}

#[tokio::test]
async fn a_query_whose_state_another_version_laid_out_otherwise_is_rebuilt_from_its_inputs() {
    let query = "CREATE TABLE per_country AS
        SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM payments GROUP BY country";
    let mut pipeline = pipeline(4, EmitMode::Net, query).await;
    for (number, card) in ["c0", "c1", "c2", "c3"].into_iter().enumerate() {
        let value = format!("{{\"country\":\"x{}\",\"amount\":{}}}", number % 2, number + 1);
        write(&pipeline, "payments", card, &value, 10).await;
    }
    drive(&pipeline, 10, || true).await;
    let rows = |pipeline: &Pipeline| {
        let view = pipeline.view("per_country").expect("the view is read");
        let mut rows: Vec<Vec<String>> = view.iter().flat_map(crate::oracle::texts).collect();
        rows.sort();
        rows
    };
    assert_eq!(rows(&pipeline), [["x0", "2", "4"], ["x1", "2", "6"]]);

    let catalog = pipeline.catalog().expect("it is read");
    let mut definition = catalog.query_by_name("ctas_per_country_1").expect("it is there").as_ref().clone();
    let topics = definition.internal_topics.clone();
    definition.state_layouts = vec!["a layout of another version".to_string()];
    pipeline.change_catalog(&Change::ReplaceQuery(Box::new(definition))).await.expect("changed");
    pipeline = pipeline.restart().await.expect("it starts again");
    assert!(pipeline.runtime().queries().is_empty(), "needs_rebuild");
    // One that could not start is paused all the same, and is to run again after RESUME, whether it can or not.
    pipeline.execute("PAUSE ctas_per_country_1").await.expect("paused");
    pipeline.execute("RESUME ctas_per_country_1").await.expect_err("it still needs to be rebuilt");
    let catalog = pipeline.catalog().expect("it is read");
    let state = catalog.query_by_name("ctas_per_country_1").expect("it is there").state;
    assert_eq!(state, QueryState::Running);

    pipeline.execute("ALTER QUERY ctas_per_country_1 REBUILD").await.expect("rebuilt");
    write(&pipeline, "payments", "c9", "{\"country\":\"x1\",\"amount\":10}", 20).await;
    drive(&pipeline, 10, || true).await;
    assert_eq!(rows(&pipeline), [["x0", "2", "4"], ["x1", "3", "16"]]);
    pipeline = pipeline.restart().await.expect("it starts again");
    drive(&pipeline, 10, || true).await;
    assert_eq!(rows(&pipeline), [["x0", "2", "4"], ["x1", "3", "16"]]);
    let catalog = pipeline.catalog().expect("it is read");
    let definition = catalog.query_by_name("ctas_per_country_1").expect("it is there");
    assert!(definition.internal_topics.iter().all(|topic| !topics.contains(topic)), "its state is new");

    let stream = "CREATE STREAM large AS SELECT card, amount FROM payments WHERE 5 < amount";
    pipeline.execute(stream).await.expect("made");
    let mut definition =
        pipeline.catalog().expect("read").query_by_name("csas_large_3").expect("there").as_ref().clone();
    definition.state_layouts = vec!["a layout of another version".to_string()];
    pipeline.change_catalog(&Change::ReplaceQuery(Box::new(definition))).await.expect("changed");
    let refused = pipeline.execute("ALTER QUERY csas_large_3 REBUILD").await.expect_err("rows would be there twice");
    assert_eq!(refused.state(), SqlState::FEATURE_NOT_SUPPORTED);
    pipeline.runtime().close().await;
}

#[tokio::test]
async fn a_stream_meets_a_table_in_the_order_of_event_time_and_the_table_is_first_at_the_same_time() {
    let query = "CREATE STREAM met AS SELECT p.card, p.amount, c.lim FROM payments p JOIN cards c ON p.card = c.card";
    let pipeline = pipeline(3, EmitMode::Net, query).await;
    for (amount, time) in [(1, 9), (2, 10), (3, 29), (4, 30)] {
        write(&pipeline, "payments", "c1", &format!("{{\"amount\":{amount}}}"), time).await;
    }
    for (limit, time) in [(10, 10), (30, 30)] {
        write(&pipeline, "cards", "c1", &format!("{{\"lim\":{limit}}}"), time).await;
    }
    drive(&pipeline, 100, || false).await;
    let expected = ["{\"amount\":2,\"lim\":10}", "{\"amount\":3,\"lim\":10}", "{\"amount\":4,\"lim\":30}"];
    assert_eq!(values(&pipeline, "met").await, expected);
}

#[tokio::test]
async fn a_window_closes_for_all_partitions_when_time_passed_through_the_repartition() {
    let query = "CREATE TABLE per_second AS SELECT country, COUNT(*) AS n FROM payments
        WINDOW TUMBLING (SIZE 1 SECOND, GRACE PERIOD 0 SECONDS) GROUP BY country EMIT FINAL";
    let mut pipeline = pipeline(5, EmitMode::Net, query).await;
    for (card, time) in [("c1", 100), ("c2", 200), ("c3", 300), ("c1", 400)] {
        write(&pipeline, "payments", card, "{\"country\":\"DE\",\"amount\":1}", time).await;
    }
    drive(&pipeline, 1, || true).await;
    assert!(values(&pipeline, "per_second").await.is_empty());
    for card in ["c1", "c2", "c3", "c4", "c0"] {
        write(&pipeline, "payments", card, "{\"country\":\"FR\",\"amount\":1}", 1500).await;
    }
    pipeline = pipeline.restart().await.expect("it starts again");
    drive(&pipeline, 1, || true).await;
    assert_eq!(values(&pipeline, "per_second").await, ["{\"n\":4}"]);
}
