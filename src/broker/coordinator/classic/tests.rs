//! The classic protocol, case by case.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use crate::broker::CommitOffsets;
use crate::broker::CommittedOffset;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::GroupProtocol;
use crate::broker::GroupState;
use crate::broker::Heartbeat;
use crate::broker::JoinGroup;
use crate::broker::JoinedGroup;
use crate::broker::LeaveGroup;
use crate::broker::LeavingMember;
use crate::broker::OffsetToCommit;
use crate::broker::SyncGroup;
use crate::broker::SyncedGroup;
use crate::broker::coordinator::GroupEvent;
use crate::broker::coordinator::groups::testing::Machine;
use crate::broker::coordinator::groups::testing::TOPIC;
use crate::broker::coordinator::groups::testing::TOPIC_NAME;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicPartition;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

type Joining = Receiver<Result<JoinedGroup, GroupError>>;

fn machine() -> Machine {
    Machine::new(GroupConfig { initial_rebalance_delay: Duration::ZERO, ..GroupConfig::default() })
}

fn request(member: &str, instance: Option<&str>, protocols: &[&str]) -> JoinGroup {
    let protocol = |name: &&str| GroupProtocol { name: name.to_string(), metadata: Bytes::from_static(b"topics") };
    JoinGroup {
        group: "g".to_string(),
        member: member.to_string(),
        instance: instance.map(str::to_string),
        client_id: "client".to_string(),
        client_host: "/127.0.0.1".to_string(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".to_string(),
        protocols: protocols.iter().map(protocol).collect(),
        joins_in_two_steps: true,
        can_skip_assignment: true,
    }
}

fn join(machine: &mut Machine, request: JoinGroup, entropy: u8) -> Joining {
    machine.ask(|reply| GroupEvent::Join(request, [entropy; 16], Arc::default(), reply))
}

/// The name that a first join gives.
fn name(machine: &mut Machine, entropy: u8) -> String {
    match join(machine, request("", None, &["range"]), entropy).try_recv() {
        Ok(Err(GroupError::MemberIdRequired { member })) => member,
        other => panic!("no name but {other:?}"),
    }
}

fn sync(
    machine: &mut Machine,
    joined: &JoinedGroup,
    shares: &[(&str, &'static [u8])],
) -> Receiver<Result<SyncedGroup, GroupError>> {
    let assignments = shares.iter().map(|(member, share)| (member.to_string(), Bytes::from_static(share)));
    let request = SyncGroup {
        group: "g".to_string(),
        member: joined.member.clone(),
        instance: None,
        generation: joined.generation,
        protocol_type: joined.protocol_type.clone(),
        protocol: joined.protocol.clone(),
        assignments: assignments.collect::<BTreeMap<_, _>>(),
    };
    machine.ask(|reply| GroupEvent::Sync(request, Arc::default(), reply))
}

fn heartbeat(machine: &mut Machine, member: &str, generation: i32) -> Result<(), GroupError> {
    let (group, member) = ("g".to_string(), member.to_string());
    machine.answer(|reply| {
        GroupEvent::Heartbeat(Heartbeat { group, member, instance: None, generation }, Arc::default(), reply)
    })
}

fn leave(machine: &mut Machine, member: &str, instance: Option<&str>) -> Result<(), GroupError> {
    let members = vec![LeavingMember { member: member.to_string(), instance: instance.map(str::to_string) }];
    let request = LeaveGroup { group: "g".to_string(), members };
    machine.answer(|reply| GroupEvent::Leave(request, reply)).expect("the group answers").remove(0)
}

fn commit(machine: &mut Machine, member: &str, generation: i32, offset: i64) -> Result<(), GroupError> {
    let committed = CommittedOffset { offset: Offset(offset), leader_epoch: LeaderEpoch(0), metadata: String::new() };
    let partition = TopicPartition::new(TOPIC, 0);
    let request = CommitOffsets {
        group: "g".to_string(),
        member: member.to_string(),
        instance: None,
        generation,
        knows_member_epochs: false,
        retention: None,
        offsets: vec![OffsetToCommit { topic: TOPIC_NAME.to_string(), partition, committed }],
    };
    machine.answer(|reply| GroupEvent::Commit(request, reply)).and_then(|mut outcomes| outcomes.remove(0))
}

fn state(machine: &Machine) -> Option<GroupState> {
    machine.groups.describe("g").map(|group| group.state)
}

/// A stable group of two members: the leader's answer, and the other's.
fn two_members(machine: &mut Machine) -> (JoinedGroup, JoinedGroup) {
    let (a, b) = (name(machine, 1), name(machine, 2));
    let mut first = join(machine, request(&a, None, &["range"]), 0);
    let mut second = join(machine, request(&b, None, &["range"]), 0);
    // With no delay the first one may have begun a generation alone; it comes again.
    let mut again = match first.try_recv() {
        Ok(_) => join(machine, request(&a, None, &["range"]), 0),
        Err(_) => first,
    };
    let (a, b) = (again.try_recv(), second.try_recv());
    let (a, b) = (a.expect("answered").expect("joined"), b.expect("answered").expect("joined"));
    assert_eq!(a.generation, b.generation);
    let (leader, follower) = if a.leader == a.member { (a, b) } else { (b, a) };
    let shares = [(leader.member.as_str(), &b"0"[..]), (follower.member.as_str(), &b"1"[..])];
    let mut of_follower = sync(machine, &follower, &[]);
    let mut of_leader = sync(machine, &leader, &shares);
    assert_eq!(of_leader.try_recv(), Err(TryRecvError::Empty), "no share before its record is durable");
    machine.flush();
    assert_eq!(of_leader.try_recv().expect("answered").expect("synced").assignment, "0");
    assert_eq!(of_follower.try_recv().expect("answered").expect("synced").assignment, "1");
    assert_eq!(state(machine), Some(GroupState::Stable));
    (leader, follower)
}

#[test]
fn a_join_without_a_name_gets_one_and_leaves_nothing_when_it_does_not_come_again() {
    let mut machine = machine();
    let given = name(&mut machine, 1);
    assert!(given.starts_with("client-"), "{given}");
    machine.advance(SESSION);
    assert_eq!(state(&machine), None);
    let mut late = join(&mut machine, request(&given, None, &["range"]), 0);
    assert_eq!(late.try_recv(), Ok(Err(GroupError::UnknownMember)));
}

#[test]
fn the_leader_is_told_all_members_and_shares_are_handed_out_when_they_are_durable() {
    let mut machine = machine();
    let (leader, follower) = two_members(&mut machine);
    assert_eq!(leader.members.len(), 2);
    assert!(follower.members.is_empty());
    assert_eq!(leader.protocol.as_deref(), Some("range"));
    let described = machine.groups.describe("g").expect("it is there");
    assert_eq!(described.protocol_type, "consumer");
    assert_eq!(described.members.iter().map(|member| member.assignment.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn the_first_rebalance_waits_for_others_while_some_come() {
    let delay = Duration::from_secs(3);
    let mut machine = Machine::new(GroupConfig { initial_rebalance_delay: delay, ..GroupConfig::default() });
    let (a, b) = (name(&mut machine, 1), name(&mut machine, 2));
    let mut first = join(&mut machine, request(&a, None, &["range"]), 0);
    machine.advance(Duration::from_secs(2));
    let mut second = join(&mut machine, request(&b, None, &["range"]), 0);
    machine.advance(Duration::from_secs(2));
    assert_eq!(first.try_recv(), Err(TryRecvError::Empty), "somebody joined: it waits again");
    machine.advance(Duration::from_secs(2));
    let (first, second) = (first.try_recv().expect("answered"), second.try_recv().expect("answered"));
    assert_eq!(first.expect("joined").generation, 1);
    assert_eq!(second.expect("joined").generation, 1);
}

#[test]
fn a_new_member_has_the_others_join_again_and_who_does_not_is_dropped() {
    let mut machine = machine();
    let (leader, follower) = two_members(&mut machine);
    let c = name(&mut machine, 3);
    let mut third = join(&mut machine, request(&c, None, &["range"]), 0);
    assert_eq!(heartbeat(&mut machine, &follower.member, follower.generation), Err(GroupError::RebalanceInProgress));
    let mut again = join(&mut machine, request(&leader.member, None, &["range"]), 0);
    // The follower lives, but never joins.
    for _ in 0..REBALANCE.as_secs() / 5 {
        let _ = heartbeat(&mut machine, &follower.member, follower.generation);
        machine.advance(Duration::from_secs(5));
    }
    let third = third.try_recv().expect("answered").expect("joined");
    assert_eq!(third, JoinedGroup { member: c, members: Vec::new(), ..third.clone() });
    assert_eq!(third.generation, leader.generation + 1);
    assert_eq!(again.try_recv().expect("answered").expect("joined").members.len(), 2);
    assert_eq!(heartbeat(&mut machine, &follower.member, follower.generation), Err(GroupError::UnknownMember));
}

#[test]
fn a_silent_member_is_dropped_after_its_session_and_the_others_rebalance() {
    let mut machine = machine();
    let (leader, follower) = two_members(&mut machine);
    machine.advance(Duration::from_secs(6));
    assert_eq!(heartbeat(&mut machine, &leader.member, leader.generation), Ok(()));
    machine.advance(Duration::from_secs(6));
    assert_eq!(heartbeat(&mut machine, &leader.member, leader.generation), Err(GroupError::RebalanceInProgress));
    assert_eq!(heartbeat(&mut machine, &follower.member, follower.generation), Err(GroupError::UnknownMember));
    let mut again = join(&mut machine, request(&leader.member, None, &["range"]), 0);
    assert_eq!(again.try_recv().expect("answered").expect("joined").members.len(), 1);
}

#[test]
fn a_group_whose_members_all_left_is_empty_and_so_it_is_after_a_restart() {
    let mut machine = machine();
    let (leader, follower) = two_members(&mut machine);
    assert_eq!(commit(&mut machine, &leader.member, leader.generation, 5), Ok(()));
    assert_eq!(leave(&mut machine, &leader.member, None), Ok(()));
    assert_eq!(leave(&mut machine, &leader.member, None), Err(GroupError::UnknownMember));
    assert_eq!(leave(&mut machine, &follower.member, None), Ok(()));
    assert_eq!(state(&machine), Some(GroupState::Empty));
    machine.restart(0);
    let described = machine.groups.describe("g").expect("it is there");
    assert_eq!((described.state, described.generation), (GroupState::Empty, leader.generation + 1));
    assert_eq!(machine.groups.fetch("g", None, true).expect("known").len(), 1);
}

#[test]
fn only_the_members_of_the_generation_commit() {
    let mut machine = machine();
    let (leader, follower) = two_members(&mut machine);
    assert_eq!(commit(&mut machine, &leader.member, leader.generation, 1), Ok(()));
    assert_eq!(commit(&mut machine, &leader.member, leader.generation - 1, 2), Err(GroupError::IllegalGeneration));
    assert_eq!(commit(&mut machine, "stranger", leader.generation, 3), Err(GroupError::UnknownMember));
    assert_eq!(commit(&mut machine, "", -1, 4), Err(GroupError::UnknownMember), "the group is not empty");
    // While members join, those of the generation that ends still may.
    let mut again = join(&mut machine, request(&leader.member, None, &["range"]), 0);
    assert_eq!(commit(&mut machine, &follower.member, follower.generation, 5), Ok(()));
    let mut other = join(&mut machine, request(&follower.member, None, &["range"]), 0);
    let again = again.try_recv().expect("answered").expect("joined");
    assert!(other.try_recv().expect("answered").is_ok());
    // Its shares are not there yet.
    assert_eq!(commit(&mut machine, &again.member, again.generation, 6), Err(GroupError::RebalanceInProgress));
    assert_eq!(commit(&mut machine, &follower.member, follower.generation, 7), Err(GroupError::IllegalGeneration));
    let fetched = machine.groups.fetch("g", None, false).expect("known");
    let committed = fetched[0].1.as_ref().expect("stable").as_ref().expect("committed");
    assert_eq!(committed.offset, Offset(5));
}

#[test]
fn a_static_member_that_comes_back_keeps_its_share_and_fences_the_one_before() {
    let mut machine = machine();
    let mut first = join(&mut machine, request("", Some("one"), &["range"]), 1);
    let first = first.try_recv().expect("answered").expect("joined");
    assert!(first.member.starts_with("one-"), "{}", first.member);
    let assignments = BTreeMap::from([(first.member.clone(), Bytes::from_static(b"all"))]);
    let of = |member: &str| SyncGroup {
        group: "g".to_string(),
        member: member.to_string(),
        instance: Some("one".to_string()),
        generation: first.generation,
        protocol_type: None,
        protocol: None,
        assignments: assignments.clone(),
    };
    let synced = machine.answer(|reply| GroupEvent::Sync(of(&first.member), Arc::default(), reply)).expect("synced");
    assert_eq!(synced.assignment, "all");
    let mut back = join(&mut machine, request("", Some("one"), &["range"]), 2);
    assert_eq!(back.try_recv(), Err(TryRecvError::Empty), "its new name is not durable yet");
    machine.flush();
    let back = back.try_recv().expect("answered").expect("joined");
    assert_eq!((back.generation, back.skip_assignment, back.members.len()), (first.generation, true, 1));
    assert_ne!(back.member, first.member);
    let synced = machine.answer(|reply| GroupEvent::Sync(of(&first.member), Arc::default(), reply));
    assert_eq!(synced, Err(GroupError::FencedInstance));
    machine.restart(0);
    let synced = machine.answer(|reply| GroupEvent::Sync(of(&back.member), Arc::default(), reply)).expect("synced");
    assert_eq!(synced.assignment, "all");
    // An administrator removes it by its instance alone.
    assert_eq!(leave(&mut machine, "other", Some("one")), Err(GroupError::FencedInstance));
    assert_eq!(leave(&mut machine, "", Some("one")), Ok(()));
    assert_eq!(state(&machine), Some(GroupState::Empty));
}

#[test]
fn a_static_member_of_an_older_client_is_not_told_that_it_leads_a_stable_group() {
    let mut machine = machine();
    let mut first = join(&mut machine, request("", Some("one"), &["range"]), 1);
    let first = first.try_recv().expect("answered").expect("joined");
    let shares = BTreeMap::from([(first.member.clone(), Bytes::from_static(b"all"))]);
    let of = SyncGroup {
        group: "g".to_string(),
        member: first.member.clone(),
        instance: Some("one".to_string()),
        generation: first.generation,
        protocol_type: None,
        protocol: None,
        assignments: shares,
    };
    machine.answer(|reply| GroupEvent::Sync(of, Arc::default(), reply)).expect("synced");
    let older = JoinGroup { can_skip_assignment: false, ..request("", Some("one"), &["range"]) };
    let mut back = join(&mut machine, older, 2);
    machine.flush();
    let back = back.try_recv().expect("answered").expect("joined");
    assert_eq!((back.leader.as_str(), back.skip_assignment, back.members.len()), (first.member.as_str(), false, 0));
}

#[test]
fn shares_that_could_not_be_written_are_refused_and_the_members_join_again() {
    let mut machine = machine();
    let (leader, follower) = two_members(&mut machine);
    let mut again = join(&mut machine, request(&leader.member, None, &["range"]), 0);
    let mut other = join(&mut machine, request(&follower.member, None, &["range"]), 0);
    let again = again.try_recv().expect("answered").expect("joined");
    let other = other.try_recv().expect("answered").expect("joined");
    let mut waiting = sync(&mut machine, &other, &[]);
    machine.refuse_next = Some(GroupError::CoordinatorUnavailable);
    let mut refused = sync(&mut machine, &again, &[]);
    assert_eq!(refused.try_recv(), Ok(Err(GroupError::CoordinatorUnavailable)));
    assert_eq!(waiting.try_recv(), Ok(Err(GroupError::CoordinatorUnavailable)));
    assert_eq!(state(&machine), Some(GroupState::PreparingRebalance));
}

#[test]
fn the_protocol_is_one_that_all_know_and_most_prefer() {
    let mut machine = machine();
    let (a, b) = (name(&mut machine, 1), name(&mut machine, 2));
    drop(join(&mut machine, request(&a, None, &["cooperative-sticky", "range"]), 0));
    let mut second = join(&mut machine, request(&b, None, &["range", "roundrobin"]), 0);
    drop(join(&mut machine, request(&a, None, &["cooperative-sticky", "range"]), 0));
    assert_eq!(second.try_recv().expect("answered").expect("joined").protocol.as_deref(), Some("range"));
    let mut third = join(&mut machine, request("", None, &["roundrobin"]), 3);
    assert_eq!(third.try_recv(), Ok(Err(GroupError::InconsistentProtocol)));
    let connect = JoinGroup { protocol_type: "connect".to_string(), ..request("", None, &["range"]) };
    assert_eq!(join(&mut machine, connect, 4).try_recv(), Ok(Err(GroupError::InconsistentProtocol)));
}

#[test]
fn limits_hold_for_sessions_and_members() {
    let mut machine = Machine::new(GroupConfig { members_max: 1, ..GroupConfig::default() });
    let short = JoinGroup { session_timeout: Duration::from_secs(1), ..request("", None, &["range"]) };
    assert_eq!(join(&mut machine, short, 1).try_recv(), Ok(Err(GroupError::InvalidSessionTimeout)));
    assert_eq!(state(&machine), None, "a refused join leaves no group");
    name(&mut machine, 1);
    let mut second = join(&mut machine, request("", None, &["range"]), 2);
    assert_eq!(second.try_recv(), Ok(Err(GroupError::GroupFull)));
}

#[test]
fn a_leader_that_forgets_somebody_gives_it_an_empty_share_and_who_never_asks_is_dropped() {
    let mut machine = machine();
    let (leader, follower) = two_members(&mut machine);
    let mut again = join(&mut machine, request(&leader.member, None, &["range"]), 0);
    let mut other = join(&mut machine, request(&follower.member, None, &["range"]), 0);
    let again = again.try_recv().expect("answered").expect("joined");
    let other = other.try_recv().expect("answered").expect("joined");
    let shares = [(again.member.as_str(), &b"0"[..]), ("stranger", b"1")];
    let mut synced = sync(&mut machine, &again, &shares);
    machine.flush();
    assert_eq!(synced.try_recv().expect("answered").expect("synced").assignment, "0");
    for _ in 0..REBALANCE.as_secs() / 5 {
        machine.advance(Duration::from_secs(5));
        let _ = heartbeat(&mut machine, &again.member, again.generation);
        let _ = heartbeat(&mut machine, &other.member, other.generation);
    }
    assert_eq!(heartbeat(&mut machine, &other.member, other.generation), Err(GroupError::UnknownMember));
    assert_eq!(heartbeat(&mut machine, &again.member, again.generation), Err(GroupError::RebalanceInProgress));
}
