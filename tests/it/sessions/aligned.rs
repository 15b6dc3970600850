//! `SET snapshot = 'aligned'`: what a SELECT names reflects the same prefix of what it stands on.

use std::cell::Cell;
use std::time::Duration;

use tidemill::env::Random;
use tidemill::env::SeededRandom;

use super::harness::Client;
use super::harness::World;

struct Draw(SeededRandom);

impl Draw {
    fn below(&self, below: u64) -> u64 {
        self.0.next_u64() % below
    }
}

/// Rounds after which a statement that has no answer will get none.
const DRIVES_MAX: usize = 5_000;

/// The answer to a question while rows come and queries run, a few rounds at a time.
async fn ask_under_load(world: &World, client: &mut Client, draw: &Draw, question: &str, write: &str) -> String {
    let mut writer = world.session();
    // What is written last is not in the views yet.
    writer.ask(&write.replace('?', &draw.below(7).to_string())).await.expect("it is written");
    let answered = Cell::new(false);
    let asking = async {
        let answer = client.ask(question).await;
        answered.set(true);
        answer.unwrap_or_else(|error| panic!("{question}: {error:?}"))
    };
    let driving = async {
        for _ in 0..DRIVES_MAX {
            if draw.below(2) == 0 {
                writer.ask(&write.replace('?', &draw.below(7).to_string())).await.expect("it is written");
            }
            // Enough that each task has its turn, mostly too few for all that there is.
            world.drive_some(draw.below(60) as usize, 1 + draw.below(3) as usize, &mut || draw.below(3) == 0).await;
            if answered.get() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{question} is not answered");
    };
    tokio::join!(asking, driving).0
}

fn agrees(answer: &str) -> bool {
    let mut cells = answer.split('|');
    let first = cells.next();
    cells.all(|cell| Some(cell) == first)
}

#[tokio::test]
async fn views_of_one_stream_reflect_one_prefix_and_without_it_they_do_not() {
    let mut apart = 0;
    for seed in 0..5 {
        let draw = Draw(SeededRandom::new(seed));
        let world = World::new().await;
        let mut client = world.session();
        let partitions = 1 + draw.below(3);
        for statement in [
            format!("CREATE STREAM s (k INT KEY, g INT) WITH (partitions = {partitions})"),
            "CREATE MATERIALIZED VIEW a AS SELECT k, count(*) AS n FROM s GROUP BY k".to_string(),
            // By another column than the key: through a topic of the query's own.
            "CREATE MATERIALIZED VIEW b AS SELECT g, count(*) AS n FROM s GROUP BY g".to_string(),
            // Of a stream that another query writes.
            "CREATE STREAM d AS SELECT k, g + 1 AS g FROM s PARTITION BY g + 1".to_string(),
            "CREATE MATERIALIZED VIEW c AS SELECT g, count(*) AS n FROM d GROUP BY g".to_string(),
        ] {
            client.ask(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        }
        let write = "INSERT INTO s VALUES (?, ?), (?, 3), (5, ?)";
        let sum = |view: &str| format!("(SELECT coalesce(sum(n), 0) FROM {view})");
        let question = format!("SELECT {}, {}, {}, (SELECT count(*) FROM s)", sum("a"), sum("b"), sum("c"));
        for _ in 0..3 {
            client.expect("SET snapshot = 'latest'", "SET").await;
            apart += usize::from(!agrees(&ask_under_load(&world, &mut client, &draw, &question, write).await));
            client.expect("SET snapshot = 'aligned'", "SET").await;
            let answer = ask_under_load(&world, &mut client, &draw, &question, write).await;
            assert!(agrees(&answer), "seed {seed}: {answer}");
        }
        // Those that were held go on.
        world.drive().await;
        client.expect("SET snapshot = 'latest'", "SET").await;
        let answer = client.ask(&question).await.expect("it is answered");
        assert!(agrees(&answer), "seed {seed}: {answer} at the end");
    }
    assert!(0 < apart, "without it all answers told one prefix");
}

#[tokio::test]
async fn a_table_and_a_view_over_it_reflect_the_same_rows() {
    let mut apart = 0;
    for seed in 0..4 {
        let draw = Draw(SeededRandom::new(seed));
        let world = World::new().await;
        let mut client = world.session();
        client.expect("CREATE TABLE t (id INT PRIMARY KEY, n BIGINT) WITH (partitions = 2)", "CREATE TABLE").await;
        client
            .ask("CREATE MATERIALIZED VIEW v AS SELECT id % 2 AS g, sum(n) AS n FROM t GROUP BY id % 2")
            .await
            .expect("a view");
        let write = "INSERT INTO t VALUES (1?, ?), (2?, 1) ON CONFLICT (id) DO UPDATE SET n = t.n + 1";
        let question = "SELECT (SELECT coalesce(sum(n), 0) FROM t), (SELECT coalesce(sum(n), 0) FROM v)";
        for _ in 0..3 {
            client.expect("SET snapshot = 'latest'", "SET").await;
            apart += usize::from(!agrees(&ask_under_load(&world, &mut client, &draw, question, write).await));
            client.expect("SET snapshot = 'aligned'", "SET").await;
            let answer = ask_under_load(&world, &mut client, &draw, question, write).await;
            assert!(agrees(&answer), "seed {seed}: {answer}");
        }
    }
    assert!(0 < apart, "without it all answers told one prefix");
}

#[tokio::test]
async fn a_snapshot_that_is_not_aligned_in_time_is_an_error_and_holds_nobody() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect("CREATE STREAM s (k INT KEY) WITH (partitions = 2)", "CREATE STREAM").await;
    for view in ["a", "b"] {
        let view = format!("CREATE MATERIALIZED VIEW {view} AS SELECT k, count(*) AS n FROM s GROUP BY k");
        client.ask(&view).await.expect("a view");
    }
    client.expect("INSERT INTO s VALUES (1), (2), (3)", "INSERT 0 3").await;
    client.expect("SET snapshot = 'aligned'", "SET").await;
    let question = "SELECT (SELECT sum(n) FROM a), (SELECT sum(n) FROM b)";
    // Nobody drives the queries.
    let late = async {
        tokio::task::yield_now().await;
        world.advance(Duration::from_secs(6));
    };
    let (refused, ()) = tokio::join!(client.ask(question), late);
    let refused = refused.expect_err("it is too late");
    assert_eq!((refused.state().0, refused.message()), ("55P03", "could not align the snapshot in time"));
    assert!(refused.detail_text().is_some_and(|detail| detail.contains("has not come as far")), "{refused:?}");
    assert!(refused.hint_text().is_some_and(|hint| hint.contains("snapshot_timeout")), "{refused:?}");
    world.drive().await;
    client.expect("SET snapshot = 'latest'", "SET").await;
    client.expect(question, "3|3").await;
}
