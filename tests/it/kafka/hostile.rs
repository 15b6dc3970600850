//! Bytes that are no requests, and clients that do not behave: a closed connection, and nobody else hurt.

use std::time::Duration;

use tidemill::protocol::metadata;
use tidemill::protocol::request_frame;

use super::client::KafkaClient;
use super::client::batch;
use super::client::fetch_request;
use super::client::records;
use crate::server::TestServer;

fn with_length(body: &[u8]) -> Vec<u8> {
    [&(body.len() as i32).to_be_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_ends_its_connection_and_nothing_else() {
    let server = TestServer::start().await;
    let mut good = KafkaClient::connect(&server).await;
    let whole = request_frame(12, 1, Some("test"), &metadata::Request::default()).concat();
    let frames: Vec<(&str, Vec<u8>)> = vec![
        ("a negative length", (-5_i32).to_be_bytes().to_vec()),
        ("a length over the limit", i32::MAX.to_be_bytes().to_vec()),
        ("an empty frame", with_length(b"")),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("an unknown API", with_length(b"\x7f\xff\0\0\0\0\0\x01\0\0")),
        ("an unknown version", with_length(b"\0\x03\0\x63\0\0\0\x01\0\0")),
        ("a forged array of four billion", with_length(b"\0\x03\0\x0c\0\0\0\x01\0\0\0\xff\xff\xff\xff\x0f")),
        ("a cut request", with_length(&whole[4..whole.len() - 1])),
        ("a name that is not text", with_length(b"\0\x03\0\0\0\0\0\x01\0\0\0\0\0\x01\0\x01\xff")),
    ];
    for (what, bytes) in frames {
        let mut bad = KafkaClient::connect(&server).await;
        bad.send_raw(&bytes).await;
        assert!(bad.is_closed().await, "{what}");
        assert_eq!(good.topic("t").await.partitions.len(), 1, "after {what}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_behind_a_request_are_passed_over_as_kafka_does() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    // Metadata of all topics in version 13, as librdkafka 2.16 writes it: the count of null, and three bytes too many.
    let body = b"\0\x03\0\x0d\0\0\0\x07\0\x07rdkafka\0\0\0\0\0\x01\0\0";
    client.send_raw(&with_length(body)).await;
    assert_eq!(client.receive::<metadata::Request>(13, 7).await.brokers.len(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_in_the_middle_is_disconnected() {
    let server = TestServer::start_with(|config| config.kafka.stall_timeout = Duration::from_millis(20)).await;
    let mut slow = KafkaClient::connect(&server).await;
    slow.send_raw(&[0, 0]).await;
    assert!(slow.is_closed().await);
    let mut slow = KafkaClient::connect(&server).await;
    slow.send_raw(&[&1000_i32.to_be_bytes()[..], b"abc"].concat()).await;
    assert!(slow.is_closed().await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_take_its_answers_holds_up_nobody() {
    let server = TestServer::start_with(|config| config.kafka.stall_timeout = Duration::from_millis(200)).await;
    let mut writer = KafkaClient::connect(&server).await;
    let topic = writer.topic("t").await;
    let large = "x".repeat(900_000);
    for _ in 0..4 {
        writer.produce(9, &topic, &batch(&[&large])).await;
    }
    let mut silent = KafkaClient::connect(&server).await;
    for _ in 0..20 {
        silent.send(12, &fetch_request(&topic, 0)).await;
    }
    for offset in 0..4 {
        assert_eq!(records(&writer.fetch(12, &topic, offset).await)[0].0, offset);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_over_the_limit_are_closed_and_the_others_served() {
    let server = TestServer::start_with(|config| config.kafka.connections_max = 2).await;
    let mut first = KafkaClient::connect(&server).await;
    let mut second = KafkaClient::connect(&server).await;
    first.topic("t").await;
    second.topic("t").await;
    let mut third = KafkaClient::connect(&server).await;
    assert!(third.is_closed().await);
    assert_eq!(first.topic("t").await.partitions.len(), 1);
    server.stop().await;
}
