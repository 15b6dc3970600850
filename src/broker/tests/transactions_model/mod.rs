//! Clients' transactions under random schedules: producers of both versions that share transactional ids, stop, come back late,
//! lose their answers; requests that are delivered late, twice and out of order; calls that run at once; time that passes; a disk
//! that fails at some call; processes that are killed and power that is lost.
//! `TIDEMILL_SEED` is the first of the worlds, `TIDEMILL_TRANSACTION_WORLDS` their number; with `TIDEMILL_TRACE` they tell what
//! happens.
//!
//! What must hold:
//!   * a transaction is seen whole, each record once, or not at all, and so is its position
//!   * one whose commit was answered is seen; one that was aborted, or that nobody asked to commit, never is
//!   * whoever is fenced neither begins nor ends anything
//!   * what is late of a transaction takes part in no other, and ends none; in version 1 as far as its epoch was given up
//!   * who asks again to end a transaction of version 2 is told the same
//!   * once every id has a new producer, no partition's last stable offset is behind its high watermark

mod request;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use self::request::Answer;
use self::request::Asked;
use self::request::Request;
use self::request::init;
use super::INPUT;
use super::Node;
use super::OUTPUT;
use super::run;
use super::transactions::config;
use crate::broker::Broker;
use crate::broker::BrokerConfig;
use crate::broker::Isolation;
use crate::broker::LocalBroker;
use crate::broker::TransactionError;
use crate::broker::TransactionVersion;
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
    version: TransactionVersion,
    /// What it was told to try again: clients send nothing else before.
    again: Option<Asked>,
    /// Whether somebody had been told a newer stamp of its id when it asked.
    was_fenced: bool,
    /// Whether its transaction had been aborted from outside under the last epoch when it asked.
    is_used_up: bool,
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
    /// What the network has a copy of.
    late: Vec<Request>,
    /// What it delivers now.
    delivered: Vec<(Request, JoinHandle<Answer>)>,
    /// How the transactions of version 2 ended, by id and stamp, and what was answered.
    ended: BTreeMap<(usize, Stamp), (ControlMarker, Stamp)>,
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
    late: u64,
    late_refused: u64,
    again: u64,
    rolled: u64,
    used_up: u64,
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
        let config = limits(seed);
        let node = Node::open(&simulation.env, config).await.expect("opens");
        let flush = [FlushPolicy::Ack, FlushPolicy::Os][(random.next_u64() % 2) as usize];
        node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
        node.create(OUTPUT, "output", PARTITIONS, TopicConfig { flush, ..TopicConfig::default() })
            .await
            .expect("created");
        // The topics of the coordinators and a block of producer ids: the metadata is not written where the disk may fail.
        for id in 0..IDS {
            let (door, name) = (local(&node.broker), id_name(id));
            let stamp = door.init_producer(Some(&name), TIMEOUT_MS, None).await.expect("a stamp");
            let version = TransactionVersion::One;
            door.add_offsets_to_transaction(&name, stamp, &name, version).await.expect("added");
            door.end_transaction(&name, stamp, ControlMarker::Abort, version).await.expect("aborted");
        }
        let client = |number: usize| Client {
            id: number % IDS,
            stamp: None,
            before: None,
            sequences: BTreeMap::new(),
            open: None,
            ending: None,
            version: [TransactionVersion::One, TransactionVersion::Two][number % 2],
            again: None,
            was_fenced: false,
            is_used_up: false,
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
            late: Vec::new(),
            delivered: Vec::new(),
            ended: BTreeMap::new(),
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
                0..76 => self.act(self.below(CLIENTS as u64) as usize),
                76..84 => self.deliver_late(),
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
            self.look_at_delivered();
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
        let asked = self.next_of(number);
        let broker = Arc::clone(&self.node.broker);
        let task = match asked {
            Asked::Init => tokio::spawn(init(broker, self.clients[number].id, self.clients[number].before)),
            _ => self.send(number, asked),
        };
        self.note(|| {
            let client = &self.clients[number];
            format!("client {number}: {asked:?} as {:?} {:?} in {:?}", client.version, client.stamp, client.open)
        });
        let is_used_up = self.is_used_up(number);
        let client = &mut self.clients[number];
        client.is_used_up = is_used_up;
        client.was_fenced = client.stamp.is_some_and(|stamp| is_over(stamp, self.newest[client.id]));
        client.asked = Some((asked, task));
    }

    /// Whether the client's producer id has the epoch that nobody is given.
    fn is_used_up(&self, number: usize) -> bool {
        let Client { id, stamp, .. } = self.clients[number];
        let described = local(&self.node.broker).describe_transaction(&id_name(id)).ok().flatten();
        let current = described.map(|described| described.producer);
        current.is_some_and(|(id, epoch)| {
            stamp.is_some_and(|stamp| stamp.0 == id) && epoch.0 == limits(self.seed).producer_epoch_max
        })
    }

    fn next_of(&mut self, number: usize) -> Asked {
        let produce = Asked::Produce { partition: self.below(PARTITIONS as u64) as i32 };
        let drawn = self.below(10);
        let client = &mut self.clients[number];
        let (Some(_), None) = (client.stamp, client.ending) else {
            return client.ending.map_or(Asked::Init, |outcome| Asked::End { outcome });
        };
        if let Some(again) = client.again.take() {
            return again;
        }
        let is_filled = client.open.is_some_and(|open| !self.transactions[open].records.is_empty());
        match drawn {
            0..5 => produce,
            // Of version 1 nothing of it was taken yet, so there is nothing to end.
            _ if client.open.is_none() || (!is_filled && client.version == TransactionVersion::One) => produce,
            5..7 => Asked::Position,
            7..9 if is_filled => Asked::End { outcome: ControlMarker::Commit },
            _ => Asked::End { outcome: ControlMarker::Abort },
        }
    }

    /// Sends what a client with a stamp asks; the network may keep a copy, or the request itself.
    fn send(&mut self, number: usize, asked: Asked) -> JoinHandle<Answer> {
        let client = &mut self.clients[number];
        let id = client.id;
        let transaction = *client.open.get_or_insert_with(|| {
            self.transactions.push(Transaction { id, fate: Fate::Unseen, records: BTreeMap::new(), positioned: false });
            self.transactions.len() - 1
        });
        let mut sequence = -1;
        match asked {
            Asked::Produce { partition } => sequence = client.sequences.get(&partition).copied().unwrap_or(0),
            Asked::End { outcome } => {
                client.ending = Some(outcome);
                if outcome == ControlMarker::Commit {
                    self.transactions[transaction].fate = Fate::Asked;
                }
            }
            Asked::Init | Asked::Position => {}
        }
        let stamp = client.stamp.expect("it has one");
        let request = Request { id, version: client.version, stamp, transaction, asked, sequence };
        match self.below(20) {
            0 => {
                self.late.push(request);
                tokio::spawn(async { Answer::Lost })
            }
            drawn => {
                if drawn < 6 {
                    self.late.push(request);
                }
                tokio::spawn(request.deliver(Arc::clone(&self.node.broker)))
            }
        }
    }

    /// Delivers something of which the network has a copy, and may keep it all the same.
    fn deliver_late(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let at = self.below(self.late.len() as u64) as usize;
        let request = self.late[at];
        if !self.may_be_late(&request) {
            return;
        }
        if self.below(2) == 0 {
            self.late.swap_remove(at);
        }
        self.note(|| format!("late: {request:?}"));
        self.counts.late += 1;
        self.delivered.push((request, tokio::spawn(request.deliver(Arc::clone(&self.node.broker)))));
    }

    /// Version 1 does not tell transactions of one epoch from one another: what is late of one that was ended must not come
    /// while its producer goes on. A batch may: its sequence number tells.
    fn may_be_late(&self, request: &Request) -> bool {
        let is_batch = matches!(request.asked, Asked::Produce { .. });
        request.version == TransactionVersion::Two || is_batch || is_over(request.stamp, self.newest[request.id])
    }

    fn look_at_delivered(&mut self) {
        for (request, task) in std::mem::take(&mut self.delivered) {
            match task.is_finished() {
                false => self.delivered.push((request, task)),
                true => {
                    let answer = futures::FutureExt::now_or_never(task).expect("it is finished");
                    self.was_late(&request, &answer.expect("no call panics"));
                }
            }
        }
    }

    fn was_late(&mut self, request: &Request, answer: &Answer) {
        self.note(|| format!("late: {request:?} came to {answer:?}"));
        match answer {
            Answer::Ended(Ok(stamp)) => self.was_ended(request, *stamp),
            // Whether it took part in anything that it should not, readers are asked.
            Answer::At(_) | Answer::Positioned => {}
            _ => self.counts.late_refused += 1,
        }
    }

    /// A transaction of version 2 ends once, in one way, whoever asks how often.
    fn was_ended(&mut self, request: &Request, stamp: Stamp) {
        let Asked::End { outcome } = request.asked else { unreachable!("it ended something") };
        if request.version == TransactionVersion::One {
            return;
        }
        assert!(request.stamp != stamp, "seed {}: {request:?} came to {stamp:?}", self.seed);
        let known = *self.ended.entry((request.id, request.stamp)).or_insert((outcome, stamp));
        assert_eq!(known, (outcome, stamp), "seed {}: {request:?}", self.seed);
    }

    fn answered(&mut self, number: usize, asked: Asked, answer: Answer) {
        let seed = self.seed;
        self.note(|| format!("client {number}: {asked:?} came to {answer:?}"));
        let client = &mut self.clients[number];
        let retries = |error: &TransactionError| {
            matches!(error, TransactionError::Concurrent | TransactionError::CoordinatorUnavailable)
        };
        match (asked, &answer) {
            (Asked::Init, &Answer::Stamp(Ok(stamp))) => {
                (client.stamp, client.before) = (Some(stamp), None);
                client.sequences.clear();
                let id = client.id;
                self.told(id, stamp);
            }
            (Asked::Init, Answer::Stamp(Err(error))) => {
                if *error == TransactionError::Fenced {
                    client.before = None;
                }
            }
            (_, Answer::Ended(Ok(_)) | Answer::At(_) | Answer::Positioned) => {
                assert!(!client.was_fenced, "seed {seed}: {asked:?} of a client that was fenced");
                self.succeeded(number, asked, &answer);
            }
            // It asks again, as a client does.
            (_, Answer::NotHeld(error)) if retries(error) => client.again = Some(asked),
            (_, Answer::Ended(Err(error))) if retries(error) => {}
            (Asked::End { .. }, Answer::Lost) => self.counts.again += 1,
            (Asked::End { .. }, Answer::Ended(Err(error))) => self.failed(number, error),
            // What is in the log of it is not known: only a new epoch can tell.
            (_, Answer::NotHeld(error)) => {
                self.count(error);
                self.give_up(number);
            }
            (_, Answer::Refused | Answer::Lost) => self.give_up(number),
            (_, Answer::Stamp(_) | Answer::Ended(_)) => unreachable!("another call answers that"),
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
            Asked::End { outcome } => {
                let Answer::Ended(Ok(stamp)) = *answer else { unreachable!("an end tells a stamp") };
                match outcome {
                    ControlMarker::Commit => {
                        transaction.fate = Fate::Committed;
                        self.counts.committed += 1;
                    }
                    ControlMarker::Abort => self.counts.aborted += 1,
                }
                self.ended_by(number, open, asked, stamp);
            }
            Asked::Init => unreachable!("a stamp is told apart"),
        }
    }

    /// A client goes on with the stamp that it was told.
    fn ended_by(&mut self, number: usize, transaction: usize, asked: Asked, stamp: Stamp) {
        let Client { id, version, stamp: before, .. } = self.clients[number];
        let before = before.expect("it had one");
        self.was_ended(&Request { id, version, stamp: before, transaction, asked, sequence: -1 }, stamp);
        let client = &mut self.clients[number];
        (client.open, client.ending, client.stamp) = (None, None, Some(stamp));
        if stamp != before {
            client.sequences.clear();
            self.counts.rolled += u64::from(stamp.0 != before.0);
            self.counts.used_up += u64::from(client.is_used_up && stamp.0 != before.0);
            self.told(id, stamp);
        }
    }

    /// Somebody was told a stamp. A producer id that is not the id's any more is not the newest, whenever its answer comes.
    fn told(&mut self, id: usize, stamp: Stamp) {
        let described = local(&self.node.broker).describe_transaction(&id_name(id)).ok().flatten();
        let is_current = described.is_some_and(|described| described.producer.0 == stamp.0);
        let is_newer = self.newest[id].is_none_or(|(known, epoch)| known != stamp.0 || epoch < stamp.1);
        if is_current && is_newer {
            self.newest[id] = Some(stamp);
        }
    }

    fn count(&mut self, error: &TransactionError) {
        match error {
            TransactionError::Fenced => self.counts.fenced += 1,
            TransactionError::Unknown => self.counts.unknown += 1,
            // Another producer of the id got a new producer id.
            TransactionError::InvalidProducerIdMapping => self.counts.fenced += 1,
            other => panic!("seed {}: {other:?} to a client that does all in order", self.seed),
        }
    }

    fn failed(&mut self, number: usize, error: &TransactionError) {
        // It took too long, and was aborted.
        let is_late =
            *error == TransactionError::InvalidState && self.clients[number].version == TransactionVersion::Two;
        if !is_late {
            self.count(error);
        }
        self.leave(number);
    }

    /// A client that does not know what became of its records has the transaction aborted: in version 2 that gives it an epoch.
    fn give_up(&mut self, number: usize) {
        let client = &mut self.clients[number];
        match client.version {
            TransactionVersion::One => self.leave(number),
            TransactionVersion::Two => client.ending = Some(ControlMarker::Abort),
        }
    }

    /// The client goes on from its stamp, or as if it had none.
    fn leave(&mut self, number: usize) {
        let goes_on = self.below(2) == 0;
        let version = [TransactionVersion::One, TransactionVersion::Two][self.below(2) as usize];
        let client = &mut self.clients[number];
        let stamp = client.stamp.take();
        (client.before, client.version) = (stamp.filter(|_| goes_on), version);
        (client.open, client.ending, client.again, client.asked) = (None, None, None, None);
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
                Asked::Produce { .. } | Asked::Position => self.give_up(number),
            }
        }
        for (_, task) in self.delivered.drain(..) {
            task.abort();
            drop(task.await);
        }
        self.simulation.disk.clear_faults();
        let power = self.below(2) == 0;
        self.note(|| format!("restart; power lost: {power}"));
        match power {
            false => self.simulation.disk.kill_process(),
            true => self.simulation.disk.lose_power(),
        }
        self.node = Node::open(&self.simulation.env, limits(self.seed)).await.expect("a start without faults");
        // A block of producer ids, so that the metadata is not written where the disk may fail.
        local(&self.node.broker).init_producer(None, 0, None).await.expect("an id");
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
        let late = self.delivered.iter().map(|(request, _)| request);
        let late = late.filter(|it| matches!(it.asked, Asked::End { .. })).map(|it| it.transaction);
        let asked = self.clients.iter().filter(|it| is_ending(it)).filter_map(|it| it.open);
        let under_way: Vec<_> = asked.chain(late).collect();
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
        // All that comes now is of producers that were fenced.
        for request in std::mem::take(&mut self.late) {
            let answer = request.deliver(Arc::clone(&self.node.broker)).await;
            let is_refused = matches!(answer, Answer::Ended(Err(_)) | Answer::NotHeld(_) | Answer::Refused);
            assert!(is_refused, "seed {}: {request:?} came to {answer:?}", self.seed);
        }
        for number in 0..PARTITIONS {
            let ends = self.node.client.ends(output(number)).await.expect("it is there");
            assert_eq!(ends.last_stable_offset, ends.high_watermark, "seed {}", self.seed);
        }
        self.check().await;
    }
}

/// Whether a producer that has `stamp` is fenced, if the newest stamp is this.
fn is_over((id, epoch): Stamp, newest: Option<Stamp>) -> bool {
    newest.is_some_and(|(newest, current)| newest != id || epoch < current)
}

/// In every other world the epochs of a producer id are soon used up.
fn limits(seed: u64) -> BrokerConfig {
    let epochs = if seed.is_multiple_of(2) { 4 } else { i16::MAX - 1 };
    BrokerConfig { producer_epoch_max: epochs, ..config() }
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
        all.late += counts.late;
        all.late_refused += counts.late_refused;
        all.again += counts.again;
        all.rolled += counts.rolled;
        all.used_up += counts.used_up;
    }
    eprintln!("{all:?}");
    assert!(0 < all.late_refused && 0 < all.again && 0 < all.rolled && 0 < all.used_up, "{all:?}");
    assert!(0 < all.committed && 0 < all.aborted && 0 < all.fenced && 0 < all.restarts, "{all:?}");
}
