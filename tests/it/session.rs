//! The session that the README shows, word for word, and the same after a restart.

use super::server::TestServer;
use super::server::column;
use super::server::rows;
use super::server::run;

pub const PAYMENTS: &str =
    "CREATE STREAM payments (card_id TEXT KEY, amount DECIMAL(12,2), merchant TEXT, country TEXT,
    lat DOUBLE, lon DOUBLE, paid_at TIMESTAMP)
    WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 4, timestamp = 'paid_at')";
pub const CARDS: &str =
    "CREATE TABLE cards (card_id TEXT PRIMARY KEY, holder TEXT, home TEXT, credit_limit DECIMAL(12,2))
    WITH (kafka_topic = 'cards', value_format = 'JSON', partitions = 4)";
const PER_COUNTRY: &str = "CREATE TABLE per_country AS SELECT country, COUNT(*) AS n, SUM(amount) AS total
    FROM payments WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 5 MINUTES) GROUP BY country";
const OVER_LIMIT: &str = "CREATE STREAM over_limit AS SELECT p.card_id, p.amount, c.credit_limit
    FROM payments p JOIN cards c ON p.card_id = c.card_id WHERE p.amount > c.credit_limit";

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_the_readme_works_and_survives_a_restart() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, PAYMENTS).await;
    run(&client, CARDS).await;
    run(&client, PER_COUNTRY).await;
    run(&client, OVER_LIMIT).await;
    run(&client, "SET read_your_writes = on").await;
    run(&client, "INSERT INTO cards VALUES ('c1', 'Ann', 'DE', 10.00), ('c2', 'Ben', 'FR', 500.00)").await;
    // The join sees the cards of the time of the payment: they were written first, by the clock of their records.
    run(
        &client,
        "INSERT INTO payments VALUES ('c1', 12.50, 'coffee', 'DE', 52.5, 13.4, now()),
            ('c1', 7.50, 'bread', 'DE', 52.5, 13.4, now()), ('c2', 100.00, 'shoes', 'FR', 48.8, 2.3, now())",
    )
    .await;
    let per_country = "SELECT country, SUM(n) AS n, SUM(total) AS total FROM per_country GROUP BY country ORDER BY total DESC LIMIT 10";
    let expected = [["FR", "1", "100.00"], ["DE", "2", "20.00"]];
    assert_eq!(rows(&client, per_country).await, expected);
    let over_limit = "SELECT card_id, amount, credit_limit FROM over_limit";
    assert_eq!(rows(&client, over_limit).await, [["c1", "12.50", "10.00"]]);
    assert_eq!(column(&client, "SELECT COUNT(*) FROM payments").await, ["3"]);

    let server = server.restart().await;
    let client = server.connect().await;
    assert_eq!(rows(&client, per_country).await, expected);
    assert_eq!(rows(&client, over_limit).await, [["c1", "12.50", "10.00"]]);
    run(&client, "SET read_your_writes = on").await;
    run(&client, "INSERT INTO payments VALUES ('c2', 1.00, 'bread', 'DE', 52.5, 13.4, now())").await;
    assert_eq!(rows(&client, per_country).await, [["FR", "1", "100.00"], ["DE", "3", "21.00"]]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_reads_its_writes_through_a_stream_over_the_topic_of_a_view() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, PAYMENTS).await;
    run(&client, "CREATE TABLE per_card AS SELECT card_id, COUNT(*) AS n FROM payments GROUP BY card_id").await;
    run(
        &client,
        "CREATE STREAM changes (card_id TEXT KEY, n BIGINT) WITH (kafka_topic = 'per_card', key_format = 'JSON')",
    )
    .await;
    run(&client, "CREATE STREAM busy (card_id TEXT KEY, n BIGINT)").await;
    run(&client, "INSERT INTO busy SELECT card_id, n FROM changes WHERE 1 < n EMIT CHANGES").await;
    run(&client, "SET read_your_writes = on").await;
    for count in 1..=20 {
        run(&client, "INSERT INTO payments VALUES ('c1', 1.00, 'tea', 'DE', 52.5, 13.4, now())").await;
        assert_eq!(column(&client, "SELECT MAX(n) FROM changes").await, [count.to_string()]);
        assert_eq!(column(&client, "SELECT COUNT(*) FROM busy").await, [(count - 1).to_string()]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn show_describe_explain_and_drop_say_what_there_is() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, PAYMENTS).await;
    run(&client, PER_COUNTRY).await;
    let names = |rows: Vec<Vec<String>>| rows.into_iter().flatten().collect::<Vec<_>>();
    assert!(names(rows(&client, "SHOW STREAMS").await).contains(&"payments".to_string()));
    assert!(names(rows(&client, "SHOW TABLES").await).contains(&"per_country".to_string()));
    assert_eq!(rows(&client, "SHOW QUERIES").await.len(), 1);
    assert!(names(rows(&client, "DESCRIBE per_country").await).contains(&"total".to_string()));
    assert!(!rows(&client, "EXPLAIN SELECT country FROM payments WHERE amount > 1").await.is_empty());
    run(&client, "SET read_your_writes = on").await;
    run(&client, "INSERT INTO payments VALUES ('c1', 1.00, 'tea', 'DE', 52.5, 13.4, now())").await;
    assert_eq!(rows(&client, "SELECT * FROM per_country").await.len(), 1);
    assert!(!rows(&client, "SELECT * FROM tidemill.offsets").await.is_empty());
    run(&client, "DROP TABLE per_country DELETE TOPIC").await;
    assert!(rows(&client, "SHOW TABLES").await.is_empty());
    assert!(rows(&client, "SHOW QUERIES").await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_directory_is_refused() {
    let server = TestServer::start().await;
    let second = tidemill::node::Node::start(server.config(), tidemill::env::Env::real()).await;
    let error = second.map(|_| ()).expect_err("the directory is taken");
    assert_eq!(error.state().0, "55P03", "{error}");
    server.stop().await;
}
