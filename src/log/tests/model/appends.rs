//! Appends: of nobody, of producers in order and not, of a leader, and the ends of transactions.

use crate::env::Random;
use crate::protocol::Codec;
use crate::protocol::ControlMarker;
use crate::protocol::control_batch;

use super::*;

impl World<'_> {
    fn batch(&self, builder: BatchBuilder) -> Batch {
        let mut builder = builder;
        for _ in 0..=self.below(3) {
            let key = [b'a' + self.below(6) as u8];
            let size = [3, 3, 50, 400][self.below(4)] + self.below(20);
            let mut value = vec![0; size];
            self.random.fill(&mut value);
            if self.one_in(40) {
                // Enough to fill a block of the sidecar now and then.
                value.resize(30_000, value[0]);
            }
            let value = Some(&value[..]).filter(|_| !self.one_in(8));
            builder.append(self.now - self.below(50) as i64, Some(&key), value, &[]);
        }
        let codecs = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
        match self.below(16) {
            at if at < codecs.len() => builder.finish_compressed(codecs[at]),
            _ => builder.finish(),
        }
    }

    pub(super) fn append(&mut self, at: usize) {
        let count = 1 + self.below(self.shelves.len());
        let mut appends = Vec::new();
        for step in 0..count {
            let shelf = &self.shelves[(at + step) % self.shelves.len()];
            let batches = (0..=self.below(2)).map(|_| self.batch(BatchBuilder::new())).collect();
            appends.push(Append { partition: shelf.id, leader_epoch: shelf.epoch, batches, origin: Origin::Client });
        }
        self.send(appends);
    }

    /// Appends, and takes what became of it onto the shelves.
    fn send(&mut self, appends: Vec<Append>) {
        let result = self.log.append(appends.clone());
        self.history.push(format!(
            "  {:?}: {result:?}",
            appends.iter().map(|append| append.partition.topic.0[0]).collect::<Vec<_>>()
        ));
        let unknown = self.is_unknown();
        if let Err(error) = &result {
            assert!(self.fault_has_hit(), "without a fault: {error:?}");
        }
        let mut group = Vec::new();
        let now_ms = self.simulation.env.clock.wall_millis();
        for (at, append) in appends.iter().enumerate() {
            let shelf = self.shelf_of(append.partition);
            let first = shelf.end();
            let at_once = shelf.config.flush == FlushPolicy::Ack;
            if result.is_ok() || unknown {
                for batch in &append.batches {
                    group.extend(Some((append.partition, shelf.end())).filter(|_| at_once));
                    shelf.push(batch.clone(), append.origin, now_ms);
                }
            }
            if let Ok(appended) = &result {
                assert_eq!((appended[at].base_offset.0, appended[at].next_offset.0), (first, shelf.end()));
                assert!(!appended[at].duplicate);
            }
        }
        self.groups.push(group);
        if result.is_err() && !unknown {
            for append in &appends {
                let end = self.log.ends(append.partition).expect("it is there").log_end_offset;
                assert_eq!(end.0, self.shelf_of(append.partition).end(), "a refused append leaves nothing");
            }
        }
    }

    pub(super) fn shelf_of(&mut self, id: TopicPartition) -> &mut Shelf {
        self.shelves.iter_mut().find(|shelf| shelf.id == id).expect("it is on a shelf")
    }

    pub(super) fn append_of_producer(&mut self, at: usize) {
        let id = ProducerId(1 + self.below(4) as i64);
        let shelf = &self.shelves[at];
        let standing = shelf.producers().get(&id).copied().unwrap_or_default();
        if self.one_in(6) {
            return self.send_again(at, id);
        }
        // Two of them write transactions, the others never do.
        let transactional = if id.0 <= 2 { Transactional::Yes } else { Transactional::No };
        let bumped = i16::from(standing.open_from.is_none() && self.one_in(10));
        let sequence = if bumped == 1 { 0 } else { standing.next_sequence };
        let wrong = self.one_in(12) && 0 < sequence;
        let stamp = stamp(id.0, standing.epoch + bumped, if wrong { sequence + 1 } else { sequence });
        let batch = self.batch(BatchBuilder::new().producer(stamp, transactional));
        let (partition, leader_epoch) = (shelf.id, shelf.epoch);
        let append = Append { partition, leader_epoch, batches: vec![batch], origin: Origin::Client };
        if !wrong {
            return self.send(vec![append]);
        }
        let end = shelf.end();
        match self.log.append(vec![append.clone()]) {
            Err(LogError::OutOfOrderSequence { expected, .. }) => assert_eq!(expected, sequence),
            // Retention may have taken all that was known of it.
            Ok(_) => {
                assert!(self.is_forgotten(at, id), "{append:?}");
                return self.shelves[at].push(
                    append.batches[0].clone(),
                    append.origin,
                    self.simulation.env.clock.wall_millis(),
                );
            }
            Err(error) => {
                assert!(self.fault_has_hit(), "without a fault: {error:?}");
                if self.is_unknown() && self.is_forgotten(at, id) {
                    self.shelves[at].push(
                        append.batches[0].clone(),
                        append.origin,
                        self.simulation.env.clock.wall_millis(),
                    );
                }
            }
        }
        if !self.is_unknown() {
            assert_eq!(self.log.ends(partition).expect("it is there").log_end_offset, Offset(end));
        }
    }

    /// Whether retention has taken all that a log could know of a producer.
    fn is_forgotten(&self, at: usize, id: ProducerId) -> bool {
        self.last_of(at, id).is_none_or(|first| first < self.shelves[at].start)
    }

    /// Where a producer's newest batch with a sequence number begins.
    fn last_of(&self, at: usize, id: ProducerId) -> Option<i64> {
        let of_it = |batch: &&shelf::Stood| batch.producer.is_some_and(|(found, _)| found == id);
        let sequenced = |batch: &&shelf::Stood| 0 <= batch.base_sequence;
        self.shelves[at].batches.iter().rev().filter(of_it).find(sequenced).map(|batch| batch.first)
    }

    /// A producer that heard no answer sends its last batch again.
    fn send_again(&mut self, at: usize, id: ProducerId) {
        let Some(first) = self.last_of(at, id) else { return };
        let shelf = &self.shelves[at];
        let (stood, _) = shelf.at(first);
        // After a new epoch, or with its transaction over, it would not.
        let standing = shelf.producers()[&id];
        let ended = stood.transactional && standing.open_from.is_none();
        if stood.producer.is_none_or(|(_, epoch)| epoch.0 != standing.epoch) || ended {
            return;
        }
        let (next, gone) = (stood.next(), first < shelf.start);
        let append = Append {
            partition: shelf.id,
            leader_epoch: shelf.epoch,
            batches: vec![stood.batch.clone()],
            origin: Origin::Client,
        };
        match self.log.append(vec![append.clone()]) {
            Ok(appended) if appended[0].duplicate => {
                assert_eq!((appended[0].base_offset.0, appended[0].next_offset.0), (first, next));
            }
            Ok(appended) => {
                assert!(gone, "{appended:?} stood at {first} already");
                self.shelves[at].push(
                    append.batches[0].clone(),
                    append.origin,
                    self.simulation.env.clock.wall_millis(),
                );
            }
            Err(error) => {
                assert!(self.fault_has_hit(), "without a fault: {error:?}");
                if gone && self.is_unknown() {
                    self.shelves[at].push(
                        append.batches[0].clone(),
                        append.origin,
                        self.simulation.env.clock.wall_millis(),
                    );
                }
            }
        }
    }

    pub(super) fn append_of_leader(&mut self, at: usize) {
        let new_epoch = i32::from(self.one_in(3));
        let wrong = self.one_in(6);
        let batch = self.batch(BatchBuilder::new());
        let shelf = &mut self.shelves[at];
        let before = shelf.epoch;
        let epoch = LeaderEpoch(before.0 + new_epoch);
        let batch = batch.stamped(Offset(shelf.end() + i64::from(wrong)), epoch);
        let append = Append { partition: shelf.id, leader_epoch: epoch, batches: vec![batch], origin: Origin::Replica };
        if wrong {
            match self.log.append(vec![append]) {
                Err(LogError::NotAtEnd { end, .. }) => assert_eq!(end, Offset(shelf.end())),
                other => assert!(self.fault_has_hit(), "{other:?}"),
            }
            return;
        }
        shelf.epoch = epoch;
        let partition = shelf.id;
        self.send(vec![append]);
        // One that was refused has fenced nobody.
        let shelf = self.shelf_of(partition);
        if shelf.batches.last().is_none_or(|last| last.epoch != epoch) {
            shelf.epoch = before;
        }
    }

    pub(super) fn end_transaction(&mut self, at: usize) {
        let open = self.shelves[at].open();
        let Some((id, _)) = open.get(self.below(open.len())).copied() else { return };
        let outcome = if self.one_in(3) { ControlMarker::Abort } else { ControlMarker::Commit };
        self.shelves[at].decided.push((id, outcome));
        self.write_marker(at, id, outcome);
    }

    pub(super) fn write_marker(&mut self, at: usize, id: ProducerId, outcome: ControlMarker) {
        let shelf = &self.shelves[at];
        let epoch = ProducerEpoch(shelf.producers()[&id].epoch);
        let batches = vec![control_batch(outcome, id, epoch, 0, self.now)];
        let (partition, leader_epoch) = (shelf.id, shelf.epoch);
        self.send(vec![Append { partition, leader_epoch, batches, origin: Origin::Coordinator }]);
    }
}
