//! Temporary tables of sessions that end: with their connection, and with the server.

use super::kill_nine::Server;
use super::kill_nine::connect;
use super::server::TestServer;
use super::server::column;
use super::server::run;

const LEFT: &str = "SELECT name FROM tidemill.tables WHERE name LIKE 'pg\\_temp\\_%' \
                    UNION ALL SELECT name FROM tidemill.topics WHERE name LIKE '%.temporary'";

#[tokio::test(flavor = "multi_thread")]
async fn tables_go_with_their_session_and_none_other() {
    let server = TestServer::start().await;
    let (stays, leaves) = (server.connect().await, server.connect().await);
    for client in [&stays, &leaves] {
        run(client, "CREATE TEMP TABLE t AS SELECT x FROM generate_series(1, 100) AS g(x)").await;
        run(client, "CREATE TEMP TABLE other (id INT PRIMARY KEY)").await;
    }
    assert_eq!(column(&stays, LEFT).await.len(), 8);
    drop(leaves);
    // Each look is a statement of its own, so that the server has time; no clock is asked.
    for _ in 0..10_000 {
        if column(&stays, LEFT).await.len() == 4 {
            break;
        }
    }
    assert_eq!(column(&stays, LEFT).await.len(), 4);
    assert_eq!(column(&stays, "SELECT count(*) FROM t").await, ["100"]);
    drop(stays);
    let server = server.restart().await;
    let client = server.connect().await;
    assert_eq!(column(&client, LEFT).await, [""; 0]);
    run(&client, "CREATE TEMP TABLE t AS SELECT 1 AS x").await;
    assert_eq!(column(&client, "SELECT x FROM pg_temp_1.t").await, ["1"]);
    drop(client);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_leaves_is_dropped_at_its_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let client = connect(server.ready()).await;
    run(&client, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (7)").await;
    run(&client, "CREATE TEMP TABLE t AS SELECT 1 AS x; CREATE TEMP TABLE other (a INT, b INT)").await;
    assert_eq!(column(&client, "SELECT x FROM t").await, ["1"]);
    server.kill();
    let server = Server::start(folder.path());
    let client = connect(server.ready()).await;
    assert_eq!(column(&client, LEFT).await, [""; 0]);
    assert_eq!(column(&client, "SELECT id FROM t").await, ["7"]);
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_so_many_and_no_more() {
    let server = TestServer::start_with(|config| config.limits.temporary_tables_max = 2).await;
    let client = server.connect().await;
    run(&client, "CREATE TEMP TABLE one (a INT); CREATE TEMP TABLE two (a INT)").await;
    let refused = client.batch_execute("CREATE TEMP TABLE three (a INT)").await.expect_err("it is one too many");
    assert_eq!(refused.code().map(|code| code.code()), Some("53400"));
    run(&client, "DROP TABLE one; CREATE TEMP TABLE three (a INT)").await;
    let other = server.connect().await;
    run(&other, "CREATE TEMP TABLE one (a INT); CREATE TEMP TABLE two (a INT)").await;
    drop((client, other));
    server.stop().await;
}
