//! Heartbeats one by one.

use std::sync::Arc;
use std::time::Duration;

use super::topics::Topics;
use crate::broker::CommitOffsets;
use crate::broker::CommittedOffset;
use crate::broker::ConsumerHeartbeat;
use crate::broker::ConsumerHeartbeatAnswer;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::GroupKind;
use crate::broker::GroupProtocol;
use crate::broker::GroupState;
use crate::broker::JoinGroup;
use crate::broker::LeaveGroup;
use crate::broker::LeavingMember;
use crate::broker::OffsetToCommit;
use crate::broker::coordinator::GroupEvent;
use crate::broker::coordinator::consumer_record::Partitions;
use crate::broker::coordinator::groups::testing::Machine;
use crate::broker::coordinator::groups::testing::TOPIC;
use crate::broker::coordinator::groups::testing::TOPIC_NAME;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicId;
use crate::model::TopicPartition;

const SESSION: Duration = Duration::from_secs(45);
const REBALANCE: Duration = Duration::from_secs(10);
const OTHER: TopicId = TopicId([8; 16]);

/// The machine, and the topics that there are.
struct World {
    machine: Machine,
    topics: Topics,
}

impl World {
    /// One topic of four partitions.
    fn new() -> Self {
        let config = GroupConfig { initial_rebalance_delay: Duration::ZERO, members_max: 3, ..GroupConfig::default() };
        let mut world = Self { machine: Machine::new(config), topics: Topics::default() };
        world.topic(TOPIC_NAME, TOPIC, 4);
        world
    }

    fn topic(&mut self, name: &str, id: TopicId, partitions: i32) {
        self.topics.by_name.insert(name.to_string(), (id, partitions));
        self.topics.version += 1;
    }

    fn beat(&mut self, request: ConsumerHeartbeat) -> Result<ConsumerHeartbeatAnswer, GroupError> {
        let topics = Arc::new(self.topics.clone());
        self.machine.answer(|reply| GroupEvent::ConsumerHeartbeat(request, topics, reply))
    }

    /// Joins, and is told what it may read.
    fn join(&mut self, member: &str) -> ConsumerHeartbeatAnswer {
        self.beat(join(member)).expect("it joins")
    }

    /// Says that it lives and has `owned`; the epoch it has then, and what it is told that it may read.
    fn live(&mut self, member: &str, epoch: i32, owned: &[i32]) -> (i32, Option<Vec<i32>>) {
        let answer = self.beat(alive(member, epoch, owned)).expect("it lives");
        (answer.member_epoch, answer.assignment.map(|assignment| numbers(&assignment)))
    }

    fn state(&self) -> GroupState {
        self.machine.groups.describe_consumer("g").expect("it is there").state
    }

    fn commit(&mut self, member: &str, epoch: i32, offset: i64) -> Result<(), GroupError> {
        let request = commit(member, epoch, offset);
        self.machine.answer(|reply| GroupEvent::Commit(request, reply)).map(|outcomes| assert_eq!(outcomes, [Ok(())]))
    }

    fn position(&self) -> Option<i64> {
        let at = TopicPartition::new(TOPIC, 0);
        let fetched = self.machine.groups.fetch("g", Some(&[at]), false).expect("known").remove(0).1;
        fetched.expect("stable").map(|committed| committed.offset.0)
    }
}

fn join(member: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group: "g".to_string(),
        member: member.to_string(),
        client_id: "client".to_string(),
        client_host: "/127.0.0.1".to_string(),
        rebalance_timeout: Some(REBALANCE),
        topics: Some(vec![TOPIC_NAME.to_string()]),
        owned: Some(Partitions::new()),
        ..ConsumerHeartbeat::default()
    }
}

fn alive(member: &str, member_epoch: i32, owned: &[i32]) -> ConsumerHeartbeat {
    let owned = owned.iter().map(|number| TopicPartition::new(TOPIC, *number)).collect();
    let (group, member) = ("g".to_string(), member.to_string());
    ConsumerHeartbeat { group, member, member_epoch, owned: Some(owned), ..ConsumerHeartbeat::default() }
}

