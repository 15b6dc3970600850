//! A table gets a column while statements change its rows.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tidemill::broker::Client;
use tidemill::config::Limits;
use tokio::sync::Semaphore;

use super::harness::World;
use super::watched::BeforeFetch;
use super::watched::Watched;

/// Who reads the topic `s` stops there until it is open.
struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

impl Gate {
    async fn pass(&self) {
        self.arrived.add_permits(1);
        let _ = self.open.acquire().await;
    }
}

/// A table `t` of two rows and a stream `s` of one, whose readers stop at the gate.
async fn gated() -> (World, Arc<Gate>) {
    let gate = Arc::new(Gate { arrived: Semaphore::new(0), open: Semaphore::new(0) });
    let gated = Arc::clone(&gate);
    let before_fetch: BeforeFetch = Arc::new(move |topic| {
        let gate = (topic == "s").then(|| Arc::clone(&gated));
        async move {
            if let Some(gate) = gate {
                gate.pass().await;
            }
        }
        .boxed()
    });
    let watch =
        move |client| -> Arc<dyn Client> { Arc::new(Watched { client, before_fetch: Arc::clone(&before_fetch) }) };
    let world = World::watched(Limits::default(), watch).await;
    let mut client = world.session();
    for (statement, answer) in [
        ("CREATE TABLE t (id INT PRIMARY KEY, n BIGINT)", "CREATE TABLE"),
        ("CREATE STREAM s (a INT) WITH (kafka_topic = 's')", "CREATE STREAM"),
        ("INSERT INTO t VALUES (1, 0), (2, 0)", "INSERT 0 2"),
        ("INSERT INTO s VALUES (1)", "INSERT 0 1"),
    ] {
        client.expect(statement, answer).await;
    }
    (world, gate)
}

/// Whoever can go on does.
async fn let_others_go_on() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_an_added_column_holds_is_not_lost_to_statements_that_knew_the_table_without_it() {
    let (world, gate) = gated().await;
    let ask = |text: &'static str| {
        let mut client = world.session();
        tokio::spawn(async move { client.ask(text).await })
    };
    // It holds its claim while it reads.
    let update = ask("UPDATE t SET n = n + (SELECT count(*) FROM s) WHERE id = 1");
    gate.arrived.acquire().await.expect("it is open").forget();
    let alter = ask("ALTER TABLE t ADD COLUMN word TEXT; UPDATE t SET word = 'kept' WHERE id = 1");
    let_others_go_on().await;
    // These are planned without the column, and wait.
    let behind = [
        ask("UPDATE t SET n = n + 10 WHERE id = 1 RETURNING id"),
        ask("INSERT INTO t VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET n = t.n + 100 RETURNING id"),
        ask("INSERT INTO t VALUES (3, 0) RETURNING id"),
        ask("DELETE FROM t WHERE id = 2 RETURNING id"),
    ];
    let_others_go_on().await;
    gate.open.close();
    assert_eq!(update.await.expect("it ends").expect("a row"), "UPDATE 1");
    assert_eq!(alter.await.expect("it ends").expect("a row"), "ALTER TABLE\nUPDATE 1");
    for (statement, row) in behind.into_iter().zip(["1", "1", "3", "2"]) {
        assert_eq!(statement.await.expect("it ends").expect("a row"), row);
    }
    let mut client = world.session();
    client.expect("SELECT id, n, word FROM t WHERE id < 3", "1|111|kept").await;
    client.expect("SELECT id, n FROM t WHERE 2 < id", "3|0").await;
}

#[tokio::test]
async fn a_column_that_is_refused_waits_for_nobody_and_others_for_lock_timeout() {
    let (world, gate) = gated().await;
    let mut client = world.session();
    let updating = tokio::spawn(async move { client.ask("UPDATE t SET n = (SELECT count(*) FROM s)").await });
    gate.arrived.acquire().await.expect("it is open").forget();
    let mut other = world.session();
    let message = "column \"n\" of relation \"t\" already exists";
    other.refuse("ALTER TABLE t ADD COLUMN n INT", "42701", message).await;
    // One that is not refused waits as long as it may.
    let waiting =
        tokio::spawn(async move { other.ask("SET lock_timeout = '1s'; ALTER TABLE t ADD COLUMN m INT").await });
    let_others_go_on().await;
    world.advance(Duration::from_secs(2));
    let error = waiting.await.expect("it ends").expect_err("others change the table");
    assert_eq!((error.state().0, error.message()), ("55P03", "canceling statement due to lock timeout"));
    gate.open.close();
    assert_eq!(updating.await.expect("it ends").expect("two rows"), "UPDATE 2");
}
