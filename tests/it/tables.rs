//! Tables that sessions write at the same time, that others write too, and that a restart finds again.

use std::sync::Arc;

use tokio_postgres::error::SqlState;

use super::server::TestServer;
use super::server::column;
use super::server::rows;
use super::server::run;
use super::server::run_in_sessions;
use super::server::settled;

const WRITERS: usize = 6;
const TURNS: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn no_update_of_several_sessions_is_lost() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE counters (id INT PRIMARY KEY, n BIGINT) WITH (partitions = 2)").await;
    run(&client, "INSERT INTO counters SELECT g.value, 0 FROM generate_series(1, 3) AS g(value)").await;
    let statement = |writer: usize, turn: usize| match (writer + turn) % 5 {
        // By key, by another condition, all, with the key in another form, and by way of INSERT.
        0 => "UPDATE counters SET n = n + 1 WHERE id = 1".to_string(),
        1 => "UPDATE counters SET n = n + 1 WHERE id + 1 = 2".to_string(),
        2 => "UPDATE counters SET n = n + 1".to_string(),
        3 => "UPDATE counters SET n = n + 1 WHERE 1.0 = id".to_string(),
        _ => "INSERT INTO counters VALUES (1, 7) ON CONFLICT (id) DO UPDATE SET n = counters.n + 1".to_string(),
    };
    run_in_sessions(&server, (WRITERS, TURNS), statement).await;
    let all = (0..WRITERS * TURNS).filter(|at| (at / TURNS + at % TURNS) % 5 == 2).count();
    let expected = [WRITERS * TURNS, all, all].map(|n| n.to_string());
    assert_eq!(column(&client, "SELECT n FROM counters ORDER BY id").await, expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sessions_that_insert_one_key_one_succeeds() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE taken (id INT PRIMARY KEY, who INT) WITH (partitions = 3)").await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let client = server.connect().await;
        writers.push(tokio::spawn(async move {
            let mut won = Vec::new();
            for id in 0..TURNS {
                match client.execute("INSERT INTO taken VALUES ($1, $2)", &[&(id as i32), &(writer as i32)]).await {
                    Ok(rows) => won.extend((rows == 1).then_some(id)),
                    Err(error) => assert_eq!(error.code(), Some(&SqlState::UNIQUE_VIOLATION), "{error:?}"),
                }
            }
            won
        }));
    }
    let mut won = Vec::new();
    for writer in writers {
        won.extend(writer.await.expect("a writer writes"));
    }
    won.sort_unstable();
    assert_eq!(won, (0..TURNS).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_over_several_partitions_is_seen_whole() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE purses (id INT PRIMARY KEY, n BIGINT) WITH (partitions = 4)").await;
    run(&client, "INSERT INTO purses SELECT g.value, 100 FROM generate_series(1, 8) AS g(value)").await;
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let reader = {
        let (client, done) = (server.connect().await, Arc::clone(&done));
        tokio::spawn(async move {
            let mut seen = 0;
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                assert_eq!(column(&client, "SELECT SUM(n) FROM purses").await, ["800"]);
                seen += 1;
            }
            seen
        })
    };
    for turn in 0..TURNS {
        let (from, to) = (turn % 8 + 1, (turn * 3 + 1) % 8 + 1);
        let moved = format!(
            "UPDATE purses SET n = n + CASE WHEN id = {from} THEN -5 ELSE 5 END WHERE id IN ({from}, {to}) AND {from} <> {to}"
        );
        run(&client, &moved).await;
    }
    done.store(true, std::sync::atomic::Ordering::Release);
    assert!(0 < reader.await.expect("it reads"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_to_the_topic_is_seen_and_found_again_after_a_restart() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE stock (item TEXT PRIMARY KEY, n INT) WITH (kafka_topic = 'stock', partitions = 2)")
        .await;
    // A stream over the same topic writes records as a Kafka client does.
    run(&client, "CREATE STREAM feed (item TEXT KEY, n INT) WITH (kafka_topic = 'stock')").await;
    run(&client, "INSERT INTO feed VALUES ('a', 1), ('b', 2), ('a', 3)").await;
    let rows = "SELECT item || ' ' || n FROM stock ORDER BY item";
    assert_eq!(column(&client, rows).await, ["a 3", "b 2"]);
    // And so does an INSERT into the table: the topic is named, and is not the table's alone.
    run(&client, "INSERT INTO stock VALUES ('b', 9)").await;
    assert_eq!(column(&client, rows).await, ["a 3", "b 9"]);
    run(&client, "INSERT INTO stock VALUES ('b', 7) ON CONFLICT DO NOTHING").await;
    assert_eq!(column(&client, rows).await, ["a 3", "b 9"]);
    run(&client, "UPDATE stock SET n = n * 10 WHERE item = 'a'; DELETE FROM stock WHERE item = 'b'").await;
    run(&client, "INSERT INTO stock VALUES ('c', 4)").await;
    assert_eq!(column(&client, rows).await, ["a 30", "c 4"]);
    let server = server.restart().await;
    let client = server.connect().await;
    assert_eq!(column(&client, rows).await, ["a 30", "c 4"]);
    run(&client, "INSERT INTO stock VALUES ('b', 5)").await;
    let server =
        server.restart_after(|data| std::fs::remove_dir_all(data.join("state")).expect("the state goes")).await;
    let client = server.connect().await;
    assert_eq!(column(&client, rows).await, ["a 30", "b 5", "c 4"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_update_overwrites_what_copy_or_insert_select_replaced() {
    use futures::SinkExt;
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE t (id INT PRIMARY KEY, turn INT, n INT) WITH (kafka_topic = 't')").await;
    run(&client, "INSERT INTO t VALUES (1, -1, 0)").await;
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let updater = {
        let (client, done) = (server.connect().await, Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                run(&client, "UPDATE t SET n = n + 1").await;
            }
        })
    };
    for turn in 0..8 * TURNS {
        if turn % 2 == 0 {
            run(&client, &format!("INSERT INTO t SELECT 1, {turn}, 0")).await;
        } else {
            let mut sink = std::pin::pin!(client.copy_in("COPY t FROM STDIN").await.expect("COPY runs"));
            sink.send(bytes::Bytes::from(format!("1\t{turn}\t0\n"))).await.expect("sent");
            sink.finish().await.expect("copied");
        }
        assert_eq!(column(&client, "SELECT turn FROM t").await, [turn.to_string()]);
    }
    done.store(true, std::sync::atomic::Ordering::Release);
    updater.await.expect("it updates");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_take_the_types_of_what_they_stand_for() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT, d DOUBLE PRECISION, b BOOLEAN)").await;
    let insert = "INSERT INTO t (id, v, d) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET v = excluded.v || $4
        RETURNING id, v, d + $5 AS more";
    let upsert = client.prepare(insert).await.expect("it is prepared");
    assert_eq!(upsert.columns().iter().map(|column| column.name()).collect::<Vec<_>>(), ["id", "v", "more"]);
    for (v, wanted) in [("x", "x"), ("y", "y!")] {
        let row = client.query_one(&upsert, &[&1i64, &v, &1.5f64, &"!", &2f64]).await.expect("a row");
        assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1), row.get::<_, f64>(2)), (1, wanted, 3.5));
    }
    let update = client.prepare("UPDATE t SET d = $1, b = $2 WHERE id = $3").await.expect("it is prepared");
    assert_eq!(client.execute(&update, &[&2.5f64, &true, &1i64]).await.expect("updated"), 1);
    assert_eq!(client.execute(&update, &[&2.5f64, &true, &9i64]).await.expect("updated"), 0);
    let delete = "DELETE FROM t WHERE d > $1 RETURNING v, b";
    let row = client.query_one(delete, &[&2f64]).await.expect("a row");
    assert_eq!((row.get::<_, &str>(0), row.get::<_, bool>(1)), ("y!", true));
    assert_eq!(client.query(delete, &[&2f64]).await.expect("no row").len(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_takes_new_keys_only() {
    use futures::SinkExt;
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)").await;
    for (lines, taken) in [("1\ta\n2\tb\n", None), ("3\tc\n2\td\n", Some("23505"))] {
        let mut sink = std::pin::pin!(client.copy_in("COPY t FROM STDIN").await.expect("COPY runs"));
        sink.send(bytes::Bytes::from_static(lines.as_bytes())).await.expect("sent");
        let code = sink.finish().await.err().and_then(|error| error.code().map(|code| code.code().to_string()));
        assert_eq!(code.as_deref(), taken);
    }
    assert_eq!(column(&client, "SELECT v FROM t ORDER BY id").await, ["a", "b"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_changed_while_its_time_passes_stays() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let table = "CREATE TABLE visits (id INT PRIMARY KEY, at TIMESTAMP) WITH (ttl = '10 MINUTES', timestamp = 'at')";
    run(&client, table).await;
    let first =
        "INSERT INTO visits SELECT g.value, '2024-01-01 10:00:00'::timestamp FROM generate_series(1, 40) AS g(value)";
    run(&client, first).await;
    let toucher = {
        let client = server.connect().await;
        tokio::spawn(async move {
            let mut touched = Vec::new();
            for id in 1..=40 {
                let touch = format!("UPDATE visits SET at = '2024-01-01 10:30:00' WHERE id = {id}");
                if 0 < client.execute(&touch, &[]).await.expect("it is updated") {
                    touched.push(id.to_string());
                }
            }
            touched
        })
    };
    // Each of these lets rows of ten o'clock go.
    for minute in 11..15 {
        run(&client, &format!("INSERT INTO visits VALUES ({}, '2024-01-01 10:{minute}:00')", 1_000 + minute)).await;
    }
    let touched = toucher.await.expect("it touches");
    run(&client, "INSERT INTO visits VALUES (2000, '2024-01-01 10:31:00')").await;
    let left = "SELECT id FROM visits WHERE id < 1000 ORDER BY id";
    let mut found = column(&client, left).await;
    for _ in 0..1_000 {
        if found.len() <= touched.len() {
            break;
        }
        tokio::task::yield_now().await;
        found = column(&client, left).await;
    }
    assert_eq!(found, touched);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_restart_a_query_whose_input_got_columns_goes_on_and_one_that_is_paused_stays_so() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    for statement in [
        "CREATE STREAM s (a INT) WITH (kafka_topic = 's', value_format = 'JSON')",
        "CREATE TABLE t AS SELECT a, COUNT(*) AS n FROM s GROUP BY a",
        "CREATE TABLE u AS SELECT a + 1 AS b, COUNT(*) AS n FROM s GROUP BY a + 1",
        "INSERT INTO s VALUES (1)",
        "ALTER STREAM s ADD COLUMN more TEXT",
        "PAUSE ctas_u_2",
    ] {
        run(&client, statement).await;
    }
    drop(client);
    let server = server.restart().await;
    let client = server.connect().await;
    run(&client, "INSERT INTO s VALUES (1, 'x')").await;
    assert_eq!(settled(&client, "SELECT a, n FROM t").await, [["1", "2"]]);
    let paused = "SELECT name FROM tidemill.queries WHERE state = 'PAUSED'";
    assert_eq!(rows(&client, paused).await, [["ctas_u_2"]]);
    run(&client, "SET read_your_writes = on").await;
    let refused = client.simple_query("SELECT * FROM u").await.expect_err("it stands still");
    assert_eq!(refused.code().map(|state| state.code()), Some("55000"));
    run(&client, "RESUME ctas_u_2").await;
    assert_eq!(rows(&client, "SELECT b, n FROM u").await, [["2", "2"]]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_rows_are_given_once_by_sessions_at_a_time_and_over_a_restart() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE numbered (id SERIAL PRIMARY KEY, writer INT) WITH (partitions = 2)").await;
    let statement = |writer: usize, turn: usize| match turn % 2 {
        0 => format!("INSERT INTO numbered (writer) VALUES ({writer}), ({writer})"),
        _ => format!("INSERT INTO numbered (writer) SELECT {writer} FROM generate_series(1, 30)"),
    };
    run_in_sessions(&server, (WRITERS, TURNS), statement).await;
    // 13 turns of two rows and 12 of thirty: one number twice would have been 23505.
    let count = WRITERS * (13 * 2 + 12 * 30);
    let found = rows(&client, "SELECT COUNT(*), MIN(id), MAX(id) FROM numbered").await;
    assert_eq!(found, [[count.to_string(), "1".to_string(), count.to_string()]]);
    run(&client, "DELETE FROM numbered").await;
    drop(client);
    let server = server.restart().await;
    let client = server.connect().await;
    run(&client, "INSERT INTO numbered (writer) VALUES (7)").await;
    let id: usize = column(&client, "SELECT id FROM numbered").await[0].parse().expect("a number");
    // The rest of a block is left out.
    assert!((count + 1..=2 * count + 1_001).contains(&id), "{id}");
    server.stop().await;
}
