//! Groups whose clients go from the classic protocol to the consumer protocol one by one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::embedded;
use super::topics::Topics;
use crate::broker::ConsumerHeartbeat;
use crate::broker::ConsumerHeartbeatAnswer;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::GroupKind;
use crate::broker::GroupProtocol;
use crate::broker::Heartbeat;
use crate::broker::JoinGroup;
use crate::broker::JoinedGroup;
use crate::broker::SyncGroup;
use crate::broker::SyncedGroup;
use crate::broker::coordinator::GroupEvent;
use crate::broker::coordinator::consumer_record::Partitions;
use crate::broker::coordinator::groups::testing::Machine;
use crate::broker::coordinator::groups::testing::TOPIC;
use crate::broker::coordinator::groups::testing::TOPIC_NAME;
use crate::model::TopicPartition;
use crate::protocol::Writer;

const REBALANCE: Duration = Duration::from_secs(20);

/// The machine, and a topic of four partitions.
struct World {
    machine: Machine,
    topics: Arc<Topics>,
    /// Ends the next name that the coordinator gives.
    entropy: u8,
}

impl World {
    /// A classic group with one member, which has `share`, and its generation 1.
    fn new(instance: Option<&str>, share: Bytes) -> (Self, String) {
        let config = GroupConfig { initial_rebalance_delay: Duration::ZERO, ..GroupConfig::default() };
        let by_name = BTreeMap::from([(TOPIC_NAME.to_string(), (TOPIC, 4))]);
        let mut world =
            Self { machine: Machine::new(config), topics: Arc::new(Topics { version: 1, by_name }), entropy: 0 };
        let JoinedGroup { member, generation, .. } = world.join("", instance, &[]).expect("it joins");
        assert_eq!(generation, 1);
        let shares = BTreeMap::from([(member.clone(), share.clone())]);
        assert_eq!(world.sync(&member, 1, shares).expect("it has its share").assignment, share);
        (world, member)
    }

    fn all() -> Bytes {
        let by_name = BTreeMap::from([(TOPIC_NAME.to_string(), (TOPIC, 4))]);
        embedded::write_share(1, &partitions(&[0, 1, 2, 3]), &Topics { version: 1, by_name })
    }

    /// A member of the classic protocol joins, and says that it still has `owned`.
    fn join(&mut self, member: &str, instance: Option<&str>, owned: &[i32]) -> Result<JoinedGroup, GroupError> {
        let request = JoinGroup {
            group: "g".to_string(),
            member: member.to_string(),
            instance: instance.map(str::to_string),
            client_id: "client".to_string(),
            client_host: "/127.0.0.1".to_string(),
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: REBALANCE,
            protocol_type: "consumer".to_string(),
            protocols: vec![GroupProtocol { name: "sticky".to_string(), metadata: subscription(owned) }],
            joins_in_two_steps: false,
            can_skip_assignment: true,
        };
        self.entropy += 1;
        let (entropy, topics) = ([self.entropy; 16], Arc::clone(&self.topics));
        self.machine.answer(|reply| GroupEvent::Join(request, entropy, topics, reply))
    }

    fn sync(
        &mut self,
        member: &str,
        generation: i32,
        assignments: BTreeMap<String, Bytes>,
    ) -> Result<SyncedGroup, GroupError> {
        let request = SyncGroup {
            group: "g".to_string(),
            member: member.to_string(),
            instance: None,
            generation,
            protocol_type: Some("consumer".to_string()),
            protocol: Some("sticky".to_string()),
            assignments,
        };
        let topics = Arc::clone(&self.topics);
        self.machine.answer(|reply| GroupEvent::Sync(request, topics, reply))
    }

    /// The partitions that a member of the classic protocol is told.
    fn share(&mut self, member: &str, generation: i32) -> Vec<i32> {
        let share = self.sync(member, generation, BTreeMap::new()).expect("it has a share").assignment;
        let named = embedded::read_share(&share).expect("well formed").expect("nothing else");
        named.into_iter().flat_map(|(_, numbers)| numbers).collect()
    }

    fn heartbeat(&mut self, member: &str, generation: i32) -> Result<(), GroupError> {
        let request = Heartbeat { group: "g".to_string(), member: member.to_string(), instance: None, generation };
        let topics = Arc::clone(&self.topics);
        self.machine.answer(|reply| GroupEvent::Heartbeat(request, topics, reply))
    }

    /// A member of the consumer protocol; the epoch 0 joins.
    fn beat(
        &mut self,
        member: &str,
        epoch: i32,
        instance: Option<&str>,
    ) -> Result<ConsumerHeartbeatAnswer, GroupError> {
        let request = ConsumerHeartbeat {
            group: "g".to_string(),
            member: member.to_string(),
            member_epoch: epoch,
            instance: instance.map(str::to_string),
            rebalance_timeout: Some(REBALANCE),
            topics: Some(vec![TOPIC_NAME.to_string()]),
            owned: (epoch == 0).then(Partitions::new),
            ..ConsumerHeartbeat::default()
        };
        let topics = Arc::clone(&self.topics);
        self.machine.answer(|reply| GroupEvent::ConsumerHeartbeat(request, topics, reply))
    }

    fn kind(&self) -> GroupKind {
        self.machine.groups.list().remove(0).kind
    }
}

fn partitions(numbers: &[i32]) -> Partitions {
    numbers.iter().map(|number| TopicPartition::new(TOPIC, *number)).collect()
}

