//! Cursors, portals, parameters: results read in pieces and with values.

use std::path::Path;

use tidemill::config::ByteSize;
use tidemill::config::Config;
use tokio_postgres::types::FromSql;
use tokio_postgres::types::Type;

use super::server::TestServer;
use super::server::column;
use super::server::failure;
use super::server::rows;
use super::server::run;

const NUMBERS: &str = "CREATE STREAM numbers (n INT, name TEXT) WITH (kafka_topic = 'numbers', value_format = 'JSON')";

async fn with_numbers(server: &TestServer) -> tokio_postgres::Client {
    let client = server.connect().await;
    run(&client, NUMBERS).await;
    let values: Vec<String> = (1..=10).map(|n| format!("({n}, 'n{n}')")).collect();
    run(&client, &format!("INSERT INTO numbers VALUES {}", values.join(", "))).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_gives_each_row_once() {
    let server = TestServer::start().await;
    let client = with_numbers(&server).await;
    run(&client, "BEGIN; DECLARE c CURSOR FOR SELECT n FROM numbers ORDER BY n").await;
    assert_eq!(column(&client, "FETCH 3 FROM c").await, ["1", "2", "3"]);
    assert_eq!(column(&client, "FETCH FORWARD 1 FROM c").await, ["4"]);
    assert_eq!(column(&client, "FETCH ALL FROM c").await, ["5", "6", "7", "8", "9", "10"]);
    assert!(column(&client, "FETCH 1 FROM c").await.is_empty());
    run(&client, "CLOSE c").await;
    assert_eq!(failure(&client, "FETCH 1 FROM c").await.0, "34000");
    assert_eq!(failure(&client, "SELECT 1").await.0, "25P02", "the block has failed");
    run(&client, "ROLLBACK").await;
    assert_eq!(column(&client, "SELECT 1").await, ["1"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn portals_are_read_in_pieces_and_interleaved() {
    let server = TestServer::start().await;
    let mut client = with_numbers(&server).await;
    let transaction = client.transaction().await.expect("a block");
    let up = transaction.bind("SELECT n FROM numbers ORDER BY n", &[]).await.expect("a portal");
    let down = transaction.bind("SELECT n FROM numbers ORDER BY n DESC", &[]).await.expect("a portal");
    let mut seen = Vec::new();
    for portal in [&up, &down, &up, &down, &up] {
        let piece = transaction.query_portal(portal, 4).await.expect("rows");
        seen.push(piece.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>());
    }
    assert_eq!(seen, [vec![1, 2, 3, 4], vec![10, 9, 8, 7], vec![5, 6, 7, 8], vec![6, 5, 4, 3], vec![9, 10]]);
    transaction.commit().await.expect("the block ends");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_take_the_types_of_their_places() {
    let server = TestServer::start().await;
    let client = with_numbers(&server).await;
    let statement = client.prepare("SELECT name FROM numbers WHERE n > $1 AND name <> $2 ORDER BY n LIMIT $3").await;
    let statement = statement.expect("it is prepared");
    let types: Vec<&str> = statement.params().iter().map(|kind| kind.name()).collect();
    assert_eq!(types, ["int4", "text", "int8"]);
    let found = client.query(&statement, &[&7i32, &"n9", &5i64]).await.expect("rows");
    assert_eq!(found.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["n8", "n10"]);
    let cast = client.query_one(
        "SELECT $1::bigint + 1, $2::text, $3::boolean, $4::double precision",
        &[&41i64, &Some("x"), &None::<bool>, &2.5f64],
    );
    let cast = cast.await.expect("a row");
    assert_eq!((cast.get::<_, i64>(0), cast.get::<_, &str>(1)), (42, "x"));
    assert_eq!((cast.get::<_, Option<bool>>(2), cast.get::<_, f64>(3)), (None, 2.5));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_statements_in_one_message_are_answered_each() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    assert_eq!(rows(&client, "SELECT 1; ; SELECT 'a', NULL; -- done").await, [vec!["1"], vec!["a", "NULL"]]);
    assert!(rows(&client, "").await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_of_more_than_its_limit_writes_nothing() {
    let server = TestServer::start_with(|config| config.limits.insert_bytes_max = ByteSize(100_000)).await;
    let client = with_numbers(&server).await;
    let before = column(&client, "SELECT COUNT(*) FROM numbers").await;
    let insert =
        |rows: u32| format!("INSERT INTO numbers (n) SELECT g.value FROM generate_series(1, {rows}) AS g(value)");
    let (state, message, ..) = failure(&client, &insert(20_000)).await;
    assert_eq!(
        (state.as_str(), message.as_str()),
        ("54000", "the rows of one INSERT into \"numbers\" take more than 100000 B")
    );
    assert_eq!(column(&client, "SELECT COUNT(*) FROM numbers").await, before);
    run(&client, &insert(100)).await;
}

/// The bytes of a cell.
#[derive(Debug, PartialEq)]
struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_read_by_key_comes_in_text_and_in_binary_as_a_planned_one_does() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(
        &client,
        "CREATE TABLE p (id INT PRIMARY KEY, big BIGINT, d DOUBLE, amount DECIMAL(12,2), b BOOLEAN, raw BYTES, t TEXT,
           day DATE, at TIME, ts TIMESTAMP, tz TIMESTAMPTZ, list INT[])",
    )
    .await;
    run(
        &client,
        "INSERT INTO p VALUES (1, -9000000000, 1.5, 12.34, true, '\\x0102', 'ü', '2024-02-29', '01:02:03.5',
           '2024-01-02 03:04:05.678901', '2024-01-02 03:04:05+02', ARRAY[1, NULL]),
           (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    .await;
    run(&client, "SET TimeZone = 'Asia/Kolkata'; SET statement_timeout = '1min'").await;
    for id in [1i32, 2, 3] {
        let (by_key, planned) = ("SELECT * FROM p WHERE id = $1", "SELECT * FROM p WHERE id = $1 AND true");
        let mut answers = Vec::new();
        for text in [by_key, planned] {
            let found = client.query(text, &[&id]).await.expect("rows");
            let cells = |row: &tokio_postgres::Row| (0..row.len()).map(|at| row.get::<_, Raw>(at)).collect::<Vec<_>>();
            answers.push(found.iter().map(cells).collect::<Vec<_>>());
        }
        assert_eq!(answers[0], answers[1], "{id} in binary");
        let literal = |text: &str| text.replace("$1", &id.to_string());
        assert_eq!(rows(&client, &literal(by_key)).await, rows(&client, &literal(planned)).await, "{id} in text");
    }
    let plan = column(&client, "EXPLAIN SELECT * FROM p WHERE id = 1").await;
    assert!(plan[0].starts_with("KeyRead: p, keys=1, "), "{plan:?}");
    server.stop().await;
}

/// Sorts, groups and joins that memory does not hold go to files, which are gone when the statement has ended.
#[tokio::test(flavor = "multi_thread")]
async fn what_memory_does_not_hold_is_sorted_and_grouped_and_joined_in_files() {
    const SORTED: &str = "SELECT h FROM (SELECT md5(CAST(value AS TEXT)) AS h FROM generate_series(1, 300000) AS g(value)) AS t \
                          ORDER BY h OFFSET 299999";
    const GROUPED: &str = "SELECT COUNT(*), SUM(n), MAX(h) FROM (SELECT md5(CAST(value % 150000 AS TEXT)) AS h, COUNT(*) AS n \
                           FROM generate_series(1, 300000) AS g(value) GROUP BY 1) AS t";
    const JOINED: &str = "SELECT COUNT(*), SUM(l.v), MIN(l.h) = MIN(r.h) FROM \
                          (SELECT value AS v, md5(CAST(value AS TEXT)) AS h FROM generate_series(1, 800000) AS g(value)) AS l JOIN \
                          (SELECT value AS v, md5(CAST(value AS TEXT)) AS h FROM generate_series(1, 800000) AS g(value)) AS r ON l.h = r.h";
    // Three rows of the left stand beside the first of the right, four beside the second.
    const NOT_EQUAL: &str = "SELECT COUNT(*), MAX(l.h) FROM \
                             (SELECT value AS v, md5(CAST(value AS TEXT)) AS h FROM generate_series(1, 800000) AS g(value)) AS l \
                             JOIN (SELECT value AS v FROM generate_series(1, 2) AS g(value)) AS r ON l.v <= r.v + 2";
    /// The greatest MD5 of the numbers from 1 to 300,000; that number is below 150,000.
    const GREATEST: &str = "fffffe98d0963d27015c198262d97221";
    let small = |config: &mut Config| config.memory.statements = ByteSize::mebibytes(32);
    let server = TestServer::start_with(small).await;
    let client = server.connect().await;
    assert_eq!(column(&client, SORTED).await, [GREATEST]);
    assert_eq!(rows(&client, GROUPED).await, [["150000", "300000", GREATEST]]);
    let folder = server.data_dir().join("temporary");
    let left = |path: &Path| std::fs::read_dir(path).expect("a folder").count();
    let inside = std::fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    assert_eq!(inside.map(|path| left(&path)).sum::<usize>(), 0);
    server.stop().await;

    let server = TestServer::start_with(|config| config.memory.statements = ByteSize::mebibytes(64)).await;
    let client = server.connect().await;
    assert_eq!(rows(&client, JOINED).await, [["800000", "320000400000", "t"]]);
    assert_eq!(rows(&client, NOT_EQUAL).await, [["7", "eccbc87e4b5ce2fe28308fd9f2a7baf3"]]);
    server.stop().await;

    let server = TestServer::start_with(|config| {
        small(config);
        config.limits.temporary_bytes_max = ByteSize(0);
    })
    .await;
    let client = server.connect().await;
    for text in [SORTED, JOINED] {
        let (state, ..) = failure(&client, text).await;
        assert_eq!(state, "53200", "{text}");
    }
}
