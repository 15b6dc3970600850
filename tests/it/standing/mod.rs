//! Whole queries over a real broker on a simulated disk: rounds, cuts, commits, restarts.

mod pipeline;

use std::collections::BTreeMap;

use self::pipeline::Dice;
use self::pipeline::Moved;
use self::pipeline::Pipeline;
use self::pipeline::Sql;
use tidemill::catalog::EmitMode;
use tidemill::exec::QueryState;

const PAYMENTS: Sql = Sql { partitions: 2, table: false, columns: "card:text:key country:text amount:bigint" };
const CARDS: Sql = Sql { partitions: 2, table: true, columns: "card:text:key lim:bigint" };
const PER_COUNTRY: &str = "CREATE TABLE per_country AS SELECT country, COUNT(*) AS n, SUM(amount) AS total \
    FROM payments GROUP BY country";

fn run<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(body)
}

fn payment(dice: &Dice) -> (String, String) {
    let card = format!("c{}", dice.below(5));
    let value = format!("{{\"country\":\"x{}\",\"amount\":{}}}", dice.below(4), dice.below(100));
    (card, value)
}

#[test]
fn a_filtered_stream_reaches_its_topic() {
    run(async {
        let mut pipeline = Pipeline::new(1, EmitMode::Net).await;
        pipeline.source("payments", PAYMENTS).await;
        pipeline.query("CREATE STREAM big AS SELECT card, amount * 2 AS twice FROM payments WHERE amount > 10").await;
        pipeline.produce("payments", "c1", "{\"country\":\"DE\",\"amount\":7}", 1).await;
        pipeline.produce("payments", "c1", "{\"country\":\"DE\",\"amount\":20}", 2).await;
        pipeline.drive(100, || false).await;
        let records = pipeline.records("big").await;
        assert_eq!(records, [("c1".to_string(), Some("{\"twice\":40}".to_string()), 2)]);
    });
}

#[test]
fn an_aggregate_through_a_repartition_survives_restarts_at_any_cut() {
    for seed in 0..12 {
        run(async {
            let dice = Dice::new(seed);
            let emit = if seed % 2 == 0 { EmitMode::Net } else { EmitMode::All };
            let mut pipeline = Pipeline::new(seed, emit).await;
            pipeline.source("payments", PAYMENTS).await;
            pipeline.query(PER_COUNTRY).await;
            let mut expected: BTreeMap<String, (i64, i64)> = BTreeMap::new();
            for step in 0..30 {
                for _ in 0..dice.below(4) {
                    let (card, value) = payment(&dice);
                    pipeline.produce("payments", &card, &value, step).await;
                    let json: serde_json::Value = serde_json::from_str(&value).expect("json");
                    let group = expected.entry(json["country"].to_string()).or_default();
                    *group = (group.0 + 1, group.1 + json["amount"].as_i64().expect("a number"));
                }
                let rows = 1 + dice.below(5) as usize;
                pipeline.drive(rows, || dice.below(2) == 0).await;
                if dice.below(4) == 0 {
                    pipeline.restart().await;
                }
            }
            let mut folded = BTreeMap::new();
            for (key, value, _) in pipeline.records("per_country").await {
                let json: serde_json::Value = serde_json::from_str(&value.expect("no tombstone")).expect("json");
                let total = json["total"].as_i64().or_else(|| json["total"].as_f64().map(|total| total as i64));
                folded.insert(key, (json["n"].as_i64().expect("n"), total.expect("total")));
            }
            assert_eq!(folded, expected, "seed {seed}");
            assert_eq!(pipeline.view_rows("per_country"), expected.len(), "seed {seed}");
        });
    }
}

#[test]
fn a_stream_meets_a_table_in_the_order_of_event_time() {
    run(async {
        let mut pipeline = Pipeline::new(3, EmitMode::Net).await;
        pipeline.source("payments", PAYMENTS).await;
        pipeline.source("cards", CARDS).await;
        pipeline
            .query(
                "CREATE STREAM over_limit AS SELECT p.card, p.amount, c.lim FROM payments p \
                 JOIN cards c ON p.card = c.card WHERE p.amount > c.lim",
            )
            .await;
        pipeline.produce("payments", "c1", "{\"country\":\"DE\",\"amount\":50}", 20).await;
        pipeline.produce("payments", "c1", "{\"country\":\"DE\",\"amount\":60}", 40).await;
        pipeline.produce("cards", "c1", "{\"lim\":10}", 10).await;
        pipeline.produce("cards", "c1", "{\"lim\":100}", 30).await;
        pipeline.drive(100, || false).await;
        let values: Vec<_> = pipeline.records("over_limit").await.into_iter().map(|(_, value, _)| value).collect();
        assert_eq!(values, [Some("{\"amount\":50,\"lim\":10}".to_string())]);
    });
}

#[test]
fn a_bad_record_is_a_dead_letter_and_the_others_go_on() {
    run(async {
        let mut pipeline = Pipeline::new(4, EmitMode::Net).await;
        pipeline.source("payments", PAYMENTS).await;
        let query = pipeline.query("CREATE STREAM every AS SELECT card, amount FROM payments").await;
        pipeline.produce("payments", "c1", "{\"amount\":1}", 1).await;
        pipeline.produce("payments", "c1", "{not json", 2).await;
        pipeline.produce("payments", "c1", "{\"amount\":3}", 3).await;
        pipeline.drive(100, || false).await;
        assert_eq!(pipeline.records("every").await.len(), 2);
        let letters = pipeline.records("payments_dlq").await;
        assert_eq!(letters, [("c1".to_string(), Some("{not json".to_string()), 2)]);
        let status = pipeline.runtime.status(query).expect("it runs");
        assert_eq!(status.state, QueryState::Running);
        assert_eq!(status.tasks.iter().map(|task| task.counts.bad).sum::<u64>(), 1);
        pipeline.restart().await;
        pipeline.drive(100, || false).await;
        assert_eq!(pipeline.records("payments_dlq").await.len(), 1, "it was committed with its position");
    });
}