fn with_instance(instance: &str, request: ConsumerHeartbeat) -> ConsumerHeartbeat {
    ConsumerHeartbeat { instance: Some(instance.to_string()), ..request }
}

fn commit(member: &str, generation: i32, offset: i64) -> CommitOffsets {
    let committed = CommittedOffset { offset: Offset(offset), leader_epoch: LeaderEpoch(0), metadata: String::new() };
    let partition = TopicPartition::new(TOPIC, 0);
    CommitOffsets {
        group: "g".to_string(),
        member: member.to_string(),
        instance: None,
        generation,
        knows_member_epochs: true,
        retention: None,
        offsets: vec![OffsetToCommit { topic: TOPIC_NAME.to_string(), partition, committed }],
    }
}

fn numbers(partitions: &Partitions) -> Vec<i32> {
    partitions.iter().map(|partition| partition.partition.0).collect()
}

#[test]
fn a_second_member_gets_what_the_first_gave_back_and_not_before() {
    let mut world = World::new();
    let first = world.join("a");
    assert_eq!((first.member_epoch, first.heartbeat_interval), (1, Duration::from_secs(5)));
    assert_eq!(first.assignment.map(|assignment| numbers(&assignment)), Some(vec![0, 1, 2, 3]));
    assert_eq!(world.live("a", 1, &[0, 1, 2, 3]), (1, None));
    assert_eq!(world.state(), GroupState::Stable);
    let second = world.join("b");
    assert_eq!((second.member_epoch, second.assignment), (2, Some(Partitions::new())), "all is of somebody");
    assert_eq!(world.live("a", 1, &[0, 1, 2, 3]), (1, Some(vec![0, 1])), "it is to give two back");
    assert_eq!(world.live("b", 2, &[]), (2, None), "it still has them");
    assert_eq!(world.live("a", 1, &[0, 1, 2]), (1, None), "it has one yet");
    assert_eq!(world.state(), GroupState::Reconciling);
    assert_eq!(world.live("a", 1, &[0, 1]), (2, None), "it gave them back");
    assert_eq!(world.live("b", 2, &[]), (2, Some(vec![2, 3])));
    assert_eq!(world.state(), GroupState::Stable);
    let left = world.beat(alive("a", -1, &[])).expect("it leaves");
    assert_eq!((left.member_epoch, left.assignment), (-1, None));
    assert_eq!(world.state(), GroupState::Assigning);
    assert_eq!(world.live("b", 2, &[2, 3]), (3, Some(vec![0, 1, 2, 3])));
}

#[test]
fn an_answer_comes_when_what_it_builds_on_is_durable() {
    let mut world = World::new();
    let topics = Arc::new(world.topics.clone());
    let ask = |machine: &mut Machine, request| {
        let topics = Arc::clone(&topics);
        machine.ask(|reply| GroupEvent::ConsumerHeartbeat(request, topics, reply))
    };
    let mut joined = ask(&mut world.machine, join("a"));
    let mut again = ask(&mut world.machine, alive("a", 1, &[]));
    assert!(joined.try_recv().is_err() && again.try_recv().is_err(), "nothing is durable");
    world.machine.flush();
    assert!(joined.try_recv().expect("answered").is_ok());
    assert_eq!(again.try_recv().expect("answered").map(|answer| answer.member_epoch), Ok(1));
    let mut third = ask(&mut world.machine, alive("a", 1, &[0, 1, 2, 3]));
    assert!(third.try_recv().expect("nothing is to be waited for").is_ok());
}

