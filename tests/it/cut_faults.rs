//! A whole query, from its inputs to its view, with each fault at each disk call: start, restore, rounds, cuts, commits.
//!
//! The stores of the query's state live beside the disk and come back as they were after `kill -9`, and with some of
//! their newest writes taken back, gone or damaged after a power loss. Whatever happened, the view must in the end
//! say what a batch query over the stored inputs says, each once.

use std::collections::BTreeMap;

use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::env::Env;
use tidemill::env::Injected;
use tidemill::env::Restart;
use tidemill::env::Scenario;
use tidemill::env::for_each_fault;
use tidemill::error::Result;
use tidemill::protocol::partition_for_key;
use tidemill::state::SimulatedStores;

const SEED: u64 = 7;
const PARTITIONS: i32 = 2;
const DDL: &str = "
    CREATE STREAM payments (card TEXT KEY, country TEXT, amount INT)
        WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 2);
    CREATE TABLE per_country AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM payments GROUP BY country;
    CREATE STREAM copies AS SELECT card, amount FROM payments;";

fn options() -> PipelineOptions {
    PipelineOptions { seed: SEED, ..PipelineOptions::default() }
}

fn wait<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(body)
}

async fn pay(pipeline: &Pipeline, number: i64) -> Result<()> {
    let card = format!("c{}", number % 3);
    let value = format!("{{\"country\": \"{}\", \"amount\": {number}}}", country(number));
    let partition = partition_for_key(card.as_bytes(), PARTITIONS).0;
    pipeline.produce("payments", partition, number, Some(card.as_bytes()), Some(value.as_bytes())).await
}

/// Another query for the table, with other columns.
const REPLACE: &str = "CREATE OR REPLACE TABLE per_country AS
    SELECT country, COUNT(*) AS n, MAX(amount) AS largest, SUM(amount) AS total FROM payments WHERE amount <> 1 GROUP BY country;";

/// What was acknowledged, and the stores that the process left.
struct Left {
    acknowledged: Vec<i64>,
    replaced: bool,
    stores: SimulatedStores,
}

impl Left {
    /// As `prepare` left it.
    fn prepared() -> Self {
        Self { acknowledged: (0..2).collect(), replaced: false, stores: SimulatedStores::new() }
    }
}

fn prepare(env: &Env) {
    wait(async {
        let mut pipeline = Pipeline::reopen(options(), env.clone(), SimulatedStores::new()).await.expect("opens");
        pipeline.execute(DDL).await.expect("the queries are made");
        for number in 0..2 {
            pay(&pipeline, number).await.expect("paid");
        }
        pipeline.drive_with(3, &mut || true).await.expect("runs");
        pipeline.runtime().close().await;
    });
}

/// Starts, restores, takes more payments and cuts; stops at the first error.
fn run(env: &Env) -> Left {
    let mut left = Left::prepared();
    wait(async {
        let Ok(pipeline) = Pipeline::reopen(options(), env.clone(), left.stores.clone()).await else { return };
        for number in 2..4 {
            if pay(&pipeline, number).await.is_err() {
                break;
            }
            left.acknowledged.push(number);
            if number == 3 && pipeline.drive_with(2, &mut || true).await.is_err() {
                break;
            }
        }
        pipeline.runtime().close().await;
    });
    left
}

fn check(env: &Env, left: &Left, injected: &Injected) {
    if injected.restart == Restart::PowerLost {
        left.stores.lose_power(injected.fault.call);
    }
    wait(async {
        let pipeline = Pipeline::reopen(options(), env.clone(), left.stores.clone()).await.expect("reopens");
        pay(&pipeline, 100).await.expect("takes payments again");
        pipeline.drive_with(4, &mut || true).await.expect("runs again");
        assert_eq!(pipeline.failed_query(), None, "{:?}", pipeline.metadata().snapshot());
        let stored = amounts(&pipeline, "payments").await;
        assert_eq!(amounts(&pipeline, "copies").await, stored, "each payment leaves once, no more and no less");
        let mut once = stored.clone();
        once.dedup();
        assert_eq!(stored, once, "a payment is stored twice");
        let lost: Vec<_> = left.acknowledged.iter().filter(|number| !stored.contains(number)).collect();
        assert!(lost.is_empty(), "acknowledged payments are lost: {lost:?}");
        assert_eq!(rows(&pipeline, "per_country"), per_country(&stored), "against the batch answer");
        pipeline.runtime().close().await;
    });
}

