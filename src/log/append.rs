//! Appends: check all, write all, then tell the journal.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::TimestampType;

use super::FlushPolicy;
use super::LogError;
use super::TimestampRefusal;
use super::Timestamps;
use super::blocks::BLOCK;
use super::core::Core;
use super::journal::ENTRY_HEADER;
use super::partition::Journaled;
use super::partition::Partition;
use super::partition::Queued;
use super::partition::State;
use super::producers::Producer;
use super::producers::Refusal;
use super::producers::Verdict;
use super::room::RoomFor;

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A producer: sequences are checked, control batches refused.
    Client,
    /// The coordinator of groups or transactions: may write control batches and batches without sequence.
    Coordinator,
    /// The leader, through a follower: batches keep their offsets and epochs.
    Replica,
}

/// Batches for one partition.
#[derive(Debug, Clone)]
pub struct Append {
    /// Where.
    pub partition: TopicPartition,
    /// The epoch under which the caller believes to lead.
    pub leader_epoch: LeaderEpoch,
    /// What; stamped with offset and epoch on the way, unless they come from a leader.
    pub batches: Vec<Batch>,
    /// Who.
    pub origin: Origin,
}

/// Where batches went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// The offset after the last record.
    pub next_offset: Offset,
    /// The time that the records were given, in ms since 1970-01-01 UTC; `None` if they kept their own.
    pub append_time_ms: Option<i64>,
    /// All of it stood in the log already; the offsets are those of the first time.
    pub duplicate: bool,
}

/// What one call is about to change in one partition.
struct Staged {
    next: Offset,
    epoch: LeaderEpoch,
    producers: HashMap<ProducerId, Option<Producer>>,
}

/// One batch that passed all checks, for the partition at `slot` among the locked ones.
struct Checked {
    slot: usize,
    batch: Batch,
    journaled: Journaled,
}

impl Core {
    /// See `LogDir::append`.
    pub(super) fn append(&self, appends: Vec<Append>, room_for: RoomFor) -> Result<Vec<Appended>, LogError> {
        self.check_running()?;
        let mut partitions: Vec<Arc<Partition>> =
            appends.iter().map(|append| self.partition(append.partition)).collect::<Result<_, _>>()?;
        partitions.sort_by_key(|partition| partition.id);
        partitions.dedup_by_key(|partition| partition.id);
        let mut states: Vec<MutexGuard<'_, State>> =
            partitions.iter().map(|partition| partition.state.lock()).collect();
        let mut checked = Vec::new();
        let now_ms = self.env.clock.wall_millis();
        let appended = check(&partitions, &states, appends, now_ms, &mut checked)?;
        let promise = self.promise(journal_bytes_max(&states, &checked), room_for)?;
        let mut written = self.write(&partitions, &mut states, &checked);
        if self.retry_in_reserve(written.as_ref().err(), room_for) {
            written = self.write(&partitions, &mut states, &checked);
        }
        let mut entries = written?;
        let bytes: u64 = entries.iter().map(Queued::journal_bytes).sum();
        if let Some(first) = entries.first_mut() {
            // One group takes them all, so one of them carries the promise.
            first.promised = promise.keep(bytes);
        }
        self.commit(&partitions, &mut states, checked)?;
        // Under the partitions' locks: the journal has a partition's entries in the order of its offsets.
        let full = self.enqueue(entries);
        drop(states);
        if full {
            self.flush_once()?;
        }
        Ok(appended)
    }

