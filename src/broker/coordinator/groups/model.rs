//! A group under random schedules: clients that come, go, die, sleep and come back late, writes that take time or fail,
//! and a coordinator that is killed. `TIDEMILL_SEED` is the first of the worlds, `TIDEMILL_GROUP_WORLDS` their number.
//!
//! What must hold:
//!   * the joins of one generation, in one life of the coordinator, name one leader, and only it is told the members
//!   * no two members ever have a share of one partition in one generation, over restarts too
//!   * a position is never older than one that was acknowledged, and never goes back
//!   * who is of an older generation than somebody was told of commits nothing
//!   * once clients behave, the group is stable, and every partition has one owner

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::testing::Machine;
use super::testing::TOPIC;
use super::testing::TOPIC_NAME;
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
use crate::env::Random;
use crate::env::SeededRandom;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicPartition;

const PARTITIONS: u8 = 5;
const CLIENTS: usize = 5;
const SESSION: Duration = Duration::from_secs(6);

/// What a client waits for.
enum Waiting {
    Nothing,
    /// With the life of the coordinator that was asked.
    Join(Receiver<Result<JoinedGroup, GroupError>>, u32),
    Sync(Receiver<Result<SyncedGroup, GroupError>>),
    Heartbeat(Receiver<Result<(), GroupError>>),
    Leave(Receiver<Result<Vec<Result<(), GroupError>>, GroupError>>),
    Commit(Receiver<Result<Vec<Result<(), GroupError>>, GroupError>>, usize),
}

struct Client {
    instance: Option<String>,
    member: String,
    joined: Option<JoinedGroup>,
    share: Option<Vec<u8>>,
    waiting: Waiting,
    is_asleep: bool,
    protocols: Vec<&'static str>,
}

/// A position that somebody sent.
struct Sent {
    partition: u8,
    offset: i64,
    acknowledged: bool,
    /// It came from a generation that was over.
    is_late: bool,
}

struct World {
    seed: u64,
    random: SeededRandom,
    machine: Machine,
    clients: Vec<Client>,
    life: u32,
    /// Leader by life and generation.
    leaders: BTreeMap<(u32, i32), String>,
    newest: i32,
    /// Who had a partition in a generation: a static member by its instance.
    owners: BTreeMap<(i32, u8), String>,
    sent: Vec<Sent>,
    /// Index into `sent` of what each partition's position was last seen at.
    seen: BTreeMap<u8, usize>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    generations: u64,
    shares: u64,
    acknowledged: u64,
    fenced: u64,
    restarts: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let random = SeededRandom::new(seed);
        let delay = [Duration::ZERO, Duration::from_secs(3)][(random.next_u64() % 2) as usize];
        let config =
            GroupConfig { initial_rebalance_delay: delay, session_timeout_min: SESSION, ..GroupConfig::default() };
        let protocols = [vec!["range"], vec!["sticky", "range"], vec!["range", "sticky"]];
        let client = |number: usize| Client {
            instance: number.is_multiple_of(3).then(|| format!("instance{number}")),
            member: String::new(),
            joined: None,
            share: None,
            waiting: Waiting::Nothing,
            is_asleep: false,
            protocols: protocols[(random.next_u64() % 3) as usize].clone(),
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self {
            seed,
            machine: Machine::new(config),
            clients,
            random,
            life: 0,
            leaders: BTreeMap::new(),
            newest: 0,
            owners: BTreeMap::new(),
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
            match self.below(100) {
                0..70 => self.act(self.below(CLIENTS as u64) as usize),
                70..84 => drop(self.machine.flush_one()),
                84..94 => self.machine.advance(Duration::from_millis(self.below(4000))),
                94..96 => self.machine.refuse_next = Some(GroupError::CoordinatorUnavailable),
                96..98 => {
                    let client = self.below(CLIENTS as u64) as usize;
                    self.clients[client].is_asleep ^= true;
                }
                98 => self.restart_client(),
                _ => self.restart(),
            }
            self.check_positions();
        }
        self.settle();
    }

