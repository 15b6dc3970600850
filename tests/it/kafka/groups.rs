//! Consumer groups over the wire, in the oldest and the newest version of each API.

use std::time::Duration;

use bytes::Bytes;
use tidemill::protocol::ErrorCode;
use tidemill::protocol::delete_groups;
use tidemill::protocol::describe_groups;
use tidemill::protocol::heartbeat;
use tidemill::protocol::join_group;
use tidemill::protocol::leave_group;
use tidemill::protocol::list_groups;
use tidemill::protocol::offset_commit;
use tidemill::protocol::offset_delete;
use tidemill::protocol::offset_fetch;
use tidemill::protocol::sync_group;

use super::client::KafkaClient;
use super::client::one;
use crate::server::TestServer;

async fn start() -> TestServer {
    TestServer::start_with(|config| config.kafka.group_initial_rebalance_delay = Duration::ZERO).await
}

fn join(member: &str, instance: Option<&str>) -> join_group::Request {
    let subscription = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff");
    join_group::Request {
        group_id: "g".to_string(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member.to_string(),
        group_instance_id: instance.map(str::to_string),
        protocol_type: "consumer".to_string(),
        protocols: vec![join_group::Protocol { name: "range".to_string(), metadata: subscription }],
        ..Default::default()
    }
}

fn sync(joined: &join_group::Response) -> sync_group::Request {
    let assignment =
        sync_group::Assignment { member_id: joined.member_id.clone(), assignment: Bytes::from_static(b"all") };
    sync_group::Request {
        group_id: "g".to_string(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: vec![assignment],
        ..Default::default()
    }
}

fn beat(joined: &join_group::Response, generation_id: i32) -> heartbeat::Request {
    let (group_id, member_id) = ("g".to_string(), joined.member_id.clone());
    heartbeat::Request { group_id, generation_id, member_id, ..Default::default() }
}

fn commit(joined: &join_group::Response, offset: i64) -> offset_commit::Request {
    let partition = |partition_index| offset_commit::Partition {
        partition_index,
        committed_offset: offset,
        committed_metadata: Some("mine".to_string()),
        ..Default::default()
    };
    offset_commit::Request {
        group_id: "g".to_string(),
        generation_id_or_member_epoch: joined.generation_id,
        member_id: joined.member_id.clone(),
        topics: vec![offset_commit::Topic {
            name: "t".to_string(),
            partitions: vec![partition(0), partition(9)],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The only partition's position, in a version that asks for one group.
async fn position(client: &mut KafkaClient, version: i16) -> offset_fetch::FetchedPartition {
    let topic = offset_fetch::Topic { name: "t".to_string(), partition_indexes: vec![0], ..Default::default() };
    let request = offset_fetch::Request { group_id: "g".to_string(), topics: Some(vec![topic]), ..Default::default() };
    let response = client.ask(version, request).await;
    assert_eq!(response.error_code, ErrorCode::NONE);
    one(one(response.topics).partitions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_an_old_client_joins_commits_and_leaves() {
    let server = start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let joined = client.ask(0, join("", None)).await;
    assert_eq!((joined.error_code, joined.generation_id), (ErrorCode::NONE, 1));
    assert_eq!((joined.leader.as_str(), joined.members.len()), (joined.member_id.as_str(), 1));
    assert_eq!(client.ask(0, sync(&joined)).await.assignment, "all");
    assert_eq!(client.ask(0, beat(&joined, 1)).await.error_code, ErrorCode::NONE);
    assert_eq!(client.ask(0, beat(&joined, 2)).await.error_code, ErrorCode::ILLEGAL_GENERATION);
    let committed = one(client.ask(2, commit(&joined, 5)).await.topics);
    let codes: Vec<_> = committed.partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
    let found = position(&mut client, 1).await;
    assert_eq!((found.committed_offset, found.metadata.as_deref()), (5, Some("mine")));
    let request =
        leave_group::Request { group_id: "g".to_string(), member_id: joined.member_id.clone(), ..Default::default() };
    assert_eq!(client.ask(0, request.clone()).await.error_code, ErrorCode::NONE);
    assert_eq!(client.ask(0, request).await.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_new_clients_is_told_listed_and_there_after_a_restart() {
    let server = start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let named = client.ask(9, join("", None)).await;
    assert_eq!(named.error_code, ErrorCode::MEMBER_ID_REQUIRED);
    let joined = client.ask(9, join(&named.member_id, None)).await;
    assert_eq!((joined.error_code, joined.protocol_name.as_deref()), (ErrorCode::NONE, Some("range")));
    assert_eq!(client.ask(5, sync(&joined)).await.assignment, "all");
    assert_eq!(client.ask(4, beat(&joined, joined.generation_id)).await.error_code, ErrorCode::NONE);
    one(client.ask(9, commit(&joined, 7)).await.topics);
    let server = server.restart().await;
    let mut client = KafkaClient::connect(&server).await;
    let asked = describe_groups::Request { groups: vec!["g".to_string(), "h".to_string()], ..Default::default() };
    let described = client.ask(6, asked.clone()).await.groups;
    assert_eq!((described[0].group_state.as_str(), described[0].protocol_data.as_str()), ("Stable", "range"));
    let member = one(described[0].members.clone());
    assert_eq!((member.client_id.as_str(), member.client_host.as_str()), ("test", "/127.0.0.1"));
    assert_eq!(member.member_assignment, "all");
    assert_eq!(described[1].error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    let older = client.ask(0, asked).await.groups;
    assert_eq!((older[1].error_code, older[1].group_state.as_str()), (ErrorCode::NONE, "Dead"));
    let all = offset_fetch::Group { group_id: "g".to_string(), topics: None, ..Default::default() };
    let fetched = one(client.ask(9, offset_fetch::Request { groups: vec![all], ..Default::default() }).await.groups);
    assert_eq!(one(one(fetched.topics).partitions).committed_offset, 7);
    let states = |states: &[&str]| list_groups::Request {
        states_filter: states.iter().map(|state| state.to_string()).collect(),
        ..Default::default()
    };
    let listed = one(client.ask(5, states(&["stable"])).await.groups);
    assert_eq!((listed.group_id.as_str(), listed.group_type.as_str()), ("g", "classic"));
    assert_eq!(client.ask(5, states(&["Empty"])).await.groups, []);
    assert_eq!(client.ask(4, beat(&joined, joined.generation_id)).await.error_code, ErrorCode::NONE, "it goes on");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_group_still_needs_is_not_deleted_and_the_rest_is() {
    let server = start().await;
    let mut client = KafkaClient::connect(&server).await;
    client.topic("t").await;
    let joined = client.ask(5, join("", Some("one"))).await;
    let request = sync_group::Request { group_instance_id: Some("one".to_string()), ..sync(&joined) };
    client.ask(3, request).await;
    one(client.ask(9, commit(&joined, 7)).await.topics);
    let names = delete_groups::Request { groups_names: vec!["g".to_string()] };
    assert_eq!(one(client.ask(2, names.clone()).await.results).error_code, ErrorCode::NON_EMPTY_GROUP);
    let offsets = offset_delete::Request {
        group_id: "g".to_string(),
        topics: vec![offset_delete::Topic {
            name: "t".to_string(),
            partitions: vec![offset_delete::Partition { partition_index: 0 }],
        }],
    };
    let kept = client.ask(0, offsets.clone()).await;
    assert_eq!(one(one(kept.topics).partitions).error_code, ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
    let member = leave_group::Member { group_instance_id: Some("one".to_string()), ..Default::default() };
    let leave = leave_group::Request { group_id: "g".to_string(), members: vec![member], ..Default::default() };
    assert_eq!(one(client.ask(5, leave).await.members).error_code, ErrorCode::NONE);
    let forgotten = client.ask(0, offsets).await;
    assert_eq!(one(one(forgotten.topics).partitions).error_code, ErrorCode::NONE);
    assert_eq!(position(&mut client, 7).await.committed_offset, -1);
    assert_eq!(one(client.ask(0, names.clone()).await.results).error_code, ErrorCode::NONE);
    assert_eq!(one(client.ask(2, names).await.results).error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_are_kept_by_the_ids_of_topics_too() {
    let server = start().await;
    let mut client = KafkaClient::connect(&server).await;
    let topic_id = client.topic("t").await.topic_id;
    let commit = |topic_id| offset_commit::Request {
        group_id: "g".to_string(),
        topics: vec![offset_commit::Topic {
            topic_id,
            partitions: vec![offset_commit::Partition { committed_offset: 7, ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let committed = one(client.ask(10, commit(topic_id)).await.topics);
    assert_eq!((committed.topic_id, one(committed.partitions).error_code), (topic_id, ErrorCode::NONE));
    let refused = one(one(client.ask(10, commit([9; 16])).await.topics).partitions);
    assert_eq!(refused.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    for topics in [Some(vec![topic_id, [9; 16]]), None] {
        let topic =
            |topic_id| offset_fetch::Topic { topic_id, partition_indexes: vec![0], ..offset_fetch::Topic::default() };
        let are_named = topics.is_some();
        let topics = topics.map(|ids| ids.into_iter().map(topic).collect());
        let group = offset_fetch::Group { group_id: "g".to_string(), topics, ..Default::default() };
        let request = offset_fetch::Request { groups: vec![group], ..Default::default() };
        let mut fetched = one(client.ask(10, request).await.groups).topics;
        if are_named {
            let unknown = one(fetched.pop().expect("as many as were asked for").partitions);
            assert_eq!((unknown.error_code, unknown.committed_offset), (ErrorCode::UNKNOWN_TOPIC_ID, -1));
        }
        let known = one(fetched);
        assert_eq!((known.topic_id, one(known.partitions).committed_offset), (topic_id, 7));
    }
    server.stop().await;
}
