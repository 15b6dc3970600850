//! Groups of the consumer protocol over a log: what was answered is on the disk, and time does what it must.

use std::sync::Arc;
use std::time::Duration;

use super::INPUT;
use super::Node;
use super::run;
use crate::broker::Broker;
use crate::broker::BrokerConfig;
use crate::broker::CommitOffsets;
use crate::broker::CommittedOffset;
use crate::broker::ConsumerHeartbeat;
use crate::broker::ConsumerHeartbeatAnswer;
use crate::broker::GroupError;
use crate::broker::GroupState;
use crate::broker::LocalBroker;
use crate::broker::OffsetToCommit;
use crate::cluster::TopicConfig;
use crate::env::Env;
use crate::env::Scenario;
use crate::env::Simulation;
use crate::env::for_each_fault;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::security::Principal;

fn local(broker: &Arc<Broker>) -> LocalBroker {
    broker.local(Principal::server())
}

async fn join(broker: &Arc<Broker>, member: &str) -> Result<ConsumerHeartbeatAnswer, GroupError> {
    let request = ConsumerHeartbeat {
        group: "g".to_string(),
        member: member.to_string(),
        rebalance_timeout: Some(Duration::from_secs(60)),
        topics: Some(vec!["input".to_string()]),
        pattern: Some(".*".to_string()),
        owned: Some([].into()),
        ..ConsumerHeartbeat::default()
    };
    local(broker).consumer_heartbeat(request).await
}

async fn live(
    broker: &Arc<Broker>,
    member: &str,
    member_epoch: i32,
    owned: &[i32],
) -> Result<ConsumerHeartbeatAnswer, GroupError> {
    let owned = Some(owned.iter().map(|number| TopicPartition::new(INPUT, *number)).collect());
    let (group, member) = ("g".to_string(), member.to_string());
    let request = ConsumerHeartbeat { group, member, member_epoch, owned, ..ConsumerHeartbeat::default() };
    local(broker).consumer_heartbeat(request).await
}

async fn commit(broker: &Arc<Broker>, member: &str, epoch: i32, offset: i64) -> Result<(), GroupError> {
    let committed = CommittedOffset { offset: Offset(offset), leader_epoch: LeaderEpoch(0), metadata: String::new() };
    let partition = TopicPartition::new(INPUT, 0);
    let request = CommitOffsets {
        group: "g".to_string(),
        member: member.to_string(),
        instance: None,
        generation: epoch,
        knows_member_epochs: true,
        retention: None,
        offsets: vec![OffsetToCommit { topic: "input".to_string(), partition, committed }],
    };
    local(broker).commit_offsets(request).await?.remove(0)
}

fn position(broker: &Arc<Broker>) -> Option<i64> {
    let fetched = local(broker).fetch_offsets("g", Some(&[TopicPartition::new(INPUT, 0)]), true).expect("known");
    fetched[0].1.as_ref().expect("stable").as_ref().map(|committed| committed.offset.0)
}

#[test]
fn a_pattern_fits_no_topic_of_the_servers_own() {
    run(async {
        let simulation = Simulation::new(1);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        node.create(INPUT, "input", 2, TopicConfig::default()).await.expect("created");
        // The first join makes `__consumer_offsets`; the second one sees it.
        join(&node.broker, "a").await.expect("joined");
        let assigned = live(&node.broker, "a", -1, &[]).await.expect("left").assignment;
        assert_eq!(assigned, None);
        let assigned = join(&node.broker, "b").await.expect("joined").assignment.expect("told");
        assert!(assigned.iter().all(|partition| partition.topic == INPUT) && assigned.len() == 2, "{assigned:?}");
    });
}

#[test]
fn a_silent_member_is_dropped_by_the_clock_and_the_other_takes_over() {
    run(async {
        let simulation = Simulation::new(2);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        node.create(INPUT, "input", 2, TopicConfig::default()).await.expect("created");
        join(&node.broker, "a").await.expect("joined");
        let joined = join(&node.broker, "b").await.expect("joined");
        assert_eq!(joined.assignment, Some([].into()));
        simulation.clock.advance(Duration::from_secs(44));
        tokio::task::yield_now().await;
        live(&node.broker, "b", 2, &[]).await.expect("it lives");
        simulation.clock.advance(Duration::from_secs(1));
        let state = || local(&node.broker).describe_consumer_group("g").expect("it is there").state;
        while state() != GroupState::Assigning {
            tokio::task::yield_now().await;
        }
        let told = live(&node.broker, "b", 2, &[]).await.expect("it lives");
        assert_eq!((told.member_epoch, told.assignment.map(|all| all.len())), (3, Some(2)));
        assert_eq!(live(&node.broker, "a", 1, &[]).await, Err(GroupError::UnknownMember));
    });
}

/// What members were told before the fault: the last position that was acknowledged, and the epochs of `a` and `b`.
#[derive(Debug, Default)]
struct Told {
    position: i64,
    first: i32,
    second: i32,
}

/// A member joins and commits, a second one takes a half over.
async fn two_members(env: &Env) -> Told {
    let mut told = Told { position: 1, ..Told::default() };
    let Ok(node) = Node::open(env, BrokerConfig::default()).await else { return told };
    let Ok(answer) = join(&node.broker, "a").await else { return told };
    told.first = answer.member_epoch;
    if commit(&node.broker, "a", 1, 2).await.is_ok() {
        told.position = 2;
    }
    let Ok(answer) = join(&node.broker, "b").await else { return told };
    told.second = answer.member_epoch;
    let Ok(_) = live(&node.broker, "a", 1, &[0, 1]).await else { return told };
    let Ok(answer) = live(&node.broker, "a", 1, &[0]).await else { return told };
    told.first = answer.member_epoch;
    if commit(&node.broker, "a", answer.member_epoch, 3).await.is_ok() {
        told.position = 3;
    }
    told
}

#[test]
fn what_members_were_told_survives_each_fault_at_each_disk_call() {
    let scenario = Scenario {
        name: "two members share a topic and commit",
        seed: 44,
        prepare: &|env| {
            run(async {
                let node = Node::open(env, BrokerConfig::default()).await.expect("opens");
                node.create(INPUT, "input", 2, TopicConfig::default()).await.expect("created");
                assert_eq!(commit(&node.broker, "", -1, 1).await, Ok(()));
                node.broker.close().await.expect("closed");
            });
        },
        run: &|env| run(two_members(env)),
        check: &|env, told: &Told, _| {
            run(async {
                let node = Node::open(env, BrokerConfig::default()).await.expect("a restart after any fault");
                let found = position(&node.broker).expect("it was committed");
                assert!((told.position..=3).contains(&found), "{told:?}, found {found}");
                let described = local(&node.broker).describe_consumer_group("g");
                if told.first == 0 {
                    return;
                }
                let group = described.expect("it was told that it is in the group");
                let of = |name: &str| group.members.iter().find(|member| member.member == name);
                let first = of("a").expect("it joined");
                assert!(told.first <= first.member_epoch, "{told:?}, {group:?}");
                if 0 < told.second {
                    assert!(told.second <= of("b").expect("it joined").member_epoch, "{told:?}, {group:?}");
                }
                let held: Vec<_> = group.members.iter().flat_map(|it| it.assignment.union(&it.revoking)).collect();
                let distinct: std::collections::BTreeSet<_> = held.iter().copied().collect();
                assert_eq!(held.len(), distinct.len(), "{group:?}");
            });
        },
    };
    let report = for_each_fault(&scenario);
    eprintln!("{report}");
    assert!(report.is_complete(), "{report}");
}
