//! What Kafka clients produce is a stream in SQL; what SQL writes they consume.

use std::time::Duration;

use tidemill::protocol::BatchBuilder;
use tidemill::protocol::ErrorCode;
use tidemill::protocol::delete_records;
use tidemill::protocol::incremental_alter_configs;
use tokio_postgres::Client;

use super::client::KafkaClient;
use super::client::batch;
use super::client::one;
use super::client::produce_request;
use super::client::records;
use crate::server::TestServer;
use crate::server::failure;
use crate::server::rows;
use crate::server::run;
use crate::server::settled;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_produced_is_a_stream_and_its_view_follows() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("orders").await;
    client.produce(9, &topic, &batch(&["{\"item\": \"pond\", \"amount\": 2}"])).await;
    let session = server.connect().await;
    run(
        &session,
        "CREATE STREAM orders (item TEXT, amount BIGINT) WITH (kafka_topic = 'orders', value_format = 'JSON');
         CREATE TABLE totals AS SELECT item, sum(amount) AS total FROM orders GROUP BY item;",
    )
    .await;
    client
        .produce(9, &topic, &batch(&["{\"item\": \"pond\", \"amount\": 3}", "{\"item\": \"wheel\", \"amount\": 1}"]))
        .await;
    assert_eq!(rows(&session, "SELECT item, amount FROM orders ORDER BY amount").await.len(), 3);
    // An INSERT of this session comes after what was produced: once the view has it, it has all.
    run(&session, "INSERT INTO orders VALUES ('last', 0)").await;
    let totals = settled(&session, "SELECT item, total FROM totals WHERE item <> 'last' ORDER BY item").await;
    assert_eq!(totals, [["pond", "5"], ["wheel", "1"]]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_insert_wrote_is_consumed() {
    let server = TestServer::start().await;
    let session = server.connect().await;
    run(
        &session,
        "CREATE STREAM orders (id TEXT KEY, item TEXT) WITH (kafka_topic = 'orders', value_format = 'JSON', partitions = 1);
         INSERT INTO orders VALUES ('o1', 'pond'), ('o2', 'wheel');",
    )
    .await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("orders").await;
    let found = records(&client.fetch(12, &topic, 0).await);
    let values: Vec<_> = found.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["{\"item\":\"pond\"}", "{\"item\":\"wheel\"}"]);
    server.stop().await;
}

/// Asks for all records below an offset of a topic's first partition to be dropped.
async fn delete_below(client: &mut KafkaClient, topic: &str, offset: i64) -> ErrorCode {
    let partition = delete_records::Partition { partition_index: 0, offset };
    let topic = delete_records::Topic { name: topic.to_string(), partitions: vec![partition] };
    let request = delete_records::Request { topics: vec![topic], ..Default::default() };
    one(one(client.ask(2, request).await.topics).partitions).error_code
}

