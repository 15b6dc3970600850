//! Errors: code, words, place, hint.

use super::harness::World;
use tidemill::engine::TransactionStatus;
use tidemill::error::Position;

#[tokio::test]
async fn errors_say_what_where_and_what_else() {
    let mut client = World::new().await.session();
    client.expect("CREATE STREAM payments (id TEXT KEY, amount DECIMAL(12,2), n INT)", "CREATE STREAM").await;
    let error = client.refuse("SELECT * FROM payment", "42P01", "relation \"payment\" does not exist").await;
    assert_eq!(error.position(), Some(Position(15)));
    assert_eq!(error.hint_text(), Some("Did you mean \"payments\"?"));
    let error = client.refuse("SELECT amonut FROM payments", "42703", "column \"amonut\" does not exist").await;
    assert_eq!(error.position(), Some(Position(8)));
    client.refuse("CREATE STREAM payments (a INT)", "42P07", "relation \"payments\" already exists").await;
    client.expect("CREATE STREAM IF NOT EXISTS payments (a INT)", "CREATE STREAM").await;
    client.refuse("DROP TABLE payments", "42809", "\"payments\" is a stream").await;
    client
        .refuse("INSERT INTO payments VALUES ('a', 1, 'x')", "22P02", "invalid input syntax for type integer: \"x\"")
        .await;
    client
        .refuse(
            "INSERT INTO payments (nosuch) VALUES (1)",
            "42703",
            "column \"nosuch\" of relation \"payments\" does not exist",
        )
        .await;
    client
        .refuse(
            "INSERT INTO payments VALUES ('a', 1, 2, 3)",
            "42601",
            "INSERT has more expressions than target columns",
        )
        .await;
    client.refuse("SELECT 1 / 0", "22012", "division by zero").await;
    client.expect("DROP STREAM payments DELETE TOPIC", "DROP STREAM").await;
    client.expect("SELECT name FROM tidemill.topics WHERE name = 'payments'", "").await;
}

#[tokio::test]
async fn a_failed_block_refuses_until_it_ends() {
    let mut client = World::new().await.session();
    client.expect("BEGIN", "BEGIN").await;
    client.refuse("SELECT * FROM nosuch", "42P01", "relation \"nosuch\" does not exist").await;
    assert_eq!(client.session.transaction_status(), TransactionStatus::Failed);
    let aborted = "current transaction is aborted, commands ignored until end of transaction block";
    client.refuse("SELECT 1", "25P02", aborted).await;
    client.expect("COMMIT; SELECT 1", "ROLLBACK\n1").await;
}

#[tokio::test]
async fn a_tables_key_is_never_null() {
    let mut client = World::new().await.session();
    client.expect("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE").await;
    let message = "null value in column \"id\" of relation \"t\" violates not-null constraint";
    client.refuse("INSERT INTO t VALUES (NULL, 'x')", "23502", message).await;
}

#[tokio::test]
async fn a_rollback_says_that_what_was_written_stays() {
    let mut client = World::new().await.session();
    client.expect("CREATE STREAM s (n INT) WITH (kafka_topic = 's')", "CREATE STREAM").await;
    client.expect("BEGIN; SELECT 1; ROLLBACK", "BEGIN\n1\nROLLBACK").await;
    assert_eq!(client.notices(), []);
    client.expect("BEGIN; INSERT INTO s VALUES (7); ROLLBACK", "BEGIN\nINSERT 0 1\nROLLBACK").await;
    let stays = "statements of this block have taken effect and stay".to_string();
    assert_eq!(client.notices(), [("01000", stays)]);
    client.expect("SELECT n FROM s", "7").await;
    client.expect("INSERT INTO s VALUES (8); BEGIN; ROLLBACK", "INSERT 0 1\nBEGIN\nROLLBACK").await;
    assert_eq!(client.notices(), [], "the next block has written nothing");
}

