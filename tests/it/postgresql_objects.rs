//! What PostgreSQL's drivers ask of the protocol and data cannot say: where columns come from, COPY in binary, UUIDs, locks of
//! sessions that meet.

use bytes::Bytes;
use futures::SinkExt;
use futures::TryStreamExt;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::server::TestServer;
use super::server::column;
use super::server::rows;
use super::server::run;
use super::server::told;

const ONE: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_a_result_name_their_tables_whose_numbers_outlive_a_restart() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(
        &client,
        "CREATE TABLE first (a INT PRIMARY KEY); DROP TABLE first;
         CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL, code CHAR(3), tag UUID, note TEXT);
         CREATE TABLE towns (id INT PRIMARY KEY, town TEXT)",
    )
    .await;
    let oid = |name: &str| format!("SELECT '{name}'::regclass::oid");
    let before = [column(&client, &oid("people")).await, column(&client, &oid("towns")).await];
    let of = |told: &[String]| told[0].parse::<u32>().expect("a number");
    let (people, towns) = (of(&before[0]), of(&before[1]));
    for (query, wanted) in [
        (
            "SELECT name AS called, id, length(name), tag FROM people ORDER BY id LIMIT 3",
            vec![Some((people, 2)), Some((people, 1)), None, Some((people, 4))],
        ),
        ("SELECT t.town, p.* FROM people p LEFT JOIN towns t ON t.id = p.id WHERE p.id < $1", {
            let all = (1..=5).map(|column| Some((people, column)));
            std::iter::once(Some((towns, 2))).chain(all).collect()
        }),
        ("SELECT code, count(*) FROM (SELECT * FROM people) AS s GROUP BY code", vec![Some((people, 3)), None]),
        ("SELECT note FROM people WHERE id = $1", vec![Some((people, 5))]),
        ("SELECT 1 AS a, gen_random_uuid()", vec![None, None]),
    ] {
        let statement = client.prepare(query).await.expect(query);
        let origins = statement.columns().iter().map(|column| column.table_oid().zip(column.column_id()));
        assert_eq!(origins.collect::<Vec<_>>(), wanted, "{query}");
    }
    let statement = client.prepare("SELECT name, code, tag, note, $1::uuid FROM people").await.expect("a query");
    let types = statement.columns().iter().map(|column| (column.type_().clone(), column.type_modifier()));
    let wanted = [(Type::VARCHAR, 24), (Type::BPCHAR, 7), (Type::UUID, -1), (Type::TEXT, -1), (Type::UUID, -1)];
    assert_eq!(types.collect::<Vec<_>>(), wanted);

    let server = server.restart().await;
    let client = server.connect().await;
    assert_eq!([column(&client, &oid("people")).await, column(&client, &oid("towns")).await], before);
    server.stop().await;
}

async fn copy_out(client: &Client, statement: &str) -> Vec<u8> {
    let chunks: Vec<Bytes> =
        client.copy_out(statement).await.expect("COPY runs").try_collect().await.expect("it ends well");
    chunks.concat()
}