#[test]
fn who_lost_an_answer_goes_on_and_who_has_a_wrong_epoch_is_fenced() {
    let mut world = World::new();
    world.join("a");
    world.join("b");
    world.live("a", 1, &[0, 1]);
    assert_eq!(world.live("a", 1, &[0, 1]), (2, Some(vec![0, 1])), "it is told again");
    assert_eq!(world.live("b", 2, &[]).1, Some(vec![2, 3]));
    for (epoch, owned) in [(1, &[0, 1, 2][..]), (3, &[]), (7, &[])] {
        assert_eq!(world.beat(alive("a", epoch, owned)), Err(GroupError::FencedMemberEpoch), "{epoch} {owned:?}");
    }
    assert_eq!(world.beat(ConsumerHeartbeat { owned: None, ..alive("a", 1, &[]) }), Err(GroupError::FencedMemberEpoch));
    assert_eq!(world.beat(alive("c", 2, &[])), Err(GroupError::UnknownMember));
    let anew = world.join("a");
    assert_eq!(anew.assignment.map(|assignment| numbers(&assignment)), Some(vec![0, 1]), "its share waited for it");
}

#[test]
fn a_static_member_that_was_away_comes_back_to_its_share() {
    let mut world = World::new();
    let one = world.beat(with_instance("one", join("a"))).expect("it joins");
    assert_eq!(world.beat(with_instance("one", join("b"))), Err(GroupError::UnreleasedInstance));
    assert_eq!(world.beat(with_instance("two", alive("a", 1, &[]))), Err(GroupError::UnknownMember));
    let away = world.beat(with_instance("one", alive("a", -2, &[]))).expect("it goes");
    assert_eq!((one.member_epoch, away.member_epoch), (1, -2));
    world.machine.advance(SESSION / 2);
    let back = world.beat(with_instance("one", join("b"))).expect("it is back");
    assert_eq!(
        (back.member_epoch, back.assignment.map(|assignment| numbers(&assignment))),
        (1, Some(vec![0, 1, 2, 3]))
    );
    assert_eq!(world.beat(with_instance("one", alive("a", 1, &[]))), Err(GroupError::FencedInstance));
    assert_eq!(world.beat(alive("a", 1, &[])), Err(GroupError::UnknownMember));
    world.beat(with_instance("one", alive("b", -2, &[]))).expect("it goes");
    world.machine.advance(SESSION);
    assert_eq!(world.state(), GroupState::Empty, "it was away for too long");
    let late = world.beat(with_instance("one", join("c"))).expect("it is a new one");
    assert_eq!(late.member_epoch, 3);
}

#[test]
fn an_administrator_removes_members_by_name_and_by_instance() {
    let mut world = World::new();
    world.beat(with_instance("one", join("a"))).expect("it joins");
    let other = world.join("b");
    world.beat(with_instance("one", alive("a", -2, &[]))).expect("it goes");
    let remove = |world: &mut World, members: &[(&str, Option<&str>)]| {
        let leaving = |(member, instance): &(&str, Option<&str>)| LeavingMember {
            member: member.to_string(),
            instance: instance.map(str::to_string),
        };
        let request = LeaveGroup { group: "g".to_string(), members: members.iter().map(leaving).collect() };
        world.machine.answer(|reply| GroupEvent::Leave(request, reply)).expect("each has an outcome")
    };
    let outcomes = remove(&mut world, &[("", Some("two")), ("b", Some("one")), ("", Some("one")), ("a", None)]);
    let (unknown, fenced) = (Err(GroupError::UnknownMember), Err(GroupError::FencedInstance));
    assert_eq!(outcomes, [unknown.clone(), fenced, Ok(()), unknown]);
    let (_, share) = world.live("b", other.member_epoch, &[]);
    assert_eq!(share, Some(vec![0, 1, 2, 3]), "what the removed member kept is free at once");
    assert_eq!(remove(&mut world, &[("b", None)]), [Ok(())]);
    assert_eq!(world.state(), GroupState::Empty);
    world.machine.restart(0);
    assert_eq!(world.state(), GroupState::Empty);
}

#[test]
fn who_is_silent_is_dropped_and_commits_nothing() {
    let mut world = World::new();
    world.join("a");
    world.join("b");
    assert_eq!(world.commit("a", 1, 5), Ok(()));
    world.machine.advance(SESSION - Duration::from_secs(1));
    world.live("b", 2, &[]);
    world.machine.advance(Duration::from_secs(1));
    world.machine.flush();
    assert_eq!(world.live("b", 2, &[]), (3, Some(vec![0, 1, 2, 3])));
    assert_eq!(world.commit("a", 1, 6), Err(GroupError::UnknownMember));
    assert_eq!(world.beat(alive("a", 1, &[])), Err(GroupError::UnknownMember));
    assert_eq!(world.position(), Some(5));
}

