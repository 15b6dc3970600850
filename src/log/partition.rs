//! One partition: its segments and what they hold, under one lock.
//!
//! Invariants:
//!   * `durable_offset <= log_end_offset`, and the byte place of the durable end is known
//!   * what the journal was not told of lies in the last segment, in `unjournaled`

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::env::Disk;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::Batch;

use super::Ends;
use super::LogError;
use super::PartitionConfig;
use super::checkpoint::Spare;
use super::compact::Compacted;
use super::epochs::Epochs;
use super::journal::ENTRY_HEADER;
use super::journal::Entry;
use super::journal::EntryKind;
use super::producers::Producers;
use super::segment::Segment;
use super::segment::SegmentFile;

/// A partition.
pub(super) struct Partition {
    pub(super) id: TopicPartition,
    pub(super) dir: PathBuf,
    pub(super) state: Mutex<State>,
    pub(super) ends: watch::Sender<Ends>,
}

/// How a partition's files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionHealth {
    /// Of each key below it only the newest record is left.
    pub compacted_upto: Offset,
    /// The first offset that cannot be read, as the start has found.
    pub corrupt_from: Option<Offset>,
    /// Segments in which a check since then has found damage.
    pub damaged_segments: usize,
}

/// What the lock guards.
pub(super) struct State {
    pub(super) config: PartitionConfig,
    pub(super) segments: Vec<Segment>,
    pub(super) log_start_offset: Offset,
    pub(super) log_end_offset: Offset,
    pub(super) high_watermark: Offset,
    pub(super) durable: Place,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) epochs: Epochs,
    pub(super) producers: Producers,
    /// What was written since the journal was last told.
    pub(super) unjournaled: Option<Unjournaled>,
    /// The first offset that recovery could not read although it had been durable.
    pub(super) corrupt_from: Option<Offset>,
    /// What compaction has done.
    pub(super) compacted: Compacted,
    /// How often the end was moved back; tells a flush or a read that it is about another log.
    pub(super) truncations: u64,
    pub(super) deleted: bool,
    /// Files were removed since the directory was last synced.
    pub(super) entries_dirty: bool,
    /// A segment was sealed and no snapshot written since.
    pub(super) snapshot_due: bool,
    /// Snapshots that no sync has covered yet, so that older ones may still be needed.
    pub(super) unsynced_snapshots: Vec<Offset>,
    /// A snapshot's file that the next one may take over.
    pub(super) spare_snapshot: Option<Spare>,
}

/// A place in the log: an offset, and the byte where its batch begins or will begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: Offset,
    pub(super) segment_base: Offset,
    pub(super) position: u64,
    /// Hash of the open block up to there.
    pub(super) open_hash: u64,
}

/// Bytes of the last segment that the journal was not told of.
#[derive(Debug, Clone)]
pub(super) struct Unjournaled {
    from: Offset,
    position: u64,
    open_before: u64,
    filled: Vec<u64>,
}

/// Where a partition stood before an append that may fail.
pub(super) struct Mark {
    segments: usize,
    length: u64,
    end: Offset,
    unjournaled: Option<Unjournaled>,
    leader_epoch: LeaderEpoch,
}

/// An entry on its way to the journal.
pub(super) struct Queued {
    pub(super) partition: Arc<Partition>,
    pub(super) entry: Entry,
    /// Hashes of the blocks that the entry's bytes filled.
    pub(super) filled: Vec<u64>,
    /// The segment that the bytes lie in, if the entry has any.
    pub(super) file: Option<Arc<SegmentFile>>,
    pub(super) truncations: u64,
    /// Bytes of room in the journal that it was promised.
    pub(super) promised: u64,
}

impl Queued {
    /// About a partition as a whole, without bytes of it.
    pub(super) fn about(partition: Arc<Partition>, entry: Entry, truncations: u64, promised: u64) -> Self {
        Self { partition, entry, filled: Vec::new(), file: None, truncations, promised }
    }

    /// Bytes that it takes in the journal, whether its bytes ride there or their hashes.
    pub(super) fn journal_bytes(&self) -> u64 {
        (ENTRY_HEADER + self.entry.payload.len().max(8 * self.filled.len())) as u64
    }
}

/// Whether the journal is told of a batch at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Journaled {
    /// With the next flush group.
    Now,
    /// When somebody asks, the policy says so, or the segment is sealed.
    Later,
}

impl State {
    /// How the files are.
    pub(super) fn health(&self) -> PartitionHealth {
        PartitionHealth {
            compacted_upto: self.compacted.upto,
            corrupt_from: self.corrupt_from,
            damaged_segments: self.segments.iter().filter(|segment| segment.is_damaged()).count(),
        }
    }

    /// The ends as readers see them.
    pub(super) fn ends(&self) -> Ends {
        Ends {
            log_start_offset: self.log_start_offset,
            last_stable_offset: self.producers.last_stable_offset(self.high_watermark).max(self.log_start_offset),
            high_watermark: self.high_watermark,
            durable_offset: self.durable.offset,
            log_end_offset: self.log_end_offset,
            tombstones_from: self.compacted.tombstones_from,
            leader_epoch: self.leader_epoch,
            deleted: self.deleted,
        }
    }

