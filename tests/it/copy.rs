//! COPY in and out, text and CSV.

use bytes::Bytes;
use futures::SinkExt;
use futures::TryStreamExt;
use tokio_postgres::Client;

use super::server::TestServer;
use super::server::column;
use super::server::rows;
use super::server::run;
use super::server::told;

const THINGS: &str = "CREATE STREAM things (id INT, name TEXT, price DECIMAL(8,2), made DATE) WITH (kafka_topic = 'things', value_format = 'JSON')";

async fn copy_in(client: &Client, statement: &str, data: &'static str) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in(statement).await?;
    let mut sink = std::pin::pin!(sink);
    // Pieces that break lines and characters: what a network does.
    for piece in data.as_bytes().chunks(3) {
        sink.send(Bytes::from_static(piece)).await?;
    }
    sink.finish().await
}

async fn copy_out(client: &Client, statement: &str) -> String {
    let chunks: Vec<Bytes> =
        client.copy_out(statement).await.expect("COPY runs").try_collect().await.expect("it ends well");
    String::from_utf8(chunks.concat()).expect("it is text")
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_reads_and_writes_text_and_csv() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, THINGS).await;
    let text = "1\ta\\tb\t1.50\t2024-02-29\n2\t\\N\t\\N\t\\N\n";
    assert_eq!(copy_in(&client, "COPY things FROM STDIN", text).await.expect("it is taken"), 2);
    let csv = "name,id\n\"x,\"\"y\"\"\nü\",3\n,4\n";
    let statement = "COPY things (name, id) FROM STDIN WITH (FORMAT csv, HEADER)";
    assert_eq!(copy_in(&client, statement, csv).await.expect("it is taken"), 2);
    assert_eq!(copy_in(&client, &statement.replace("HEADER", "HEADER match"), "name,id\n").await.expect("none"), 0);
    let out = copy_out(&client, "COPY (SELECT * FROM things ORDER BY id) TO STDOUT").await;
    assert_eq!(out, format!("{text}3\tx,\"y\"\\nü\t\\N\t\\N\n4\t\\N\t\\N\t\\N\n"));
    let out =
        copy_out(&client, "COPY (SELECT name, id FROM things WHERE id > 2 ORDER BY id) TO STDOUT (FORMAT csv, HEADER)")
            .await;
    assert_eq!(out, csv);
    // A row is one message, however many lines its texts have.
    let messages: Vec<Bytes> = client
        .copy_out("COPY (SELECT name, id FROM things WHERE id > 2 ORDER BY id) TO STDOUT (FORMAT csv, HEADER)")
        .await
        .expect("COPY runs")
        .try_collect()
        .await
        .expect("it ends well");
    assert_eq!(messages, ["name,id\n", "\"x,\"\"y\"\"\nü\",3\n", ",4\n"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_and_a_client_that_gives_up_leave_the_session_usable() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, THINGS).await;
    let error = copy_in(&client, "COPY things FROM STDIN", "one\ta\t1\t2024-01-01\n").await.expect_err("no number");
    assert_eq!(told(&error).0, "22P02");
    let error = copy_in(&client, "COPY things FROM STDIN", "1\ta\n").await.expect_err("two fields");
    assert_eq!(told(&error).0, "22P04");
    let matched = "COPY things (id, name) FROM STDIN (FORMAT csv, HEADER match)";
    let error = copy_in(&client, matched, "id,title\n1,a\n").await.expect_err("another name");
    assert_eq!(told(&error).0, "22P04");
    let error = copy_in(&client, "COPY things (name) FROM STDIN", "a\\0b\n").await.expect_err("a zero byte");
    assert_eq!(told(&error).0, "22021");
    {
        let sink = client.copy_in::<_, Bytes>("COPY things FROM STDIN").await.expect("COPY begins");
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::from_static(b"1\ta\t1.00\t2024-01-01\n")).await.expect("a line is sent");
        // Dropped here without its end: the driver says CopyFail.
    }
    assert_eq!(column(&client, "SELECT COUNT(*) FROM things").await, ["0"]);
    assert!(rows(&client, "SELECT 1").await.len() == 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_copy_does_not_name_have_their_defaults() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, "CREATE TABLE t (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), a INT, b TEXT DEFAULT 'x')").await;
    assert_eq!(copy_in(&client, "COPY t (a) FROM STDIN", "1\n2\n3\n").await.expect("it is taken"), 3);
    // A field that is there and null is no field that is not there.
    assert_eq!(copy_in(&client, "COPY t (a, b) FROM STDIN", "4\t\\N\n").await.expect("it is taken"), 1);
    let found = rows(&client, "SELECT COUNT(DISTINCT id), COUNT(a), COUNT(b), MIN(b) FROM t").await;
    assert_eq!(found, [["4", "4", "3", "x"]]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_tells_the_times_of_records() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, THINGS).await;
    let lines = "1704103200000\t1\n2024-01-01 10:00:01Z\t2\n\\N\t3\n";
    assert_eq!(copy_in(&client, "COPY things (rowtime, id) FROM STDIN", lines).await.expect("it is taken"), 3);
    let times = "SELECT CASE WHEN timestamp < '2024-01-02Z' THEN CAST(timestamp AS TIMESTAMP)::text END
        FROM tidemill.records('things') ORDER BY timestamp";
    assert_eq!(column(&client, times).await, ["2024-01-01 10:00:00", "2024-01-01 10:00:01", "NULL"]);
    for (columns, code) in [("rowtime, id", "22P02"), ("rowtime, rowtime", "42701")] {
        let statement = format!("COPY things ({columns}) FROM STDIN");
        let error = copy_in(&client, &statement, "soon\t4\n").await.expect_err("it is refused");
        assert_eq!(told(&error).0, code);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_of_csv_are_those_that_are_told() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, THINGS).await;
    let options = "(FORMAT csv, QUOTE '''', ESCAPE '\\', FORCE_NOT_NULL (name), FORCE_NULL (price))";
    let csv = "1,'it\\'s',1.50,\n2,,'',\n";
    let statement = format!("COPY things FROM STDIN WITH {options}");
    assert_eq!(copy_in(&client, &statement, csv).await.expect("it is taken"), 2);
    let out = copy_out(&client, "COPY (SELECT * FROM things ORDER BY id) TO STDOUT (FORMAT csv, FORCE_QUOTE *)").await;
    assert_eq!(out, "\"1\",\"it's\",\"1.50\",\n\"2\",\"\",,\n");
    let quoted = "COPY (SELECT id, name FROM things WHERE id = 1) TO STDOUT (FORMAT csv, QUOTE '''', ESCAPE '\\', FORCE_QUOTE (id))";
    assert_eq!(copy_out(&client, quoted).await, "'1','it\\'s'\n");
    let refused = client.copy_out("COPY things TO STDOUT (FORCE_QUOTE *)").await.err().expect("text has no quotes");
    assert_eq!(told(&refused).0, "0A000");
    server.stop().await;
}
