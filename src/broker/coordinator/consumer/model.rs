//! A group of the consumer protocol under random schedules: members that come, go, die, sleep, lose answers, give partitions
//! back late or never, topics that grow, come and go, writes that take time or fail, and a coordinator that is killed.
//! `TIDEMILL_SEED` is the first of the worlds, `TIDEMILL_GROUP_WORLDS` their number.
//!
//! What must hold, after every step:
//!   * what a member has that the group knows is what the group counts as its own; so no two such members have one partition
//!   * what the group counts as two members' own is disjoint, and its epochs are in order
//!   * a position is never older than one that was acknowledged, and never goes back
//!   * once members behave, the group is stable, and every partition of a topic that is read has one owner
//!   * the group is what a replay of its records gives

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::topics::Topics;
use crate::broker::CommitOffsets;
use crate::broker::CommittedOffset;
use crate::broker::ConsumerHeartbeat;
use crate::broker::ConsumerHeartbeatAnswer;
use crate::broker::DescribedConsumerMember;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::GroupState;
use crate::broker::OffsetToCommit;
use crate::broker::coordinator::GroupEvent;
use crate::broker::coordinator::consumer_record::Partitions;
use crate::broker::coordinator::groups::testing::Machine;
use crate::broker::coordinator::groups::testing::TOPIC;
use crate::broker::coordinator::groups::testing::TOPIC_NAME;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicId;
use crate::model::TopicPartition;

const CLIENTS: usize = 5;
const REBALANCE: Duration = Duration::from_secs(20);

enum Waiting {
    Nothing,
    Heartbeat(Receiver<Result<ConsumerHeartbeatAnswer, GroupError>>, i32),
    Commit(Receiver<Result<Vec<Result<(), GroupError>>, GroupError>>, usize),
}

/// A member as its own process knows it.
struct Client {
    number: usize,
    instance: Option<String>,
    member: String,
    /// 0 while it is not in the group.
    epoch: i32,
    owned: Partitions,
    /// What it has and is to give back, as soon as it likes.
    revoking: Partitions,
    /// Whether the next heartbeat says everything.
    says_all: bool,
    is_asleep: bool,
    waiting: Waiting,
}

impl Client {
    /// It gives up all that it has, and is to join.
    fn give_up(&mut self) {
        (self.epoch, self.says_all) = (0, true);
        self.owned.clear();
        self.revoking.clear();
    }

    fn has(&self) -> Partitions {
        self.owned.union(&self.revoking).copied().collect()
    }
}

struct Sent {
    partition: TopicPartition,
    acknowledged: bool,
}

struct World {
    seed: u64,
    random: SeededRandom,
    machine: Machine,
    topics: Topics,
    clients: Vec<Client>,
    names: u64,
    /// An offset is an index into this.
    sent: Vec<Sent>,
    seen: BTreeMap<TopicPartition, usize>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    answers: u64,
    moves: u64,
    acknowledged: u64,
    fenced: u64,
    came_back: u64,
    restarts: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let client = |number: usize| Client {
            number,
            instance: (number % 3 == 1).then(|| format!("instance{number}")),
            member: format!("first{number}"),
            epoch: 0,
            owned: Partitions::new(),
            revoking: Partitions::new(),
            says_all: true,
            is_asleep: false,
            waiting: Waiting::Nothing,
        };
        let config = GroupConfig { consumer_session_timeout: Duration::from_secs(12), ..GroupConfig::default() };
        Self {
            seed,
            random: SeededRandom::new(seed),
            machine: Machine::new(config),
            topics: Topics { version: 1, by_name: [(TOPIC_NAME.to_string(), (TOPIC, 3))].into() },
            clients: (0..CLIENTS).map(client).collect(),
            names: 0,
            sent: Vec::new(),
            seen: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    fn below(&self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let number = self.below(CLIENTS as u64) as usize;
            match self.below(100) {
                0..66 => self.act(number),
                66..82 => drop(self.machine.flush_one()),
                82..91 => self.machine.advance(Duration::from_millis(self.below(4000))),
                91..93 => self.machine.refuse_next = Some(GroupError::CoordinatorUnavailable),
                93..95 => self.clients[number].is_asleep ^= true,
                95 => self.restart_client(number),
                96 => self.lose_answer(number),
                97 => self.change_topics(),
                _ => self.restart(),
            }
            self.check();
        }
        self.settle();
    }