    /// Writes all batches, or none.
    fn write(
        &self,
        partitions: &[Arc<Partition>],
        states: &mut [MutexGuard<'_, State>],
        checked: &[Checked],
    ) -> Result<Vec<Queued>, LogError> {
        let marks: Vec<_> = states.iter().map(|state| state.mark()).collect();
        let mut entries = Vec::new();
        let now_ms = self.env.clock.wall_millis();
        for Checked { slot, batch, journaled } in checked {
            let written =
                states[*slot].write(&*self.env.disk, &partitions[*slot], batch, *journaled, now_ms, &mut entries);
            let Err(error) = written else { continue };
            for ((state, partition), mark) in states.iter_mut().zip(partitions).zip(marks) {
                // Bytes that cannot be taken back could be found by a later recovery, as if they had been appended.
                let rewound = state.rewind(&*self.env.disk, &partition.dir, mark);
                rewound.inspect_err(|error| self.fail(error))?;
            }
            return Err(error);
        }
        Ok(entries)
    }

    /// Takes in what was written: producers, tail, ends.
    fn commit(
        &self,
        partitions: &[Arc<Partition>],
        states: &mut [MutexGuard<'_, State>],
        checked: Vec<Checked>,
    ) -> Result<(), LogError> {
        for Checked { slot, batch, .. } in checked {
            states[slot].producers.record(&batch, self.config.producers_max);
            self.tail.push(partitions[slot].id, batch);
        }
        for (partition, state) in partitions.iter().zip(states) {
            if state.snapshot_due {
                tracing::debug!(partition = %partition.id, end = %state.log_end_offset, "segment rolled");
                if let Err(error) = state.snapshot(&*self.env.disk, partition) {
                    // Only a cache: without it a restart reads more.
                    tracing::warn!(partition = %partition.id, %error, "could not write a producer snapshot");
                }
            }
            if let (FlushPolicy::Interval(after), true) = (state.config.flush, state.unjournaled.is_some()) {
                self.flush_at(partition, after);
            }
            partition.publish(state);
        }
        Ok(())
    }
}

/// The most that the journal can be told of these batches: each as it is, and what lies before it unsaid.
fn journal_bytes_max(states: &[MutexGuard<'_, State>], checked: &[Checked]) -> u64 {
    let unsaid = states.iter().filter_map(|state| state.force_bytes()).sum::<u64>();
    let hashes = |batch: &Batch| 8 * (batch.size_in_bytes() / BLOCK as usize + 2);
    let batches =
        checked.iter().map(|checked| 2 * ENTRY_HEADER + checked.batch.size_in_bytes() + hashes(&checked.batch));
    unsaid + batches.sum::<usize>() as u64
}

/// Checks every batch as if those before it were appended, and stamps it.
fn check(
    partitions: &[Arc<Partition>],
    states: &[MutexGuard<'_, State>],
    appends: Vec<Append>,
    now_ms: i64,
    checked: &mut Vec<Checked>,
) -> Result<Vec<Appended>, LogError> {
    let mut staged: Vec<Option<Staged>> = states.iter().map(|_| None).collect();
    let mut results = Vec::with_capacity(appends.len());
    for append in appends {
        let found = partitions.binary_search_by_key(&append.partition, |partition| partition.id);
        let slot = found.expect("every append's partition was looked up and locked");
        let state = &states[slot];
        let stage = staged[slot].get_or_insert_with(|| Staged {
            next: state.log_end_offset,
            epoch: state.leader_epoch,
            producers: HashMap::new(),
        });
        refuse_append(state, stage, &append)?;
        let mut appended: Option<Appended> = None;
        let is_given = state.config.timestamps == Timestamps::Append && append.origin != Origin::Replica;
        let append_time_ms = is_given.then_some(now_ms);
        for batch in append.batches {
            let batch = match append.origin {
                Origin::Replica => batch,
                Origin::Client | Origin::Coordinator => timed(state, append.partition, append.origin, batch, now_ms)?,
            };
            let (from, next, duplicate) = match check_batch(state, stage, append.partition, append.origin, &batch)? {
                Verdict::Duplicate(written) => (written.base_offset, written.next_offset, true),
                Verdict::Append => {
                    let batch = match append.origin {
                        Origin::Replica => batch,
                        Origin::Client | Origin::Coordinator => batch.stamped(stage.next, append.leader_epoch),
                    };
                    stage.take(state, &batch);
                    let place = (batch.base_offset(), batch.next_offset(), false);
                    let journaled = journaled(state, append.origin, &batch);
                    checked.push(Checked { slot, batch, journaled });
                    place
                }
            };
            appended = Some(match appended {
                None => Appended { base_offset: from, next_offset: next, append_time_ms, duplicate },
                Some(first) => Appended { next_offset: next, duplicate: first.duplicate && duplicate, ..first },
            });
        }
        let nothing =
            Appended { base_offset: stage.next, next_offset: stage.next, append_time_ms: None, duplicate: false };
        results.push(appended.unwrap_or(nothing));
    }
    Ok(results)
}

/// A partition that a commit writes belongs to the commit's flush, whatever its policy.
fn journaled(state: &State, origin: Origin, batch: &Batch) -> Journaled {
    let at_once = state.config.flush == FlushPolicy::Ack || origin == Origin::Coordinator || batch.is_transactional();
    if at_once { Journaled::Now } else { Journaled::Later }
}

fn refuse_append(state: &State, stage: &mut Staged, append: &Append) -> Result<(), LogError> {
    let partition = append.partition;
    if state.deleted {
        return Err(LogError::UnknownPartition { partition });
    }
    if let Some(offset) = state.corrupt_from {
        return Err(LogError::Corrupt { partition, offset });
    }
    if append.leader_epoch < stage.epoch {
        return Err(LogError::FencedLeaderEpoch { partition, current: stage.epoch, found: append.leader_epoch });
    }
    stage.epoch = append.leader_epoch;
    Ok(())
}

/// Checks a batch's size, records and times, and gives it the times that the partition's records have.
///
/// The limits of times are for clients: what the server's own queries write has the times of what they read.
fn timed(
    state: &State,
    partition: TopicPartition,
    origin: Origin,
    batch: Batch,
    now_ms: i64,
) -> Result<Batch, LogError> {
    let (size, limit) = (batch.size_in_bytes(), state.config.batch_bytes_max as usize);
    if limit < size {
        return Err(LogError::BatchTooLarge { partition, size, limit });
    }
    let times = batch.validate_records().map_err(|source| LogError::Batch { partition, source })?;
    let refuse = |timestamp: i64, reason| Err(LogError::InvalidTimestamp { partition, timestamp, reason });
    if batch.header().attributes.timestamp_type() == TimestampType::Append {
        // Only a leader may say when a record was appended.
        return refuse(batch.header().max_timestamp, TimestampRefusal::Appended);
    }
    let (before_max_ms, after_max_ms) = match state.config.timestamps {
        Timestamps::Append => return Ok(batch.with_timestamps(TimestampType::Append, now_ms)),
        Timestamps::Create { before_max_ms, after_max_ms } => (before_max_ms, after_max_ms),
    };
    let is_limited = origin == Origin::Client;
    if is_limited && times.min < now_ms.saturating_sub(before_max_ms) {
        return refuse(times.min, TimestampRefusal::Before { limit_ms: before_max_ms });
    }
    if is_limited && now_ms.saturating_add(after_max_ms) < times.max {
        return refuse(times.max, TimestampRefusal::After { limit_ms: after_max_ms });
    }
    match batch.header().max_timestamp == times.max {
        true => Ok(batch),
        // Indexes and retention believe the header.
        false => Ok(batch.with_timestamps(TimestampType::Create, times.max)),
    }
}

fn check_batch(
    state: &State,
    stage: &Staged,
    partition: TopicPartition,
    origin: Origin,
    batch: &Batch,
) -> Result<Verdict, LogError> {
    match origin {
        Origin::Replica if batch.base_offset() != stage.next && !state.may_begin_with(stage.next, batch) => {
            return Err(LogError::NotAtEnd { partition, offset: batch.base_offset(), end: stage.next });
        }
        Origin::Replica => return Ok(Verdict::Append),
        Origin::Client | Origin::Coordinator => {}
    }
    let Some((producer, _)) = batch.producer() else { return Ok(Verdict::Append) };
    let known = match stage.producers.get(&producer) {
        Some(staged) => staged.as_ref(),
        None => state.producers.get(producer),
    };
    Producer::verdict(known, batch, origin).map_err(|refusal| match refusal {
        Refusal::OutOfOrder { expected, found } => {
            LogError::OutOfOrderSequence { partition, producer, expected, found }
        }
        Refusal::StaleEpoch { current, found } => LogError::StaleProducerEpoch { partition, producer, current, found },
        Refusal::TransactionState => LogError::InvalidTransactionState { partition, producer },
    })
}

impl Staged {
    fn take(&mut self, state: &State, batch: &Batch) {
        self.next = batch.next_offset();
        let Some((id, _)) = batch.producer() else { return };
        let known = self.producers.remove(&id).unwrap_or_else(|| state.producers.get(id).cloned());
        self.producers.insert(id, super::producers::Producers::staged(known, batch));
    }
}
