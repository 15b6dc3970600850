//! Tables without a key that several sessions write, by all the ways there are, and that a restart finds again.

use std::pin::pin;

use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::server::TestServer;
use super::server::column;
use super::server::rows;
use super::server::run;
use super::server::run_in_sessions;

const WRITERS: usize = 4;
const TURNS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn equal_rows_of_several_sessions_are_all_there_after_a_restart() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE t (a INT, n INT) WITH (partitions = 2)").await;
    run(&client, "INSERT INTO t VALUES (2, 0), (2, 0)").await;
    let statements = |_, _| "INSERT INTO t VALUES (1, 0), (1, 0); UPDATE t SET n = n + 1 WHERE a = 2".to_string();
    run_in_sessions(&server, (WRITERS, TURNS), statements).await;
    let counted = "SELECT a, COUNT(*) FROM t GROUP BY a ORDER BY a";
    let expected = [["1".to_string(), (2 * WRITERS * TURNS).to_string()], ["2".to_string(), "2".to_string()]];
    assert_eq!(rows(&client, counted).await, expected);
    let updated = column(&client, "SELECT n FROM t WHERE a = 2").await;
    assert_eq!(updated[0], updated[1], "each UPDATE found both rows or none");
    drop(client);
    let server = server.restart().await;
    let client = server.connect().await;
    assert_eq!(rows(&client, counted).await, expected);
    run(&client, "INSERT INTO t VALUES (1, 0); DELETE FROM t WHERE a = 2").await;
    drop(client);
    let server =
        server.restart_after(|data| std::fs::remove_dir_all(data.join("state")).expect("the state goes")).await;
    let client = server.connect().await;
    assert_eq!(rows(&client, counted).await, [["1".to_string(), (2 * WRITERS * TURNS + 1).to_string()]]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_takes_equal_rows_in_every_format() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE t (a INT, b TEXT)").await;
    for (statement, data) in [
        ("COPY t FROM STDIN", "1\tx\n1\tx\n"),
        ("COPY t (b, a) FROM STDIN WITH (FORMAT csv, HEADER)", "b,a\nx,1\n,2\n"),
    ] {
        let mut sink = pin!(client.copy_in(statement).await.expect("COPY begins"));
        sink.send(Bytes::from_static(data.as_bytes())).await.expect("it is sent");
        assert_eq!(sink.finish().await.expect("it is taken"), 2);
    }
    let sink = client.copy_in("COPY t FROM STDIN BINARY").await.expect("COPY begins");
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &[Type::INT4, Type::TEXT]));
    for _ in 0..2 {
        writer.as_mut().write(&[&1, &"x"]).await.expect("a row is sent");
    }
    assert_eq!(writer.finish().await.expect("it is taken"), 2);
    let counted = rows(&client, "SELECT a, b, COUNT(*) FROM t GROUP BY a, b ORDER BY a").await;
    assert_eq!(counted, [["1", "x", "5"], ["2", "NULL", "1"]]);
    let columns = client.copy_out("COPY t TO STDOUT").await;
    assert!(columns.is_ok(), "its shown columns are copied out");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_stand_in_statements_about_it() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE t (a INT, b TEXT)").await;
    let inserted = client.query("INSERT INTO t VALUES ($1, $2), ($1, $2) RETURNING *", &[&1, &"x"]).await;
    assert_eq!(inserted.expect("two rows").iter().map(|row| row.len()).collect::<Vec<_>>(), [2, 2]);
    let updated = client.query("UPDATE t SET b = $1 WHERE a = $2 RETURNING *", &[&"y", &1]).await;
    assert_eq!(updated.expect("two rows").iter().map(|row| row.get::<_, &str>(1)).collect::<Vec<_>>(), ["y", "y"]);
    assert_eq!(client.execute("DELETE FROM t WHERE b = $1", &[&"y"]).await.expect("two rows"), 2);
    let created = client.execute("CREATE TABLE u AS SELECT n FROM generate_series(1, 3) AS g(n)", &[]).await;
    assert_eq!(created.expect("the rows are counted"), 3);
    server.stop().await;
}