    /// A process ends and begins anew: nothing of its memory is left.
    fn restart_client(&mut self) {
        let number = self.below(CLIENTS as u64) as usize;
        let client = &mut self.clients[number];
        (client.member, client.joined, client.share) = (String::new(), None, None);
        (client.waiting, client.is_asleep) = (Waiting::Nothing, false);
    }

    fn restart(&mut self) {
        let kept = self.below(self.machine.unflushed() as u64 + 1) as usize;
        self.machine.restart(kept);
        self.machine.refuse_next = None;
        self.life += 1;
        self.newest = 0;
        self.counts.restarts += 1;
    }

    fn act(&mut self, number: usize) {
        if self.clients[number].is_asleep {
            return;
        }
        match std::mem::replace(&mut self.clients[number].waiting, Waiting::Nothing) {
            Waiting::Nothing => self.ask(number),
            Waiting::Join(mut answer, life) => match answer.try_recv() {
                Err(TryRecvError::Empty) => self.clients[number].waiting = Waiting::Join(answer, life),
                Err(TryRecvError::Closed) => {}
                Ok(Ok(joined)) => self.joined(number, joined, life),
                Ok(Err(error)) => self.refused(number, error),
            },
            Waiting::Sync(mut answer) => match answer.try_recv() {
                Err(TryRecvError::Empty) => self.clients[number].waiting = Waiting::Sync(answer),
                Err(TryRecvError::Closed) => self.clients[number].joined = None,
                Ok(Ok(synced)) => self.synced(number, &synced),
                Ok(Err(error)) => self.refused(number, error),
            },
            Waiting::Heartbeat(mut answer) => {
                if let Ok(Err(error)) = answer.try_recv() {
                    self.refused(number, error);
                }
            }
            Waiting::Leave(mut answer) => {
                if let Ok(Ok(outcomes)) = answer.try_recv() {
                    assert_eq!(outcomes.len(), 1, "seed {}", self.seed);
                }
                let client = &mut self.clients[number];
                (client.member, client.joined, client.share) = (String::new(), None, None);
            }
            Waiting::Commit(mut answer, index) => match answer.try_recv() {
                Err(TryRecvError::Empty) => self.clients[number].waiting = Waiting::Commit(answer, index),
                Err(TryRecvError::Closed) => {}
                Ok(Ok(outcomes)) => {
                    assert_eq!(outcomes, [Ok(())], "seed {}", self.seed);
                    assert!(!self.sent[index].is_late, "seed {}: a zombie committed", self.seed);
                    self.sent[index].acknowledged = true;
                    self.counts.acknowledged += 1;
                }
                Ok(Err(error)) => {
                    self.counts.fenced += 1;
                    self.refused(number, error);
                }
            },
        }
    }

    fn ask(&mut self, number: usize) {
        let client = &self.clients[number];
        let Some(joined) = client.joined.clone() else { return self.join(number) };
        if client.share.is_none() {
            return self.sync(number, &joined);
        }
        match self.below(10) {
            0..5 => self.heartbeat(number, &joined),
            5..9 => self.commit(number, &joined),
            _ => self.leave(number),
        }
    }

    fn join(&mut self, number: usize) {
        let client = &self.clients[number];
        let protocol = |name: &&str| GroupProtocol { name: name.to_string(), metadata: Bytes::from_static(b"topic") };
        let request = JoinGroup {
            group: "g".to_string(),
            member: client.member.clone(),
            instance: client.instance.clone(),
            client_id: format!("client{number}"),
            client_host: "/127.0.0.1".to_string(),
            session_timeout: SESSION,
            rebalance_timeout: Duration::from_secs(5 + number as u64),
            protocol_type: "consumer".to_string(),
            protocols: client.protocols.iter().map(protocol).collect(),
            joins_in_two_steps: number.is_multiple_of(2),
            can_skip_assignment: number % 2 == 1,
        };
        let entropy = self.random.uuid_bytes();
        let answer = self.machine.ask(|reply| GroupEvent::Join(request, entropy, Arc::default(), reply));
        self.clients[number].waiting = Waiting::Join(answer, self.life);
    }

