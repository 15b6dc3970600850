//! One leader and two followers over three logs on three disks, with a network that loses, repeats and reorders, elections,
//! crashes and power losses. What was acknowledged stays, and in the end all three logs are one.
//!
//! The protocol is the test's own and as small as can be: a fetch says where the follower's log ends, of which epoch its last
//! batch is and how far it is durable; the answer is batches, where the logs diverge, or where the leader's log starts.

use std::collections::BTreeSet;

use crate::env::Random;
use crate::env::SeededRandom;

use super::*;

/// A request of a follower, or the answer to one.
#[derive(Debug, Clone)]
enum Message {
    Fetch { from: usize, epoch: LeaderEpoch, offset: Offset, last_epoch: Option<LeaderEpoch>, durable: Offset },
    Batches { to: usize, epoch: LeaderEpoch, batches: Vec<Batch>, high_watermark: Offset },
    Diverging { to: usize, epoch: LeaderEpoch, end_of: LeaderEpoch, end: Offset },
    StartsAt { to: usize, epoch: LeaderEpoch, start: Offset },
}

struct Replica {
    simulation: Simulation,
    /// `None` while it is down.
    log: Option<Arc<LogDir>>,
    /// The leader's epoch that it follows, or leads in.
    epoch: LeaderEpoch,
    /// What the leader knows of it in its epoch.
    reported_durable: Option<Offset>,
}

struct Cluster {
    random: SeededRandom,
    replicas: Vec<Replica>,
    epoch: LeaderEpoch,
    /// Where the leader's log ended when it was elected: all that was acknowledged before lies below.
    epoch_start: Offset,
    leader: Option<usize>,
    in_sync: BTreeSet<usize>,
    network: Vec<Message>,
    sent: i64,
    /// Acknowledged values, by offset; those that retention took are not compared any more.
    committed: Vec<Vec<u8>>,
    elections: usize,
    truncations: usize,
    power_losses: usize,
    fresh_starts: usize,
}

