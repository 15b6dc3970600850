//! How far a query is with being made, and with what lay before it, as people see it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use tidemill::broker::Client;
use tidemill::cli::test::ClientLayer;
use tidemill::cli::test::PipelineOptions;
use tidemill::config::Limits;
use tidemill::env::Simulation;
use tidemill::state::SimulatedStores;
use tokio::sync::Notify;
use tokio::sync::Semaphore;

use super::harness::NOW_MICROS;
use super::harness::World;
use super::watched::BeforeFetch;
use super::watched::Watched;

const STREAM: &str = "CREATE STREAM s (k INT KEY, v INT) WITH (kafka_topic = 's')";
const COUNTS: &str = "CREATE TABLE counts AS SELECT k, COUNT(*) AS n FROM s GROUP BY k";
const ROWS: &str = "INSERT INTO s VALUES (1, 1), (2, 2), (1, 3), (3, 4), (1, 5)";
const TASKS: &str = "SELECT state, done, to_do FROM tidemill.tasks";
const QUERIES: &str = "SELECT state, done, to_do FROM tidemill.queries";

#[tokio::test]
async fn a_new_query_tells_how_much_it_has_read_of_what_lay_before_it() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect(STREAM, "CREATE STREAM").await;
    client.expect(ROWS, "INSERT 0 5").await;
    client.expect(COUNTS, "CREATE TABLE").await;
    client.expect(TASKS, "CATCHING_UP|0|5").await;
    world.drive_some(1, 2, &mut || true).await;
    client.expect(TASKS, "CATCHING_UP|2|5").await;
    client.expect(QUERIES, "RUNNING|2|5").await;
    world.drive().await;
    client.expect(TASKS, "RUNNING|NULL|NULL").await;
    client.expect(QUERIES, "RUNNING|NULL|NULL").await;
    // What comes later is no part of it.
    client.expect(ROWS, "INSERT 0 5").await;
    client.expect(TASKS, "RUNNING|NULL|NULL").await;
}

#[tokio::test]
async fn a_query_that_is_made_again_tells_how_much_it_has_read() {
    let gate = Arc::new((Semaphore::new(Semaphore::MAX_PERMITS / 2), Notify::new()));
    let passing = Arc::clone(&gate);
    let before_fetch: BeforeFetch = Arc::new(move |_| {
        let gate = Arc::clone(&passing);
        async move {
            gate.1.notify_one();
            gate.0.acquire().await.expect("the gate is there").forget();
        }
        .boxed()
    });
    let watch =
        move |client| -> Arc<dyn Client> { Arc::new(Watched { client, before_fetch: Arc::clone(&before_fetch) }) };
    let world = World::watched(Limits::default(), watch).await;
    let mut client = world.session();
    client.expect(STREAM, "CREATE STREAM").await;
    client.expect(ROWS, "INSERT 0 5").await;
    client.expect(COUNTS, "CREATE TABLE").await;
    world.drive().await;
    gate.0.forget_permits(Semaphore::MAX_PERMITS);
    let _ = gate.1.notified().now_or_never();
    let looks = async {
        let mut other = world.session();
        // Its state, then its view; each of a row for each key, and what the commit takes.
        gate.1.notified().await;
        other.expect("SELECT state, done, to_do >= 3 FROM tidemill.tasks", "RESTORING|0|t").await;
        other.expect("SELECT state, done, to_do >= 3 FROM tidemill.queries", "RESTORING|0|t").await;
        gate.0.add_permits(1);
        gate.1.notified().await;
        other.expect("SELECT state, done >= 3, done < to_do FROM tidemill.tasks", "RESTORING|t|t").await;
        gate.0.add_permits(1_000);
    };
    tokio::join!(client.expect("ALTER QUERY ctas_counts_1 REBUILD", "ALTER QUERY"), looks);
    client.expect(TASKS, "RUNNING|NULL|NULL").await;
    client.expect("SELECT k, n FROM counts ORDER BY k", "1|3\n2|1\n3|1").await;
}

