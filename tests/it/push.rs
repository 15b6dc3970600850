//! Push queries over the wire: rows one by one, cancelled, vanished, not read.

use futures::StreamExt;
use futures::TryStreamExt;
use tidemill::env::Env;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio_postgres::Client;
use tokio_postgres::NoTls;

use super::server::TestServer;
use super::server::column;
use super::server::failure;
use super::server::message;
use super::server::read_until;
use super::server::rows;
use super::server::run;
use super::server::stream;
use super::server::told;

const READINGS: &str =
    "CREATE STREAM readings (sensor TEXT KEY, value INT) WITH (kafka_topic = 'readings', value_format = 'JSON')";

async fn cancel(client: &Client) {
    client.cancel_token().cancel_query(NoTls).await.expect("the request is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_push_query_come_one_by_one_and_cancel_ends_it() {
    let server = TestServer::start().await;
    let (writer, reader) = (server.connect().await, server.connect().await);
    run(&writer, READINGS).await;
    let mut stream = stream(&reader, "SELECT value FROM readings WHERE value > 1 EMIT CHANGES").await;
    for value in [2, 3] {
        run(&writer, &format!("INSERT INTO readings VALUES ('a', 1), ('a', {value})")).await;
        let row = stream.next().await.expect("there is a row").expect("it is no error");
        assert_eq!(row.get::<_, i32>(0), value);
    }
    cancel(&reader).await;
    let error = stream.next().await.expect("there is an end").expect_err("it is an error");
    assert_eq!(told(&error).0, "57014");
    assert_eq!(column(&reader, "SELECT 7").await, ["7"], "the session goes on");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn print_shows_records_of_all_partitions_as_they_come() {
    let server = TestServer::start().await;
    let (writer, reader) = (server.connect().await, server.connect().await);
    run(&writer, "CREATE STREAM sales (card TEXT KEY, n INT) WITH (kafka_topic = 'sales', partitions = 4)").await;
    run(&writer, "INSERT INTO sales VALUES ('a', 0)").await;
    let mut rows = stream(&reader, "PRINT 'sales'").await;
    for card in ["b", "c", "d", "e"] {
        run(&writer, &format!("INSERT INTO sales VALUES ('{card}', 1)")).await;
        let row = rows.next().await.expect("there is a row").expect("it is no error");
        assert_eq!((row.get::<_, &str>("key"), row.get::<_, &str>("value")), (card, "{\"n\":1}"));
    }
    cancel(&reader).await;
    assert_eq!(told(&rows.next().await.expect("there is an end").expect_err("it is an error")).0, "57014");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_query_groups_and_joins_over_all_partitions() {
    let server = TestServer::start().await;
    let (writer, reader) = (server.connect().await, server.connect().await);
    run(&writer, "CREATE STREAM sales (card TEXT KEY, shop TEXT, n INT) WITH (kafka_topic = 'sales', partitions = 4)")
        .await;
    run(&writer, "CREATE TABLE shops (shop TEXT PRIMARY KEY, city TEXT) WITH (kafka_topic = 'shops', partitions = 2)")
        .await;
    run(&writer, "INSERT INTO shops VALUES ('s', 'Ulm')").await;
    run(&writer, "INSERT INTO sales VALUES ('a', 's', 1), ('b', 's', 2), ('c', 's', 3), ('d', 's', 4)").await;
    run(&reader, "SET auto_offset_reset = 'earliest'").await;
    let totals = "SELECT shop, SUM(n) AS total FROM sales GROUP BY shop EMIT CHANGES";
    let joined = "SELECT s.n, c.city FROM sales s LEFT JOIN shops c ON s.shop = c.shop EMIT CHANGES LIMIT 4";
    let mut rows = stream(&reader, totals).await;
    let mut total = 0;
    while total < 10 {
        total = rows.next().await.expect("there is a row").expect("it is no error").get(1);
    }
    assert_eq!(total, 10i64);
    cancel(&reader).await;
    while rows.next().await.is_some_and(|row| row.is_ok()) {}
    let mut numbers = column(&reader, joined).await;
    numbers.sort();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_gone_comes_once_more_with_its_key_alone() {
    let server = TestServer::start().await;
    let (writer, reader) = (server.connect().await, server.connect().await);
    run(&writer, READINGS).await;
    let query = "COPY (SELECT sensor, SUM(value) AS total FROM readings GROUP BY sensor HAVING SUM(value) < 10
        EMIT CHANGES) TO STDOUT";
    let mut copy = std::pin::pin!(reader.copy_out(query).await.expect("COPY runs"));
    for (value, line) in [(5, "a\t5\n"), (50, "a\t\\N\n")] {
        run(&writer, &format!("INSERT INTO readings VALUES ('a', {value})")).await;
        let told = copy.try_next().await.expect("it is no error").expect("there is a line");
        assert_eq!(String::from_utf8_lossy(&told), line);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_all_keys_come_where_the_select_list_leaves_the_key_out() {
    let server = TestServer::start().await;
    let (writer, reader) = (server.connect().await, server.connect().await);
    run(&writer, READINGS).await;
    run(&writer, "CREATE TABLE names (sensor TEXT PRIMARY KEY, name TEXT)").await;
    run(&writer, "INSERT INTO names VALUES ('a', 'boiler'), ('b', 'mill'), ('c', 'dam')").await;
    run(&writer, "INSERT INTO readings VALUES ('a', 1), ('b', 2), ('c', 3), ('a', 4)").await;
    run(&reader, "SET auto_offset_reset = 'earliest'").await;
    for query in [
        "SELECT name FROM names EMIT CHANGES LIMIT 3",
        "SELECT sensor || '!', name FROM names EMIT CHANGES LIMIT 3",
        "SELECT COUNT(*) FROM readings GROUP BY sensor EMIT CHANGES LIMIT 3",
        "SELECT sensor, COUNT(*) FROM readings WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY sensor EMIT CHANGES LIMIT 3",
        "SELECT WINDOWEND, SUM(value) FROM readings WINDOW SESSION (1 HOUR) GROUP BY sensor EMIT CHANGES LIMIT 3",
        "SELECT l.name, r.name AS same FROM names l JOIN names r ON l.sensor = r.sensor EMIT CHANGES LIMIT 3",
    ] {
        let found = rows(&reader, query).await;
        assert_eq!(found.len(), 3, "{query}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_of_a_push_query_sends_each_row_at_once() {
    let server = TestServer::start().await;
    let (writer, reader) = (server.connect().await, server.connect().await);
    run(&writer, READINGS).await;
    let copy = reader.copy_out("COPY (SELECT sensor, value FROM readings EMIT CHANGES) TO STDOUT").await;
    let mut copy = std::pin::pin!(copy.expect("COPY runs"));
    for value in 1..=3 {
        run(&writer, &format!("INSERT INTO readings VALUES ('a', {value})")).await;
        let line = copy.try_next().await.expect("it is no error").expect("there is a line");
        assert_eq!(&line[..], format!("a\t{value}\n").as_bytes());
    }
    cancel(&reader).await;
    assert_eq!(told(&copy.try_next().await.expect_err("it is an error")).0, "57014");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_query_has_hopping_windows_and_sessions() {
    let server = TestServer::start().await;
    let (writer, reader) = (server.connect().await, server.connect().await);
    run(&writer, "CREATE STREAM hits (who TEXT KEY, at TIMESTAMP) WITH (kafka_topic = 'hits', timestamp = 'at')").await;
    run(&writer, "INSERT INTO hits VALUES ('a', '2024-05-01 10:00:30'), ('a', '2024-05-01 10:00:50')").await;
    run(&reader, "SET auto_offset_reset = 'earliest'").await;
    for (window, count) in [("HOPPING (SIZE 3 MINUTES, ADVANCE BY 1 MINUTE)", 3), ("SESSION (1 MINUTE)", 1)] {
        let query = format!(
            "SELECT who, windowstart, windowend, COUNT(*) FROM hits WINDOW {window} GROUP BY who EMIT CHANGES LIMIT {count}"
        );
        let mut rows = stream(&reader, &query).await;
        let mut counts: Vec<i64> = Vec::new();
        while let Some(row) = rows.next().await {
            counts.push(row.expect("it is no error").get(3));
        }
        assert_eq!(counts, vec![2; count], "{window}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_while_idle_ends_its_query() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, READINGS).await;
    let socket = raw_query(&server, "SELECT * FROM readings EMIT CHANGES").await;
    ends_when_dropped(server, socket).await;
}

/// Counts for hours; the budget of the runtime's task is used up at each poll of it.
const ENDLESS: &str = "SELECT max(value % 7) FROM generate_series(1, 1000000000000) AS t(value)";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_while_its_query_computes_ends_it() {
    let server = TestServer::start().await;
    let socket = raw_query(&server, ENDLESS).await;
    ends_when_dropped(server, socket).await;
}

/// Pairs each number with each other one: few rows come in, hours of them come out.
const PAIRS: &str = "SELECT count(*) FROM generate_series(1, 10000000) AS a(x), generate_series(1, 10000000) AS b(y)
    WHERE x % 7 <> y % 7";

/// The same of pairs of which none is wanted, so that no row comes out.
const NO_PAIRS: &str = "SELECT count(*) FROM generate_series(1, 1000000) AS a(x), generate_series(1, 1000000) AS b(y)
    WHERE x + y < 0";

/// The same where an equality leaves half of them.
const NO_PAIRS_OF_ONE_KEY: &str = "SELECT count(*) FROM generate_series(1, 1000000) AS a(x)
    JOIN generate_series(1, 1000000) AS b(y) ON x % 2 = y % 2 AND x + y < 0";

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_computes_ends_at_the_statement_timeout_and_at_a_cancel() {
    // One thread computes: a query that ended for its client alone would keep it from all others.
    let server = TestServer::start_with(|config| config.limits.query_threads = 1).await;
    for query in [ENDLESS, PAIRS, NO_PAIRS, NO_PAIRS_OF_ONE_KEY, "SELECT pg_sleep(1000)"] {
        // The last cancel may come late, and is for whatever its session runs then.
        let client = server.connect().await;
        run(&client, "SET statement_timeout = 50").await;
        assert_eq!(failure(&client, query).await.0, "57014", "{query}");
        run(&client, "RESET statement_timeout").await;
        let mut failed = std::pin::pin!(failure(&client, query));
        // A cancel that comes before the query is nobody's, so it is sent until one is heard.
        let failed = loop {
            tokio::select! {
                failed = &mut failed => break failed,
                () = cancel(&client) => {}
            }
        };
        assert_eq!(failed.0, "57014", "{query}");
        let client = server.connect().await;
        assert_eq!(column(&client, "SELECT count(*) FROM generate_series(1, 10) AS g(x)").await, ["10"]);
    }
    server.stop().await;
}

/// Drops a session in the middle of its query and waits until the server has noticed.
async fn ends_when_dropped(server: TestServer, socket: Box<dyn tidemill::env::Stream>) {
    let before = connections(&server).await;
    drop(socket);
    // Each look is a request of its own, so that the server has time; no clock is asked.
    for _ in 0..10_000 {
        if connections(&server).await < before {
            server.stop().await;
            return;
        }
    }
    panic!("the connection is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_up_nobody_else() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, READINGS).await;
    let socket = raw_query(&server, "SELECT * FROM readings EMIT CHANGES").await;
    let wide = "x".repeat(500);
    let values: Vec<String> = (0..500).map(|value| format!("('{wide}', {value})")).collect();
    let insert = format!("INSERT INTO readings VALUES {}", values.join(", "));
    for _ in 0..40 {
        run(&client, &insert).await;
    }
    assert_eq!(column(&client, "SELECT COUNT(*) FROM readings").await, ["20000"]);
    drop(socket);
    server.stop().await;
}

/// A session that sends a query and then neither reads nor writes.
async fn raw_query(server: &TestServer, text: &str) -> Box<dyn tidemill::env::Stream> {
    let mut stream = server.connect_raw().await;
    stream.write_all(&message(b'Q', format!("{text}\0").as_bytes())).await.expect("it is sent");
    // The answer to the query begins with its RowDescription, after the first ReadyForQuery.
    read_until(&mut stream, b"Z\0\0\0\x05IT").await;
    stream
}

/// Open sessions, as /metrics tells.
async fn connections(server: &TestServer) -> u64 {
    let mut stream = Env::real().network.connect(server.http_address()).await.expect("the door is open");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    let line = answer.lines().find(|line| line.starts_with("tidemill_pg_connections "));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("the gauge is there")
}
