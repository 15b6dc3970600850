//! `tidemill topic`, against a server.

use super::client::KafkaClient;
use super::client::batch;
use crate::server::TestServer;
use crate::server::binary;

/// What a command says, and whether it went well.
async fn topic(server: &TestServer, words: &[&str]) -> (bool, String) {
    let mut command = binary();
    command.arg("topic").args(words).args(["-b", server.kafka_address()]);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("it is waited for");
    let output = ran.expect("the binary runs");
    let said = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(said).expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_made_shown_and_dropped_from_the_command_line() {
    let server = TestServer::start().await;
    let made = topic(&server, &["create", "orders", "--partitions", "2", "-c", "retention.ms=1000"]).await;
    assert_eq!(made, (true, "made orders with 2 partitions\n".to_string()));
    let mut client = KafkaClient::connect(&server).await;
    let orders = client.topic("orders").await;
    client.produce(9, &orders, &batch(&["a", "b"])).await;
    assert_eq!(topic(&server, &["list"]).await, (true, "orders  2 partitions\n".to_string()));
    let (_, listed) = topic(&server, &["list", "--json"]).await;
    assert_eq!(listed, "{\"name\":\"orders\",\"partitions\":2}\n");
    let (_, described) = topic(&server, &["describe", "orders"]).await;
    for expected in ["2 partitions\n", "partition 0  leader 0  in sync [0]  offsets 0..2\n", "retention.ms = 1000\n"] {
        assert!(described.contains(expected), "{described}");
    }
    let (went_well, said) = topic(&server, &["create", "orders"]).await;
    assert!(!went_well && said.contains("TOPIC_ALREADY_EXISTS"), "{said}");
    let (went_well, said) = topic(&server, &["create", "more", "-c", "retention.ms=soon"]).await;
    assert!(!went_well && said.contains("must be a whole number"), "{said}");
    assert_eq!(topic(&server, &["delete", "orders"]).await, (true, "dropped orders\n".to_string()));
    let (went_well, said) = topic(&server, &["describe", "orders"]).await;
    assert!(!went_well && said.contains("topic \"orders\" does not exist"), "{said}");
    server.stop().await;
}
