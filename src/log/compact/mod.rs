//! Compaction: of each key the newest record stays, at the offset that it has.
//!
//! A pass takes the sealed segments below the last stable offset, remembers the newest offset of each key in what is not
//! compacted yet, and writes all of them again, several small ones as one. A run of offsets of which nothing stays becomes
//! one batch without records, so that the chain of offsets has no gap for recovery to wonder about.
//!
//! Invariants:
//!   * what the newest record of a key says is never lost; a tombstone stays for the time that readers are given
//!   * nothing at or after the last stable offset, the high watermark or the segment of the durable end is touched
//!   * the journal holds no byte of a segment that is written again: a replay would put old bytes into the new file
//!   * a crash leaves old segments or new ones

mod keys;
mod rewrite;
mod swap;

use std::collections::HashMap;
use std::sync::Arc;

pub(super) use swap::Compacted;
pub(super) use swap::compacted;
pub(super) use swap::finish;

use crate::env::Disk;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::Batch;

use self::keys::Keys;
use self::rewrite::Rewrite;
use self::rewrite::Standing;
use self::swap::Range;
use super::AbortedTransaction;
use super::LogError;
use super::core::Core;
use super::partition::Partition;
use super::partition::State;
use super::producers::Producer;
use super::read::Cold;
use super::read::Reader;
use super::scan;
use super::segment::Segment;
use super::segment::SegmentFile;

/// What a compaction is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionRequest {
    /// How long a tombstone is kept for those who still read, in ms.
    pub delete_retention_ms: i64,
    /// The part of the bytes that must be new since the last time, in thousandths; 0 compacts whatever there is.
    pub dirty_permille_min: u64,
    /// A segment that was appended to within this time, in ms, is not touched, nor are those after it.
    pub lag_min_ms: i64,
    /// What is new for longer than this, in ms, is compacted however little it is; `None` for no limit.
    pub lag_max_ms: Option<i64>,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionReport {
    /// Of each key below it only the newest record is left.
    pub upto: Offset,
    /// Bytes of the segments that were written again.
    pub bytes_before: u64,
    /// Bytes of those that took their place.
    pub bytes_after: u64,
}

/// A segment that is to be written again.
struct Source {
    file: Arc<SegmentFile>,
    base: Offset,
    next: Offset,
    length: u64,
    /// When (wall clock, ms) its first batch was appended, or later.
    begun_at_ms: i64,
    appended_at_ms: i64,
}

/// What a pass works on.
struct Pass {
    partition: Arc<Partition>,
    sources: Vec<Source>,
    /// The end of what may be compacted.
    end: Offset,
    before: Compacted,
    aborted: Vec<AbortedTransaction>,
    /// Of each producer, at the end of the sources, the last offset, and that of its last batch with sequence numbers.
    producers: HashMap<ProducerId, [Option<Offset>; 2]>,
    segment_bytes: u64,
    leader_epoch: LeaderEpoch,
    truncations: u64,
}

impl Core {
    /// See `LogDir::compact`.
    pub(super) fn compact(
        &self,
        id: TopicPartition,
        request: CompactionRequest,
        pace: &mut dyn FnMut(u64),
    ) -> Result<Option<CompactionReport>, LogError> {
        let compacted = self.compact_one(id, request, pace);
        if let Some(measures) = self.measures.get() {
            match &compacted {
                Ok(Some(report)) => measures.compacted(report),
                Ok(None) | Err(LogError::UnknownPartition { .. } | LogError::Closed) => {}
                Err(_) => measures.compaction_failed(),
            }
        }
        compacted
    }