    fn joined(&mut self, number: usize, joined: JoinedGroup, life: u32) {
        let leader = self.leaders.entry((life, joined.generation)).or_insert_with(|| joined.leader.clone());
        // A static leader that came back under a new name is told the old one, or its own.
        let is_static = |name: &str| name.starts_with("instance");
        let same = *leader == joined.leader || (is_static(leader) && is_static(&joined.leader));
        assert!(same, "seed {}: two leaders of generation {}", self.seed, joined.generation);
        assert!(joined.members.is_empty() || joined.leader == joined.member, "seed {}", self.seed);
        assert!(self.clients[number].protocols.iter().any(|known| joined.protocol.as_deref() == Some(known)));
        if life == self.life && self.newest < joined.generation {
            self.newest = joined.generation;
            self.counts.generations += 1;
        }
        let client = &mut self.clients[number];
        client.member.clone_from(&joined.member);
        client.joined = Some(joined);
        client.share = None;
    }

    /// The leader deals the partitions round.
    fn sync(&mut self, number: usize, joined: &JoinedGroup) {
        let members: Vec<_> = joined.members.iter().filter(|_| !joined.skip_assignment).collect();
        let mut shares: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        if !members.is_empty() {
            let first = self.below(CLIENTS as u64) as usize;
            for partition in 0..PARTITIONS {
                let member = &members[(first + usize::from(partition)) % members.len()];
                shares.entry(member.member.clone()).or_default().push(partition);
            }
        }
        let request = SyncGroup {
            group: "g".to_string(),
            member: joined.member.clone(),
            instance: self.clients[number].instance.clone(),
            generation: joined.generation,
            protocol_type: joined.protocol_type.clone(),
            protocol: joined.protocol.clone(),
            assignments: shares.into_iter().map(|(member, share)| (member, Bytes::from(share))).collect(),
        };
        let answer = self.machine.ask(|reply| GroupEvent::Sync(request, Arc::default(), reply));
        self.clients[number].waiting = Waiting::Sync(answer);
    }

    fn synced(&mut self, number: usize, synced: &SyncedGroup) {
        let client = &mut self.clients[number];
        let generation = client.joined.as_ref().expect("it joined").generation;
        let itself = client.instance.clone().unwrap_or_else(|| client.member.clone());
        for partition in &synced.assignment {
            let owner = self.owners.entry((generation, *partition)).or_insert_with(|| itself.clone());
            assert_eq!(*owner, itself, "seed {}: two owners of {partition} in {generation}", self.seed);
        }
        client.share = Some(synced.assignment.to_vec());
        self.counts.shares += 1;
    }

    fn heartbeat(&mut self, number: usize, joined: &JoinedGroup) {
        let instance = self.clients[number].instance.clone();
        let (group, member, generation) = ("g".to_string(), joined.member.clone(), joined.generation);
        let request = Heartbeat { group, member, instance, generation };
        let answer = self.machine.ask(|reply| GroupEvent::Heartbeat(request, Arc::default(), reply));
        self.clients[number].waiting = Waiting::Heartbeat(answer);
    }

    fn leave(&mut self, number: usize) {
        let client = &self.clients[number];
        let leaving = LeavingMember { member: client.member.clone(), instance: client.instance.clone() };
        let request = LeaveGroup { group: "g".to_string(), members: vec![leaving] };
        let answer = self.machine.ask(|reply| GroupEvent::Leave(request, reply));
        self.clients[number].waiting = Waiting::Leave(answer);
    }

    fn commit(&mut self, number: usize, joined: &JoinedGroup) {
        let share = self.clients[number].share.clone().unwrap_or_default();
        if share.is_empty() {
            return self.heartbeat(number, joined);
        }
        let partition = share[self.below(share.len() as u64) as usize];
        let offset = self.sent.len() as i64;
        let is_late = joined.generation < self.newest;
        self.sent.push(Sent { partition, offset, acknowledged: false, is_late });
        let committed =
            CommittedOffset { offset: Offset(offset), leader_epoch: LeaderEpoch(0), metadata: String::new() };
        let at = TopicPartition::new(TOPIC, i32::from(partition));
        let request = CommitOffsets {
            group: "g".to_string(),
            member: joined.member.clone(),
            instance: self.clients[number].instance.clone(),
            generation: joined.generation,
            knows_member_epochs: false,
            retention: None,
            offsets: vec![OffsetToCommit { topic: TOPIC_NAME.to_string(), partition: at, committed }],
        };
        let answer = self.machine.ask(|reply| GroupEvent::Commit(request, reply));
        self.clients[number].waiting = Waiting::Commit(answer, self.sent.len() - 1);
    }

