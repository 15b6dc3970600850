//! What a cluster of one node, where nobody has to prove who they are, answers to those who administer larger ones.

use tidemill::protocol::ErrorCode;
use tidemill::protocol::alter_client_quotas;
use tidemill::protocol::alter_partition_reassignments;
use tidemill::protocol::alter_replica_log_dirs;
use tidemill::protocol::alter_user_scram_credentials;
use tidemill::protocol::describe_client_quotas;
use tidemill::protocol::describe_cluster;
use tidemill::protocol::describe_configs;
use tidemill::protocol::describe_log_dirs;
use tidemill::protocol::describe_quorum;
use tidemill::protocol::describe_user_scram_credentials;
use tidemill::protocol::elect_leaders;
use tidemill::protocol::incremental_alter_configs;
use tidemill::protocol::list_config_resources;
use tidemill::protocol::list_partition_reassignments;
use tidemill::protocol::sasl_authenticate;
use tidemill::protocol::sasl_handshake;

use super::client::KafkaClient;
use super::client::one;
use crate::server::TestServer;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const GROUP: i8 = 32;

async fn node_id(client: &mut KafkaClient) -> i32 {
    client.ask(0, describe_cluster::Request::default()).await.controller_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_partition_needs_another_leader() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let asked = |name: &str| elect_leaders::TopicPartitions { topic: name.to_string(), partitions: vec![0, 9] };
    for version in 0..=2 {
        for election_type in 0..=1 {
            let topic_partitions = Some(vec![asked("t"), asked("nothing")]);
            let request = elect_leaders::Request { election_type, topic_partitions, ..Default::default() };
            let answered = client.ask(version, request).await;
            assert_eq!(answered.error_code, ErrorCode::NONE);
            let codes: Vec<_> = answered.replica_election_results.iter().flat_map(|it| &it.partition_result).collect();
            let codes: Vec<_> = codes.into_iter().map(|it| (it.partition_id, it.error_code)).collect();
            let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            assert_eq!(codes, [(0, ErrorCode::ELECTION_NOT_NEEDED), (9, unknown), (0, unknown), (9, unknown)]);
        }
        // Of all partitions those are told that need one.
        let all = client.ask(version, elect_leaders::Request::default()).await;
        assert_eq!((all.error_code, all.replica_election_results.len()), (ErrorCode::NONE, 0));
    }
    let unknown = elect_leaders::Request { election_type: 2, ..Default::default() };
    assert_eq!(client.ask(2, unknown).await.error_code, ErrorCode::INVALID_REQUEST);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_stay_where_they_are() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let here = node_id(&mut client).await;
    let moves = [
        (0, Some(vec![here]), ErrorCode::NONE),
        (0, Some(vec![here, here + 1]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (0, Some(vec![here + 1]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (0, Some(vec![]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (0, None, ErrorCode::NO_REASSIGNMENT_IN_PROGRESS),
        (9, Some(vec![here]), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    ];
    for (version, (partition_index, replicas, code)) in (0..=1).flat_map(|it| moves.clone().map(|moved| (it, moved))) {
        let partition = alter_partition_reassignments::ReassignablePartition { partition_index, replicas };
        let topic = alter_partition_reassignments::ReassignableTopic {
            name: "t".to_string(),
            partitions: vec![partition.clone()],
        };
        let request = alter_partition_reassignments::Request { topics: vec![topic], ..Default::default() };
        let answered = client.ask(version, request).await;
        assert_eq!(answered.error_code, ErrorCode::NONE);
        let moved = one(one(answered.responses).partitions);
        assert_eq!((moved.partition_index, moved.error_code), (partition_index, code), "{partition:?}");
        assert_eq!(moved.error_message.is_some(), code != ErrorCode::NONE);
    }
    let under_way = client.ask(0, list_partition_reassignments::Request::default()).await;
    assert_eq!((under_way.error_code, under_way.topics.len()), (ErrorCode::NONE, 0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_one_directory_for_partitions() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let here = one(client.ask(4, describe_log_dirs::Request::default()).await.results).log_dir;
    let elsewhere = format!("{here}-2");
    for version in 1..=2 {
        let to = |path: &String| alter_replica_log_dirs::LogDir {
            path: path.clone(),
            topics: vec![alter_replica_log_dirs::Topic { name: "t".to_string(), partitions: vec![0, 9] }],
        };
        let request = alter_replica_log_dirs::Request { dirs: vec![to(&here), to(&elsewhere)] };
        let results = client.ask(version, request).await.results;
        let codes: Vec<_> = results.iter().flat_map(|topic| &topic.partitions).map(|it| it.error_code).collect();
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!(codes, [ErrorCode::NONE, unknown, ErrorCode::LOG_DIR_NOT_FOUND, ErrorCode::LOG_DIR_NOT_FOUND]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_has_a_quota_and_no_user_a_credential() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    for version in 0..=1 {
        let quotas = client.ask(version, describe_client_quotas::Request::default()).await;
        assert_eq!((quotas.error_code, quotas.entries), (ErrorCode::NONE, Some(vec![])));
    }
    let all = client.ask(0, describe_user_scram_credentials::Request::default()).await;
    assert_eq!((all.error_code, all.results.len()), (ErrorCode::NONE, 0));
    let users = Some(vec![describe_user_scram_credentials::UserName { name: "ann".to_string() }]);
    let ann = one(client.ask(0, describe_user_scram_credentials::Request { users }).await.results);
    assert_eq!((ann.user.as_str(), ann.error_code), ("ann", ErrorCode::RESOURCE_NOT_FOUND));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_and_credentials_can_be_taken_away_only() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let user = || alter_client_quotas::Entity { entity_type: "user".to_string(), entity_name: Some("ann".to_string()) };
    let op = |remove| alter_client_quotas::Op { key: "producer_byte_rate".to_string(), value: 1.0, remove };
    for version in 0..=1 {
        for (entity, remove, code) in [
            (vec![user()], true, ErrorCode::NONE),
            (vec![user()], false, ErrorCode::INVALID_REQUEST),
            (vec![], true, ErrorCode::INVALID_REQUEST),
        ] {
            let entries = vec![alter_client_quotas::Entry { entity: entity.clone(), ops: vec![op(remove)] }];
            let request = alter_client_quotas::Request { entries, ..Default::default() };
            let result = one(client.ask(version, request).await.entries);
            assert_eq!((result.error_code, result.entity), (code, entity));
        }
    }
    let deletion = |name: &str, mechanism| alter_user_scram_credentials::Deletion { name: name.to_string(), mechanism };
    let upsertion = |name: &str, mechanism| alter_user_scram_credentials::Upsertion {
        name: name.to_string(),
        mechanism,
        ..Default::default()
    };
    let request = alter_user_scram_credentials::Request {
        deletions: vec![deletion("ann", 1), deletion("bob", 9), deletion("", 1)],
        upsertions: vec![upsertion("ann", 1), upsertion("eve", 2)],
    };
    let results = client.ask(0, request).await.results;
    let told: Vec<_> = results.iter().map(|result| (result.user.as_str(), result.error_code)).collect();
    let expected = [
        ("", ErrorCode::UNACCEPTABLE_CREDENTIAL),
        ("ann", ErrorCode::RESOURCE_NOT_FOUND),
        ("bob", ErrorCode::UNSUPPORTED_SASL_MECHANISM),
        ("eve", ErrorCode::UNSUPPORTED_SASL_MECHANISM),
    ];
    assert_eq!(told, expected, "each user once");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_to_prove_who_it_is_is_told_that_nobody_does_and_goes_on() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    for version in 0..=1 {
        let request = sasl_handshake::Request { mechanism: "PLAIN".to_string() };
        let shaken = client.ask(version, request).await;
        assert_eq!((shaken.error_code, shaken.mechanisms.len()), (ErrorCode::ILLEGAL_SASL_STATE, 0));
    }
    for version in 0..=2 {
        let request = sasl_authenticate::Request { auth_bytes: b"\0ann\0secret".as_slice().into() };
        let answered = client.ask(version, request).await;
        assert_eq!((answered.error_code, answered.auth_bytes.len()), (ErrorCode::ILLEGAL_SASL_STATE, 0));
    }
    assert_eq!(client.topic("t").await.partitions.len(), 1, "on the same connection");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_settings_is_listed_and_groups_have_those_of_the_server() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let here = node_id(&mut client).await.to_string();
    let list = async |client: &mut KafkaClient, version: i16, types: &[i8]| {
        let listed = client.ask(version, list_config_resources::Request { resource_types: types.to_vec() }).await;
        let resource = |it: list_config_resources::ConfigResource| (it.resource_type, it.resource_name);
        (listed.error_code, listed.config_resources.into_iter().map(resource).collect::<Vec<_>>())
    };
    let (topic, broker) = ((TOPIC, "t".to_string()), (BROKER, here));
    assert_eq!(list(&mut client, 0, &[]).await, (ErrorCode::NONE, vec![]), "client metrics");
    assert_eq!(list(&mut client, 1, &[TOPIC]).await, (ErrorCode::NONE, vec![topic.clone()]));
    assert_eq!(list(&mut client, 1, &[]).await, (ErrorCode::NONE, vec![topic, broker]));
    assert_eq!(list(&mut client, 1, &[BROKER_LOGGER, GROUP]).await, (ErrorCode::NONE, vec![]));
    assert_eq!(list(&mut client, 1, &[3]).await.0, ErrorCode::UNSUPPORTED_VERSION);
    let resource =
        describe_configs::Resource { resource_type: GROUP, resource_name: "g".to_string(), configuration_keys: None };
    let request = describe_configs::Request { resources: vec![resource], ..Default::default() };
    let described = one(client.ask(4, request).await.results);
    assert_eq!(described.error_code, ErrorCode::NONE);
    let names: Vec<_> = described.configs.iter().map(|config| (config.name.as_str(), config.read_only)).collect();
    assert_eq!(names, [("consumer.heartbeat.interval.ms", true), ("consumer.session.timeout.ms", true)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_servers_settings_none_is_changed_so_each_can_be_taken_back() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let here = node_id(&mut client).await;
    let (set, delete) = (0, 1);
    let asked = [
        (here.to_string(), delete, ErrorCode::NONE),
        (String::new(), delete, ErrorCode::NONE),
        (here.to_string(), set, ErrorCode::INVALID_REQUEST),
        ((here + 1).to_string(), delete, ErrorCode::INVALID_REQUEST),
    ];
    for (resource_name, config_operation, code) in asked {
        let config = incremental_alter_configs::Config {
            name: "leader.replication.throttled.rate".to_string(),
            config_operation,
            value: Some("1".to_string()),
        };
        let resource =
            incremental_alter_configs::Resource { resource_type: BROKER, resource_name, configs: vec![config] };
        let request = incremental_alter_configs::Request { resources: vec![resource], ..Default::default() };
        assert_eq!(one(client.ask(1, request).await.responses).error_code, code);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metadata_has_one_voter_who_leads() {
    let server = TestServer::start().await;
    let mut client = KafkaClient::connect(&server).await;
    let here = node_id(&mut client).await;
    let asked = |topic_name: &str, partitions: &[i32]| describe_quorum::Topic {
        topic_name: topic_name.to_string(),
        partitions: partitions.iter().map(|it| describe_quorum::Partition { partition_index: *it }).collect(),
    };
    let mut before = 0;
    for version in 0..=2 {
        client.topic(&format!("t{version}")).await;
        let request =
            describe_quorum::Request { topics: vec![asked("__cluster_metadata", &[0, 1]), asked("t0", &[0])] };
        let told = client.ask(version, request).await;
        assert_eq!((told.error_code, told.nodes.len()), (ErrorCode::NONE, usize::from(2 <= version)));
        let codes: Vec<_> = told.topics.iter().flat_map(|it| &it.partitions).map(|it| it.error_code).collect();
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!(codes, [ErrorCode::NONE, unknown, unknown]);
        let metadata = &told.topics[0].partitions[0];
        let voter = one(metadata.current_voters.clone());
        assert_eq!((metadata.leader_id, voter.replica_id, metadata.observers.len()), (here, here, 0));
        assert_eq!(metadata.high_watermark, voter.log_end_offset);
        assert!(before < metadata.high_watermark, "each new topic is a change");
        assert_eq!(-1 < voter.last_caught_up_timestamp, 1 <= version);
        before = metadata.high_watermark;
    }
    server.stop().await;
}