#[test]
fn who_keeps_what_it_is_to_give_back_is_dropped() {
    let mut world = World::new();
    world.join("a");
    world.join("b");
    world.live("a", 1, &[0, 1, 2, 3]);
    world.machine.advance(REBALANCE / 2);
    assert_eq!(world.live("a", 1, &[0, 1, 2, 3]), (1, None), "it lives, and keeps them");
    world.machine.advance(REBALANCE / 2);
    assert_eq!(world.beat(alive("a", 1, &[0, 1])), Err(GroupError::UnknownMember));
    world.machine.flush();
    assert_eq!(world.live("b", 2, &[]), (3, Some(vec![0, 1, 2, 3])));
}

#[test]
fn topics_that_come_grow_and_go_are_shared_out() {
    let mut world = World::new();
    world.topics.by_name.clear();
    let named = vec![TOPIC_NAME.to_string()];
    let request = ConsumerHeartbeat { pattern: Some("oth.*".to_string()), topics: Some(named), ..join("a") };
    let joined = world.beat(request.clone()).expect("it joins");
    assert_eq!(joined.assignment, Some(Partitions::new()), "there are no topics");
    world.topic(TOPIC_NAME, TOPIC, 1);
    assert_eq!(world.live("a", 1, &[]), (2, Some(vec![0])));
    world.topic("another", TopicId([9; 16]), 1);
    assert_eq!(world.live("a", 2, &[0]), (2, None), "it does not read it");
    world.topic("other", OTHER, 2);
    assert_eq!(world.live("a", 2, &[0]), (3, Some(vec![0, 0, 1])), "its name fits");
    world.topic(TOPIC_NAME, TOPIC, 2);
    assert_eq!(world.live("a", 3, &[0]), (4, Some(vec![0, 1, 0, 1])));
    world.topics.by_name.remove("other");
    world.topics.version += 1;
    let all: Partitions =
        [(TOPIC, 0), (TOPIC, 1), (OTHER, 0), (OTHER, 1)].map(|(id, n)| TopicPartition::new(id, n)).into();
    let told = world.beat(ConsumerHeartbeat { owned: Some(all), ..alive("a", 4, &[]) }).expect("it lives");
    assert_eq!(
        (told.member_epoch, told.assignment.map(|it| numbers(&it))),
        (4, Some(vec![0, 1])),
        "it is to give it up"
    );
    let less = ConsumerHeartbeat { pattern: Some(String::new()), topics: Some(Vec::new()), ..alive("a", 4, &[0, 1]) };
    let told = world.beat(less).expect("it lives");
    assert_eq!(told.assignment, Some(Partitions::new()), "it reads nothing any more");
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut world = World::new();
    world.join("a");
    let before = world.machine.groups.describe_consumer("g");
    let invalid = [
        ConsumerHeartbeat { member: String::new(), ..join("") },
        with_instance("", join("b")),
        ConsumerHeartbeat { rack: Some(String::new()), ..join("b") },
        alive("a", -3, &[]),
        alive("a", -2, &[]),
        ConsumerHeartbeat { rebalance_timeout: None, ..join("b") },
        ConsumerHeartbeat { owned: None, ..join("b") },
        ConsumerHeartbeat { member_epoch: 0, ..alive("b", 0, &[1]) },
        ConsumerHeartbeat { topics: Some(Vec::new()), ..join("b") },
    ];
    for request in invalid {
        let outcome = world.beat(request.clone());
        assert!(matches!(outcome, Err(GroupError::InvalidRequest { .. })), "{request:?}: {outcome:?}");
    }
    let assignor = ConsumerHeartbeat { assignor: Some("best".to_string()), ..join("b") };
    assert_eq!(world.beat(assignor), Err(GroupError::UnsupportedAssignor { assignor: "best".to_string() }));
    let pattern = ConsumerHeartbeat { pattern: Some("(".to_string()), ..join("b") };
    assert!(matches!(world.beat(pattern), Err(GroupError::InvalidPattern { .. })));
    assert_eq!(world.machine.groups.describe_consumer("g"), before);
    world.join("b");
    world.join("c");
    assert_eq!(world.beat(join("d")), Err(GroupError::GroupFull));
    let fresh = ConsumerHeartbeat { group: "h".to_string(), topics: None, ..join("a") };
    assert!(world.beat(fresh).is_err());
    assert_eq!(world.machine.groups.list().len(), 1, "a join that is refused makes no group");
}