    /// Writes a batch at the end and appends what the journal is to be told to `entries`.
    pub(super) fn write(
        &mut self,
        disk: &dyn Disk,
        partition: &Arc<Partition>,
        batch: &Batch,
        journaled: Journaled,
        now_ms: i64,
        entries: &mut Vec<Queued>,
    ) -> Result<(), LogError> {
        if self.may_begin_with(self.log_end_offset, batch) {
            self.log_end_offset = batch.base_offset();
        }
        assert_eq!(batch.base_offset(), self.log_end_offset, "a batch is stamped with the log end offset");
        let size = batch.size_in_bytes();
        let takes = |last: &Segment| last.takes(size, batch.last_offset(), &self.config);
        if !self.segments.last().is_some_and(takes) {
            entries.extend(self.force(partition));
            self.begin_segment(disk, partition)?;
        }
        let segment = self.segments.last_mut().expect("there is a segment now");
        segment.reserve(size)?;
        let position = segment.length;
        let open_before = segment.blocks.open_hash();
        let filled = segment.write(disk, batch.bytes())?;
        segment.note(batch, position);
        segment.note_time(now_ms);
        self.log_end_offset = batch.next_offset();
        self.leader_epoch = self.leader_epoch.max(batch.leader_epoch());
        self.epochs.add(batch.leader_epoch(), batch.base_offset());
        match (&mut self.unjournaled, journaled) {
            (None, Journaled::Now) => {
                let from = Unjournaled { from: batch.base_offset(), position, open_before, filled };
                let mut queued = self.queue(partition, from);
                queued.entry.kind = EntryKind::Append;
                queued.entry.payload = batch.bytes().clone();
                entries.push(queued);
            }
            (None, Journaled::Later) => {
                let from = batch.base_offset();
                self.unjournaled = Some(Unjournaled { from, position, open_before, filled });
            }
            (Some(unjournaled), _) => {
                unjournaled.filled.extend(filled);
                if journaled == Journaled::Now {
                    entries.extend(self.force(partition));
                }
            }
        }
        Ok(())
    }

    /// Whether the batch is the one in which an empty log begins: its leader's start may lie within a batch.
    pub(super) fn may_begin_with(&self, end: Offset, batch: &Batch) -> bool {
        self.segments.is_empty() && batch.base_offset() <= end && end < batch.next_offset()
    }

    /// Bytes that `force` will put into the journal.
    pub(super) fn force_bytes(&self) -> Option<u64> {
        let unjournaled = self.unjournaled.as_ref().filter(|_| !self.deleted)?;
        Some((ENTRY_HEADER + 8 * unjournaled.filled.len()) as u64)
    }

    /// What the journal is to be told so that all up to the end becomes durable, if it was not told yet.
    pub(super) fn force(&mut self, partition: &Arc<Partition>) -> Option<Queued> {
        if self.deleted {
            return None;
        }
        let unjournaled = self.unjournaled.take()?;
        Some(self.queue(partition, unjournaled))
    }

    /// An entry without payload for the bytes from there to the end.
    fn queue(&self, partition: &Arc<Partition>, from: Unjournaled) -> Queued {
        let segment = self.segments.last().expect("bytes lie in a segment");
        let entry = Entry {
            kind: EntryKind::DurableTo,
            partition: partition.id,
            leader_epoch: self.leader_epoch,
            base_offset: from.from,
            next_offset: self.log_end_offset,
            segment_base: segment.base,
            position: from.position,
            span: segment.length - from.position,
            open_before: from.open_before,
            open_after: segment.blocks.open_hash(),
            payload: Bytes::new(),
        };
        let file = Some(segment.file.clone());
        let truncations = self.truncations;
        Queued { partition: partition.clone(), entry, filled: from.filled, file, truncations, promised: 0 }
    }

    /// Begins a new segment at the end and seals the last one; after an error the caller rewinds. The file is made first: beside
    /// the index of a sealed segment an empty file would pass for the one that follows.
    pub(super) fn begin_segment(&mut self, disk: &dyn Disk, partition: &Partition) -> Result<(), LogError> {
        let last = self.segments.len().checked_sub(1);
        self.segments.push(Segment::create(disk, &partition.dir, self.log_end_offset)?);
        if let Some(last) = last {
            self.segments[last].seal(disk)?;
            self.snapshot_due = true;
        }
        Ok(())
    }

    /// Where the partition stands, to go back there.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            segments: self.segments.len(),
            length: self.segments.last().map_or(0, |last| last.length),
            end: self.log_end_offset,
            unjournaled: self.unjournaled.clone(),
            leader_epoch: self.leader_epoch,
        }
    }

    /// Goes back to where the partition stood: what was written since is gone from the files, too, durably. Else a power
    /// loss could bring it back under what is appended next, which has its offsets.
    pub(super) fn rewind(&mut self, disk: &dyn Disk, dir: &Path, mark: Mark) -> Result<(), LogError> {
        let begun: Vec<Segment> = self.segments.drain(mark.segments..).collect();
        for segment in &begun {
            segment.remove(disk)?;
        }
        if let Some(last) = self.segments.last_mut() {
            last.take_back(disk, mark.length, mark.end)?;
        }
        if !begun.is_empty() {
            disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
        }
        self.epochs.truncate(mark.end);
        self.log_end_offset = mark.end;
        self.unjournaled = mark.unjournaled;
        self.leader_epoch = mark.leader_epoch;
        self.snapshot_due = false;
        Ok(())
    }

    /// The segment that holds `offset`, or the last one.
    pub(super) fn segment_of(&self, offset: Offset) -> Option<usize> {
        let after = self.segments.partition_point(|segment| segment.base <= offset);
        after.checked_sub(1)
    }
}

impl Partition {
    /// Tells whoever watches, if an end has moved.
    pub(super) fn publish(&self, state: &State) -> Ends {
        let ends = state.ends();
        self.ends.send_if_modified(|current| std::mem::replace(current, ends) != ends);
        ends
    }
}