fn configuration() -> PartitionConfig {
    PartitionConfig { segment_bytes: 700, ..PartitionConfig::default() }
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let replicas = (0..3).map(|at| {
            let simulation = Simulation::new(seed * 3 + at);
            let (log, _) = open(&simulation, config());
            log.create(partition(0), configuration()).expect("it is made");
            Replica { simulation, log: Some(log), epoch: LeaderEpoch(0), reported_durable: None }
        });
        let mut cluster = Self {
            random: SeededRandom::new(seed),
            replicas: replicas.collect(),
            epoch: LeaderEpoch(0),
            epoch_start: Offset::ZERO,
            leader: None,
            in_sync: BTreeSet::from([0, 1, 2]),
            network: Vec::new(),
            sent: 0,
            committed: Vec::new(),
            elections: 0,
            truncations: 0,
            power_losses: 0,
            fresh_starts: 0,
        };
        cluster.elect();
        cluster
    }

    fn below(&self, limit: usize) -> usize {
        (self.random.next_u64() % limit.max(1) as u64) as usize
    }

    fn log(&self, at: usize) -> Option<&Arc<LogDir>> {
        self.replicas[at].log.as_ref()
    }

    fn ends(&self, at: usize) -> Ends {
        self.log(at).expect("it is up").ends(partition(0)).expect("it is there")
    }

    fn step(&mut self) {
        match self.below(100) {
            0..=24 => self.produce(),
            25..=34 => self.flush_one(),
            35..=54 => self.fetch(),
            55..=84 => self.deliver(),
            85..=90 => self.advance_high_watermark(),
            91..=93 => self.crash(),
            94..=96 => self.restart_one(),
            97 => self.elect(),
            98 => self.drop_records(),
            _ => self.shrink_in_sync(),
        }
    }

    fn produce(&mut self) {
        let Some(leader) = self.leader else { return };
        let values: Vec<Vec<u8>> =
            (0..=self.below(2)).map(|more| format!("{}-{more} of {}", self.sent, self.epoch.0).into_bytes()).collect();
        self.sent += 1;
        let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let append = Append { leader_epoch: self.epoch, ..to(partition(0), batch(&slices)) };
        self.log(leader).expect("a leader is up").append(vec![append]).expect("it appends");
    }

    fn flush_one(&mut self) {
        let at = self.below(3);
        if self.log(at).is_some() {
            let end = self.ends(at).log_end_offset;
            flush(self.log(at).expect("it is up"), partition(0), end).expect("it flushes");
        }
    }

    /// A follower asks its leader.
    fn fetch(&mut self) {
        let at = self.below(3);
        let replica = &self.replicas[at];
        if replica.log.is_none() || replica.epoch != self.epoch || self.leader.is_none_or(|leader| leader == at) {
            return;
        }
        let ends = self.ends(at);
        // Asked of the log each time: an answer without batches changes nothing of what it is asked next (KAFKA-15510).
        let last_epoch = self.log(at).and_then(|log| log.epoch_end(partition(0), self.epoch).expect("it is there"));
        let message = Message::Fetch {
            from: at,
            epoch: self.epoch,
            offset: ends.log_end_offset,
            last_epoch: last_epoch.map(|(epoch, _)| epoch),
            durable: ends.durable_offset,
        };
        self.network.push(message);
    }

    /// The network hands over any message, loses it, or hands it over and keeps it.
    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let at = self.below(self.network.len());
        let message = match self.below(10) {
            0 => return drop(self.network.swap_remove(at)),
            1 => self.network[at].clone(),
            _ => self.network.swap_remove(at),
        };
        match message {
            Message::Fetch { from, epoch, offset, last_epoch, durable } => {
                self.answer(from, epoch, offset, last_epoch, durable);
            }
            Message::Batches { to, epoch, batches, high_watermark } => self.take(to, epoch, batches, high_watermark),
            Message::Diverging { to, epoch, end_of, end } if self.follows(to, epoch) => {
                let before = self.ends(to).log_end_offset;
                let log = self.log(to).expect("it is up");
                log.truncate_to(partition(0), end_of, end).expect("it cuts");
                let ends = self.ends(to);
                assert!(ends.high_watermark <= ends.log_end_offset, "nothing that is cut is visible (KAFKA-14704)");
                self.truncations += usize::from(ends.log_end_offset < before);
            }
            Message::StartsAt { to, epoch, start } if self.follows(to, epoch) => {
                if self.ends(to).log_end_offset < start {
                    self.log(to).expect("it is up").begin_at(partition(0), start).expect("it begins");
                    let ends = self.ends(to);
                    assert_eq!((ends.log_start_offset, ends.high_watermark), (start, start), "KAFKA-9491");
                    self.fresh_starts += 1;
                }
            }
            Message::Diverging { .. } | Message::StartsAt { .. } => {}
        }
    }

    fn follows(&self, at: usize, epoch: LeaderEpoch) -> bool {
        self.log(at).is_some() && self.replicas[at].epoch == epoch && self.leader != Some(at)
    }

    /// The leader answers a fetch.
    fn answer(
        &mut self,
        to: usize,
        epoch: LeaderEpoch,
        offset: Offset,
        last_epoch: Option<LeaderEpoch>,
        durable: Offset,
    ) {
        let Some(leader) = self.leader.filter(|_| epoch == self.epoch) else { return };
        let log = Arc::clone(self.log(leader).expect("a leader is up"));
        let ends = self.ends(leader);
        if offset < ends.log_start_offset {
            return self.network.push(Message::StartsAt { to, epoch, start: ends.log_start_offset });
        }
        if let Some(last_epoch) = last_epoch {
            let end = log.epoch_end(partition(0), last_epoch).expect("it is there");
            let (end_of, end) = end.unwrap_or((LeaderEpoch(-1), ends.log_start_offset));
            if end_of != last_epoch || end < offset {
                return self.network.push(Message::Diverging { to, epoch, end_of, end });
            }
        }
        if ends.log_end_offset < offset {
            return;
        }
        let reported = &mut self.replicas[to].reported_durable;
        *reported = Some(reported.map_or(durable, |before| before.max(durable)));
        let upto = ends.log_end_offset;
        let batches = log.read(partition(0), offset, upto, self.below(400)).expect("it reads");
        let batches: Vec<Batch> = batches.into_iter().map(|tail| tail.batch).collect();
        self.network.push(Message::Batches { to, epoch, batches, high_watermark: ends.high_watermark });
        // It has all that is committed, and nothing of it diverges.
        if ends.high_watermark <= durable && self.epoch_start <= durable && durable <= offset {
            self.in_sync.insert(to);
        }
    }

    /// A follower takes what its leader sent; what is late or came before is not at its end.
    fn take(&mut self, at: usize, epoch: LeaderEpoch, batches: Vec<Batch>, high_watermark: Offset) {
        if !self.follows(at, epoch) {
            return;
        }
        let log = Arc::clone(self.log(at).expect("it is up"));
        let before = self.ends(at).log_end_offset;
        let is_empty = log.size_in_bytes(partition(0)).expect("it is there") == 0;
        let at_end = batches.first().is_none_or(|first| match is_empty {
            // Its leader's log may start within a batch.
            true => first.base_offset() <= before && before < first.next_offset(),
            false => first.base_offset() == before,
        });
        let append = Append { partition: partition(0), leader_epoch: epoch, batches, origin: Origin::Replica };
        match log.append(vec![append]) {
            Ok(_) => assert!(at_end),
            Err(LogError::NotAtEnd { .. }) => {
                assert!(!at_end);
                assert_eq!(self.ends(at).log_end_offset, before, "a message that came late changes nothing");
                return;
            }
            Err(error) => panic!("{error:?}"),
        }
        log.set_high_watermark(partition(0), high_watermark).expect("it is there");
    }

    /// What all of the in-sync replicas have made durable is committed.
    fn advance_high_watermark(&mut self) {
        let Some(leader) = self.leader else { return };
        let of = |at: &usize| match *at == leader {
            true => Some(self.ends(leader).durable_offset),
            false => self.replicas[*at].reported_durable,
        };
        let Some(durable) = self.in_sync.iter().map(of).min().flatten() else { return };
        let log = Arc::clone(self.log(leader).expect("a leader is up"));
        log.set_high_watermark(partition(0), durable).expect("it is there");
        let stored = values(&log, partition(0)).expect("it reads");
        for (offset, value) in stored.into_iter().filter(|(offset, _)| *offset < durable) {
            let at = offset.0 as usize;
            match self.committed.get(at) {
                Some(committed) => assert_eq!(*committed, value, "what is committed at {at} stays"),
                None => {
                    assert_eq!(self.committed.len(), at, "what is committed has no gap");
                    self.committed.push(value);
                }
            }
        }
    }

    fn crash(&mut self) {
        let at = self.below(3);
        if self.replicas[at].log.take().is_none() {
            return;
        }
        if self.below(2) == 0 {
            self.replicas[at].simulation.disk.lose_power();
            self.power_losses += 1;
        } else {
            self.replicas[at].simulation.disk.kill_process();
        }
        if self.leader == Some(at) {
            self.leader = None;
        }
    }

    fn restart_one(&mut self) {
        let at = self.below(3);
        if self.replicas[at].log.is_none() {
            let (log, report) = open(&self.replicas[at].simulation, config());
            assert_eq!((report.corrupt, report.journal_damaged), (vec![], false));
            self.replicas[at].log = Some(log);
        }
        self.replicas[at].epoch = self.epoch;
    }

    /// A new epoch, with any leader that is in sync and up; all others that are up follow it.
    fn elect(&mut self) {
        let up: Vec<usize> = self.in_sync.iter().copied().filter(|at| self.log(*at).is_some()).collect();
        let Some(leader) = up.get(self.below(up.len())).copied() else { return };
        self.epoch = LeaderEpoch(self.epoch.0 + 1);
        self.elections += 1;
        self.leader = Some(leader);
        for replica in &mut self.replicas {
            replica.reported_durable = None;
            if replica.log.is_some() {
                replica.epoch = self.epoch;
            }
        }
        let log = Arc::clone(self.log(leader).expect("it is up"));
        self.epoch_start = self.ends(leader).log_end_offset;
        log.set_leader_epoch(partition(0), self.epoch).expect("it is newer");
        let stored = values(&log, partition(0)).expect("it reads");
        let end = stored.last().map_or(self.ends(leader).log_start_offset.0, |(offset, _)| offset.0 + 1);
        assert!(self.committed.len() as i64 <= end, "epoch {}: the leader has all that was acknowledged", self.epoch.0);
        for (offset, value) in &stored {
            let committed = self.committed.get(offset.0 as usize);
            assert!(committed.is_none_or(|committed| committed == value), "what is committed at {offset} stays");
        }
    }

    fn drop_records(&mut self) {
        let Some(leader) = self.leader else { return };
        let ends = self.ends(leader);
        let kept = ends.high_watermark.0 - ends.log_start_offset.0;
        let to = ends.log_start_offset.0 + self.below(kept.max(0) as usize + 1) as i64;
        self.log(leader).expect("a leader is up").advance_log_start(partition(0), Offset(to)).expect("it moves");
    }

    /// The leader goes on without those that do not answer.
    fn shrink_in_sync(&mut self) {
        let Some(leader) = self.leader else { return };
        let (replicas, random) = (&self.replicas, &self.random);
        self.in_sync
            .retain(|at| *at == leader || (replicas[*at].log.is_some() && !random.next_u64().is_multiple_of(4)));
    }

    /// Everybody comes back, the network behaves, and all have the same in the end.
    fn settle(&mut self) {
        self.network.clear();
        for at in 0..3 {
            if self.replicas[at].log.is_none() {
                let (log, _) = open(&self.replicas[at].simulation, config());
                self.replicas[at].log = Some(log);
            }
        }
        self.elect();
        let leader = self.leader.expect("all are up");
        let epoch = self.epoch;
        let own = batch(&[b"the epoch begins"]);
        let append = Append { leader_epoch: epoch, ..to(partition(0), own) };
        self.log(leader).expect("it is up").append(vec![append]).expect("it appends");
        let mut rounds = 0;
        while (0..3).any(|at| self.ends(at).log_end_offset != self.ends(leader).log_end_offset) || rounds < 3 {
            rounds += 1;
            assert!(
                rounds < 2_000,
                "the followers come to an end: leader {leader}, {:?}",
                [0, 1, 2].map(|at| self.ends(at))
            );
            for _ in 0..6 {
                self.fetch();
            }
            while !self.network.is_empty() {
                self.deliver();
            }
            for at in 0..3 {
                let end = self.ends(at).log_end_offset;
                flush(self.log(at).expect("it is up"), partition(0), end).expect("it flushes");
            }
        }
        for _ in 0..20 {
            self.fetch();
            self.deliver();
        }
        self.in_sync = BTreeSet::from([leader]);
        self.advance_high_watermark();
        let stored = |at: usize| values(self.log(at).expect("it is up"), partition(0)).expect("it reads");
        let of_leader = stored(leader);
        for at in 0..3 {
            // A follower drops by itself what its leader has dropped.
            let start = self.ends(at).log_start_offset.max(self.ends(leader).log_start_offset);
            let from = |stored: Vec<(Offset, Vec<u8>)>| -> Vec<(Offset, Vec<u8>)> {
                stored.into_iter().filter(|(offset, _)| start <= *offset).collect()
            };
            assert_eq!(from(stored(at)), from(of_leader.clone()), "replica {at}");
            let end = self.log(at).expect("it is up").epoch_end(partition(0), epoch).expect("it is there");
            assert_eq!(end, Some((epoch, self.ends(leader).log_end_offset)));
        }
    }
}

#[test]
fn a_leader_and_two_followers_lose_nothing_and_agree_in_the_end() {
    let (mut committed, mut elections, mut truncations, mut power_losses, mut fresh_starts) = (0, 0, 0, 0, 0);
    for seed in 0..150 {
        eprintln!("seed {seed}");
        let mut cluster = Cluster::new(seed);
        for _ in 0..1_000 {
            cluster.step();
        }
        cluster.settle();
        committed += cluster.committed.len();
        elections += cluster.elections;
        truncations += cluster.truncations;
        power_losses += cluster.power_losses;
        fresh_starts += cluster.fresh_starts;
    }
    println!(
        "{committed} records committed, {elections} elections, {truncations} truncations, {power_losses} power losses, \
         {fresh_starts} fresh starts"
    );
    assert!(1_000 < committed && 100 < truncations && 100 < power_losses && 0 < fresh_starts);
}
