//! Errors with their SQLSTATE, position and hint, and what a door refuses.

use tokio::io::AsyncWriteExt;

use super::server::TestServer;
use super::server::column;
use super::server::failure;
use super::server::message;
use super::server::read_until;
use super::server::run;
use super::server::told;

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_their_sqlstate_and_point_at_their_place() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(
        &client,
        "CREATE STREAM payments (card_id TEXT KEY, amount INT) WITH (kafka_topic = 'p', value_format = 'JSON')",
    )
    .await;
    let (state, _, _, position) = failure(&client, "SELEC 1").await;
    assert_eq!((&state[..], position), ("42601", Some(1)));
    let (state, message, hint, position) = failure(&client, "SELECT * FROM paymnts").await;
    assert_eq!((&state[..], position), ("42P01", Some(15)), "{message}");
    assert!(hint.is_some_and(|hint| hint.contains("payments")));
    let (state, message, _, position) = failure(&client, "SELECT amuont FROM payments").await;
    assert_eq!((&state[..], position), ("42703", Some(8)), "{message}");
    assert_eq!(failure(&client, "SELECT 1/0").await.0, "22012");
    let (state, message, hint, position) = failure(&client, "SELECT 1, amount + card_id FROM payments").await;
    assert_eq!((&state[..], position), ("42883", Some(18)), "the operator, as in PostgreSQL");
    assert_eq!(message, "operator does not exist: integer + text");
    assert!(hint.is_some());
    let (state, message, _, position) =
        failure(&client, "INSERT INTO payments (amount, card_id) VALUES (1, 'a'), ('many', 'b')").await;
    assert_eq!((&state[..], position), ("22P02", Some(58)), "{message}");
    assert_eq!(
        failure(&client, "CREATE STREAM payments (a INT) WITH (kafka_topic = 'q', value_format = 'JSON')").await.0,
        "42P07"
    );
    assert_eq!(failure(&client, "SELECT 1; SELECT * FROM nope; SELECT 2").await.0, "42P01");
    assert_eq!(column(&client, "SELECT 1").await, ["1"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_database_is_refused() {
    let server = TestServer::start().await;
    let error = server.connect_to("shop").await.map(|_| ()).expect_err("there is no such database");
    assert_eq!(told(&error).0, "3D000");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_over_the_limit_are_refused() {
    let server = TestServer::start_with(|config| config.limits.connections_max = 2).await;
    let (first, _second) = (server.connect().await, server.connect().await);
    let error = server.connect_to("tidemill").await.map(|_| ()).expect_err("there are two already");
    assert_eq!(told(&error).0, "53300");
    assert_eq!(column(&first, "SELECT 1").await, ["1"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_parameter_fails_its_statement_only() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let error = client.query("SELECT 1/$1::int", &[&0i32]).await.expect_err("division by zero");
    assert_eq!(told(&error).0, "22012");
    assert_eq!(client.query_one("SELECT $1::int", &[&5i32]).await.expect("a row").get::<_, i32>(0), 5);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_sent_at_flush_before_any_sync() {
    let server = TestServer::start().await;
    let mut stream = server.connect_raw().await;
    // Parse of an unknown relation, Describe, Flush: as asyncpg prepares.
    let messages = [message(b'P', b"\0SELECT * FROM nope\0\0\0"), message(b'D', b"S\0"), message(b'H', b"")].concat();
    stream.write_all(&messages).await.expect("it is sent");
    read_until(&mut stream, b"C42P01").await;
    server.stop().await;
}
