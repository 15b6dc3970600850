//! The log against a vector: random appends, reads, flushes, trims, restarts and power losses.

use crate::env::Random;
use crate::env::SeededRandom;

use super::*;

struct Model {
    simulation: Simulation,
    random: SeededRandom,
    config: LogConfig,
    log: Arc<LogDir>,
    /// Per partition: all records, and how many of them were acknowledged as durable.
    records: Vec<(Vec<Vec<u8>>, usize)>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let simulation = Simulation::new(seed);
        let random = SeededRandom::new(seed);
        let pick = |choices: &[u64]| choices[(random.next_u64() % choices.len() as u64) as usize];
        let config = LogConfig {
            journal_bytes: pick(&[500, 5_000, 1 << 20]),
            ride_bytes_max: pick(&[0, 300, 64 << 10]),
            tail_bytes: pick(&[0, 1_000, 1 << 20]) as usize,
            ..config()
        };
        let partitions = 1 + pick(&[0, 1, 2]) as i32;
        let segment_bytes = pick(&[200, 2_000, 1 << 20]);
        let (log, _) = open(&simulation, config);
        for at in 0..partitions {
            log.create(partition(at), PartitionConfig { segment_bytes, ..PartitionConfig::default() })
                .expect("it is made");
        }
        let records = (0..partitions).map(|_| (Vec::new(), 0)).collect();
        Self { simulation, random, config, log, records }
    }

    fn below(&self, limit: usize) -> usize {
        (self.random.next_u64() % limit as u64) as usize
    }

    fn step(&mut self) {
        match self.below(20) {
            0..=8 => self.append(),
            9..=11 => self.flush(),
            12..=15 => self.read(),
            16 => self.log.trim_once().expect("it trims"),
            17 => self.restart(|_| {}),
            18 => self.restart(|simulation| simulation.disk.kill_process()),
            _ => self.restart(|simulation| simulation.disk.lose_power()),
        }
    }

    fn append(&mut self) {
        let count = 1 + self.below(self.records.len());
        let first = self.below(self.records.len());
        let mut appends = Vec::new();
        let partitions = self.records.len();
        for at in (0..count).map(|step| (first + step) % partitions) {
            let mut values: Vec<Vec<u8>> = Vec::new();
            for _ in 0..=self.below(3) {
                let size = [3, 50, 700][self.below(3)] + self.below(20);
                let mut value = vec![0; size];
                self.random.fill(&mut value);
                values.push(value);
            }
            let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            appends.push(to(partition(at as i32), batch(&slices)));
            self.records[at].0.extend(values);
        }
        let ends: Vec<_> = appends.iter().map(|append| append.partition).collect();
        for (appended, partition) in self.log.append(appends).expect("it appends").iter().zip(ends) {
            let expected = self.records[partition.partition.0 as usize].0.len() as i64;
            assert_eq!(appended.next_offset, Offset(expected));
        }
    }

    fn flush(&mut self) {
        for (at, (records, acknowledged)) in self.records.iter_mut().enumerate() {
            flush(&self.log, partition(at as i32), Offset(records.len() as i64)).expect("it flushes");
            *acknowledged = records.len();
        }
    }

    fn read(&self) {
        let at = self.below(self.records.len());
        let records = &self.records[at].0;
        let from = self.below(records.len() + 1);
        let upto = from + self.below(records.len() + 1 - from);
        let bytes_max = self.below(3_000);
        let read =
            self.log.read(partition(at as i32), Offset(from as i64), Offset(upto as i64), bytes_max).expect("it reads");
        assert_eq!(read.is_empty(), upto == from, "from {from} up to {upto}");
        let size: usize = read.iter().skip(1).map(|tail| tail.batch.size_in_bytes()).sum();
        assert!(size <= bytes_max);
        let mut next = None;
        for tail in &read {
            assert!(tail.batch.base_offset() < Offset(upto as i64));
            assert!(next.is_none_or(|next| next == tail.batch.base_offset()));
            next = Some(tail.batch.next_offset());
            for record in tail.batch.payload().expect("no codec").records() {
                let record = record.expect("it is whole");
                assert_eq!(record.value, Some(&records[record.offset.0 as usize][..]));
            }
        }
        if let Some(first) = read.first() {
            assert!(
                first.batch.base_offset() <= Offset(from as i64) && Offset(from as i64) < first.batch.next_offset()
            );
        }
    }

    fn restart(&mut self, end: impl Fn(&Simulation)) {
        end(&self.simulation);
        let (log, report) = open(&self.simulation, self.config);
        self.log = log;
        assert_eq!(report.corrupt, vec![]);
        for (at, (records, acknowledged)) in self.records.iter_mut().enumerate() {
            let stored = values(&self.log, partition(at as i32)).expect("it reads");
            assert!(*acknowledged <= stored.len(), "acknowledged {acknowledged}, stored {}", stored.len());
            assert!(stored.len() <= records.len());
            records.truncate(stored.len());
            let expected = records.iter().enumerate().map(|(at, value)| (Offset(at as i64), value.clone()));
            assert!(stored.into_iter().eq(expected));
            *acknowledged = records.len();
        }
    }
}

#[test]
fn a_log_is_a_vector_that_survives() {
    for seed in 0..24 {
        eprintln!("seed {seed}");
        let mut model = Model::new(seed);
        for _ in 0..100 {
            model.step();
        }
    }
}