#[test]
fn a_group_has_a_hundred_patterns_and_a_member_one_at_a_time() {
    let config = GroupConfig::default();
    let mut world = World { machine: Machine::new(config), ..World::new() };
    let with = |pattern: String, request| ConsumerHeartbeat { pattern: Some(pattern), ..request };
    for number in 0..100 {
        world.beat(with(format!("a{number}"), join(&format!("m{number:03}")))).expect("it joins");
    }
    let refused = world.beat(with("b".to_string(), join("one")));
    assert!(matches!(&refused, Err(GroupError::InvalidPattern { reason }) if reason.contains("100")), "{refused:?}");
    world.beat(with("a7".to_string(), join("one"))).expect("that pattern is there");
    world.beat(with(String::new(), alive("m000", 1, &[0, 1, 2, 3]))).expect("it lives");
    world.beat(with("b".to_string(), join("two"))).expect("one went");
}

#[test]
fn members_choose_the_assignor() {
    let mut world = World::new();
    let with = |assignor: &str, member| ConsumerHeartbeat { assignor: Some(assignor.to_string()), ..join(member) };
    world.beat(with("range", "a")).expect("it joins");
    let assignor = |world: &World| world.machine.groups.describe_consumer("g").expect("it is there").assignor;
    assert_eq!(assignor(&world), "range");
    world.beat(with("uniform", "b")).expect("it joins");
    assert_eq!(assignor(&world), "uniform", "of equal votes the default counts");
}

#[test]
fn positions_are_committed_with_the_current_epoch_only() {
    let mut world = World::new();
    assert_eq!(world.commit("a", 1, 1), Err(GroupError::GroupNotFound));
    world.join("a");
    assert_eq!(world.commit("a", 1, 5), Ok(()));
    for (member, epoch, error) in [
        ("a", 0, GroupError::StaleMemberEpoch),
        ("a", 2, GroupError::StaleMemberEpoch),
        ("b", 1, GroupError::UnknownMember),
        ("", -1, GroupError::UnknownMember),
    ] {
        assert_eq!(world.commit(member, epoch, 9), Err(error), "{member} {epoch}");
    }
    let older = CommitOffsets { knows_member_epochs: false, ..commit("a", 1, 9) };
    let outcome = world.machine.answer(|reply| GroupEvent::Commit(older, reply));
    assert_eq!(outcome, Err(GroupError::UnsupportedVersion));
    let stamp = (ProducerId(1), ProducerEpoch(0));
    for (request, outcome) in [
        (commit("a", 2, 9), Err(GroupError::IllegalGeneration)),
        (commit("b", 1, 9), Err(GroupError::UnknownMember)),
        (commit("", -1, 9), Ok(vec![Ok(())])),
    ] {
        let answered = world.machine.answer(|reply| GroupEvent::CommitInTransaction(request, stamp, reply));
        assert_eq!(answered, outcome);
    }
    assert_eq!(world.position(), Some(5), "the transaction has not ended");
}

#[test]
fn positions_are_read_by_who_says_the_current_epoch_or_nothing() {
    let mut world = World::new();
    world.join("a");
    let check = |member, epoch| world.machine.groups.check_fetch("g", member, epoch);
    assert_eq!([check(None, -1), check(Some("a"), 1), check(Some("a"), -1)], [Ok(()), Ok(()), Ok(())]);
    assert_eq!(check(Some("a"), 2), Err(GroupError::StaleMemberEpoch));
    assert_eq!(check(Some("b"), 1), Err(GroupError::UnknownMember));
}

