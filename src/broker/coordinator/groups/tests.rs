//! Positions: who may commit them, which one counts, and when they are forgotten.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::testing::Machine;
use super::testing::TOPIC;
use super::testing::TOPIC_NAME;
use crate::broker::CommitOffsets;
use crate::broker::CommittedOffset;
use crate::broker::Generation;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::GroupProtocol;
use crate::broker::JoinGroup;
use crate::broker::JoinedGroup;
use crate::broker::LeaveGroup;
use crate::broker::LeavingMember;
use crate::broker::OffsetToCommit;
use crate::broker::SyncGroup;
use crate::broker::coordinator::GroupEvent;
use crate::broker::coordinator::GroupRecord;
use crate::broker::coordinator::OffsetValue;
use crate::broker::coordinator::offset_key;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicId;
use crate::model::TopicPartition;

const RETENTION: Duration = Duration::from_hours(1);
const OTHER: TopicId = TopicId([8; 16]);

fn machine() -> Machine {
    let config =
        GroupConfig { initial_rebalance_delay: Duration::ZERO, offsets_retention: RETENTION, ..GroupConfig::default() };
    Machine::new(config)
}

fn committed(offset: i64, metadata: &str) -> CommittedOffset {
    CommittedOffset { offset: Offset(offset), leader_epoch: LeaderEpoch(3), metadata: metadata.to_string() }
}

fn alone(topic: TopicId, name: &str, offset: i64) -> CommitOffsets {
    let partition = TopicPartition::new(topic, 0);
    let committed = committed(offset, "mine");
    CommitOffsets {
        group: "g".to_string(),
        member: String::new(),
        instance: None,
        generation: -1,
        knows_member_epochs: false,
        retention: None,
        offsets: vec![OffsetToCommit { topic: name.to_string(), partition, committed }],
    }
}

fn commit(machine: &mut Machine, request: CommitOffsets) -> Result<Vec<Result<(), GroupError>>, GroupError> {
    machine.answer(|reply| GroupEvent::Commit(request, reply))
}

/// Where the group stands in `topic`.
fn position(machine: &Machine, topic: TopicId) -> Option<i64> {
    let partition = TopicPartition::new(topic, 0);
    let fetched = machine.groups.fetch("g", Some(&[partition]), true).expect("known").remove(0);
    fetched.1.expect("stable").map(|committed| committed.offset.0)
}

fn expire(machine: &mut Machine, exists: impl Fn(TopicId) -> bool) {
    let effects = machine.groups.expire(machine.now, exists);
    machine.follow(effects);
    machine.flush();
}