/// The amounts of a topic's records, sorted.
async fn amounts(pipeline: &Pipeline, topic: &str) -> Vec<i64> {
    let mut amounts = Vec::new();
    for record in pipeline.records(topic).await.expect("the topic is read") {
        let value: serde_json::Value = serde_json::from_slice(&record.value.expect("a value")).expect("JSON");
        amounts.push(value["amount"].as_i64().expect("a number"));
    }
    amounts.sort_unstable();
    amounts
}

fn country(number: i64) -> String {
    format!("x{}", number % 2)
}

/// The batch answer of the query over countries.
fn per_country(stored: &[i64]) -> Vec<Vec<String>> {
    let mut groups: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for number in stored {
        let group = groups.entry(country(*number)).or_default();
        *group = (group.0 + 1, group.1 + number);
    }
    groups.into_iter().map(|(group, (n, total))| vec![group, n.to_string(), total.to_string()]).collect()
}

/// A view's rows as text, sorted.
fn rows(pipeline: &Pipeline, name: &str) -> Vec<Vec<String>> {
    let batches = pipeline.view(name).expect("the view is read");
    let mut rows: Vec<_> = batches.iter().flat_map(crate::oracle::texts).collect();
    rows.sort();
    rows
}

#[test]
fn a_view_is_exact_after_each_fault_at_each_disk_call() {
    let report = for_each_fault(&Scenario { name: "cut", seed: SEED, prepare: &prepare, run: &run, check: &check });
    println!("{report}");
    assert!(report.is_complete(), "a fault was not met: {report}");
}

/// Gives the table another query between two payments; stops at the first error.
fn run_and_replace(env: &Env) -> Left {
    let mut left = Left::prepared();
    wait(async {
        let Ok(mut pipeline) = Pipeline::reopen(options(), env.clone(), left.stores.clone()).await else { return };
        if pay(&pipeline, 2).await.is_ok() {
            left.acknowledged.push(2);
        }
        if pipeline.drive_with(2, &mut || true).await.is_ok() {
            left.replaced = pipeline.execute(REPLACE).await.is_ok();
            let _ = pipeline.drive_with(2, &mut || true).await;
        }
        pipeline.runtime().close().await;
    });
    left
}

fn check_replaced(env: &Env, left: &Left, injected: &Injected) {
    if injected.restart == Restart::PowerLost {
        left.stores.lose_power(injected.fault.call);
    }
    wait(async {
        let pipeline = Pipeline::reopen(options(), env.clone(), left.stores.clone()).await.expect("reopens");
        pay(&pipeline, 100).await.expect("takes payments again");
        pipeline.drive_with(4, &mut || true).await.expect("runs again");
        let stored = amounts(&pipeline, "payments").await;
        let rows = rows(&pipeline, "per_country");
        let replaced = rows.iter().any(|row| row.len() == 4);
        assert!(replaced || !left.replaced, "an acknowledged statement is lost");
        assert_eq!(rows, if replaced { with_largest(&stored) } else { per_country(&stored) }, "replaced: {replaced}");
        pipeline.runtime().close().await;
    });
}

/// The batch answer of the query in `REPLACE`.
fn with_largest(stored: &[i64]) -> Vec<Vec<String>> {
    let kept: Vec<i64> = stored.iter().copied().filter(|number| *number != 1).collect();
    let largest = |group: &str| kept.iter().filter(|number| country(**number) == group).max().expect("a payment");
    let with = |row: Vec<String>| vec![row[0].clone(), row[1].clone(), largest(&row[0]).to_string(), row[2].clone()];
    per_country(&kept).into_iter().map(with).collect()
}

#[test]
fn a_table_has_one_query_or_the_other_after_each_fault_at_each_disk_call() {
    let scenario =
        Scenario { name: "replace", seed: SEED, prepare: &prepare, run: &run_and_replace, check: &check_replaced };
    let report = for_each_fault(&scenario);
    println!("{report}");
    assert!(report.is_complete(), "a fault was not met: {report}");
}