/// A subscription of version 1.
fn subscription(owned: &[i32]) -> Bytes {
    let mut writer = Writer::new();
    writer.i16(1);
    writer.array_count(1);
    writer.string(TOPIC_NAME);
    writer.nullable_bytes(Some(b"of the assignor"));
    writer.array_count(1);
    writer.string(TOPIC_NAME);
    writer.array_count(owned.len());
    owned.iter().for_each(|number| writer.i32(*number));
    Bytes::from(writer.finish())
}

fn numbers(answer: &ConsumerHeartbeatAnswer) -> Vec<i32> {
    answer.assignment.iter().flatten().map(|partition| partition.partition.0).collect()
}

#[test]
fn a_group_goes_over_while_it_runs_and_nobody_has_what_another_still_has() {
    let (mut world, old) = World::new(None, World::all());
    let new = world.beat("new", 0, None).expect("it joins");
    assert_eq!((world.kind(), numbers(&new), new.member_epoch), (GroupKind::Consumer, vec![], 2));
    // The first one goes on in its generation until it is told, over a restart too.
    world.machine.restart(0);
    assert_eq!(world.heartbeat(&old, 2), Err(GroupError::IllegalGeneration));
    assert_eq!(world.heartbeat(&old, 1), Err(GroupError::RebalanceInProgress));
    let joined = world.join(&old, None, &[0, 1, 2, 3]).expect("it joins again");
    assert_eq!((joined.generation, joined.leader.as_str(), joined.members.len()), (1, "", 0));
    assert_eq!(world.share(&old, 1), [0, 1], "it is to give two back");
    assert_eq!(numbers(&world.beat("new", 2, None).expect("it lives")), [] as [i32; 0], "they are not given back yet");
    assert_eq!(world.join(&old, None, &[0, 1]).expect("it gave them back").generation, 2);
    assert_eq!((world.share(&old, 2), world.heartbeat(&old, 2)), (vec![0, 1], Ok(())));
    assert_eq!(numbers(&world.beat("new", 2, None).expect("it lives")), [2, 3]);
    assert_eq!(world.beat(&old, 2, None), Err(GroupError::UnknownMember), "it speaks the other protocol");
    // Another one of the classic protocol may come, and gives back all before it joins again.
    let third = world.join("", None, &[]).expect("it joins");
    assert_eq!((third.generation, world.share(&third.member, 3)), (3, vec![]));
    assert_eq!(world.heartbeat(&third.member, 3), Ok(()), "what it is to get is of others");
    assert_eq!(world.join(&old, None, &[]).expect("it has nothing").generation, 3);
    let shares: usize = [&old, &third.member].map(|member| world.share(member, 3).len()).into_iter().sum();
    assert!((1..=2).contains(&shares), "{shares}");
}

#[test]
fn who_does_not_join_again_is_dropped_though_it_lives() {
    let (mut world, old) = World::new(None, World::all());
    world.beat("new", 0, None).expect("it joins");
    for _ in 0..4 {
        assert_eq!(world.heartbeat(&old, 1), Err(GroupError::RebalanceInProgress));
        world.machine.advance(REBALANCE / 4);
    }
    assert_eq!(world.heartbeat(&old, 1), Err(GroupError::UnknownMember));
    assert_eq!(numbers(&world.beat("new", 2, None).expect("it lives")), [0, 1, 2, 3]);
}

#[test]
fn a_silent_classic_member_is_dropped_after_the_session_that_it_asked_for() {
    let (mut world, old) = World::new(None, World::all());
    world.beat("new", 0, None).expect("it joins");
    world.machine.advance(Duration::from_secs(11));
    assert_eq!(world.heartbeat(&old, 1), Err(GroupError::UnknownMember));
    assert!(world.beat("new", 2, None).is_ok(), "the other one's session is the server's");
}

#[test]
fn a_static_member_that_comes_back_in_the_other_protocol_has_its_share() {
    let (mut world, old) = World::new(Some("i"), World::all());
    let new = world.beat("new", 0, Some("i")).expect("it takes over");
    assert_eq!(numbers(&new), [0, 1, 2, 3]);
    assert_eq!(world.heartbeat(&old, 1), Err(GroupError::UnknownMember));
    let back = world.join("", Some("i"), &[]).expect("it goes back");
    assert_eq!(world.share(&back.member, back.generation), [0, 1, 2, 3]);
}

#[test]
fn a_group_that_cannot_go_over_stays_as_it_is() {
    // An assignor put more than partitions into the share.
    let mut share = World::all().to_vec();
    let length = share.len() - 4;
    share.truncate(length);
    share.extend([0, 0, 0, 1, 7]);
    let (mut world, old) = World::new(None, Bytes::from(share));
    assert_eq!(world.beat("new", 0, None), Err(GroupError::ClassicGroup));
    assert_eq!((world.kind(), world.heartbeat(&old, 1)), (GroupKind::Classic, Ok(())));
    // The write fails.
    let (mut world, old) = World::new(None, World::all());
    world.machine.refuse_next = Some(GroupError::CoordinatorUnavailable);
    assert_eq!(world.beat("new", 0, None), Err(GroupError::CoordinatorUnavailable));
    assert_eq!((world.kind(), world.heartbeat(&old, 1)), (GroupKind::Classic, Ok(())));
    assert_eq!(world.sync(&old, 1, BTreeMap::new()).expect("it keeps its share").assignment, World::all());
    // A rebalance is under way: the newcomer comes again.
    world.join(&old, None, &[]).expect("it is to share out anew");
    assert_eq!(world.beat("new", 0, None), Err(GroupError::CoordinatorUnavailable));
}