    /// The answer of a request is lost: what it says is not known.
    fn lose_answer(&mut self, number: usize) {
        let client = &mut self.clients[number];
        (client.waiting, client.says_all) = (Waiting::Nothing, true);
    }

    /// A process ends, and begins under a new name.
    fn restart_client(&mut self, number: usize) {
        self.names += 1;
        let name = format!("name{}", self.names);
        let client = &mut self.clients[number];
        client.give_up();
        (client.member, client.is_asleep, client.waiting) = (name, false, Waiting::Nothing);
    }

    fn restart(&mut self) {
        let kept = self.below(self.machine.unflushed() as u64 + 1) as usize;
        self.machine.restart(kept);
        self.machine.refuse_next = None;
        self.counts.restarts += 1;
        if self.below(4) == 0 {
            // What is in memory knows the places of records before it.
            self.machine.compact();
            self.machine.restart(0);
        }
    }

    fn change_topics(&mut self) {
        let name = format!("{TOPIC_NAME}{}", self.below(3));
        match self.topics.by_name.get_mut(&name) {
            Some((_, partitions)) if self.random.next_u64().is_multiple_of(2) => *partitions += 1,
            Some(_) => drop(self.topics.by_name.remove(&name)),
            None => {
                let topic = (TopicId(self.random.uuid_bytes()), 1 + self.below(4) as i32);
                self.topics.by_name.insert(name, topic);
            }
        }
        self.topics.version += 1;
    }

    fn act(&mut self, number: usize) {
        if self.clients[number].is_asleep {
            return;
        }
        match std::mem::replace(&mut self.clients[number].waiting, Waiting::Nothing) {
            Waiting::Nothing => self.ask(number),
            Waiting::Heartbeat(mut answer, asked) => match answer.try_recv() {
                Err(TryRecvError::Empty) => self.clients[number].waiting = Waiting::Heartbeat(answer, asked),
                Err(TryRecvError::Closed) => self.clients[number].says_all = true,
                Ok(Ok(answer)) => self.told(number, answer, asked),
                Ok(Err(error)) => self.refused(number, &error),
            },
            Waiting::Commit(mut answer, index) => match answer.try_recv() {
                Err(TryRecvError::Empty) => self.clients[number].waiting = Waiting::Commit(answer, index),
                Err(TryRecvError::Closed) => {}
                Ok(Ok(outcomes)) => {
                    assert_eq!(outcomes, [Ok(())], "seed {}", self.seed);
                    self.sent[index].acknowledged = true;
                    self.counts.acknowledged += 1;
                }
                Ok(Err(GroupError::CoordinatorUnavailable)) => {}
                Ok(Err(_)) => self.counts.fenced += 1,
            },
        }
    }

    fn ask(&mut self, number: usize) {
        if !self.clients[number].revoking.is_empty() && self.below(3) == 0 {
            self.clients[number].revoking.clear();
        }
        let client = &self.clients[number];
        match self.below(20) {
            _ if client.epoch == 0 => self.beat(number, 0),
            0 if client.instance.is_none() => self.beat(number, -1),
            0 | 1 if client.instance.is_some() => self.beat(number, -2),
            2..8 if !client.has().is_empty() => self.commit(number),
            _ => self.beat(number, client.epoch),
        }
    }

