//! Clients' transactions under random schedules: producers that share transactional ids, stop, come back late, lose their answers;
//! calls that run at once; time that passes; a disk that fails at some call; processes that are killed and power that is lost.
//! `TIDEMILL_SEED` is the first of the worlds, `TIDEMILL_TRANSACTION_WORLDS` their number; with `TIDEMILL_TRACE` they tell what
//! happens.
//!
//! What must hold:
//!   * a transaction is seen whole, each record once, or not at all, and so is its position
//!   * one whose commit was answered is seen; one that was aborted, or that nobody asked to commit, never is
//!   * whoever is fenced neither begins nor ends anything
//!   * once every id has a new producer, no partition's last stable offset is behind its high watermark

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::INPUT;
use super::Node;
use super::OUTPUT;
use super::run;
use super::transactions::append_values;
use super::transactions::config;
use super::transactions::offset_request;
use crate::broker::Broker;
use crate::broker::Isolation;
use crate::broker::LocalBroker;
use crate::broker::TransactionError;
use crate::broker::conformance::values;
use crate::broker::coordinator::Stamp;
use crate::cluster::FlushPolicy;
use crate::cluster::TopicConfig;
use crate::env::Fault;
use crate::env::FaultKind;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::env::Simulation;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::ControlMarker;
use crate::security::Principal;

const IDS: usize = 3;
/// Two of them share an id.
const CLIENTS: usize = 4;
const PARTITIONS: i32 = 3;
const TIMEOUT_MS: i32 = 10_000;
const STEPS: usize = 300;

/// How a transaction stands, as its client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is open, or it was left, or it was aborted: it is never seen.
    Unseen,
    /// Its commit was asked for, and not answered: it may be seen.
    Asked,
    /// Its commit was answered.
    Committed,
}

#[derive(Debug)]
struct Transaction {
    id: usize,
    fate: Fate,
    /// Where the records are that were acknowledged, by partition.
    records: BTreeMap<i32, Vec<Offset>>,
    /// Whether its position was acknowledged.
    positioned: bool,
}

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Init,
    Produce { partition: i32 },
    Position,
    End { outcome: ControlMarker },
}

/// What came of it.
#[derive(Debug)]
enum Answer {
    Stamp(Result<Stamp, TransactionError>),
    Done(Result<(), TransactionError>),
    /// A batch was taken.
    At(Offset),
    /// A position was taken.
    Positioned,
    /// A batch, or a position, was refused; why is of no interest.
    Refused,
}

struct Client {
    id: usize,
    stamp: Option<Stamp>,
    /// The stamp that it goes on from.
    before: Option<Stamp>,
    sequences: BTreeMap<i32, i32>,
    /// The transaction that it has open, if any.
    open: Option<usize>,
    /// How it wants to end it, once it has asked for that.
    ending: Option<ControlMarker>,
    /// Whether somebody had been told a newer stamp of its id when it asked.
    was_fenced: bool,
    asked: Option<(Asked, JoinHandle<Answer>)>,
}

struct World {
    seed: u64,
    random: SeededRandom,
    simulation: Simulation,
    node: Node,
    clients: Vec<Client>,
    transactions: Vec<Transaction>,
    /// The newest stamp of each id that somebody was told.
    newest: [Option<Stamp>; IDS],
    counts: Counts,
    traces: bool,
}

#[derive(Debug, Default)]
struct Counts {
    committed: u64,
    aborted: u64,
    fenced: u64,
    unknown: u64,
    restarts: u64,
    faults: u64,
}

fn input() -> TopicPartition {
    TopicPartition::new(INPUT, 0)
}

fn output(number: i32) -> TopicPartition {
    TopicPartition::new(OUTPUT, number)
}

fn local(broker: &Arc<Broker>) -> LocalBroker {
    broker.local(Principal::server())
}

fn id_name(id: usize) -> String {
    format!("id{id}")
}