    fn refused(&mut self, number: usize, error: GroupError) {
        let client = &mut self.clients[number];
        match error {
            GroupError::MemberIdRequired { member } => client.member = member,
            GroupError::UnknownMember | GroupError::FencedInstance => {
                // A fenced instance would end; here it becomes its own successor.
                (client.member, client.joined, client.share) = (String::new(), None, None);
            }
            GroupError::RebalanceInProgress
            | GroupError::IllegalGeneration
            | GroupError::CoordinatorUnavailable
            | GroupError::InconsistentProtocol => (client.joined, client.share) = (None, None),
            other => panic!("seed {}: {other:?}", self.seed),
        }
    }

    /// Each position is at or after the last that was acknowledged, and after the last that was seen.
    fn check_positions(&mut self) {
        for partition in 0..PARTITIONS {
            let at = TopicPartition::new(TOPIC, i32::from(partition));
            let fetched = self.machine.groups.fetch("g", Some(&[at]), true).expect("known").remove(0).1;
            let found = fetched.expect("stable").map(|committed| committed.offset.0 as usize);
            let of = |(_, sent): &(usize, &Sent)| sent.partition == partition && sent.acknowledged;
            let acknowledged = self.sent.iter().enumerate().filter(of).map(|(index, _)| index).max();
            assert!(acknowledged <= found, "seed {}: lost {acknowledged:?}, found {found:?}", self.seed);
            let Some(found) = found else { continue };
            assert_eq!((self.sent[found].partition, self.sent[found].offset), (partition, found as i64));
            assert!(!self.sent[found].is_late, "seed {}: a zombie committed", self.seed);
            let before = self.seen.insert(partition, found);
            assert!(before <= Some(found), "seed {}: back from {before:?} to {found}", self.seed);
        }
    }

    /// Everybody behaves and nothing fails: the group becomes stable, and every partition has one owner.
    fn settle(&mut self) {
        self.machine.refuse_next = None;
        self.clients.iter_mut().for_each(|client| client.is_asleep = false);
        for _ in 0..200 {
            for number in 0..CLIENTS {
                let is_at_work = self.clients[number].share.is_some();
                match (&self.clients[number].waiting, self.clients[number].joined.clone()) {
                    (Waiting::Nothing, Some(joined)) if is_at_work => self.heartbeat(number, &joined),
                    _ => {}
                }
                self.act(number);
                self.machine.flush();
            }
            self.machine.advance(Duration::from_millis(500));
            self.check_positions();
        }
        let described = self.machine.groups.describe("g").expect("it has members");
        assert_eq!(described.state, GroupState::Stable, "seed {}", self.seed);
        assert_eq!(described.members.len(), CLIENTS, "seed {}", self.seed);
        let mut owned: Vec<_> =
            self.clients.iter().flat_map(|client| client.share.clone().unwrap_or_default()).collect();
        owned.sort_unstable();
        assert_eq!(owned, (0..PARTITIONS).collect::<Vec<_>>(), "seed {}", self.seed);
    }
}

#[test]
fn a_group_holds_its_promises_under_random_schedules() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("TIDEMILL_SEED").unwrap_or(0);
    let worlds = number("TIDEMILL_GROUP_WORLDS").unwrap_or(300);
    let mut total = Counts::default();
    for seed in first..first + worlds {
        let mut world = World::new(seed);
        world.run(800);
        total.generations += world.counts.generations;
        total.shares += world.counts.shares;
        total.acknowledged += world.counts.acknowledged;
        total.fenced += world.counts.fenced;
        total.restarts += world.counts.restarts;
    }
    eprintln!("{worlds} worlds: {total:?}");
    let least = [total.generations, total.shares, total.acknowledged, total.fenced, total.restarts];
    assert!(least.iter().all(|count| worlds <= *count), "the worlds are too quiet: {total:?}");
}
