//! Groups of the consumer protocol (KIP-848) over the wire.

use std::time::Duration;

use serde_json::json;
use tidemill::protocol::ErrorCode;
use tidemill::protocol::api_versions;
use tidemill::protocol::consumer_group_describe;
use tidemill::protocol::consumer_group_heartbeat as message;
use tidemill::protocol::delete_groups;
use tidemill::protocol::describe_groups;
use tidemill::protocol::join_group;
use tidemill::protocol::list_groups;
use tidemill::protocol::offset_commit;
use tidemill::protocol::offset_fetch;

use super::client::KafkaClient;
use super::client::one;
use super::commands::json_lines;
use super::commands::positions;
use super::commands::run;
use crate::server::TestServer;

async fn start() -> TestServer {
    TestServer::start_with(|config| {
        config.kafka.group_initial_rebalance_delay = Duration::ZERO;
        config.kafka.default_partitions = 2;
    })
    .await
}

fn join(member: &str) -> message::Request {
    message::Request {
        group_id: "g".to_string(),
        member_id: member.to_string(),
        rebalance_timeout_ms: 10_000,
        subscribed_topic_names: Some(vec!["t".to_string()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

fn alive(member: &str, member_epoch: i32, owned: &[([u8; 16], &[i32])]) -> message::Request {
    let topic = |(topic_id, partitions): &([u8; 16], &[i32])| message::TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.to_vec(),
    };
    message::Request {
        group_id: "g".to_string(),
        member_id: member.to_string(),
        member_epoch,
        topic_partitions: Some(owned.iter().map(topic).collect()),
        ..Default::default()
    }
}

/// The partitions of the only topic that is told.
fn told(response: message::Response) -> Option<Vec<i32>> {
    assert_eq!((response.error_code, response.error_message), (ErrorCode::NONE, None));
    let topics = response.assignment?.topic_partitions;
    Some(topics.into_iter().flat_map(|topic| topic.partitions).collect())
}

fn commit(member: &str, member_epoch: i32, offset: i64) -> offset_commit::Request {
    let partition = offset_commit::Partition { committed_offset: offset, ..Default::default() };
    offset_commit::Request {
        group_id: "g".to_string(),
        generation_id_or_member_epoch: member_epoch,
        member_id: member.to_string(),
        topics: vec![offset_commit::Topic { name: "t".to_string(), partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    }
}

async fn committed(client: &mut KafkaClient, version: i16, request: offset_commit::Request) -> ErrorCode {
    one(one(client.ask(version, request).await.topics).partitions).error_code
}

async fn fetched(client: &mut KafkaClient, member: Option<&str>, member_epoch: i32) -> (ErrorCode, Option<i64>) {
    let topic = offset_fetch::Topic { name: "t".to_string(), partition_indexes: vec![0], ..Default::default() };
    let group = offset_fetch::Group {
        group_id: "g".to_string(),
        member_id: member.map(str::to_string),
        member_epoch,
        topics: Some(vec![topic]),
    };
    let response = client.ask(9, offset_fetch::Request { groups: vec![group], ..Default::default() }).await;
    let group = one(response.groups);
    (group.error_code, group.topics.first().map(|topic| topic.partitions[0].committed_offset))
}

async fn listed(client: &mut KafkaClient, types: &[&str]) -> Vec<(String, String, String)> {
    let types_filter = types.iter().map(|name| name.to_string()).collect();
    let request = list_groups::Request { types_filter, ..Default::default() };
    let groups = client.ask(5, request).await.groups.into_iter();
    groups.map(|group| (group.group_id, group.group_type, group.group_state)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_are_told_in_the_way_that_each_version_takes() {
    let server = start().await;
    let mut client = KafkaClient::connect(&server).await;
    let names = |name: &str| api_versions::Request {
        client_software_name: name.to_string(),
        client_software_version: "1".to_string(),
    };
    let older = client.ask(3, names("test")).await;
    assert_eq!(older.supported_features, [], "level 0 would be an error there");
    let newer = client.ask(4, names("test")).await;
    let supported = newer.supported_features.into_iter();
    let supported: Vec<_> = supported.map(|it| (it.name, it.min_version, it.max_version)).collect();
    assert_eq!(supported, [("group.version".to_string(), 0, 1), ("transaction.version".to_string(), 0, 2)]);
    for finalized in [older.finalized_features, newer.finalized_features] {
        let levels = finalized.into_iter().map(|it| (it.name, it.min_version_level, it.max_version_level));
        let levels: Vec<_> = levels.collect();
        assert_eq!(levels, [("group.version".to_string(), 1, 1), ("transaction.version".to_string(), 2, 2)]);
    }
    assert_eq!((older.finalized_features_epoch, newer.finalized_features_epoch), (1, 1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_share_a_topic_commit_and_are_there_after_a_restart() {
    let server = start().await;
    let mut client = KafkaClient::connect(&server).await;
    let id = client.topic("t").await.topic_id;
    let nameless = client.ask(0, join("")).await;
    let (first, epoch) = (nameless.member_id.clone().expect("it got a name"), nameless.member_epoch);
    assert_eq!((first.len(), epoch, nameless.heartbeat_interval_ms), (36, 1, 5000));
    assert_eq!(told(nameless), Some(vec![0, 1]));
    assert_eq!(client.ask(1, join("")).await.error_code, ErrorCode::INVALID_REQUEST);
    let pattern = message::Request { subscribed_topic_regex: Some("t|u".to_string()), ..join("second") };
    assert_eq!(told(client.ask(1, pattern).await), Some(vec![]));
    assert_eq!(told(client.ask(1, alive(&first, 1, &[(id, &[0, 1])])).await), Some(vec![0]));
    assert_eq!(committed(&mut client, 9, commit(&first, 1, 5)).await, ErrorCode::NONE);
    assert_eq!(told(client.ask(1, alive(&first, 1, &[(id, &[0])])).await), None, "it gave it back");
    assert_eq!(told(client.ask(1, alive("second", 2, &[])).await), Some(vec![1]));
    assert_eq!(committed(&mut client, 9, commit(&first, 1, 6)).await, ErrorCode::STALE_MEMBER_EPOCH);
    assert_eq!(committed(&mut client, 8, commit(&first, 2, 6)).await, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(committed(&mut client, 9, commit("who", 2, 6)).await, ErrorCode::UNKNOWN_MEMBER_ID);
    let server = server.restart().await;
    let mut client = KafkaClient::connect(&server).await;
    assert_eq!(fetched(&mut client, Some(&first), 2).await, (ErrorCode::NONE, Some(5)));
    assert_eq!(fetched(&mut client, None, -1).await, (ErrorCode::NONE, Some(5)));
    assert_eq!(fetched(&mut client, Some(&first), 1).await, (ErrorCode::STALE_MEMBER_EPOCH, None));
    assert_eq!(told(client.ask(1, alive(&first, 2, &[(id, &[0])])).await), None, "it goes on");
    assert_eq!(client.ask(1, alive(&first, 9, &[])).await.error_code, ErrorCode::FENCED_MEMBER_EPOCH);
    let unsupported = message::Request { server_assignor: Some("best".to_string()), ..join("third") };
    assert_eq!(client.ask(1, unsupported).await.error_code, ErrorCode::UNSUPPORTED_ASSIGNOR);
    let broken = message::Request { subscribed_topic_regex: Some("(".to_string()), ..join("third") };
    let refused = client.ask(1, broken).await;
    assert_eq!(refused.error_code, ErrorCode::INVALID_REGULAR_EXPRESSION);
    assert!(refused.error_message.is_some_and(|message| message.contains("unclosed group")));
    let of_query = message::Request { group_id: "tidemill.q1".to_string(), ..join("third") };
    assert_eq!(client.ask(1, of_query).await.error_code, ErrorCode::GROUP_AUTHORIZATION_FAILED);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_described_listed_and_shown_by_its_protocol() {
    let server = start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let joined = client.ask(1, message::Request { instance_id: Some("one".to_string()), ..join("m") }).await;
    assert_eq!(told(joined), Some(vec![0, 1]));
    let ask = |groups: &[&str]| consumer_group_describe::Request {
        group_ids: groups.iter().map(|name| name.to_string()).collect(),
        ..Default::default()
    };
    let described = client.ask(1, ask(&["g", "h"])).await.groups;
    let group = &described[0];
    assert_eq!((group.group_state.as_str(), group.assignor_name.as_str()), ("Stable", "uniform"));
    assert_eq!((group.group_epoch, group.assignment_epoch), (1, 1));
    let member = one(group.members.clone());
    assert_eq!((member.member_epoch, member.member_type, member.instance_id.as_deref()), (1, 1, Some("one")));
    assert_eq!((member.client_id.as_str(), member.client_host.as_str()), ("test", "/127.0.0.1"));
    assert_eq!(member.assignment, member.target_assignment);
    let topic = one(member.assignment.topic_partitions);
    assert_eq!((topic.topic_name.as_str(), topic.partitions), ("t", vec![0, 1]));
    assert_eq!(described[1].error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(described[1].error_message.as_deref(), Some("Group h: the group does not exist."));
    let classic = describe_groups::Request { groups: vec!["g".to_string()], ..Default::default() };
    let refused = one(client.ask(6, classic.clone()).await.groups);
    assert_eq!(refused.error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(refused.error_message.as_deref(), Some("Group g: the group is of the consumer protocol."));
    assert_eq!(one(client.ask(5, classic).await.groups).group_state, "Dead");
    let all = [("g".to_string(), "consumer".to_string(), "Stable".to_string())];
    assert_eq!(listed(&mut client, &["Consumer"]).await, all);
    assert_eq!(listed(&mut client, &["classic"]).await, []);
    let shown = json_lines(&server, &["group", "list"]).await;
    assert_eq!(
        (positions(&shown, "protocol"), positions(&shown, "state")),
        (vec![json!("consumer")], vec![json!("Stable")])
    );
    let members = json_lines(&server, &["group", "describe", "g", "--members"]).await;
    assert_eq!(positions(&members, "partitions"), [json!({"t": [0, 1]})]);
    assert_eq!(
        (positions(&members, "member"), positions(&members, "assignor")),
        (vec![json!("m")], vec![json!("uniform")])
    );
    let sql = server.connect().await;
    let rows = crate::server::rows(&sql, "SELECT \"group\", protocol, members FROM tidemill.groups").await;
    assert_eq!(rows, [["g", "consumer", "1"]]);
    let of_members = "SELECT member, generation, instance, client_id, partitions FROM tidemill.group_members";
    assert_eq!(crate::server::rows(&sql, of_members).await, [["m", "1", "one", "test", "t:0,1"]]);
    let reset = run(&server, &["group", "reset", "g", "--topic", "t", "--to-latest"], "").await;
    assert!(reset.is_err_and(|said| said.contains("Stop its consumers first.")));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_protocols_follow_each_other_and_do_not_meet() {
    let server = start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let classic = |member: &str| join_group::Request {
        group_id: "g".to_string(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member.to_string(),
        protocol_type: "consumer".to_string(),
        protocols: vec![join_group::Protocol { name: "range".to_string(), ..Default::default() }],
        ..Default::default()
    };
    client.ask(1, join("m")).await;
    assert_eq!(committed(&mut client, 9, commit("m", 1, 5)).await, ErrorCode::NONE);
    // It says nothing of the topics that it reads.
    assert_eq!(client.ask(2, classic("")).await.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let names = delete_groups::Request { groups_names: vec!["g".to_string()] };
    assert_eq!(one(client.ask(2, names).await.results).error_code, ErrorCode::NON_EMPTY_GROUP);
    assert_eq!(client.ask(1, alive("m", -1, &[])).await.member_epoch, -1);
    let joined = client.ask(2, classic("")).await;
    assert_eq!(joined.error_code, ErrorCode::NONE);
    // Its leader has yet to share out: the newcomer comes again.
    assert_eq!(client.ask(1, join("m")).await.error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!(listed(&mut client, &["classic"]).await.len(), 1);
    assert_eq!(fetched(&mut client, None, -1).await, (ErrorCode::NONE, Some(5)));
    let leave = tidemill::protocol::leave_group::Request {
        group_id: "g".to_string(),
        member_id: joined.member_id,
        ..Default::default()
    };
    assert_eq!(client.ask(0, leave).await.error_code, ErrorCode::NONE);
    assert_eq!(told(client.ask(1, join("m")).await), Some(vec![0, 1]));
    assert_eq!(fetched(&mut client, Some("m"), 1).await, (ErrorCode::NONE, Some(5)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interval_of_heartbeats_that_is_no_shorter_than_a_session_is_refused() {
    let mut config = tidemill::config::Config::default();
    config.kafka.group_consumer_heartbeat_interval = config.kafka.group_consumer_session_timeout;
    let refused = tidemill::node::Node::start(config, tidemill::env::Env::real()).await.err().expect("it is refused");
    assert!(refused.message().contains("must be above 0 and below"), "{}", refused.message());
}