/// What a server with two queries over a stream left on its disk, and its options.
async fn left_with_two_queries(seed: u64) -> (Simulation, PipelineOptions) {
    let simulation = Simulation::new(seed);
    simulation.clock.set_wall_micros(NOW_MICROS);
    let options = PipelineOptions { seed, wall_micros: NOW_MICROS, ..PipelineOptions::default() };
    let world = World::over(options.clone(), simulation.env.clone(), SimulatedStores::new()).await;
    let mut client = world.session();
    client.expect(STREAM, "CREATE STREAM").await;
    client.expect(ROWS, "INSERT 0 5").await;
    client.expect(COUNTS, "CREATE TABLE").await;
    client.expect("CREATE STREAM copies AS SELECT k, v FROM s", "CREATE STREAM").await;
    world.drive().await;
    drop(client);
    world.close().await;
    (simulation, options)
}

#[tokio::test]
async fn a_start_does_not_wait_for_a_query_that_is_read_from_the_log() {
    let (simulation, options) = left_with_two_queries(7).await;

    // Its state on disk is gone, and its changelog is not to be had for a while.
    let gate = Arc::new((Semaphore::new(0), Notify::new()));
    let held = Arc::clone(&gate);
    let before_fetch: BeforeFetch = Arc::new(move |topic| {
        let (gate, is_held) = (Arc::clone(&held), topic.ends_with(".changelog"));
        async move {
            if is_held {
                gate.1.notify_one();
                drop(gate.0.acquire().await.expect("the gate is there"));
            }
        }
        .boxed()
    });
    let watch =
        move |client| -> Arc<dyn Client> { Arc::new(Watched { client, before_fetch: Arc::clone(&before_fetch) }) };
    let options = PipelineOptions { seed: 8, layer: ClientLayer(Arc::new(watch)), ..options };
    let later = async {
        gate.1.notified().await;
        simulation.clock.advance(Duration::from_secs(5));
    };
    let (world, ()) = tokio::join!(World::over(options, simulation.env.clone(), SimulatedStores::new()), later);
    let mut client = world.session();
    client
        .expect(
            "SELECT name, state FROM tidemill.queries ORDER BY name",
            "csas_copies_2|RUNNING\nctas_counts_1|RESTORING",
        )
        .await;
    client.expect("SELECT k, n FROM counts ORDER BY k", "1|3\n2|1\n3|1").await;
    client.expect("INSERT INTO s VALUES (4, 6)", "INSERT 0 1").await;
    world.drive().await;
    client.expect("SELECT COUNT(*) FROM copies", "6").await;
    client.expect("SELECT COUNT(*) FROM counts", "3").await;

    // Who changes what exists waits for the start.
    gate.0.add_permits(1);
    client.expect("DROP STREAM IF EXISTS nothing", "DROP STREAM").await;
    world.drive().await;
    client.expect("SELECT state FROM tidemill.queries ORDER BY name", "RUNNING\nRUNNING").await;
    client.expect("SELECT COUNT(*) FROM counts", "4").await;
}

#[tokio::test]
async fn a_query_whose_start_meets_a_bug_of_ours_stops_alone_and_can_be_resumed() {
    let (simulation, options) = left_with_two_queries(9).await;

    let is_broken = Arc::new(AtomicBool::new(true));
    let looked_at = Arc::clone(&is_broken);
    let before_fetch: BeforeFetch = Arc::new(move |topic| {
        let panics = topic.ends_with(".changelog") && looked_at.load(Ordering::SeqCst);
        async move { assert!(!panics, "a changelog that nobody expected") }.boxed()
    });
    let watch =
        move |client| -> Arc<dyn Client> { Arc::new(Watched { client, before_fetch: Arc::clone(&before_fetch) }) };
    let options = PipelineOptions { seed: 10, layer: ClientLayer(Arc::new(watch)), ..options };
    let world = World::over(options, simulation.env.clone(), SimulatedStores::new()).await;
    let mut client = world.session();
    let states = "SELECT name, state, reason FROM tidemill.queries ORDER BY name";
    let panicked =
        "csas_copies_2|RUNNING|NULL\nctas_counts_1|FAILED|operator panicked: a changelog that nobody expected";
    client.expect(states, panicked).await;
    client.expect("INSERT INTO s VALUES (4, 6)", "INSERT 0 1").await;
    world.drive().await;
    client.expect("SELECT COUNT(*) FROM copies", "6").await;
    // Others change what exists.
    client.expect("CREATE STREAM more AS SELECT k FROM s", "CREATE STREAM").await;

    is_broken.store(false, Ordering::SeqCst);
    client.expect("RESUME ctas_counts_1", "RESUME").await;
    world.drive().await;
    client.expect("SELECT k, n FROM counts ORDER BY k", "1|3\n2|1\n3|1\n4|1").await;
}