    fn compact_one(
        &self,
        id: TopicPartition,
        request: CompactionRequest,
        pace: &mut dyn FnMut(u64),
    ) -> Result<Option<CompactionReport>, LogError> {
        let _one_at_a_time = self.compacting.lock();
        let partition = self.partition(id)?;
        let Some(mut pass) = self.plan(&partition, request)? else { return Ok(None) };
        // What the journal knows of these segments goes first; they get no more entries, since they are durable and sealed.
        self.trim_all()?;
        let keys = pass.keys(self, pace)?;
        if let Some(measures) = self.measures.get() {
            measures.compaction_keys(keys.len(), keys.size_in_bytes());
        }
        let mut report = CompactionReport { upto: keys.upto, bytes_before: 0, bytes_after: 0 };
        let mut rewrite = Rewrite {
            keys: &keys,
            now_ms: self.env.clock.wall_millis(),
            delete_retention_ms: request.delete_retention_ms,
            tombstone_gone: None,
        };
        pass.sources.retain(|source| source.base < keys.upto);
        for (group, last) in groups(&pass) {
            let outcome = self.replace(&pass, &group, last, &mut rewrite, pace);
            match outcome {
                Ok(Some(bytes_after)) => report.bytes_after += bytes_after,
                Ok(None) => return Ok(None),
                Err(error) => {
                    // Nothing of it counts, and the next pass or start removes what cannot be removed now.
                    let _ = self.check_running().and_then(|()| swap::clear(&*self.env.disk, &partition.dir));
                    return Err(error);
                }
            }
            report.bytes_before += group.iter().map(|source| source.length).sum::<u64>();
        }
        tracing::info!(partition = %id, upto = %report.upto, before = report.bytes_before, after = report.bytes_after, "compacted");
        Ok(Some(report))
    }

    /// What there is to do; `None` if it is not worth it.
    fn plan(&self, partition: &Arc<Partition>, request: CompactionRequest) -> Result<Option<Pass>, LogError> {
        let mut state = partition.state.lock();
        if state.deleted || state.corrupt_from.is_some() {
            return Ok(None);
        }
        state.move_durable_end();
        let ends = state.ends();
        let stable = ends.readable_end();
        let sealed = state.segments.len().saturating_sub(1);
        let segments = state.segments[..sealed].iter();
        let now_ms = self.env.clock.wall_millis();
        let is_young = |segment: &Segment| now_ms.saturating_sub(segment.appended_at_ms) < request.lag_min_ms;
        let may_go = |segment: &&Segment| {
            segment.base < state.durable.segment_base && segment.base < stable && !is_young(segment)
        };
        let sources: Vec<Source> = segments.take_while(may_go).map(Source::new).collect();
        let Some(last) = sources.last() else { return Ok(None) };
        let end = last.next.min(stable);
        let before = state.compacted;
        let total: u64 = sources.iter().map(|source| source.length).sum();
        let is_new = |source: &&Source| before.upto < source.next.min(end);
        let new: u64 = sources.iter().filter(is_new).map(|source| source.length).sum();
        let waits_for = sources.iter().find(is_new).map_or(0, |oldest| now_ms.saturating_sub(oldest.begun_at_ms));
        let is_overdue = request.lag_max_ms.is_some_and(|lag_max_ms| lag_max_ms < waits_for);
        if new == 0 || (new * 1000 < total * request.dirty_permille_min && !is_overdue) {
            return Ok(None);
        }
        // As they stood at the end of these segments: what they wrote since may not be durable.
        let (disk, segments) = (&*self.env.disk, &state.segments[..sources.len()]);
        let (producers, _) = scan::producers(disk, &partition.dir, segments, self.config.producers_max)?;
        let (known, _) = producers.parts();
        Ok(Some(Pass {
            partition: Arc::clone(partition),
            end,
            before,
            aborted: state.producers.aborted(Offset::ZERO, end),
            producers: known.iter().map(|(id, producer)| (*id, last_batches(producer))).collect(),
            segment_bytes: state.config.segment_bytes,
            leader_epoch: state.leader_epoch,
            truncations: state.truncations,
            sources,
        }))
    }