#[tokio::test]
async fn errors_about_values_point_at_them_and_name_types_as_postgresql_does() {
    let mut client = World::new().await.session();
    let table =
        "CREATE TABLE t (id INT PRIMARY KEY, v TEXT, d DOUBLE PRECISION, w DECIMAL(5,2)) WITH (kafka_topic = 't')";
    client.expect(table, "CREATE TABLE").await;
    client.expect("CREATE STREAM s (at TIMESTAMP, n INT) WITH (timestamp = 'at')", "CREATE STREAM").await;
    client.expect("INSERT INTO t VALUES (1, 'a', 1, 1)", "INSERT 0 1").await;
    let null_key = "null value in column \"id\" of relation \"t\" violates not-null constraint";
    let not_grouped = |name: &str| {
        format!("column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function")
    };
    let cases: [(&str, &str, &str, Option<u32>); 28] = [
        ("INSERT INTO t VALUES (1, 'a', 1, 1), (NULL, 'b', 1, 1)", "23502", null_key, Some(39)),
        ("INSERT INTO t (v) VALUES ('a')", "23502", null_key, None),
        ("INSERT INTO s VALUES (NULL, 1)", "23502", "column \"at\" of \"s\" cannot be null", Some(23)),
        ("INSERT INTO t VALUES (1, 'a', 1, 1), (2, 'b', 1 / 0, 1)", "22012", "division by zero", Some(47)),
        ("INSERT INTO t VALUES (2 + nosuch, 'b', 1, 1)", "42703", "column \"nosuch\" does not exist", Some(27)),
        (
            "INSERT INTO t VALUES (1, 'a', 1, 12345)",
            "22003",
            "value \"12345\" is out of range for type numeric",
            Some(34),
        ),
        (
            "INSERT INTO t VALUES (1, 'a', 'x', 1)",
            "22P02",
            "invalid input syntax for type double precision: \"x\"",
            Some(31),
        ),
        ("SELECT id, COUNT(*) FROM t GROUP BY v", "42803", &not_grouped("t.id"), Some(8)),
        ("SELECT v, d + 1, COUNT(*) FROM t GROUP BY v", "42803", &not_grouped("t.d"), Some(11)),
        ("SELECT 1, 'abc'::int", "22P02", "invalid input syntax for type integer: \"abc\"", Some(11)),
        ("SELECT CAST('a.b' AS DECIMAL(5,2))", "22P02", "invalid input syntax for type numeric: \"a.b\"", Some(13)),
        ("SELECT 'maybe'::boolean", "22P02", "invalid input syntax for type boolean: \"maybe\"", Some(8)),
        ("SELECT 'soon'::date", "22007", "invalid input syntax for type date: \"soon\"", Some(8)),
        ("SELECT 'soon'::timestamp", "22007", "invalid input syntax for type timestamp: \"soon\"", Some(8)),
        ("SELECT id FROM t WHERE id = 'abc'", "22P02", "invalid input syntax for type integer: \"abc\"", Some(29)),
        ("SELECT v::int FROM t", "22P02", "invalid input syntax for type integer: \"a\"", None),
        ("SELECT 12345.67::decimal(5,2)", "22003", "numeric field overflow", None),
        ("SELECT 99999999999::int", "22003", "integer out of range", None),
        ("SELECT d + true FROM t", "42883", "operator does not exist: double precision + boolean", Some(10)),
        ("SELECT w + true FROM t", "42883", "operator does not exist: numeric + boolean", Some(10)),
        ("SELECT round(v) FROM t", "42883", "function round(text) does not exist", Some(8)),
        ("SELECT MIN(v, id) FROM t", "42883", "function min(text, integer) does not exist", Some(8)),
        ("SELECT id || 1 FROM t", "42883", "operator does not exist: integer || integer", Some(11)),
        ("SELECT 1 FROM t WHERE id", "42804", "argument of WHERE must be type boolean, not type integer", Some(23)),
        ("SELECT true::timestamp", "42846", "cannot cast type boolean to timestamp without time zone", Some(12)),
        ("SELECT '1'::nosuch", "42704", "type \"nosuch\" does not exist", None),
        ("SELECT 1 UNION ALL SELECT 'a'", "22P02", "invalid input syntax for type integer: \"a\"", Some(27)),
        ("SELECT SUM(v) FROM t", "42883", "function sum(text) does not exist", Some(8)),
    ];
    for (statement, state, message, position) in cases {
        let error = client.refuse(statement, state, message).await;
        assert_eq!(error.position(), position.map(Position), "{statement}");
    }
}
