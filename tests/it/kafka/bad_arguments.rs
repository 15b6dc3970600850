//! What administrators and clients are told whose request is wrong: the codes are Apache Kafka 4.1's.

use tidemill::protocol::ErrorCode;
use tidemill::protocol::add_partitions_to_txn;
use tidemill::protocol::alter_configs;
use tidemill::protocol::consumer_group_heartbeat;
use tidemill::protocol::create_topics;
use tidemill::protocol::delete_topics;
use tidemill::protocol::describe_cluster;
use tidemill::protocol::describe_configs;
use tidemill::protocol::end_txn;
use tidemill::protocol::incremental_alter_configs;
use tidemill::protocol::init_producer_id;
use tidemill::protocol::list_offsets;
use tidemill::protocol::metadata;

use super::client::KafkaClient;
use super::client::one;
use crate::server::TestServer;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;

fn topic(name: &str, configs: &[(&str, &str)]) -> create_topics::Topic {
    let config =
        |(name, value): &(&str, &str)| create_topics::Config { name: name.to_string(), value: Some(value.to_string()) };
    create_topics::Topic {
        name: name.to_string(),
        num_partitions: 1,
        replication_factor: 1,
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    }
}

async fn create(client: &mut KafkaClient, topics: Vec<create_topics::Topic>) -> Vec<(String, ErrorCode)> {
    let request = create_topics::Request { topics, ..Default::default() };
    client.ask(7, request).await.topics.into_iter().map(|topic| (topic.name, topic.error_code)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_named_twice_is_refused_and_told_once() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let made = create(&mut client, vec![topic("a", &[]), topic("b", &[]), topic("a", &[])]).await;
    assert_eq!(made, [("a".to_string(), ErrorCode::INVALID_REQUEST), ("b".to_string(), ErrorCode::NONE)]);
    let id = client.topic("b").await.topic_id;
    let by = |name: Option<&str>, topic_id| delete_topics::Topic { name: name.map(str::to_string), topic_id };
    let delete = async |client: &mut KafkaClient, topics: Vec<delete_topics::Topic>| {
        one(client.ask(6, delete_topics::Request { topics, ..Default::default() }).await.responses).error_code
    };
    for refused in
        [vec![by(Some("b"), [0; 16]); 2], vec![by(None, id); 3], vec![by(Some("b"), id)], vec![by(None, [0; 16])]]
    {
        assert_eq!(delete(&mut client, refused.clone()).await, ErrorCode::INVALID_REQUEST, "{refused:?}");
    }
    assert_eq!(delete(&mut client, vec![by(None, id)]).await, ErrorCode::NONE);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_contradict_one_another_are_refused() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let lags = [("min.compaction.lag.ms", "100"), ("max.compaction.lag.ms", "10")];
    let refused = create(&mut client, vec![topic("t", &lags)]).await;
    assert_eq!(refused, [("t".to_string(), ErrorCode::INVALID_CONFIG)]);
    create(&mut client, vec![topic("t", &lags[1..])]).await;
    let refused = incremental(&mut client, "t", &[("min.compaction.lag.ms", SET, Some("11"))]).await;
    assert_eq!(refused, ErrorCode::INVALID_CONFIG);
    let taken = incremental(&mut client, "t", &[("min.compaction.lag.ms", SET, Some("10"))]).await;
    assert_eq!(taken, ErrorCode::NONE);
    server.stop().await;
}

fn altered(name: &str, configs: &[(&str, i8, Option<&str>)]) -> incremental_alter_configs::Resource {
    let config = |(name, config_operation, value): &(&str, i8, Option<&str>)| incremental_alter_configs::Config {
        name: name.to_string(),
        config_operation: *config_operation,
        value: value.map(str::to_string),
    };
    incremental_alter_configs::Resource {
        resource_type: TOPIC,
        resource_name: name.to_string(),
        configs: configs.iter().map(config).collect(),
    }
}

async fn incremental(client: &mut KafkaClient, name: &str, configs: &[(&str, i8, Option<&str>)]) -> ErrorCode {
    let resources = vec![altered(name, configs)];
    let request = incremental_alter_configs::Request { resources, ..Default::default() };
    one(client.ask(1, request).await.responses).error_code
}

/// A setting, what is done to it, and with which value.
type Told = (&'static str, i8, Option<&'static str>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_settings_that_make_no_sense_change_nothing() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    create(&mut client, vec![topic("t", &[])]).await;
    let changes: [(&str, &[Told], ErrorCode); 9] = [
        ("u", &[("retention.ms", SET, Some("1"))], ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ("a b", &[("retention.ms", SET, Some("1"))], ErrorCode::INVALID_TOPIC_EXCEPTION),
        ("", &[("retention.ms", SET, Some("1"))], ErrorCode::INVALID_REQUEST),
        ("t", &[("retention.ms", SET, None)], ErrorCode::INVALID_REQUEST),
        ("t", &[("cleanup.policy", APPEND, None)], ErrorCode::INVALID_REQUEST),
        ("t", &[("retention.ms", SET, Some("1")), ("retention.ms", DELETE, None)], ErrorCode::INVALID_REQUEST),
        ("t", &[("no.such.setting", SET, Some("1"))], ErrorCode::INVALID_CONFIG),
        ("t", &[("message.downconversion.enable", DELETE, None)], ErrorCode::NONE),
        ("t", &[("retention.ms", DELETE, None)], ErrorCode::NONE),
    ];
    for (name, configs, code) in changes {
        assert_eq!(incremental(&mut client, name, configs).await, code, "{name} {configs:?}");
    }
    let resources = vec![altered("t", &[("retention.ms", SET, Some("5"))]); 2];
    let twice = incremental_alter_configs::Request { resources, ..Default::default() };
    let codes: Vec<_> = client.ask(1, twice).await.responses.into_iter().map(|it| it.error_code).collect();
    assert_eq!(codes, [ErrorCode::INVALID_REQUEST; 2]);
    // The old way.
    let config = |value: Option<&str>| alter_configs::Config {
        name: "retention.ms".to_string(),
        value: value.map(str::to_string),
    };
    for configs in [vec![config(None)], vec![config(Some("5")), config(Some("6"))]] {
        let resource =
            alter_configs::Resource { resource_type: TOPIC, resource_name: "t".to_string(), configs: configs.clone() };
        let request = alter_configs::Request { resources: vec![resource], ..Default::default() };
        let code = one(client.ask(1, request).await.responses).error_code;
        assert_eq!(code, ErrorCode::INVALID_REQUEST, "{configs:?}");
    }
    let described = describe(&mut client, TOPIC, "t").await;
    let retention = described.configs.into_iter().find(|config| config.name == "retention.ms");
    assert_eq!(retention.and_then(|config| config.value).as_deref(), Some("604800000"));
    server.stop().await;
}

async fn describe(client: &mut KafkaClient, resource_type: i8, name: &str) -> describe_configs::ResourceResult {
    let resource =
        describe_configs::Resource { resource_type, resource_name: name.to_string(), configuration_keys: None };
    one(client.ask(4, describe_configs::Request { resources: vec![resource], ..Default::default() }).await.results)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_what_cannot_be_are_not_told() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    for (resource_type, name, code) in [
        (TOPIC, "t", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "a b", ErrorCode::INVALID_TOPIC_EXCEPTION),
        (TOPIC, "", ErrorCode::INVALID_TOPIC_EXCEPTION),
        (BROKER, "77", ErrorCode::INVALID_REQUEST),
        (GROUP, "", ErrorCode::INVALID_REQUEST),
    ] {
        assert_eq!(describe(&mut client, resource_type, name).await.error_code, code, "{resource_type} {name}");
    }
    let of_all_brokers = describe(&mut client, BROKER, "").await;
    assert_eq!((of_all_brokers.error_code, of_all_brokers.configs.len()), (ErrorCode::NONE, 0), "nothing was changed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_a_version_does_not_know_are_asked_for_in_vain() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    for version in 1..=10 {
        for (timestamp, from) in [(-1, 0), (-2, 0), (-3, 7), (-4, 8), (-5, 9), (-6, i16::MAX), (i64::MIN, i16::MAX)] {
            let partition = list_offsets::Partition { timestamp, current_leader_epoch: -1, ..Default::default() };
            let topic = list_offsets::Topic { name: "t".to_string(), partitions: vec![partition] };
            let request = list_offsets::Request { topics: vec![topic], ..Default::default() };
            let code = one(one(client.ask(version, request).await.topics).partitions).error_code;
            let expected = if from <= version { ErrorCode::NONE } else { ErrorCode::UNSUPPORTED_VERSION };
            assert_eq!(code, expected, "{timestamp} in version {version}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_names_itself_wholly_or_not_at_all() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    for transactional_id in [None, Some("tx".to_string())] {
        for (producer_id, producer_epoch) in [(5, -1), (-1, 5)] {
            let request = init_producer_id::Request {
                transactional_id: transactional_id.clone(),
                transaction_timeout_ms: 1000,
                producer_id,
                producer_epoch,
            };
            let given = client.ask(4, request).await;
            assert_eq!((given.error_code, given.producer_epoch), (ErrorCode::INVALID_REQUEST, -1));
        }
    }
    let end = end_txn::Request { producer_id: 1, ..Default::default() };
    assert_eq!(client.ask(4, end).await.error_code, ErrorCode::INVALID_REQUEST, "the id is empty");
    client.topic("t").await;
    let topics = vec![add_partitions_to_txn::Topic { name: "t".to_string(), partitions: vec![0] }];
    let add = add_partitions_to_txn::Request { producer_id: 1, topics, ..Default::default() };
    let added = one(one(client.ask(3, add).await.results_by_topic).results_by_partition);
    assert_eq!(added.partition_error_code, ErrorCode::INVALID_REQUEST, "the id is empty");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_nothing_can_have_are_told_as_such() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    for (name, code) in [("t", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), ("a b", ErrorCode::INVALID_TOPIC_EXCEPTION)] {
        let asked = metadata::RequestedTopic { name: Some(name.to_string()), ..Default::default() };
        let request =
            metadata::Request { topics: Some(vec![asked]), allow_auto_topic_creation: false, ..Default::default() };
        assert_eq!(one(client.ask(12, request).await.topics).error_code, code);
    }
    for (endpoint_type, code) in [
        (0, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE),
        (1, ErrorCode::NONE),
        (2, ErrorCode::MISMATCHED_ENDPOINT_TYPE),
        (3, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE),
    ] {
        let request = describe_cluster::Request { endpoint_type, ..Default::default() };
        assert_eq!(client.ask(1, request).await.error_code, code, "{endpoint_type}");
    }
    for group_id in ["", " ", "\n"] {
        let request = consumer_group_heartbeat::Request {
            group_id: group_id.to_string(),
            member_id: "m".to_string(),
            ..Default::default()
        };
        assert_eq!(client.ask(1, request).await.error_code, ErrorCode::INVALID_REQUEST, "{group_id:?}");
    }
    server.stop().await;
}