    fn beat(&mut self, number: usize, member_epoch: i32) {
        let says_owned = self.below(3) != 0;
        let client = &mut self.clients[number];
        if member_epoch < 0 {
            // Who goes has stopped to read.
            client.give_up();
        }
        let says_all = member_epoch == 0 || client.says_all;
        client.says_all = false;
        let request = ConsumerHeartbeat {
            group: "g".to_string(),
            member: client.member.clone(),
            member_epoch,
            instance: client.instance.clone(),
            rebalance_timeout: says_all.then_some(REBALANCE),
            topics: says_all.then(|| vec![TOPIC_NAME.to_string()]),
            pattern: (says_all && client.number.is_multiple_of(2)).then(|| format!("{TOPIC_NAME}[0-9]")),
            assignor: (says_all && client.number == 4).then(|| "range".to_string()),
            owned: (says_all || says_owned).then(|| client.has()),
            ..ConsumerHeartbeat::default()
        };
        let topics = Arc::new(self.topics.clone());
        let answer = self.machine.ask(|reply| GroupEvent::ConsumerHeartbeat(request, topics, reply));
        self.clients[number].waiting = Waiting::Heartbeat(answer, member_epoch);
    }

    fn told(&mut self, number: usize, answer: ConsumerHeartbeatAnswer, asked: i32) {
        self.counts.answers += 1;
        let client = &mut self.clients[number];
        if asked < 0 {
            assert_eq!(answer.member_epoch, asked, "seed {}", self.seed);
            if asked == -2 {
                self.counts.came_back += 1;
            }
            // A process of its own comes next, under another name.
            return self.restart_client(number);
        }
        assert!(client.epoch <= answer.member_epoch, "seed {}: its epoch goes back", self.seed);
        client.epoch = answer.member_epoch;
        if let Some(assigned) = answer.assignment {
            client.revoking = client.has().difference(&assigned).copied().collect();
            client.owned = assigned;
            self.counts.moves += 1;
        }
    }

    fn refused(&mut self, number: usize, error: &GroupError) {
        match error {
            GroupError::UnknownMember | GroupError::FencedMemberEpoch => {
                self.counts.fenced += 1;
                self.clients[number].give_up();
            }
            GroupError::FencedInstance => {
                self.counts.fenced += 1;
                self.restart_client(number);
            }
            GroupError::CoordinatorUnavailable | GroupError::UnreleasedInstance => self.clients[number].says_all = true,
            other => panic!("seed {}: {other:?}", self.seed),
        }
    }

    fn commit(&mut self, number: usize) {
        let client = &self.clients[number];
        let has: Vec<_> = client.has().into_iter().collect();
        let partition = has[self.below(has.len() as u64) as usize];
        let offset = Offset(self.sent.len() as i64);
        self.sent.push(Sent { partition, acknowledged: false });
        let committed = CommittedOffset { offset, leader_epoch: LeaderEpoch(0), metadata: String::new() };
        let request = CommitOffsets {
            group: "g".to_string(),
            member: client.member.clone(),
            instance: client.instance.clone(),
            generation: client.epoch,
            knows_member_epochs: true,
            retention: None,
            offsets: vec![OffsetToCommit { topic: partition.topic.to_string(), partition, committed }],
        };
        let answer = self.machine.ask(|reply| GroupEvent::Commit(request, reply));
        self.clients[number].waiting = Waiting::Commit(answer, self.sent.len() - 1);
    }

    fn check(&mut self) {
        self.check_members();
        self.check_positions();
    }

    fn check_members(&self) {
        let Some(group) = self.machine.groups.describe_consumer("g") else { return };
        assert!(group.assignment_epoch <= group.group_epoch, "seed {}", self.seed);
        let mut owners = BTreeMap::new();
        for DescribedConsumerMember { member, assignment, revoking, member_epoch, .. } in &group.members {
            assert!(*member_epoch <= group.assignment_epoch, "seed {}", self.seed);
            for partition in assignment.union(revoking) {
                let other = owners.insert(*partition, member.clone());
                assert_eq!(other, None, "seed {}: {partition} has two owners", self.seed);
            }
        }
        for client in &self.clients {
            let known = group.members.iter().find(|member| member.member == client.member);
            let Some(known) = known.filter(|_| 0 < client.epoch) else { continue };
            for partition in client.has() {
                let owner = owners.get(&partition);
                assert_eq!(owner, Some(&client.member), "seed {}: {known:?} has {partition}", self.seed);
            }
        }
    }

