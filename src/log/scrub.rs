//! Finds damage of sealed segments before a reader does.
//!
//! A segment is read by its name, as the next start will read it, and not through the file that readers hold open: one that
//! was removed, exchanged or cut under a running server is found, too. What is found is told and changes nothing: readers
//! verify what they read themselves, and the next start marks the partition.

use std::sync::Arc;

use crate::env::Disk;
use crate::model::Offset;
use crate::model::TopicPartition;

use super::LogError;
use super::blocks::Blocks;
use super::core::Core;
use super::partition::State;
use super::read::Cold;
use super::read::Reader;
use super::segment::Segment;
use super::segment::SegmentFile;

/// What is wrong with a segment's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentDamage {
    /// The log file is not there any more.
    Missing,
    /// Bytes are not those that were written, from the batch with this offset on.
    Bytes(Offset),
    /// The block hashes beside it are not those of its bytes.
    Hashes,
    /// The disk fails to read it.
    Unreadable,
}

/// When a segment was checked, and what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentCheck {
    /// In ms of the wall clock.
    pub checked_at_ms: i64,
    /// What is wrong, if anything is.
    pub damage: Option<SegmentDamage>,
}

/// What a scrub did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Segments read.
    pub segments: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Segments of those with something wrong.
    pub damaged: u64,
}

/// A segment to check.
struct Task {
    file: Arc<SegmentFile>,
    base: Offset,
    length: u64,
    cold: Cold,
}

impl Core {
    /// See `LogDir::scrub`.
    pub(super) fn scrub(
        &self,
        id: TopicPartition,
        checked_before_ms: i64,
        pace: &mut dyn FnMut(u64),
    ) -> Result<ScrubReport, LogError> {
        let partition = self.partition(id)?;
        let mut report = ScrubReport::default();
        let mut from = Offset::ZERO;
        loop {
            let next = next_task(&partition.state.lock(), from, checked_before_ms);
            let Some(task) = next else { return Ok(report) };
            from = task.base.plus(1);
            let (file, length, base) = (Arc::clone(&task.file), task.length, task.base);
            let damage = self.check_segment(id, task, pace)?;
            let mut state = partition.state.lock();
            let is_it = |segment: &&mut Segment| Arc::ptr_eq(&segment.file, &file) && segment.length == length;
            // What retention or compaction took away meanwhile is not missed.
            let Some(segment) = state.segments.iter_mut().find(is_it) else { continue };
            let check = SegmentCheck { checked_at_ms: self.env.clock.wall_millis(), damage };
            let before = segment.check.replace(check).and_then(|check| check.damage);
            drop(state);
            report.segments += 1;
            report.bytes += length;
            if let Some(measures) = self.measures.get() {
                measures.scrubbed(length);
            }
            if let Some(damage) = damage {
                report.damaged += 1;
                if before != Some(damage) {
                    tracing::error!(partition = %id, segment = %base, ?damage, "a segment is damaged");
                }
            }
        }
    }

    fn check_segment(
        &self,
        id: TopicPartition,
        task: Task,
        pace: &mut dyn FnMut(u64),
    ) -> Result<Option<SegmentDamage>, LogError> {
        let disk = &*self.env.disk;
        let blocks = task.file.path.with_extension("blocks");
        let cold = match task.cold.by_name(disk) {
            Ok(cold) => cold,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(SegmentDamage::Missing)),
            Err(_) => return Ok(Some(SegmentDamage::Unreadable)),
        };
        match same_hashes(disk, &blocks, &cold, task.length) {
            Ok(true) => {}
            Ok(false) => return Ok(Some(SegmentDamage::Hashes)),
            Err(_) => return Ok(Some(SegmentDamage::Unreadable)),
        }
        let mut reader = Reader::new(id, cold, task.base);
        loop {
            self.check_running()?;
            match reader.next_in_order() {
                Ok(Some(batch)) => pace(batch.size_in_bytes() as u64),
                Ok(None) => return Ok(None),
                Err(LogError::Corrupt { offset, .. }) => return Ok(Some(SegmentDamage::Bytes(offset))),
                Err(_) => return Ok(Some(SegmentDamage::Unreadable)),
            }
        }
    }

    /// Sealed segments whose last check found something wrong.
    pub(super) fn damaged_segments(&self) -> usize {
        let partitions: Vec<_> = self.partitions.read().values().cloned().collect();
        let damaged = |state: &State| state.segments.iter().filter(|segment| segment.is_damaged()).count();
        partitions.iter().map(|partition| damaged(&partition.state.lock())).sum()
    }
}

/// The first sealed segment from `from` on that was last checked before then. What recovery has marked is known already.
fn next_task(state: &State, from: Offset, checked_before_ms: i64) -> Option<Task> {
    let (_, sealed) = state.segments.split_last()?;
    let sound = state.corrupt_from.unwrap_or(Offset(i64::MAX));
    let is_due = |segment: &&Segment| {
        let is_old = segment.check.is_none_or(|check| check.checked_at_ms < checked_before_ms);
        is_old && from <= segment.base && segment.next_offset < sound
    };
    sealed.iter().find(is_due).map(|segment| Task {
        file: Arc::clone(&segment.file),
        base: segment.base,
        length: segment.length,
        cold: Cold::new(segment, 0, state.leader_epoch, state.truncations),
    })
}

/// Whether the sidecar says what readers go by.
fn same_hashes(disk: &dyn Disk, path: &std::path::Path, cold: &Cold, length: u64) -> Result<bool, LogError> {
    let known = cold.hashes();
    let told = Blocks::told(disk, path, length)?;
    let full = known.iter().zip(&told).all(|(known, told)| known.is_none() || known == told);
    let open = told.get(known.len()).is_none_or(|told| *told == Some(cold.open_hash()));
    Ok(full && open)
}
