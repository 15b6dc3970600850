//! Groups of Kafka's clients over a log: what was answered is on the disk, and time does what it must.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::INPUT;
use super::Node;
use super::run;
use crate::broker::Broker;
use crate::broker::BrokerConfig;
use crate::broker::CONSUMER_OFFSETS;
use crate::broker::CommitOffsets;
use crate::broker::CommittedOffset;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::GroupProtocol;
use crate::broker::GroupState;
use crate::broker::JoinGroup;
use crate::broker::JoinedGroup;
use crate::broker::LocalBroker;
use crate::broker::OffsetToCommit;
use crate::broker::SyncGroup;
use crate::broker::coordinator::coordinator_partition;
use crate::cluster::TopicConfig;
use crate::env::Env;
use crate::env::Scenario;
use crate::env::Simulation;
use crate::env::for_each_fault;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::security::Principal;

fn config() -> BrokerConfig {
    let groups = GroupConfig { initial_rebalance_delay: Duration::ZERO, ..GroupConfig::default() };
    BrokerConfig { groups, ..BrokerConfig::default() }
}

fn local(broker: &Arc<Broker>) -> LocalBroker {
    broker.local(Principal::server())
}

async fn join(broker: &Arc<Broker>, group: &str) -> Result<JoinedGroup, GroupError> {
    let request = |member: String| JoinGroup {
        group: group.to_string(),
        member,
        instance: None,
        client_id: "client".to_string(),
        client_host: "/127.0.0.1".to_string(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(10),
        protocol_type: "consumer".to_string(),
        protocols: vec![GroupProtocol { name: "range".to_string(), metadata: Bytes::from_static(b"topics") }],
        joins_in_two_steps: true,
        can_skip_assignment: false,
    };
    match local(broker).join_group(request(String::new())).await {
        Err(GroupError::MemberIdRequired { member }) => local(broker).join_group(request(member)).await,
        other => other,
    }
}

async fn sync(broker: &Arc<Broker>, group: &str, joined: &JoinedGroup) -> Result<Bytes, GroupError> {
    let request = SyncGroup {
        group: group.to_string(),
        member: joined.member.clone(),
        instance: None,
        generation: joined.generation,
        protocol_type: None,
        protocol: None,
        assignments: BTreeMap::from([(joined.member.clone(), Bytes::from_static(b"share"))]),
    };
    local(broker).sync_group(request).await.map(|synced| synced.assignment)
}

async fn commit(broker: &Arc<Broker>, group: &str, joined: &JoinedGroup, offset: i64) -> Result<(), GroupError> {
    let committed = CommittedOffset { offset: Offset(offset), leader_epoch: LeaderEpoch(0), metadata: String::new() };
    let request = CommitOffsets {
        group: group.to_string(),
        member: joined.member.clone(),
        instance: None,
        generation: joined.generation,
        knows_member_epochs: false,
        retention: None,
        offsets: vec![OffsetToCommit {
            topic: "input".to_string(),
            partition: TopicPartition::new(INPUT, 0),
            committed,
        }],
    };
    local(broker).commit_offsets(request).await?.remove(0)
}

fn position(broker: &Arc<Broker>, group: &str) -> Option<i64> {
    let fetched = local(broker).fetch_offsets(group, Some(&[TopicPartition::new(INPUT, 0)]), true).expect("known");
    fetched[0].1.as_ref().expect("stable").as_ref().map(|committed| committed.offset.0)
}

#[test]
fn a_group_is_there_after_a_restart_with_its_members_and_positions() {
    run(async {
        let simulation = Simulation::new(1);
        let node = Node::open(&simulation.env, config()).await.expect("opens");
        node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
        assert_eq!(node.metadata.snapshot().topic(CONSUMER_OFFSETS), None, "made with its first group");
        let joined = join(&node.broker, "g").await.expect("joined");
        assert_eq!(sync(&node.broker, "g", &joined).await, Ok(Bytes::from_static(b"share")));
        assert_eq!(commit(&node.broker, "g", &joined, 5).await, Ok(()));
        let offsets = node.metadata.snapshot().topic(CONSUMER_OFFSETS).cloned().expect("made");
        assert_eq!(offsets.partitions, 16);
        let partition = TopicPartition::new(offsets.id, coordinator_partition("g", 16));
        let made: Vec<_> = node.log.partitions().into_iter().filter(|made| made.topic == offsets.id).collect();
        assert_eq!(made, [partition], "no partition without a group");
        drop(node);
        simulation.disk.lose_power();
        let node = Node::open(&simulation.env, config()).await.expect("opens");
        assert_eq!(position(&node.broker, "g"), Some(5));
        let described = local(&node.broker).describe_group("g").expect("it is there");
        assert_eq!((described.state, described.generation), (GroupState::Stable, joined.generation));
        assert_eq!(described.members[0].assignment, "share");
        assert_eq!(sync(&node.broker, "g", &joined).await, Ok(Bytes::from_static(b"share")));
        assert_eq!(commit(&node.broker, "g", &joined, 6).await, Ok(()));
    });
}

#[test]
fn a_member_that_is_silent_for_its_session_is_dropped_by_the_clock() {
    run(async {
        let simulation = Simulation::new(2);
        let node = Node::open(&simulation.env, config()).await.expect("opens");
        node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
        let joined = join(&node.broker, "g").await.expect("joined");
        sync(&node.broker, "g", &joined).await.expect("synced");
        simulation.clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert_eq!(commit(&node.broker, "g", &joined, 1).await, Ok(()), "which is a sign of life");
        simulation.clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert_eq!(commit(&node.broker, "g", &joined, 2).await, Ok(()));
        simulation.clock.advance(Duration::from_secs(10));
        while local(&node.broker).describe_group("g").expect("it is there").state != GroupState::Empty {
            tokio::task::yield_now().await;
        }
        assert_eq!(commit(&node.broker, "g", &joined, 3).await, Err(GroupError::UnknownMember));
        assert_eq!(position(&node.broker, "g"), Some(2));
    });
}

#[test]
fn a_join_waits_for_the_others_and_whose_caller_goes_away_holds_nobody_up() {
    run(async {
        let simulation = Simulation::new(3);
        let node = Node::open(&simulation.env, config()).await.expect("opens");
        let first = join(&node.broker, "g").await.expect("joined");
        sync(&node.broker, "g", &first).await.expect("synced");
        let gone = tokio::spawn({
            let broker = Arc::clone(&node.broker);
            async move { join(&broker, "g").await }
        });
        while local(&node.broker).describe_group("g").expect("it is there").members.len() < 2 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.expect_err("it was aborted").is_cancelled());
        // Neither joins again: the generation begins without the first, and who went away is dropped in it.
        for _ in 0..10 {
            simulation.clock.advance(Duration::from_secs(10));
            tokio::task::yield_now().await;
        }
        while local(&node.broker).describe_group("g").expect("it is there").state != GroupState::Empty {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn many_commits_at_once_share_flushes_and_the_last_one_counts() {
    run(async {
        let simulation = Simulation::new(4);
        let node = Node::open(&simulation.env, config()).await.expect("opens");
        node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
        let joined = join(&node.broker, "g").await.expect("joined");
        sync(&node.broker, "g", &joined).await.expect("synced");
        let commits = (0..100).map(|offset| commit(&node.broker, "g", &joined, offset));
        let outcomes = futures::future::join_all(commits).await;
        assert!(outcomes.iter().all(Result::is_ok));
        assert_eq!(position(&node.broker, "g"), Some(99));
    });
}

/// Joins, syncs, commits twice; the last position that was acknowledged.
async fn a_members_work(env: &Env) -> i64 {
    let Ok(node) = Node::open(env, config()).await else { return 1 };
    let mut told = 1;
    let Ok(joined) = join(&node.broker, "h").await else { return told };
    let Ok(share) = sync(&node.broker, "h", &joined).await else { return told };
    assert_eq!(share, "share");
    for offset in [2, 3] {
        match commit(&node.broker, "h", &joined, offset).await {
            Ok(()) => told = offset,
            Err(_) => break,
        }
    }
    told
}

#[test]
fn an_acknowledged_position_survives_each_fault_at_each_disk_call() {
    let scenario = Scenario {
        name: "a member joins, syncs and commits",
        seed: 43,
        prepare: &|env| {
            run(async {
                let node = Node::open(env, config()).await.expect("opens");
                node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
                let alone = JoinedGroup {
                    generation: -1,
                    protocol_type: None,
                    protocol: None,
                    leader: String::new(),
                    member: String::new(),
                    skip_assignment: false,
                    members: Vec::new(),
                };
                assert_eq!(commit(&node.broker, "h", &alone, 1).await, Ok(()));
                node.broker.close().await.expect("closed");
            });
        },
        run: &|env| run(a_members_work(env)),
        check: &|env, told: &i64, _| {
            run(async {
                let node = Node::open(env, config()).await.expect("a restart after any fault");
                let found = position(&node.broker, "h").expect("it was committed");
                assert!((*told..=3).contains(&found), "told {told}, found {found}");
                let described = local(&node.broker).describe_group("h").expect("it is there");
                assert!(matches!(described.state, GroupState::Empty | GroupState::Stable), "{described:?}");
                if 1 < *told {
                    assert_eq!(described.members[0].assignment, "share", "who commits has a share");
                }
            });
        },
    };
    let report = for_each_fault(&scenario);
    eprintln!("{report}");
    assert!(report.is_complete(), "{report}");
}