#[test]
fn a_restart_finds_the_group_as_it_was() {
    for is_compacted in [false, true] {
        let mut world = World::new();
        world.beat(with_instance("one", join("a"))).expect("it joins");
        world.join("b");
        let pattern = ConsumerHeartbeat { pattern: Some("oth.*".to_string()), ..join("c") };
        world.beat(pattern).expect("it joins");
        world.beat(alive("b", -1, &[])).expect("it leaves");
        world.live("a", 1, &[0, 1, 2, 3]);
        let before = world.machine.groups.describe_consumer("g");
        if is_compacted {
            world.machine.compact();
        }
        world.machine.restart(0);
        assert_eq!(world.machine.groups.describe_consumer("g"), before);
        let told = world.live("a", 1, &[0, 1]);
        assert_eq!(told, (4, None), "it goes on, and nothing is shared out anew");
        assert_eq!(world.state(), GroupState::Reconciling);
        world.machine.advance(SESSION);
        world.machine.flush();
        assert_eq!(world.state(), GroupState::Empty, "sessions began anew");
    }
}

#[test]
fn what_could_not_be_written_is_undone() {
    let mut world = World::new();
    let refuse = |world: &mut World, request| {
        let before = world.machine.groups.describe_consumer("g");
        world.machine.refuse_next = Some(GroupError::CoordinatorUnavailable);
        assert_eq!(world.beat(request), Err(GroupError::CoordinatorUnavailable));
        assert_eq!(world.machine.groups.describe_consumer("g"), before);
    };
    refuse(&mut world, join("a"));
    assert_eq!(world.machine.groups.list(), [], "it is not there");
    world.beat(with_instance("one", join("a"))).expect("it joins");
    refuse(&mut world, join("b"));
    world.join("b");
    refuse(&mut world, alive("a", 1, &[0, 1, 2, 3]));
    refuse(&mut world, alive("b", -1, &[]));
    refuse(&mut world, with_instance("one", alive("a", -2, &[])));
    world.beat(with_instance("one", alive("a", -2, &[]))).expect("it goes");
    refuse(&mut world, with_instance("one", join("c")));
    let back = world.beat(with_instance("one", join("c"))).expect("it is back");
    assert_eq!(back.assignment.map(|assignment| numbers(&assignment)), Some(vec![0, 1]));
    assert_eq!(world.live("b", 2, &[]), (2, Some(vec![2, 3])));
    world.machine.refuse_next = Some(GroupError::CoordinatorUnavailable);
    world.machine.advance(SESSION);
    let members = world.machine.groups.describe_consumer("g").expect("it is there").members;
    assert_eq!(members.len(), 2, "nobody was dropped");
    world.machine.advance(SESSION);
    assert_eq!(world.state(), GroupState::Empty, "until it could be written");
}