async fn times_of_append(client: &mut KafkaClient, topic: &str) -> ErrorCode {
    let config = incremental_alter_configs::Config {
        name: "message.timestamp.type".to_string(),
        value: Some("LogAppendTime".to_string()),
        ..Default::default()
    };
    let resource = incremental_alter_configs::Resource {
        resource_type: 2,
        resource_name: topic.to_string(),
        configs: vec![config],
    };
    let request = incremental_alter_configs::Request { resources: vec![resource], ..Default::default() };
    one(client.ask(1, request).await.responses).error_code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_queries_and_tables_keep_is_not_taken_or_changed_under_them() {
    let server = TestServer::start().await;
    let session = server.connect().await;
    run(
        &session,
        "CREATE STREAM orders (item TEXT KEY, amount INT) WITH (kafka_topic = 'orders', value_format = 'JSON', partitions = 1);
         CREATE TABLE totals WITH (kafka_topic = 'totals') AS SELECT item, sum(amount) AS total FROM orders GROUP BY item;
         CREATE STREAM large WITH (kafka_topic = 'large') AS SELECT * FROM orders WHERE amount > 1;
         CREATE TABLE items (item TEXT PRIMARY KEY, price INT) WITH (kafka_topic = 'items', partitions = 1);
         INSERT INTO items VALUES ('pond', 1), ('wheel', 2);
         INSERT INTO orders VALUES ('pond', 2), ('wheel', 3);",
    )
    .await;
    settled(&session, "SELECT * FROM totals").await;
    let mut client = KafkaClient::connect(&server).await;
    for topic in ["totals", "large", "items"] {
        assert_eq!(delete_below(&mut client, topic, 1).await, ErrorCode::POLICY_VIOLATION, "{topic}");
    }
    for (topic, code) in [("totals", ErrorCode::POLICY_VIOLATION), ("large", ErrorCode::POLICY_VIOLATION)] {
        assert_eq!(times_of_append(&mut client, topic).await, code, "{topic}");
    }
    let topic = client.topic("totals").await;
    let produced = client.produce(9, &topic, &batch(&["{\"total\": 777}"])).await;
    assert_eq!(produced.error_code, ErrorCode::POLICY_VIOLATION);
    // Records that a query has not read would be missed by it.
    run(&session, "PAUSE ALL; INSERT INTO orders VALUES ('pond', 4)").await;
    assert_eq!(delete_below(&mut client, "orders", 3).await, ErrorCode::POLICY_VIOLATION);
    assert_eq!(delete_below(&mut client, "orders", 2).await, ErrorCode::NONE);
    run(&session, "RESUME ALL; INSERT INTO orders VALUES ('wheel', 1)").await;
    let totals = settled(&session, "SELECT item, total FROM totals ORDER BY item").await;
    assert_eq!(totals, [["pond", "6"], ["wheel", "4"]]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_clients_put_into_partitions_of_another_hash_are_changed_where_they_lie() {
    let server = TestServer::start().await;
    let session = server.connect().await;
    run(
        &session,
        "CREATE TABLE t (k TEXT PRIMARY KEY, v INT) WITH (kafka_topic = 't', value_format = 'JSON', partitions = 3)",
    )
    .await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    let keyed = |keys: &[&str]| {
        let mut builder = BatchBuilder::new();
        for key in keys {
            builder.append(1_700_000_000_000, Some(key.as_bytes()), Some(b"{\"v\": 1}"), &[]);
        }
        builder.finish().bytes().to_vec()
    };
    let (plain, twice) = (keyed(&["a", "b", "c", "d", "e", "f"]), keyed(&["f"]));
    client.ask(9, produce_request(-1, &topic, vec![(1, &plain)])).await;
    run(&session, "UPDATE t SET v = 2").await;
    let found = rows(&session, "SELECT k, v FROM t ORDER BY k").await;
    assert_eq!(found, [["a", "2"], ["b", "2"], ["c", "2"], ["d", "2"], ["e", "2"], ["f", "2"]]);
    run(&session, "INSERT INTO t VALUES ('a', 5) ON CONFLICT (k) DO UPDATE SET v = t.v + excluded.v").await;
    run(&session, "DELETE FROM t WHERE k IN ('b', 'c', 'd', 'e')").await;
    assert_eq!(rows(&session, "SELECT k, v FROM t ORDER BY k").await, [["a", "7"], ["f", "2"]]);
    client.ask(9, produce_request(-1, &topic, vec![(0, &twice), (2, &twice)])).await;
    let (state, message, ..) = failure(&session, "UPDATE t SET v = 3 WHERE k = 'f'").await;
    assert_eq!((state.as_str(), message.as_str()), ("21000", "table \"t\" has two rows of one key"));
    run(&session, "DELETE FROM t WHERE k = 'f'").await;
    assert_eq!(rows(&session, "SELECT k, v FROM t ORDER BY k").await, [["a", "7"]]);
    server.stop().await;
}

/// A batch of records, some without a key.
fn keyed(records: &[(Option<&str>, i32)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for (key, value) in records {
        let value = format!("{{\"v\": {value}}}");
        builder.append(1_700_000_000_000, key.map(str::as_bytes), Some(value.as_bytes()), &[]);
    }
    builder.finish().bytes().to_vec()
}

/// Asks until the answer is `wanted`: what clients wrote no session waits for.
async fn shows(session: &Client, query: &str, wanted: &[&[&str]]) {
    let asked = async {
        while rows(session, query).await != wanted {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), asked).await;
    assert!(in_time.is_ok(), "{query}: {:?}", rows(session, query).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_one_key_are_one_group_wherever_clients_put_them() {
    let server = TestServer::start().await;
    let session = server.connect().await;
    run(
        &session,
        "CREATE STREAM s (k TEXT KEY, v INT) WITH (kafka_topic = 's', value_format = 'JSON', partitions = 4);
         CREATE STREAM copies AS SELECT k, v FROM s;
         CREATE TABLE sums AS SELECT k, COUNT(*) AS n, SUM(v) AS s FROM s GROUP BY k;
         CREATE TABLE hours AS SELECT k, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY k;
         CREATE TABLE copied AS SELECT k, COUNT(*) AS n FROM copies GROUP BY k;
         CREATE TABLE keys AS SELECT DISTINCT k FROM s;
         CREATE TABLE firsts AS SELECT k, v FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS n FROM s) WHERE n = 1;",
    )
    .await;
    let produce = async |server: &TestServer, from: i32| {
        let mut client = KafkaClient::connect(server).await;
        let topic = client.topic("s").await;
        let batch = |v: i32| keyed(&[(None, v), (Some("a"), 10 * v), (Some("b"), 1)]);
        let batches: Vec<Vec<u8>> = (from..from + 4).map(batch).collect();
        let each = batches.iter().enumerate().map(|(partition, batch)| (partition as i32, batch.as_slice()));
        client.ask(9, produce_request(-1, &topic, each.collect())).await;
    };
    produce(&server, 1).await;
    // At the same time, so that no row is late for its window.
    let time = 1_700_000_000_000_i64;
    let insert = format!("INSERT INTO s (k, v, rowtime) VALUES (NULL, 5, {time}), ('a', 50, {time}), ('c', 3, {time})");
    run(&session, &insert).await;
    let sums = "SELECT k, n, s FROM sums ORDER BY k";
    shows(&session, sums, &[&["a", "5", "150"], &["b", "4", "4"], &["c", "1", "3"], &["NULL", "5", "15"]]).await;
    // In windows only rows without a key meet: for others time would have to wait.
    shows(&session, "SELECT SUM(n) FROM hours WHERE k IS NULL", &[&["5"]]).await;
    shows(&session, "SELECT k FROM keys ORDER BY k", &[&["a"], &["b"], &["c"], &["NULL"]]).await;
    let firsts = "SELECT k, v FROM firsts ORDER BY k";
    shows(&session, firsts, &[&["a", "50"], &["b", "1"], &["c", "3"], &["NULL", "5"]]).await;
    let server = server.restart().await;
    let session = server.connect().await;
    produce(&server, 5).await;
    shows(&session, sums, &[&["a", "9", "410"], &["b", "8", "8"], &["c", "1", "3"], &["NULL", "9", "41"]]).await;
    shows(&session, firsts, &[&["a", "80"], &["b", "1"], &["c", "3"], &["NULL", "8"]]).await;
    // A query puts what it writes where its key belongs.
    shows(&session, "SELECT n FROM copied WHERE k IS NULL", &[&["9"]]).await;
    server.stop().await;
}
