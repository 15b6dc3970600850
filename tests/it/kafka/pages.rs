//! DescribeTopicPartitions: topics a page of partitions at a time.

use tidemill::protocol::ErrorCode;
use tidemill::protocol::create_topics;
use tidemill::protocol::describe_topic_partitions as message;

use super::client::KafkaClient;
use super::client::one;
use crate::server::TestServer;

/// Topics, each with its code and its partitions, and where the next page begins.
type Page = (Vec<(String, ErrorCode, Vec<i32>)>, Option<(String, i32)>);

async fn page(client: &mut KafkaClient, names: &[&str], limit: i32, cursor: Option<(&str, i32)>) -> Page {
    let request = message::Request {
        topics: names.iter().map(|name| message::RequestedTopic { name: name.to_string() }).collect(),
        response_partition_limit: limit,
        cursor: cursor.map(|(name, partition_index)| message::Cursor { topic_name: name.to_string(), partition_index }),
    };
    let told = client.ask(0, request).await;
    let topic = |it: message::Topic| {
        let numbers = it.partitions.iter().map(|partition| partition.partition_index).collect();
        (it.name.unwrap_or_default(), it.error_code, numbers)
    };
    let next = told.next_cursor.map(|it| (it.topic_name, it.partition_index));
    (told.topics.into_iter().map(topic).collect(), next)
}

fn whole(name: &str, partitions: &[i32]) -> (String, ErrorCode, Vec<i32>) {
    (name.to_string(), ErrorCode::NONE, partitions.to_vec())
}

fn refused(name: &str, code: ErrorCode) -> (String, ErrorCode, Vec<i32>) {
    (name.to_string(), code, Vec::new())
}

fn next(name: &str, partition: i32) -> Option<(String, i32)> {
    Some((name.to_string(), partition))
}

async fn start() -> (TestServer, KafkaClient) {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    for (name, num_partitions) in [("a", 3), ("b", 1)] {
        let topic = create_topics::Topic {
            name: name.to_string(),
            num_partitions,
            replication_factor: 1,
            ..Default::default()
        };
        let request = create_topics::Request { topics: vec![topic], ..Default::default() };
        assert_eq!(one(client.ask(7, request).await.topics).error_code, ErrorCode::NONE);
    }
    (server, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_ends_at_its_limit_and_says_where_the_next_one_begins() {
    let (server, mut client) = start().await;
    let client = &mut client;
    let all = vec![whole("a", &[0, 1, 2]), whole("b", &[0])];
    assert_eq!(page(client, &[], 2000, None).await, (all.clone(), None), "all topics");
    assert_eq!(page(client, &["b", "a", "b"], 4, None).await, (all, None), "by name, each once");
    assert_eq!(page(client, &["b", "a"], 2, None).await, (vec![whole("a", &[0, 1])], next("a", 2)));
    assert_eq!(page(client, &["b", "a"], 3, None).await, (vec![whole("a", &[0, 1, 2])], next("b", 0)));
    let rest = vec![whole("a", &[1, 2]), whole("b", &[0])];
    assert_eq!(page(client, &["b", "a"], 3, Some(("a", 1))).await, (rest, None));
    assert_eq!(page(client, &[], 9, Some(("b", 0))).await, (vec![whole("b", &[0])], None));
    assert_eq!(page(client, &["a"], 0, None).await, (vec![whole("a", &[0])], next("a", 1)), "at least one");
    assert_eq!(page(client, &["a"], -1, None).await, (vec![whole("a", &[0])], next("a", 1)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_told_and_a_cursor_elsewhere_is_refused() {
    let (server, mut client) = start().await;
    let client = &mut client;
    let unknown = [
        refused("a b", ErrorCode::INVALID_TOPIC_EXCEPTION),
        whole("b", &[0]),
        refused("c", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    ];
    assert_eq!(page(client, &["c", "b", "a b"], 9, None).await, (unknown.to_vec(), None));
    for (names, cursor) in [(["a"], ("a", -1)), (["a"], ("z", 0)), (["b"], ("a", 9))] {
        let code = ErrorCode::INVALID_REQUEST;
        assert_eq!(page(client, &names, 9, Some(cursor)).await, (vec![refused(names[0], code)], None));
    }
    assert_eq!(page(client, &["a"], 9, Some(("a", 9))).await, (vec![whole("a", &[])], None));
    server.stop().await;
}