async fn copy_in(client: &Client, statement: &str, bytes: &[u8]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in(statement).await?;
    let mut sink = std::pin::pin!(sink);
    for piece in bytes.chunks(7) {
        sink.send(Bytes::copy_from_slice(piece)).await?;
    }
    sink.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_copy_writes_in_binary_it_reads_in_binary() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let columns =
        "id INT PRIMARY KEY, b BOOLEAN, l BIGINT, d DOUBLE PRECISION, n DECIMAL(12, 2), t TEXT, v VARCHAR(3), y BYTEA,
        da DATE, ti TIME, ts TIMESTAMP, tz TIMESTAMPTZ, u UUID, i INT[], s TEXT[]";
    run(&client, &format!("CREATE TABLE a ({columns}); CREATE TABLE b ({columns}); SET TimeZone = 'Asia/Tokyo'")).await;
    let values = format!(
        "(1, true, 9007199254740993, 0.1, -12.50, E'x\\ty', 'abc', '\\x00ff', '2024-02-29', '12:30:15.25', '2024-02-29 12:30:15.25',
          '2024-02-29 12:30:15.25+00', '{ONE}', ARRAY[1, NULL, 3], ARRAY['a,b', '\"'])"
    );
    run(&client, &format!("INSERT INTO a VALUES {values}; INSERT INTO a (id) VALUES (2)")).await;
    let bytes = copy_out(&client, "COPY a TO STDOUT (FORMAT binary)").await;
    assert!(bytes.starts_with(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x0f") && bytes.ends_with(&[0xff, 0xff]));
    assert_eq!(copy_in(&client, "COPY b FROM STDIN WITH BINARY", &bytes).await.expect("rows"), 2);
    let all = |table: &str| format!("SELECT * FROM {table} ORDER BY id");
    assert_eq!(rows(&client, &all("b")).await, rows(&client, &all("a")).await);

    run(&client, "DELETE FROM b").await;
    for (cut, state) in [(bytes.len() - 3, "22P04"), (5, "22P04")] {
        let error = copy_in(&client, "COPY b FROM STDIN (FORMAT binary)", &bytes[..cut]).await.expect_err("it is cut");
        assert_eq!(told(&error).0, state);
    }
    let error = copy_in(&client, "COPY b (id) FROM STDIN (FORMAT binary)", &bytes).await.expect_err("one column");
    assert_eq!(told(&error).1, "row field count is 15, expected 1");
    assert_eq!(column(&client, "SELECT count(*) FROM b").await, ["0"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_advisory_lock_keeps_another_session_waiting_until_its_holder_is_gone() {
    let server = TestServer::start().await;
    let (holder, other) = (server.connect().await, server.connect().await);
    run(&holder, "SELECT pg_advisory_lock(7)").await;
    assert_eq!(column(&other, "SELECT pg_try_advisory_lock(7)").await, ["f"]);
    assert_eq!(column(&other, "SELECT pg_try_advisory_lock(0, 7)").await, ["t"]);
    assert_eq!(column(&holder, "SELECT pg_try_advisory_lock(0, 7)").await, ["f"]);
    // Of a transaction, gone with it.
    run(&other, "BEGIN; SELECT pg_advisory_xact_lock(8)").await;
    assert_eq!(column(&holder, "SELECT pg_try_advisory_lock_shared(8)").await, ["f"]);
    run(&other, "COMMIT").await;
    assert_eq!(column(&holder, "SELECT pg_try_advisory_lock_shared(8)").await, ["t"]);
    // Outside of a block it is that of the statement, however long its session is idle afterwards.
    run(&other, "SELECT pg_advisory_xact_lock(9)").await;
    assert_eq!(column(&holder, "SELECT pg_try_advisory_lock(9)").await, ["t"]);
    // One that waits can be cancelled.
    run(&other, "SET statement_timeout = '50ms'").await;
    let error = other.simple_query("SELECT pg_advisory_lock(7)").await.expect_err("it is another's");
    assert_eq!(told(&error).0, "57014");
    run(&other, "SET statement_timeout = 0; SET lock_timeout = '50ms'").await;
    let error = other.simple_query("SELECT pg_advisory_lock(7)").await.expect_err("it is another's");
    assert_eq!(told(&error).0, "55P03");
    run(&other, "SET lock_timeout = 0").await;
    let waiting = tokio::spawn(async move {
        run(&other, "SELECT pg_advisory_lock(7)").await;
        column(&other, "SELECT pg_advisory_unlock(7)").await
    });
    drop(holder);
    assert_eq!(waiting.await.expect("the lock is free"), ["t"]);
    let third = server.connect().await;
    assert_eq!(column(&third, "SELECT pg_advisory_unlock(7)").await, ["f"]);
    assert_eq!(column(&third, "SELECT pg_advisory_unlock_all()").await, [""]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_session_has_a_number_of_its_own_and_plans_are_told_in_json() {
    let server = TestServer::start().await;
    let (one, other) = (server.connect().await, server.connect().await);
    let of = async |client: &Client| column(client, "SELECT pg_backend_pid()").await;
    assert_ne!(of(&one).await, of(&other).await);
    assert_eq!(of(&one).await, of(&one).await);
    assert_eq!(column(&one, "SELECT pg_postmaster_start_time() <= now()").await, ["t"]);
    let plan = column(&one, "EXPLAIN (FORMAT JSON, COSTS off) SELECT count(*) FROM (VALUES (1), (2)) AS v(a)").await;
    let plan: serde_json::Value = serde_json::from_str(&plan[0]).expect("a document");
    assert!(plan[0]["Plan"]["Plans"][0]["Node Type"].is_string(), "{plan}");
    server.stop().await;
}