    /// Writes a group of segments again as one and swaps it in; how many bytes it has. `None` if the old ones are gone.
    fn replace(
        &self,
        pass: &Pass,
        group: &[&Source],
        last: bool,
        rewrite: &mut Rewrite<'_>,
        pace: &mut dyn FnMut(u64),
    ) -> Result<Option<u64>, LogError> {
        let (Some(first), Some(end)) = (group.first(), group.last()) else { return Ok(Some(0)) };
        let range = Range { base: first.base, next: end.next };
        let disk = &*self.env.disk;
        let mut output = Output { core: self, segment: pass.create(disk, range.base)?, skipped: None };
        for source in group {
            output.segment.note_time(source.appended_at_ms);
            let mut reader = pass.reader(source)?;
            while let Some(batch) = reader.next_in_order()? {
                // A server that stops does not wait for the end of a pass.
                self.check_running()?;
                pace(batch.size_in_bytes() as u64);
                let kept = match batch.next_offset() <= rewrite.keys.upto {
                    true => {
                        let standing = pass.standing(&batch);
                        let (first, epoch) = (batch.base_offset(), batch.leader_epoch());
                        let partition = pass.partition.id;
                        let kept = rewrite.batch(batch, standing);
                        let kept = kept.map_err(|source| LogError::Batch { partition, source })?;
                        if kept.is_none() {
                            output.skip(first, epoch)?;
                        }
                        kept
                    }
                    false => Some(batch),
                };
                if let Some(batch) = kept {
                    output.write(&batch)?;
                }
            }
        }
        output.close(range.next)?;
        let compacted = Compacted {
            upto: if last { rewrite.keys.upto.max(pass.before.upto) } else { pass.before.upto },
            tombstones_from: rewrite
                .tombstone_gone
                .map_or(pass.before.tombstones_from, |gone| gone.plus(1).max(pass.before.tombstones_from)),
        };
        self.swap(pass, group, output.segment, range, compacted)
    }

    fn swap(
        &self,
        pass: &Pass,
        group: &[&Source],
        mut segment: Segment,
        range: Range,
        compacted: Compacted,
    ) -> Result<Option<u64>, LogError> {
        let disk = &*self.env.disk;
        let dir = &pass.partition.dir;
        let mut state = pass.partition.state.lock();
        let Some(from) = pass.still_there(&state, group) else {
            return if state.deleted { Ok(None) } else { swap::clear(disk, dir).map(|()| None) };
        };
        swap::prepare(disk, dir, &mut segment, range, compacted)?;
        swap::decide(disk, dir).map_err(|error| {
            self.fail(&error);
            LogError::Unknown
        })?;
        segment.moved_to(dir);
        let length = segment.length;
        state.segments.splice(from..from + group.len(), [segment]);
        state.compacted = compacted;
        // What an earlier pass took away is read by nobody any more; the hot tail still holds what this one took.
        state.producers.forget_aborted(pass.before.upto);
        self.tail.forget_below(pass.partition.id, range.next);
        pass.partition.publish(&state);
        Ok(Some(length))
    }
}

impl Pass {
    /// The newest offsets of the keys in what is not compacted yet, as far as memory goes.
    fn keys(&self, core: &Core, pace: &mut dyn FnMut(u64)) -> Result<Keys, LogError> {
        let mut keys = Keys::default();
        for source in self.sources.iter().filter(|source| self.before.upto < source.next) {
            let mut reader = self.reader(source)?;
            while let Some(batch) = reader.next_in_order()? {
                core.check_running()?;
                if batch.next_offset() <= self.before.upto {
                    // Its keys are known to be each other's newest; they are not to take the memory of new ones.
                    continue;
                }
                let full =
                    core.config.compaction_keys_max < keys.len() + batch.record_count() as usize && 0 < keys.len();
                if full || self.end < batch.next_offset() {
                    return Ok(keys);
                }
                pace(batch.size_in_bytes() as u64);
                self.add_keys(&batch, &mut keys)?;
                keys.upto = batch.next_offset();
            }
        }
        Ok(keys)
    }

    fn add_keys(&self, batch: &Batch, keys: &mut Keys) -> Result<(), LogError> {
        if batch.is_control() || self.standing(batch).aborted {
            return Ok(());
        }
        let partition = self.partition.id;
        let malformed = |source| LogError::Batch { partition, source };
        let payload = batch.payload().map_err(malformed)?;
        for record in payload.records() {
            let record = record.map_err(malformed)?;
            if let Some(key) = record.key {
                keys.add(key, record.offset);
            }
        }
        Ok(())
    }

    fn standing(&self, batch: &Batch) -> Standing {
        let last = batch.producer().and_then(|(producer, _)| self.producers.get(&producer));
        Standing {
            aborted: self.aborted.iter().any(|transaction| transaction.holds(batch)),
            last_of_producer: last.is_some_and(|last| last.contains(&Some(batch.last_offset()))),
        }
    }