/// A member alone in its group, which reads the topic `topic`.
fn member(machine: &mut Machine) -> JoinedGroup {
    let mut subscription = vec![0, 0, 0, 0, 0, 1, 0, 5];
    subscription.extend_from_slice(TOPIC_NAME.as_bytes());
    let request = JoinGroup {
        group: "g".to_string(),
        member: String::new(),
        instance: None,
        client_id: "client".to_string(),
        client_host: "/127.0.0.1".to_string(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(10),
        protocol_type: "consumer".to_string(),
        protocols: vec![GroupProtocol { name: "range".to_string(), metadata: Bytes::from(subscription) }],
        joins_in_two_steps: false,
        can_skip_assignment: false,
    };
    let joined = machine.answer(|reply| GroupEvent::Join(request, [1; 16], Arc::default(), reply)).expect("joined");
    let request = SyncGroup {
        group: "g".to_string(),
        member: joined.member.clone(),
        instance: None,
        generation: joined.generation,
        protocol_type: None,
        protocol: None,
        assignments: [(joined.member.clone(), Bytes::from_static(b"all"))].into(),
    };
    machine.answer(|reply| GroupEvent::Sync(request, Arc::default(), reply)).expect("synced");
    joined
}

#[test]
fn an_acknowledged_position_is_there_after_a_restart_with_all_that_came_with_it() {
    let mut machine = machine();
    let mut acknowledged = machine.ask(|reply| GroupEvent::Commit(alone(TOPIC, TOPIC_NAME, 5), reply));
    assert!(acknowledged.try_recv().is_err(), "not before it is durable");
    assert_eq!(position(&machine, TOPIC), None);
    machine.flush();
    assert_eq!(acknowledged.try_recv(), Ok(Ok(vec![Ok(())])));
    machine.restart(0);
    let fetched = machine.groups.fetch("g", None, true).expect("known");
    assert_eq!(fetched, [(TopicPartition::new(TOPIC, 0), Ok(Some(committed(5, "mine"))))]);
}

#[test]
fn of_two_records_the_later_one_counts_whenever_it_is_applied() {
    let mut machine = machine();
    let partition = TopicPartition::new(TOPIC, 0);
    let record = |offset| {
        let committed = committed(offset, "");
        let value = OffsetValue { topic: Some(TOPIC), committed, committed_ms: 0, expires_ms: None };
        let key = offset_key("g", partition, |_| Some(TOPIC_NAME.to_string()));
        GroupRecord::Offset { key, value: Some(value) }
    };
    // A transaction's record may be applied long after later ones were.
    machine.groups.apply(record(9), Offset(20), machine.now, |_| None);
    machine.groups.apply(record(4), Offset(10), machine.now, |_| None);
    assert_eq!(position(&machine, TOPIC), Some(9));
}

#[test]
fn metadata_over_the_limit_is_refused_and_the_other_positions_are_committed() {
    let mut machine = machine();
    let mut request = alone(TOPIC, TOPIC_NAME, 5);
    let long = committed(6, &"x".repeat(5000));
    let partition = TopicPartition::new(TOPIC, 1);
    request.offsets.insert(0, OffsetToCommit { topic: TOPIC_NAME.to_string(), partition, committed: long });
    let outcomes = commit(&mut machine, request);
    assert_eq!(outcomes, Ok(vec![Err(GroupError::OffsetMetadataTooLarge), Ok(())]));
    assert_eq!(position(&machine, TOPIC), Some(5));
}

#[test]
fn positions_are_kept_from_the_time_the_group_is_empty_and_then_forgotten_for_good() {
    let mut machine = machine();
    let joined = member(&mut machine);
    let request =
        CommitOffsets { member: joined.member.clone(), generation: joined.generation, ..alone(TOPIC, TOPIC_NAME, 5) };
    assert_eq!(commit(&mut machine, request), Ok(vec![Ok(())]));
    machine.now.wall_ms += i64::try_from(RETENTION.as_millis()).expect("an hour") * 2;
    expire(&mut machine, |_| true);
    assert_eq!(position(&machine, TOPIC), Some(5), "it has a member");
    let members = vec![LeavingMember { member: joined.member, instance: None }];
    let leave = LeaveGroup { group: "g".to_string(), members };
    machine.answer(|reply| GroupEvent::Leave(leave, reply)).expect("left");
    machine.restart(0);
    machine.now.wall_ms += i64::try_from(RETENTION.as_millis()).expect("an hour") - 1;
    expire(&mut machine, |_| true);
    assert_eq!(position(&machine, TOPIC), Some(5), "not an hour yet");
    machine.now.wall_ms += 1;
    expire(&mut machine, |_| true);
    assert_eq!(machine.groups.describe("g"), None);
    machine.compact();
    machine.restart(0);
    assert_eq!(machine.groups.list(), []);
}

#[test]
fn positions_of_topics_that_are_gone_or_no_longer_read_are_forgotten() {
    let mut machine = machine();
    let (gone, old) = (TopicId([9; 16]), OTHER);
    commit(&mut machine, alone(TOPIC, TOPIC_NAME, 5)).expect("committed");
    commit(&mut machine, alone(gone, TOPIC_NAME, 6)).expect("committed");
    commit(&mut machine, alone(old, "old", 7)).expect("committed");
    member(&mut machine);
    expire(&mut machine, |topic| topic != gone);
    assert_eq!([TOPIC, gone, old].map(|topic| position(&machine, topic)), [Some(5), None, Some(7)]);
    machine.now.wall_ms += i64::try_from(RETENTION.as_millis()).expect("an hour");
    expire(&mut machine, |_| true);
    assert_eq!([TOPIC, old].map(|topic| position(&machine, topic)), [Some(5), None]);
}

#[test]
fn a_position_with_a_retention_of_its_own_goes_when_that_is_over() {
    let mut machine = machine();
    let request = CommitOffsets { retention: Some(Duration::from_secs(5)), ..alone(TOPIC, TOPIC_NAME, 5) };
    commit(&mut machine, request).expect("committed");
    machine.restart(0);
    machine.now.wall_ms += 4_999;
    expire(&mut machine, |_| true);
    assert_eq!(position(&machine, TOPIC), Some(5));
    machine.now.wall_ms += 1;
    expire(&mut machine, |_| true);
    assert_eq!(position(&machine, TOPIC), None);
}

#[test]
fn a_group_is_deleted_when_it_has_no_members_with_what_is_on_its_way() {
    let mut machine = machine();
    let joined = member(&mut machine);
    let delete = |machine: &mut Machine| machine.answer(|reply| GroupEvent::Delete("g".to_string(), reply));
    assert_eq!(delete(&mut machine), Err(GroupError::NonEmptyGroup));
    let members = vec![LeavingMember { member: joined.member, instance: None }];
    let leave = LeaveGroup { group: "g".to_string(), members };
    machine.answer(|reply| GroupEvent::Leave(leave, reply)).expect("left");
    let mut on_its_way = machine.ask(|reply| GroupEvent::Commit(alone(TOPIC, TOPIC_NAME, 5), reply));
    let mut deleted = machine.ask(|reply| GroupEvent::Delete("g".to_string(), reply));
    let mut late = machine.ask(|reply| GroupEvent::Commit(alone(TOPIC, TOPIC_NAME, 6), reply));
    assert_eq!(late.try_recv(), Ok(Err(GroupError::CoordinatorUnavailable)));
    machine.flush();
    assert_eq!((on_its_way.try_recv(), deleted.try_recv()), (Ok(Ok(vec![Ok(())])), Ok(Ok(()))));
    assert_eq!(machine.groups.list(), []);
    assert_eq!(delete(&mut machine), Err(GroupError::GroupNotFound));
    machine.compact();
    machine.restart(0);
    assert_eq!(machine.groups.list(), []);
}

#[test]
fn a_group_whose_end_could_not_be_written_goes_on() {
    let mut machine = machine();
    commit(&mut machine, alone(TOPIC, TOPIC_NAME, 5)).expect("committed");
    machine.refuse_next = Some(GroupError::CoordinatorUnavailable);
    let refused = machine.answer(|reply| GroupEvent::Delete("g".to_string(), reply));
    assert_eq!(refused, Err(GroupError::CoordinatorUnavailable));
    assert_eq!(position(&machine, TOPIC), Some(5));
    assert_eq!(commit(&mut machine, alone(TOPIC, TOPIC_NAME, 6)), Ok(vec![Ok(())]));
}

#[test]
fn positions_that_a_member_needs_are_not_deleted() {
    let mut machine = machine();
    commit(&mut machine, alone(TOPIC, TOPIC_NAME, 5)).expect("committed");
    commit(&mut machine, alone(OTHER, "other", 6)).expect("committed");
    member(&mut machine);
    let partitions = vec![TopicPartition::new(TOPIC, 0), TopicPartition::new(OTHER, 0), TopicPartition::new(OTHER, 9)];
    let outcomes = machine.answer(|reply| GroupEvent::DeleteOffsets("g".to_string(), partitions, reply));
    assert_eq!(outcomes, Ok(vec![Err(GroupError::SubscribedToTopic), Ok(()), Ok(())]));
    assert_eq!([TOPIC, OTHER].map(|topic| position(&machine, topic)), [Some(5), None]);
    let unknown = machine.answer(|reply| GroupEvent::DeleteOffsets("h".to_string(), Vec::new(), reply));
    assert_eq!(unknown, Err(GroupError::GroupNotFound));
}

#[test]
fn a_standing_query_and_clients_do_not_share_a_group() {
    let mut machine = machine();
    let join = |machine: &mut Machine| {
        let (group, member) = ("g".to_string(), "task".to_string());
        machine.answer(|reply| GroupEvent::JoinQuery { group, member, reply })
    };
    member(&mut machine);
    assert_eq!(join(&mut machine), Err(GroupError::NonEmptyGroup));
    machine.advance(Duration::from_secs(60));
    assert_eq!(join(&mut machine), Ok(Generation(3)), "the generation goes on");
    assert_eq!(join(&mut machine), Ok(Generation(4)));
    machine.restart(0);
    assert_eq!(machine.groups.begin_commit("g", "task", Generation(3)).err().map(|_| ()), Some(()));
    assert!(machine.groups.begin_commit("g", "task", Generation(4)).is_ok());
    let fetched = machine.groups.fetch("g", Some(&[TopicPartition::new(TOPIC, 0)]), true).expect("known");
    assert_eq!(fetched[0].1, Err(GroupError::UnstableOffset));
    machine.groups.end_commit("g");
    assert_eq!(commit(&mut machine, alone(TOPIC, TOPIC_NAME, 5)), Err(GroupError::QueryGroup));
    let deleted = machine.answer(|reply| GroupEvent::Delete("g".to_string(), reply));
    assert_eq!(deleted, Err(GroupError::QueryGroup));
}