    /// Each position is at or after the last that was acknowledged, and after the last that was seen.
    fn check_positions(&mut self) {
        let partitions: BTreeSet<_> = self.sent.iter().map(|sent| sent.partition).collect();
        for partition in partitions {
            let fetched = self.machine.groups.fetch("g", Some(&[partition]), true).expect("known").remove(0).1;
            let found = fetched.expect("stable").map(|committed| committed.offset.0 as usize);
            let of = |(_, sent): &(usize, &Sent)| sent.partition == partition && sent.acknowledged;
            let acknowledged = self.sent.iter().enumerate().filter(of).map(|(index, _)| index).max();
            assert!(acknowledged <= found, "seed {}: lost {acknowledged:?}, found {found:?}", self.seed);
            let Some(found) = found else { continue };
            let before = self.seen.insert(partition, found);
            assert!(before <= Some(found), "seed {}: back from {before:?} to {found}", self.seed);
        }
    }

    /// Everybody behaves and nothing fails.
    fn settle(&mut self) {
        self.machine.refuse_next = None;
        for _ in 0..60 {
            for number in 0..CLIENTS {
                let client = &mut self.clients[number];
                client.is_asleep = false;
                client.revoking.clear();
                if matches!(client.waiting, Waiting::Nothing) {
                    client.says_all = true;
                    let epoch = client.epoch;
                    self.beat(number, epoch);
                }
                self.machine.flush();
                self.act_once(number);
            }
            self.machine.advance(Duration::from_millis(500));
            self.check();
        }
        let group = self.machine.groups.describe_consumer("g").expect("it has members");
        assert_eq!((group.state, group.members.len()), (GroupState::Stable, CLIENTS), "seed {}: {group:#?}", self.seed);
        let owned: Vec<_> = self.clients.iter().flat_map(|client| client.owned.iter().copied()).collect();
        let all: BTreeSet<_> = self
            .topics
            .by_name
            .values()
            .flat_map(|(id, count)| (0..*count).map(|number| TopicPartition::new(*id, number)))
            .collect();
        assert_eq!(owned.len(), all.len(), "seed {}", self.seed);
        assert_eq!(owned.into_iter().collect::<BTreeSet<_>>(), all, "seed {}", self.seed);
        self.machine.compact();
        self.machine.restart(0);
        assert_eq!(self.machine.groups.describe_consumer("g"), Some(group), "seed {}", self.seed);
    }

    /// Takes an answer, if one is there.
    fn act_once(&mut self, number: usize) {
        if !matches!(self.clients[number].waiting, Waiting::Nothing) {
            self.act(number);
        }
    }
}

#[test]
fn a_group_of_the_consumer_protocol_holds_its_promises_under_random_schedules() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("TIDEMILL_SEED").unwrap_or(0);
    let worlds = number("TIDEMILL_GROUP_WORLDS").unwrap_or(300);
    let mut total = Counts::default();
    for seed in first..first + worlds {
        let mut world = World::new(seed);
        world.run(800);
        total.answers += world.counts.answers;
        total.moves += world.counts.moves;
        total.acknowledged += world.counts.acknowledged;
        total.fenced += world.counts.fenced;
        total.came_back += world.counts.came_back;
        total.restarts += world.counts.restarts;
    }
    eprintln!("{worlds} worlds: {total:?}");
    let Counts { answers, moves, acknowledged, fenced, came_back, restarts } = total;
    let least = [answers, moves, acknowledged, fenced, came_back, restarts];
    assert!(least.iter().all(|count| worlds <= *count), "the worlds are too quiet: {least:?}");
}