/// A member of the classic protocol joins alone and leaves.
fn classic_life(world: &mut World) -> i32 {
    let request = JoinGroup {
        group: "g".to_string(),
        member: String::new(),
        instance: None,
        client_id: "client".to_string(),
        client_host: "/127.0.0.1".to_string(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(10),
        protocol_type: "consumer".to_string(),
        protocols: vec![GroupProtocol { name: "range".to_string(), metadata: Default::default() }],
        joins_in_two_steps: false,
        can_skip_assignment: false,
    };
    let joined =
        world.machine.answer(|reply| GroupEvent::Join(request, [1; 16], Arc::default(), reply)).expect("it joins");
    assert_eq!(world.beat(join("a")), Err(GroupError::CoordinatorUnavailable), "its leader has yet to share out");
    assert_eq!(world.machine.groups.describe_consumer("g"), None);
    let members = vec![LeavingMember { member: joined.member, instance: None }];
    let leave = LeaveGroup { group: "g".to_string(), members };
    world.machine.answer(|reply| GroupEvent::Leave(leave, reply)).expect("it leaves");
    joined.generation
}

#[test]
fn the_two_protocols_have_a_group_one_after_the_other_and_its_positions_stay() {
    let mut world = World::new();
    let kind = |world: &World| world.machine.groups.list().first().map(|listing| listing.kind);
    classic_life(&mut world);
    assert_eq!(world.commit("", -1, 5), Ok(()));
    for turn in 0..2 {
        world.machine.refuse_next = Some(GroupError::CoordinatorUnavailable);
        assert_eq!(world.beat(join("a")), Err(GroupError::CoordinatorUnavailable));
        assert_eq!(kind(&world), Some(GroupKind::Classic), "turn {turn}");
        assert_eq!(world.beat(alive("a", 1, &[])), Err(GroupError::UnknownMember), "nobody was in it");
        world.join("a");
        assert_eq!((kind(&world), world.position()), (Some(GroupKind::Consumer), Some(5)));
        assert_eq!(world.machine.groups.describe("g"), None);
        world.machine.restart(0);
        assert_eq!((kind(&world), world.position()), (Some(GroupKind::Consumer), Some(5)));
        world.beat(alive("a", -1, &[])).expect("it leaves");
        if turn == 1 {
            world.machine.compact();
            world.machine.restart(0);
            assert_eq!((kind(&world), world.position()), (Some(GroupKind::Consumer), Some(5)));
        }
        classic_life(&mut world);
        world.machine.restart(0);
        assert_eq!((kind(&world), world.position()), (Some(GroupKind::Classic), Some(5)));
    }
}

#[test]
fn an_empty_group_is_deleted_with_its_positions_and_one_with_members_is_not() {
    let mut world = World::new();
    world.join("a");
    world.commit("a", 1, 5).expect("committed");
    let delete = |world: &mut World| world.machine.answer(|reply| GroupEvent::Delete("g".to_string(), reply));
    assert_eq!(delete(&mut world), Err(GroupError::NonEmptyGroup));
    let partitions = || vec![TopicPartition::new(TOPIC, 0)];
    let outcome = world.machine.answer(|reply| GroupEvent::DeleteOffsets("g".to_string(), partitions(), reply));
    assert_eq!(outcome, Ok(vec![Err(GroupError::SubscribedToTopic)]));
    world.beat(alive("a", -1, &[])).expect("it leaves");
    assert_eq!(world.commit("", -1, 7), Ok(()), "an administrator may now");
    world.machine.refuse_next = Some(GroupError::CoordinatorUnavailable);
    assert_eq!(delete(&mut world), Err(GroupError::CoordinatorUnavailable));
    assert_eq!(world.position(), Some(7));
    assert_eq!(delete(&mut world), Ok(()));
    assert_eq!(world.machine.groups.list(), []);
    for is_compacted in [false, true] {
        if is_compacted {
            world.machine.compact();
        }
        world.machine.restart(0);
        assert_eq!(world.machine.groups.list(), []);
    }
}

#[test]
fn positions_of_an_empty_group_are_kept_from_the_time_it_became_empty() {
    let mut world = World::new();
    let retention = GroupConfig::default().offsets_retention;
    let millis = i64::try_from(retention.as_millis()).expect("a week");
    world.join("a");
    world.commit("a", 1, 5).expect("committed");
    let expire = |world: &mut World| {
        let effects = world.machine.groups.expire(world.machine.now, |_| true);
        world.machine.follow(effects);
        world.machine.flush();
        world.position()
    };
    world.machine.now.wall_ms += 2 * millis;
    assert_eq!(expire(&mut world), Some(5), "it has a member that reads it");
    world.beat(alive("a", -1, &[])).expect("it leaves");
    world.machine.now.wall_ms += millis - 1;
    assert_eq!(expire(&mut world), Some(5));
    world.machine.now.wall_ms += 1;
    assert_eq!(expire(&mut world), None);
    assert_eq!(world.machine.groups.list(), [], "and with them the group");
}