#[test]
fn a_window_closes_for_all_partitions_when_time_passed_through_the_repartition() {
    run(async {
        let mut pipeline = Pipeline::new(5, EmitMode::Net).await;
        pipeline.source("payments", PAYMENTS).await;
        pipeline
            .query(
                "CREATE TABLE per_second AS SELECT country, COUNT(*) AS n FROM payments \
                 WINDOW TUMBLING (SIZE 1 SECOND, GRACE PERIOD 0 SECONDS) GROUP BY country EMIT FINAL",
            )
            .await;
        for (card, time) in [("c1", 100), ("c2", 200), ("c3", 300), ("c1", 400)] {
            pipeline.produce("payments", card, "{\"country\":\"DE\",\"amount\":1}", time).await;
        }
        pipeline.drive(1, || true).await;
        assert!(pipeline.records("per_second").await.is_empty());
        for card in ["c1", "c2", "c3", "c4", "c0"] {
            pipeline.produce("payments", card, "{\"country\":\"FR\",\"amount\":1}", 1500).await;
        }
        pipeline.restart().await;
        pipeline.drive(1, || true).await;
        let values: Vec<_> = pipeline.records("per_second").await.into_iter().map(|(_, value, _)| value).collect();
        assert_eq!(values, [Some("{\"n\":4}".to_string())]);
    });
}

#[test]
fn threads_keep_a_view_through_a_repartition_and_say_when_it_is_up_to_date() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        let mut pipeline = Pipeline::moved(6, EmitMode::Net, Moved::ByThreads).await;
        pipeline.source("payments", PAYMENTS).await;
        let query = pipeline.query(PER_COUNTRY).await;
        let dice = Dice::new(6);
        for step in 0..50 {
            let (card, value) = payment(&dice);
            pipeline.produce("payments", &card, &value, step).await;
        }
        let (view, ends) = (pipeline.relation_id("per_country"), pipeline.ends("payments").await);
        let waited = pipeline.while_time_passes(pipeline.runtime.wait_covered(query, &ends)).await;
        waited.expect("the view gets there");
        let published = pipeline.runtime.published();
        assert_eq!(published.view(view).map(|view| view.row_count()), Some(4));
        pipeline.while_time_passes(pipeline.runtime.stop(query)).await;
        assert!(pipeline.runtime.status(query).is_none());
        pipeline.runtime.close().await;
    });
}

#[test]
fn a_push_query_gives_rows_as_they_come() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        let mut pipeline = Pipeline::new(7, EmitMode::Net).await;
        pipeline.source("payments", PAYMENTS).await;
        let mut push = pipeline.push("SELECT card, amount FROM payments WHERE amount > 10 EMIT CHANGES").await;
        for (amount, time) in [(5, 1), (20, 2), (30, 3)] {
            pipeline.produce("payments", "c1", &format!("{{\"amount\":{amount}}}"), time).await;
        }
        let mut rows = 0;
        while rows < 2 {
            let batch = pipeline.while_time_passes(push.next()).await.expect("it goes on").expect("no error");
            assert_eq!(batch.deleted, vec![false; batch.rows.num_rows()]);
            rows += batch.rows.num_rows();
        }
        assert_eq!(rows, 2);
    });
}

#[test]
fn a_bad_record_is_one_dead_letter_however_many_queries_read_it() {
    run(async {
        let mut pipeline = Pipeline::new(8, EmitMode::Net).await;
        pipeline.source("payments", PAYMENTS).await;
        pipeline.query("CREATE STREAM first AS SELECT card, amount FROM payments").await;
        pipeline.query("CREATE STREAM second AS SELECT card, amount FROM payments").await;
        pipeline.produce("payments", "c1", "{not json", 1).await;
        pipeline.drive(100, || false).await;
        assert_eq!(pipeline.records("payments_dlq").await.len(), 1);
    });
}

#[test]
fn a_division_by_zero_in_a_view_is_null_in_its_row_and_the_query_goes_on() {
    run(async {
        let mut pipeline = Pipeline::new(9, EmitMode::Net).await;
        pipeline.source("payments", PAYMENTS).await;
        let query = pipeline.query("CREATE STREAM shares AS SELECT card, 100 / amount AS share FROM payments").await;
        for (amount, time) in [(5, 1), (0, 2), (20, 3)] {
            pipeline.produce("payments", "c1", &format!("{{\"amount\":{amount}}}"), time).await;
        }
        pipeline.drive(100, || false).await;
        let values: Vec<_> = pipeline.records("shares").await.into_iter().map(|(_, value, _)| value).collect();
        let expected = ["{\"share\":20}", "{\"share\":null}", "{\"share\":5}"];
        assert_eq!(values, expected.map(|value| Some(value.to_string())));
        let status = pipeline.runtime.status(query).expect("it runs");
        assert_eq!(status.tasks.iter().map(|task| task.counts.errors).sum::<u64>(), 1);
    });
}
