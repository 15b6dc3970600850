//! Produce, Fetch, ListOffsets, Metadata, FindCoordinator, ApiVersions.

use tidemill::model::ProducerEpoch;
use tidemill::model::ProducerId;
use tidemill::protocol::Batch;
use tidemill::protocol::BatchBuilder;
use tidemill::protocol::BatchLimits;
use tidemill::protocol::ErrorCode;
use tidemill::protocol::ProducerStamp;
use tidemill::protocol::Transactional;
use tidemill::protocol::api_versions;
use tidemill::protocol::fetch;
use tidemill::protocol::find_coordinator;
use tidemill::protocol::list_offsets;
use tidemill::protocol::metadata;
use tidemill::protocol::produce;

use super::client::KafkaClient;
use super::client::batch;
use super::client::fetch_request;
use super::client::one;
use super::client::produce_request;
use super::client::records;
use super::client::stamped_batch;
use crate::server::TestServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_told_also_to_who_asks_in_an_unknown_version() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let named =
        api_versions::Request { client_software_name: "test".to_string(), client_software_version: "1.0".to_string() };
    let known = client.ask(4, named.clone()).await;
    assert_eq!(known.error_code, ErrorCode::NONE);
    // Version 99 has a body that nobody knows; what comes back is version 0.
    let number = client.send(99, &named).await;
    let fallback = client.receive::<api_versions::Request>(0, number).await;
    assert_eq!(fallback.error_code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(fallback.api_keys, known.api_keys);
    let unnamed = client.ask(3, api_versions::Request::default()).await;
    assert_eq!(unnamed.error_code, ErrorCode::INVALID_REQUEST);
    assert_eq!(client.ask(0, api_versions::Request::default()).await.api_keys, known.api_keys);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_produced_is_fetched_in_every_version() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    assert_eq!(topic.error_code, ErrorCode::NONE);
    let mut expected = Vec::new();
    for version in 3..=13 {
        let value = format!("version {version}");
        let produced = client.produce(version, &topic, &batch(&[&value, "and more"])).await;
        assert_eq!((produced.error_code, produced.base_offset), (ErrorCode::NONE, expected.len() as i64));
        expected.push((expected.len() as i64, value));
        expected.push((expected.len() as i64, "and more".to_string()));
    }
    for version in 4..=18 {
        let fetched = client.fetch(version, &topic, 0).await;
        assert_eq!(records(&fetched), expected, "version {version}");
        assert_eq!(fetched.high_watermark, expected.len() as i64);
    }
    // The batch that holds the offset comes whole.
    let fetched = client.fetch(12, &topic, 3).await;
    assert_eq!(records(&fetched), expected[2..]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_come_back_as_they_were_sent_but_for_offset_and_epoch() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    client.produce(9, &topic, &batch(&["before"])).await;
    let sent = batch(&["a", "b"]);
    client.produce(9, &topic, &sent).await;
    let fetched = client.fetch(12, &topic, 1).await.records.0.concat();
    assert_eq!(fetched[8..12], sent[8..12], "the length");
    assert_eq!(fetched[16..], sent[16..], "all after the leader epoch");
    assert_eq!(fetched[..8], 1_i64.to_be_bytes());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_waits_for_what_is_produced_and_no_longer_than_it_says() {
    let server = TestServer::start().await;
    let (mut reader, mut writer) = (KafkaClient::connect(&server).await, KafkaClient::connect(&server).await);
    let topic = writer.topic("t").await;
    let hour = fetch::Request { max_wait_ms: 3_600_000, ..fetch_request(&topic, 0) };
    let number = reader.send(12, &hour).await;
    writer.produce(9, &topic, &batch(&["a"])).await;
    let response = reader.receive::<fetch::Request>(12, number).await;
    assert_eq!(records(&one(one(response.responses).partitions)), [(0, "a".to_string())]);
    // Waits for as many bytes as it says.
    let enough = batch(&["b"]).len() as i32 + 1;
    let number = reader
        .send(
            12,
            &fetch::Request {
                min_bytes: enough,
                ..fetch::Request { topics: fetch_request(&topic, 1).topics, ..hour.clone() }
            },
        )
        .await;
    writer.produce(9, &topic, &batch(&["b"])).await;
    writer.produce(9, &topic, &batch(&["c"])).await;
    let response = reader.receive::<fetch::Request>(12, number).await;
    assert_eq!(records(&one(one(response.responses).partitions)), [(1, "b".to_string()), (2, "c".to_string())]);
    // Nothing comes, and it says so.
    let soon = fetch::Request { max_wait_ms: 1, ..fetch_request(&topic, 3) };
    let response = reader.ask(12, soon).await;
    assert!(records(&one(one(response.responses).partitions)).is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_appends_keep_their_order_and_get_their_answers_in_it() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    let mut numbers = Vec::new();
    for value in 0..200 {
        let value = value.to_string();
        numbers.push(client.send(9, &produce_request(-1, &topic, vec![(0, &batch(&[&value]))])).await);
    }
    let last = client.send(12, &fetch_request(&topic, 0)).await;
    for (offset, number) in (0..).zip(numbers) {
        let response = client.receive::<produce::Request>(9, number).await;
        assert_eq!(one(one(response.responses).partition_responses).base_offset, offset);
    }
    // What was sent after them sees them.
    let fetched = client.receive::<fetch::Request>(12, last).await;
    let expected: Vec<_> = (0..200).map(|value| (value, value.to_string())).collect();
    assert_eq!(records(&one(one(fetched.responses).partitions)), expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_answer_gets_none_and_loses_the_connection_if_refused() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    client.send(9, &produce_request(0, &topic, vec![(0, &batch(&["a"]))])).await;
    // Nobody has said that it is durable: whoever reads it waits for it.
    let wait = |from| fetch::Request { max_wait_ms: 3_600_000, ..fetch_request(&topic, from) };
    let response = client.ask(12, wait(0)).await;
    assert_eq!(records(&one(one(response.responses).partitions)), [(0, "a".to_string())]);
    // Sent and closed at once: it is there all the same.
    client.send(9, &produce_request(0, &topic, vec![(0, &batch(&["b"]))])).await;
    drop(client);
    let mut client = KafkaClient::connect(&server).await;
    let response = client.ask(12, wait(1)).await;
    assert_eq!(records(&one(one(response.responses).partitions)), [(1, "b".to_string())]);
    client.send(9, &produce_request(0, &topic, vec![(7, &batch(&["c"]))])).await;
    assert!(client.is_closed().await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_partition_is_answered_by_itself() {
    let server = TestServer::start_with(|config| config.kafka.default_partitions = 3).await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    assert_eq!(topic.partitions.len(), 3);
    let (good, mut broken) = (batch(&["a"]), batch(&["b"]));
    *broken.last_mut().expect("a batch has bytes") ^= 1;
    let two = [good.clone(), good.clone()].concat();
    let request = produce_request(-1, &topic, vec![(0, &good), (1, &broken), (2, &two), (3, &good)]);
    let response = client.ask(9, request).await;
    let answers: Vec<_> =
        one(response.responses).partition_responses.iter().map(|answer| (answer.index, answer.error_code)).collect();
    let expected = [
        (0, ErrorCode::NONE),
        (1, ErrorCode::CORRUPT_MESSAGE),
        (2, ErrorCode::INVALID_RECORD),
        (3, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    ];
    assert_eq!(answers, expected);
    let response = client.ask(2, produce_request(-1, &topic, vec![(0, &good)])).await;
    assert_eq!(one(one(response.responses).partition_responses).error_code, ErrorCode::UNSUPPORTED_VERSION);
    let response = client.ask(9, produce_request(5, &topic, vec![(0, &good)])).await;
    assert_eq!(one(one(response.responses).partition_responses).error_code, ErrorCode::INVALID_REQUIRED_ACKS);
    let response = client.ask(9, produce_request(-1, &topic, vec![(0, &[])])).await;
    assert_eq!(one(one(response.responses).partition_responses).error_code, ErrorCode::INVALID_RECORD);
    assert_eq!(client.fetch(12, &topic, 9).await.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_sent_twice_is_stored_once_and_one_out_of_order_is_refused() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    let stamped = |sequence: i32| stamped_batch(77, sequence);
    assert_eq!(client.produce(9, &topic, &stamped(0)).await.base_offset, 0);
    assert_eq!(client.produce(9, &topic, &stamped(1)).await.base_offset, 1);
    let again = client.produce(9, &topic, &stamped(0)).await;
    assert_eq!((again.error_code, again.base_offset), (ErrorCode::NONE, 0));
    assert_eq!(client.produce(9, &topic, &stamped(5)).await.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(records(&client.fetch(12, &topic, 0).await).len(), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_found_by_end_and_by_time() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    client.produce(9, &topic, &batch(&["a", "b", "c"])).await;
    client.produce(9, &topic, &batch(&["d"])).await;
    let mut ask = async |version: i16, timestamp: i64| {
        let partition = list_offsets::Partition { timestamp, ..Default::default() };
        let asked = list_offsets::Topic { name: "t".to_string(), partitions: vec![partition] };
        let request = list_offsets::Request { topics: vec![asked], ..Default::default() };
        let answer = one(one(client.ask(version, request).await.topics).partitions);
        (answer.error_code, answer.offset, answer.timestamp)
    };
    for version in 1..=10 {
        assert_eq!(ask(version, -1).await, (ErrorCode::NONE, 4, -1));
        assert_eq!(ask(version, -2).await, (ErrorCode::NONE, 0, -1));
        assert_eq!(ask(version, 1_700_000_000_001).await, (ErrorCode::NONE, 1, 1_700_000_000_001));
        assert_eq!(ask(version, 5).await, (ErrorCode::NONE, 0, 1_700_000_000_000));
        assert_eq!(ask(version, 1_900_000_000_000).await, (ErrorCode::NONE, -1, -1));
    }
    assert_eq!(ask(7, -3).await, (ErrorCode::NONE, 2, 1_700_000_000_002));
    assert_eq!(ask(7, -9).await.0, ErrorCode::UNSUPPORTED_VERSION);
    let mut ask_as_of_old = async |timestamp: i64, max_num_offsets: i32| {
        let partition = list_offsets::Partition { timestamp, max_num_offsets, ..Default::default() };
        let asked = list_offsets::Topic { name: "t".to_string(), partitions: vec![partition] };
        let request = list_offsets::Request { topics: vec![asked], ..Default::default() };
        let answer = one(one(client.ask(0, request).await.topics).partitions);
        (answer.error_code, answer.old_style_offsets)
    };
    assert_eq!(ask_as_of_old(-1, 1).await, (ErrorCode::NONE, vec![4]));
    assert_eq!(ask_as_of_old(-2, 9).await, (ErrorCode::NONE, vec![0]));
    assert_eq!(ask_as_of_old(-1, 0).await, (ErrorCode::NONE, vec![]));
    assert_eq!(ask_as_of_old(5, 1).await, (ErrorCode::UNSUPPORTED_VERSION, vec![]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_tells_of_all_topics_of_some_and_of_none() {
    let server = TestServer::start_with(|config| config.kafka.auto_create_topics = false).await;
    let mut client = KafkaClient::connect(&server).await;
    let missing = client.topic("t").await;
    assert_eq!(missing.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    for version in 0..=13 {
        let all = metadata::Request { topics: (version != 0).then(Vec::new), ..Default::default() };
        let none = client.ask(version, all).await;
        assert!(none.topics.is_empty());
        let broker = one(none.brokers);
        assert_eq!(format!("{}:{}", broker.host, broker.port), server.kafka_address());
    }
    let unknown = metadata::RequestedTopic { topic_id: [7; 16], name: None };
    let request = metadata::Request { topics: Some(vec![unknown]), ..Default::default() };
    assert_eq!(one(client.ask(12, request).await.topics).error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_node_coordinates_every_group() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let single = client.ask(2, find_coordinator::Request { key: "g".to_string(), ..Default::default() }).await;
    assert_eq!(format!("{}:{}", single.host, single.port), server.kafka_address());
    let keys = vec!["g".to_string(), "h".to_string()];
    let many = client.ask(4, find_coordinator::Request { coordinator_keys: keys, ..Default::default() }).await;
    assert_eq!(many.coordinators.len(), 2);
    assert!(many.coordinators.iter().all(|coordinator| coordinator.error_code == ErrorCode::NONE));
    let other = find_coordinator::Request { key_type: 9, ..Default::default() };
    assert_eq!(client.ask(2, other).await.error_code, ErrorCode::INVALID_REQUEST);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_believes_in_another_leader_is_fenced() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    client.produce(9, &topic, &batch(&["a"])).await;
    let epoch = topic.partitions[0].leader_epoch;
    let mut with_epoch = async |current_leader_epoch: i32| {
        let mut request = fetch_request(&topic, 0);
        request.topics[0].partitions[0].current_leader_epoch = current_leader_epoch;
        one(one(client.ask(12, request).await.responses).partitions).error_code
    };
    assert_eq!(with_epoch(epoch).await, ErrorCode::NONE);
    assert_eq!(with_epoch(epoch - 1).await, ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(with_epoch(epoch + 1).await, ErrorCode::UNKNOWN_LEADER_EPOCH);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_outlive_a_restart_and_a_batch_is_whole() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    client.produce(9, &topic, &batch(&["a", "b"])).await;
    drop(client);
    let server = server.restart().await;
    let mut client = KafkaClient::connect(&server).await;
    let fetched = client.fetch(12, &topic, 0).await;
    assert_eq!(records(&fetched).len(), 2);
    let limits = BatchLimits::default();
    Batch::check(fetched.records.0.concat().into(), &limits).expect("it is one whole batch");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_session_tells_what_is_new_and_ends_with_its_connection() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    client.produce(9, &topic, &batch(&["a"])).await;
    for version in [7, 12, 13] {
        let first = client.ask(version, fetch::Request { session_epoch: 0, ..fetch_request(&topic, 0) }).await;
        assert_ne!(first.session_id, 0);
        let next = |session_epoch, topics| fetch::Request {
            session_id: first.session_id,
            session_epoch,
            topics,
            ..fetch_request(&topic, 0)
        };
        let again = client.ask(version, next(1, Vec::new())).await;
        let found = one(one(again.responses).partitions);
        assert_eq!(records(&found), records(&one(one(first.responses).partitions)), "it has not moved on");
        let moved = fetch_request(&topic, records(&found).len() as i64).topics;
        let told = one(one(client.ask(version, next(2, moved)).await.responses).partitions);
        assert_eq!((records(&told), told.high_watermark), (vec![], found.high_watermark), "who asks is told");
        assert_eq!(client.ask(version, next(3, Vec::new())).await.responses, vec![], "nothing is new");
        client.produce(9, &topic, &batch(&["b"])).await;
        let news = one(one(client.ask(version, next(4, Vec::new())).await.responses).partitions);
        assert_eq!(records(&news).len(), 1);
        assert_eq!(client.ask(version, next(4, Vec::new())).await.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        let mut other = KafkaClient::connect(&server).await;
        assert_eq!(other.ask(version, next(5, Vec::new())).await.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_bytes_does_not_wait_for_any() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    // It would wait for weeks.
    let request = fetch::Request { min_bytes: 0, max_wait_ms: i32::MAX, ..fetch_request(&topic, 0) };
    let fetched = one(one(client.ask(12, request).await.responses).partitions);
    assert_eq!((fetched.error_code, fetched.high_watermark), (ErrorCode::NONE, 0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_a_transaction_needs_the_name_of_one() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic = client.topic("t").await;
    let stamp = ProducerStamp { id: ProducerId(7), epoch: ProducerEpoch(0), base_sequence: 0 };
    let mut builder = BatchBuilder::new().producer(stamp, Transactional::Yes);
    builder.append(1, None, Some(b"x"), &[]);
    let batch = builder.finish().bytes().to_vec();
    for version in [3, 9, 12] {
        let produced = client.produce(version, &topic, &batch).await;
        assert_eq!(produced.error_code, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "{version}");
    }
    server.stop().await;
}
