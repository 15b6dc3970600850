//! The log against a vector, a simulated disk, and every fault at every call.

mod basics;
mod checkpoints;
mod cold;
mod compaction;
mod faults;
mod full;
mod fuzz;
mod known_bugs;
mod lazy;
mod manage;
mod model;
mod replication;
mod rot;
mod scrub;
mod timestamps;

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;

use crate::env::Simulation;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::BatchBuilder;
use crate::protocol::ProducerStamp;
use crate::protocol::Transactional;

use super::*;

/// Partition `number` of a fixed topic.
fn partition(number: i32) -> TopicPartition {
    TopicPartition::new(TopicId([7; 16]), number)
}

/// Where the tests keep their logs.
fn dir() -> &'static Path {
    Path::new("/log")
}

/// Flushes when someone waits, small journal files.
fn config() -> LogConfig {
    LogConfig { flush_on: FlushOn::Wait, journal_bytes: 4 << 10, tail_bytes: 0, ..LogConfig::default() }
}

fn open(simulation: &Simulation, config: LogConfig) -> (Arc<LogDir>, OpenReport) {
    LogDir::open(simulation.env.clone(), dir(), config).expect("the log opens")
}

/// A batch of one record per value.
fn batch(values: &[&[u8]]) -> Batch {
    batch_of(values, None)
}

fn batch_of(values: &[&[u8]], producer: Option<(ProducerStamp, Transactional)>) -> Batch {
    let mut builder = BatchBuilder::new();
    if let Some((stamp, transactional)) = producer {
        builder = builder.producer(stamp, transactional);
    }
    for value in values {
        builder.append(1_000, None, Some(value), &[]);
    }
    builder.finish()
}

fn stamp(id: i64, epoch: i16, base_sequence: i32) -> ProducerStamp {
    ProducerStamp { id: ProducerId(id), epoch: ProducerEpoch(epoch), base_sequence }
}

fn to(partition: TopicPartition, batch: Batch) -> Append {
    Append { partition, leader_epoch: LeaderEpoch(0), batches: vec![batch], origin: Origin::Client }
}

fn append(log: &LogDir, partition: TopicPartition, batch: Batch) -> Result<Appended, LogError> {
    log.append(vec![to(partition, batch)]).map(|appended| appended[0])
}

/// Waits for durability, which with `FlushOn::Wait` happens in the first poll.
fn flush(log: &LogDir, partition: TopicPartition, end: Offset) -> Result<(), LogError> {
    log.durable(partition, end).now_or_never().expect("a wait flushes by itself")
}

/// All values with their offsets.
fn values(log: &LogDir, partition: TopicPartition) -> Result<Vec<(Offset, Vec<u8>)>, LogError> {
    let ends = log.ends(partition)?;
    let mut next = ends.log_start_offset;
    let mut values = Vec::new();
    while next < ends.log_end_offset {
        for tail in log.read(partition, next, ends.log_end_offset, 1 << 16)? {
            next = tail.batch.next_offset();
            for record in tail.batch.payload().expect("batches are whole").records() {
                let record = record.expect("records are whole");
                if ends.log_start_offset <= record.offset {
                    values.push((record.offset, record.value.expect("every record has a value").to_vec()));
                }
            }
        }
    }
    Ok(values)
}

fn numbered(range: std::ops::Range<i64>) -> Vec<(Offset, Vec<u8>)> {
    range.map(|number| (Offset(number), number.to_string().into_bytes())).collect()
}