    /// Begins the segment that takes the place of that of `base`, unless the partition is on its way out.
    fn create(&self, disk: &dyn Disk, base: Offset) -> Result<Segment, LogError> {
        let dir = &self.partition.dir;
        let state = self.partition.state.lock();
        if state.deleted {
            return Err(LogError::UnknownPartition { partition: self.partition.id });
        }
        swap::clear(disk, dir)?;
        Segment::create_at(disk, swap::cleaned_file(dir, base), base)
    }

    /// Reads a source's bytes, each verified.
    fn reader(&self, source: &Source) -> Result<Reader, LogError> {
        let state = self.partition.state.lock();
        let is_source = |segment: &&Segment| Arc::ptr_eq(&segment.file, &source.file);
        let Some(segment) = state.segments.iter().find(is_source) else {
            return Err(LogError::UnknownPartition { partition: self.partition.id });
        };
        let cold = Cold::new(segment, 0, self.leader_epoch, self.truncations);
        Ok(Reader::new(self.partition.id, cold, source.base))
    }

    /// Where the group's segments stand; `None` if the log was cut or its start moved meanwhile.
    fn still_there(&self, state: &State, group: &[&Source]) -> Option<usize> {
        if state.deleted || state.truncations != self.truncations {
            return None;
        }
        let first = group.first()?;
        let from = state.segments.iter().position(|segment| Arc::ptr_eq(&segment.file, &first.file))?;
        let there = state.segments.get(from..from + group.len())?;
        let same = there.iter().zip(group).all(|(segment, source)| Arc::ptr_eq(&segment.file, &source.file));
        same.then_some(from)
    }
}

impl Source {
    fn new(segment: &Segment) -> Self {
        Self {
            file: Arc::clone(&segment.file),
            base: segment.base,
            next: segment.next_offset,
            length: segment.length,
            // An index file tells only of the last append.
            begun_at_ms: segment.begun_at_ms.min(segment.appended_at_ms),
            appended_at_ms: segment.appended_at_ms,
        }
    }
}

/// The last offsets of the batches that tell a producer's epoch and its sequence number.
fn last_batches(producer: &Producer) -> [Option<Offset>; 2] {
    let sequenced = producer.written.back().map(|written| Offset(written.next_offset.0 - 1));
    [Some(producer.last_offset), sequenced]
}

/// Neighbours that fit one segment together, and whether they are the last.
fn groups(pass: &Pass) -> Vec<(Vec<&Source>, bool)> {
    let mut groups: Vec<(Vec<&Source>, bool)> = Vec::new();
    let (mut bytes, mut base) = (0, Offset::ZERO);
    for source in &pass.sources {
        let near = source.next.0 - base.0 < i64::from(i32::MAX);
        match groups.last_mut() {
            Some((group, _)) if bytes + source.length <= pass.segment_bytes && near => {
                group.push(source);
                bytes += source.length;
            }
            _ => {
                groups.push((vec![source], false));
                (bytes, base) = (source.length, source.base);
            }
        }
    }
    if let Some((_, last)) = groups.last_mut() {
        *last = true;
    }
    groups
}

/// A segment being written, whose offsets have no gap.
struct Output<'a> {
    core: &'a Core,
    segment: Segment,
    /// Offsets from here to the next batch are of batches that went; and the epoch of the first of them.
    skipped: Option<(Offset, LeaderEpoch)>,
}

impl Output<'_> {
    /// Leaves a batch out. Where an epoch begins stays to be seen: a follower asks for it.
    fn skip(&mut self, first: Offset, epoch: LeaderEpoch) -> Result<(), LogError> {
        if self.skipped.is_some_and(|(_, skipped)| skipped != epoch) {
            self.close(first)?;
        }
        self.skipped.get_or_insert((first, epoch));
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), LogError> {
        self.close(batch.base_offset())?;
        self.put(batch)
    }

    /// Fills the offsets below `next`.
    fn close(&mut self, next: Offset) -> Result<(), LogError> {
        match self.skipped.take() {
            Some((first, epoch)) => self.put(&Batch::filler(first, Offset(next.0 - 1), epoch)),
            None => Ok(()),
        }
    }

    fn put(&mut self, batch: &Batch) -> Result<(), LogError> {
        let position = self.segment.length;
        self.segment.reserve(batch.size_in_bytes())?;
        self.segment.write(&*self.core.env.disk, batch.bytes())?;
        self.segment.note(batch, position);
        Ok(())
    }
}