impl World {
    async fn new(seed: u64) -> Self {
        let (random, simulation) = (SeededRandom::new(seed), Simulation::new(seed));
        let node = Node::open(&simulation.env, config()).await.expect("opens");
        let flush = [FlushPolicy::Ack, FlushPolicy::Os][(random.next_u64() % 2) as usize];
        node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
        node.create(OUTPUT, "output", PARTITIONS, TopicConfig { flush, ..TopicConfig::default() })
            .await
            .expect("created");
        // The topics of the coordinators and a block of producer ids: the metadata is not written where the disk may fail.
        for id in 0..IDS {
            let (door, name) = (local(&node.broker), id_name(id));
            let stamp = door.init_producer(Some(&name), TIMEOUT_MS, None).await.expect("a stamp");
            door.add_offsets_to_transaction(&name, stamp, &name).await.expect("added");
            door.end_transaction(&name, stamp, ControlMarker::Abort).await.expect("aborted");
        }
        let client = |number: usize| Client {
            id: number % IDS,
            stamp: None,
            before: None,
            sequences: BTreeMap::new(),
            open: None,
            ending: None,
            was_fenced: false,
            asked: None,
        };
        Self {
            seed,
            random,
            simulation,
            node,
            clients: (0..CLIENTS).map(client).collect(),
            transactions: Vec::new(),
            newest: [None; IDS],
            counts: Counts::default(),
            traces: std::env::var_os("TIDEMILL_TRACE").is_some(),
        }
    }

    fn note(&self, what: impl FnOnce() -> String) {
        if self.traces {
            eprintln!("{}", what());
        }
    }

