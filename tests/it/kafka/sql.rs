//! What Kafka clients produce is a stream in SQL; what SQL writes they consume.

use super::client::KafkaClient;
use super::client::batch;
use super::client::records;
use crate::server::TestServer;
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