    fn below(&self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    async fn run(&mut self) {
        for _ in 0..STEPS {
            match self.below(100) {
                0..84 => self.act(self.below(CLIENTS as u64) as usize),
                84..90 => self.simulation.clock.advance(Duration::from_millis(self.below(6000))),
                90..93 => drop(self.node.broker.end_overdue_transactions().await),
                93..95 => self.break_disk(),
                95..97 => self.check().await,
                97 => self.restart_client(),
                _ => self.restart().await,
            }
            for _ in 0..self.below(4) {
                tokio::task::yield_now().await;
            }
            if self.simulation.disk.has_crashed() || self.is_dead() {
                self.restart().await;
            }
        }
        self.settle().await;
    }

    /// The process would end: a flush has failed.
    fn is_dead(&self) -> bool {
        futures::FutureExt::now_or_never(self.node.log.failed()).is_some()
    }

    fn break_disk(&mut self) {
        let kind = FaultKind::ALL[self.below(FaultKind::ALL.len() as u64) as usize];
        let fault = Fault { call: 1 + self.below(30), kind };
        self.note(|| format!("{fault} of the disk"));
        self.simulation.disk.reset_calls();
        self.simulation.disk.inject(fault);
        self.counts.faults += 1;
    }

    fn act(&mut self, number: usize) {
        match self.clients[number].asked.take() {
            Some((asked, task)) if task.is_finished() => {
                let answer = futures::FutureExt::now_or_never(task).expect("it is finished");
                self.answered(number, asked, answer.expect("no call panics"));
            }
            Some(waiting) => self.clients[number].asked = Some(waiting),
            None => self.ask(number),
        }
    }

    fn ask(&mut self, number: usize) {
        let asked = match &self.clients[number] {
            Client { stamp: None, .. } => Asked::Init,
            Client { ending: Some(outcome), .. } => Asked::End { outcome: *outcome },
            Client { open: None, .. } => Asked::Produce { partition: self.below(PARTITIONS as u64) as i32 },
            // Nothing of it was taken yet, so there is nothing to end.
            Client { open: Some(open), .. } if self.transactions[*open].records.is_empty() => {
                Asked::Produce { partition: self.below(PARTITIONS as u64) as i32 }
            }
            Client { open: Some(_), .. } => match self.below(10) {
                0..5 => Asked::Produce { partition: self.below(PARTITIONS as u64) as i32 },
                5..7 => Asked::Position,
                7..9 => Asked::End { outcome: ControlMarker::Commit },
                _ => Asked::End { outcome: ControlMarker::Abort },
            },
        };
        let broker = Arc::clone(&self.node.broker);
        let task = match asked {
            Asked::Init => tokio::spawn(init(broker, self.clients[number].id, self.clients[number].before)),
            Asked::Produce { partition } => self.produce(number, partition),
            Asked::Position => self.position(number),
            Asked::End { outcome } => self.end(number, outcome),
        };
        self.note(|| {
            format!("client {number}: {asked:?} as {:?} in {:?}", self.clients[number].stamp, self.clients[number].open)
        });
        let client = &mut self.clients[number];
        client.was_fenced = client.stamp.is_some() && client.stamp < self.newest[client.id];
        client.asked = Some((asked, task));
    }

    fn produce(&mut self, number: usize, partition: i32) -> JoinHandle<Answer> {
        let broker = Arc::clone(&self.node.broker);
        let client = &mut self.clients[number];
        let (id, stamp) = (client.id, client.stamp.expect("it has one"));
        let transaction = *client.open.get_or_insert_with(|| {
            self.transactions.push(Transaction { id, fate: Fate::Unseen, records: BTreeMap::new(), positioned: false });
            self.transactions.len() - 1
        });
        let sequence = client.sequences.get(&partition).copied().unwrap_or(0);
        tokio::spawn(async move {
            let partitions = BTreeMap::from([(output(partition), "output".to_string())]);
            match local(&broker).add_to_transaction(&id_name(id), stamp, partitions).await {
                Ok(()) => {}
                Err(error) => return Answer::Done(Err(error)),
            }
            let values = [(output(partition), transaction.to_string())];
            match append_values(&broker, stamp, sequence, &values).await {
                Ok(at) => Answer::At(at[0]),
                Err(_) => Answer::Refused,
            }
        })
    }

    fn position(&self, number: usize) -> JoinHandle<Answer> {
        let (broker, client) = (Arc::clone(&self.node.broker), &self.clients[number]);
        let (id, stamp) = (client.id, client.stamp.expect("it has one"));
        let request = offset_request(&id_name(id), client.open.expect("it is open") as i64);
        tokio::spawn(async move {
            let name = id_name(id);
            match local(&broker).add_offsets_to_transaction(&name, stamp, &name).await {
                Ok(()) => {}
                Err(error) => return Answer::Done(Err(error)),
            }
            let committed = local(&broker).commit_offsets_in_transaction(stamp, request).await;
            match committed.is_ok_and(|outcomes| outcomes.iter().all(Result::is_ok)) {
                true => Answer::Positioned,
                false => Answer::Refused,
            }
        })
    }

    fn end(&mut self, number: usize, outcome: ControlMarker) -> JoinHandle<Answer> {
        let (broker, client) = (Arc::clone(&self.node.broker), &mut self.clients[number]);
        client.ending = Some(outcome);
        let (id, stamp) = (client.id, client.stamp.expect("it has one"));
        if outcome == ControlMarker::Commit {
            self.transactions[client.open.expect("it is open")].fate = Fate::Asked;
        }
        tokio::spawn(async move { Answer::Done(local(&broker).end_transaction(&id_name(id), stamp, outcome).await) })
    }

    fn answered(&mut self, number: usize, asked: Asked, answer: Answer) {
        let seed = self.seed;
        self.note(|| format!("client {number}: {asked:?} came to {answer:?}"));
        let client = &mut self.clients[number];
        match (asked, &answer) {
            (Asked::Init, &Answer::Stamp(Ok(stamp))) => {
                (client.stamp, client.before) = (Some(stamp), None);
                client.sequences.clear();
                self.newest[client.id] = self.newest[client.id].max(Some(stamp));
            }
            (Asked::Init, Answer::Stamp(Err(error))) => {
                if *error == TransactionError::Fenced {
                    client.before = None;
                }
            }
            (_, Answer::Done(Ok(())) | Answer::At(_) | Answer::Positioned) => {
                assert!(!client.was_fenced, "seed {seed}: {asked:?} of a client that was fenced");
                self.succeeded(number, asked, &answer);
            }
            // It asks again, as a client does.
            (_, Answer::Done(Err(TransactionError::Concurrent | TransactionError::CoordinatorUnavailable))) => {}
            (_, Answer::Done(Err(error))) => self.failed(number, error),
            // What is in the log of it is not known: only a new epoch can tell.
            (_, Answer::Refused) => self.leave(number),
            (_, Answer::Stamp(_)) => unreachable!("only a call for a stamp answers one"),
        }
    }

    fn succeeded(&mut self, number: usize, asked: Asked, answer: &Answer) {
        let client = &mut self.clients[number];
        let open = client.open.expect("a transaction was open");
        let transaction = &mut self.transactions[open];
        match asked {
            Asked::Produce { partition } => {
                let Answer::At(offset) = *answer else { unreachable!("a batch has a place") };
                *client.sequences.entry(partition).or_default() += 1;
                transaction.records.entry(partition).or_default().push(offset);
            }
            Asked::Position => transaction.positioned = true,
            Asked::End { outcome: ControlMarker::Commit } => {
                transaction.fate = Fate::Committed;
                self.counts.committed += 1;
                (client.open, client.ending) = (None, None);
            }
            Asked::End { outcome: ControlMarker::Abort } => {
                self.counts.aborted += 1;
                (client.open, client.ending) = (None, None);
            }
            Asked::Init => unreachable!("a stamp is told apart"),
        }
    }

    fn failed(&mut self, number: usize, error: &TransactionError) {
        match error {
            TransactionError::Fenced => self.counts.fenced += 1,
            TransactionError::Unknown => self.counts.unknown += 1,
            // Another producer of the id got a new producer id.
            TransactionError::InvalidProducerIdMapping => self.counts.fenced += 1,
            other => panic!("seed {}: {other:?} to a client that does all in order", self.seed),
        }
        self.leave(number);
    }

    /// The client goes on from its stamp, or as if it had none.
    fn leave(&mut self, number: usize) {
        let goes_on = self.below(2) == 0;
        let client = &mut self.clients[number];
        let stamp = client.stamp.take();
        client.before = stamp.filter(|_| goes_on);
        (client.open, client.ending, client.asked) = (None, None, None);
    }

    fn restart_client(&mut self) {
        let number = self.below(CLIENTS as u64) as usize;
        self.leave(number);
    }

    /// All that was not answered never will be.
    async fn restart(&mut self) {
        self.counts.restarts += 1;
        for number in 0..CLIENTS {
            let Some((asked, task)) = self.clients[number].asked.take() else { continue };
            task.abort();
            drop(task.await);
            match asked {
                Asked::Init => self.clients[number].before = None,
                Asked::End { .. } => {}
                Asked::Produce { .. } | Asked::Position => self.leave(number),
            }
        }
        self.simulation.disk.clear_faults();
        let power = self.below(2) == 0;
        self.note(|| format!("restart; power lost: {power}"));
        match power {
            false => self.simulation.disk.kill_process(),
            true => self.simulation.disk.lose_power(),
        }
        self.node = Node::open(&self.simulation.env, config()).await.expect("a start without faults");
    }

    /// What readers see, against what clients know.
    async fn check(&mut self) {
        if self.simulation.disk.has_crashed() || self.is_dead() {
            return;
        }
        self.simulation.disk.clear_faults();
        let mut seen: BTreeMap<usize, BTreeMap<i32, usize>> = BTreeMap::new();
        let mut readable: BTreeMap<i32, Offset> = BTreeMap::new();
        for number in 0..PARTITIONS {
            for value in values(&*self.node.client, output(number), Isolation::ReadCommitted).await {
                let transaction: usize = value.parse().expect("a number");
                *seen.entry(transaction).or_default().entry(number).or_default() += 1;
            }
            readable.insert(number, self.node.client.ends(output(number)).await.expect("there").readable_end());
        }
        // What is between its markers and an answer is known to nobody.
        let is_ending = |client: &Client| matches!(client.asked, Some((Asked::End { .. }, _)));
        let under_way: Vec<_> = self.clients.iter().filter(|it| is_ending(it)).filter_map(|it| it.open).collect();
        for (number, transaction) in self.transactions.iter().enumerate().filter(|(it, _)| !under_way.contains(it)) {
            let found = seen.get(&number).cloned().unwrap_or_default();
            // Behind the open transaction of somebody else nothing is read.
            let wanted = transaction.records.iter().map(|(partition, offsets)| {
                (*partition, offsets.iter().filter(|offset| **offset < readable[partition]).count())
            });
            let wanted: BTreeMap<_, _> = wanted.filter(|(_, count)| 0 < *count).collect();
            let is_right = match transaction.fate {
                Fate::Unseen => found.is_empty(),
                Fate::Committed => found == wanted,
                Fate::Asked => found.is_empty() || found == wanted,
            };
            assert!(is_right, "seed {}: {number}: {found:?}, {wanted:?}, {transaction:?}", self.seed);
        }
        if under_way.is_empty() {
            self.check_positions(&seen);
        }
    }

    /// The position of each id is that of its last transaction that is seen, or that was committed and cannot be read yet.
    fn check_positions(&self, seen: &BTreeMap<usize, BTreeMap<i32, usize>>) {
        for id in 0..IDS {
            let fetched = local(&self.node.broker).fetch_offsets(&id_name(id), Some(&[input()]), false).expect("known");
            let found =
                fetched[0].1.clone().expect("it need not be stable").map(|committed| committed.offset.0 as usize);
            let positioned = self.transactions.iter().enumerate().filter(|(_, it)| it.id == id && it.positioned);
            let last = |may_be_hidden: bool| {
                let counts = |(number, transaction): &(usize, &Transaction)| {
                    let is_hidden = transaction.fate == Fate::Asked && may_be_hidden;
                    seen.contains_key(number) || transaction.fate == Fate::Committed || is_hidden
                };
                positioned.clone().filter(counts).map(|(number, _)| number).max()
            };
            let is_right = (last(false)..=last(true)).contains(&found);
            assert!(is_right, "seed {}: the position of {id} is {found:?}, not {:?}", self.seed, last(false));
        }
    }

    /// Every id gets a new producer, and nothing is open any more.
    async fn settle(&mut self) {
        self.simulation.disk.clear_faults();
        for _ in 0..100 {
            (0..CLIENTS).for_each(|number| {
                if self.clients[number].asked.is_some() {
                    self.act(number);
                }
            });
            tokio::task::yield_now().await;
        }
        self.restart().await;
        for number in 0..CLIENTS {
            self.leave(number);
        }
        for id in 0..IDS {
            let Answer::Stamp(given) = init(Arc::clone(&self.node.broker), id, None).await else {
                unreachable!("it answers a stamp")
            };
            given.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        }
        for number in 0..PARTITIONS {
            let ends = self.node.client.ends(output(number)).await.expect("it is there");
            assert_eq!(ends.last_stable_offset, ends.high_watermark, "seed {}", self.seed);
        }
        self.check().await;
    }
}

async fn init(broker: Arc<Broker>, id: usize, expected: Option<Stamp>) -> Answer {
    Answer::Stamp(local(&broker).init_producer(Some(&id_name(id)), TIMEOUT_MS, expected).await)
}

#[test]
fn transactions_are_whole_or_absent_under_any_schedule() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = number("TIDEMILL_SEED").unwrap_or(1);
    let mut all = Counts::default();
    for seed in first..first + number("TIDEMILL_TRANSACTION_WORLDS").unwrap_or(100) {
        let counts = run(async {
            let mut world = World::new(seed).await;
            world.run().await;
            world.counts
        });
        all.committed += counts.committed;
        all.aborted += counts.aborted;
        all.fenced += counts.fenced;
        all.unknown += counts.unknown;
        all.restarts += counts.restarts;
        all.faults += counts.faults;
    }
    eprintln!("{all:?}");
    assert!(0 < all.committed && 0 < all.aborted && 0 < all.fenced && 0 < all.restarts, "{all:?}");
}
