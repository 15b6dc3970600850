//! A checkpoint: producers, aborted transactions and epochs at an offset, and how a start finds its way there.
//!
//! One is written when a segment is sealed, at the base of the next one, and one whenever the journal is trimmed and the last
//! segment has grown. It is written after a sync that covers all bytes before it, so that a start takes those as it takes
//! a sealed segment: it walks from the checkpoint on. It is a cache: if it is missing or torn, an earlier one serves, or
//! the segments are read again.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;
use crate::model::Offset;

use super::LogError;
use super::core::Core;
use super::files;
use super::files::Hashed;
use super::partition::Partition;
use super::partition::State;
use super::snapshot;
use super::sync::ToSync;
use super::sync::sync_all;

/// A segment that has grown by less since its last checkpoint is not worth another.
const GROWN_BYTES: u64 = 64 << 10;
/// So many durable ones stay: the newest may lie behind the end that a start finds.
const KEPT: usize = 2;
/// Bytes of checkpoints that wait for one sync.
const AT_ONCE_BYTES: usize = 16 << 20;

/// The file of a snapshot that nobody needs any more.
pub(super) struct Spare {
    offset: Offset,
    /// Of the partition, when it was not needed: after a truncation it may be the newest that is left.
    truncations: u64,
}

/// A checkpoint of the end of the log, not written yet.
pub(super) struct Checkpoint {
    offset: Offset,
    segment_base: Offset,
    /// Bytes of the segment before it.
    position: u64,
    truncations: u64,
    bytes: Vec<u8>,
}

impl State {
    /// A checkpoint of where the log ends now, if its last segment has grown enough for one.
    pub(super) fn checkpoint(&self) -> Option<Checkpoint> {
        let last = self.segments.last().filter(|_| self.corrupt_from.is_none())?;
        if last.length < last.checkpoint + GROWN_BYTES {
            return None;
        }
        let bytes = snapshot::encode(self.log_end_offset, &self.producers, &self.epochs, Some(last));
        Some(Checkpoint {
            offset: self.log_end_offset,
            segment_base: last.base,
            position: last.length,
            truncations: self.truncations,
            bytes,
        })
    }

    /// Writes a checkpoint, once all bytes before it are durable; nothing if they were cut off, or the
    /// segment was sealed since.
    pub(super) fn write_checkpoint(
        &mut self,
        disk: &dyn Disk,
        partition: &Partition,
        checkpoint: Checkpoint,
    ) -> Result<(), LogError> {
        let Checkpoint { offset, segment_base, position, truncations, bytes } = checkpoint;
        // The last segment is not compacted.
        let last = self.segments.last_mut().filter(|last| last.base == segment_base);
        let Some(last) = last.filter(|_| !self.deleted && truncations == self.truncations) else { return Ok(()) };
        last.checkpoint = position;
        self.write_snapshot(disk, partition, offset, bytes)
    }

    /// Writes the snapshot that a sealed segment asks for.
    pub(super) fn snapshot(&mut self, disk: &dyn Disk, partition: &Partition) -> Result<(), LogError> {
        if !std::mem::take(&mut self.snapshot_due) {
            return Ok(());
        }
        let bytes = snapshot::encode(self.log_end_offset, &self.producers, &self.epochs, None);
        self.write_snapshot(disk, partition, self.log_end_offset, bytes)
    }

    fn write_snapshot(
        &mut self,
        disk: &dyn Disk,
        partition: &Partition,
        offset: Offset,
        bytes: Vec<u8>,
    ) -> Result<(), LogError> {
        let path = files::segment_file(&partition.dir, offset, "snapshot");
        self.reuse_spare(disk, partition, &path)?;
        files::write_hashed(disk, &path, Hashed::Snapshot, bytes)?;
        if !self.unsynced_snapshots.contains(&offset) {
            self.unsynced_snapshots.push(offset);
        }
        Ok(())
    }

    /// Gives the file of a snapshot that nobody needs any more this new name, if there is one: with thousands of partitions
    /// a file system is slow to make a file just after it has removed one. Until its bytes are written again it is a
    /// snapshot of another offset than its name says, which nobody takes.
    fn reuse_spare(&mut self, disk: &dyn Disk, partition: &Partition, path: &Path) -> Result<(), LogError> {
        let Some(spare) = self.spare_snapshot.take().filter(|spare| spare.truncations == self.truncations) else {
            return Ok(());
        };
        let spare = files::segment_file(&partition.dir, spare.offset, "snapshot");
        if spare == *path || !disk.exists(&spare) {
            return Ok(());
        }
        disk.rename(&spare, path).map_err(LogError::io("rename", &spare))
    }

    /// The snapshots that were written since this was asked last, open, with the offset of each.
    pub(super) fn take_unsynced_snapshots(
        &mut self,
        disk: &dyn Disk,
        partition: &Partition,
    ) -> Vec<(Arc<dyn File>, PathBuf)> {
        let paths =
            self.unsynced_snapshots.drain(..).map(|offset| files::segment_file(&partition.dir, offset, "snapshot"));
        // One that is gone was cut off, or went with its segments.
        paths.filter_map(|path| Some((disk.open(&path, OpenMode::ReadWrite).ok()?, path))).collect()
    }
}

/// Removes the snapshots before the newest ones, once those are durable; the last of them stays as a spare file.
fn remove_old(disk: &dyn Disk, partition: &Partition, state: &mut State) -> Result<(), LogError> {
    let paths = disk.read_dir(&partition.dir).map_err(LogError::io("list", &partition.dir))?;
    let snapshots: Vec<_> =
        paths.iter().filter_map(|path| Some((files::number_of_file(path, "snapshot")?, path))).collect();
    let Some(((spare, _), old)) = snapshots[..snapshots.len().saturating_sub(KEPT)].split_last() else { return Ok(()) };
    state.spare_snapshot = Some(Spare { offset: Offset(*spare), truncations: state.truncations });
    old.iter().try_for_each(|(_, path)| disk.remove_file(path).map_err(LogError::io("remove", path)))
}

/// Syncs the segments that were written to since the last time, and writes their checkpoints.
pub(super) fn sync_dirty(core: &Core, partitions: &[Arc<Partition>]) -> Result<(), LogError> {
    let mut partitions = partitions.iter().peekable();
    while partitions.peek().is_some() {
        let (mut to_sync, mut checkpoints, mut bytes) = (Vec::new(), Vec::new(), 0);
        for partition in partitions.by_ref() {
            let mut state = partition.state.lock();
            to_sync.extend(dirty(&*core.env.disk, partition, &mut state));
            let checkpoint = state.checkpoint();
            bytes += checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.bytes.len());
            checkpoints.extend(checkpoint.map(|checkpoint| (partition, checkpoint)));
            if AT_ONCE_BYTES < bytes {
                break;
            }
        }
        sync_all(&*core.env.disk, &*core.file_system, &to_sync)?;
        let cached = write_all(core, &to_sync, checkpoints);
        if let Err(error) = cached {
            // Only a cache: without it a restart reads more.
            tracing::warn!(%error, "could not write a checkpoint");
        }
    }
    Ok(())
}

/// Writes checkpoints after the sync of what lies before them, and removes those that are not needed any more.
fn write_all(core: &Core, synced: &[ToSync], checkpoints: Vec<(&Arc<Partition>, Checkpoint)>) -> Result<(), LogError> {
    let disk = &*core.env.disk;
    for (partition, checkpoint) in checkpoints {
        partition.state.lock().write_checkpoint(disk, partition, checkpoint)?;
    }
    for of_one in synced.iter().filter(|of_one| !of_one.snapshots.is_empty()) {
        // Under the lock, so that the directory does not go away meanwhile.
        let mut state = of_one.partition.state.lock();
        if !state.deleted {
            remove_old(disk, &of_one.partition, &mut state)?;
        }
    }
    Ok(())
}

/// What of a partition was written to since the last time. A deleted partition has none.
fn dirty(disk: &dyn Disk, partition: &Arc<Partition>, state: &mut State) -> Option<ToSync> {
    if state.deleted {
        return None;
    }
    let names = std::mem::take(&mut state.entries_dirty);
    let snapshots = state.take_unsynced_snapshots(disk, partition);
    let mut to_sync =
        ToSync { partition: partition.clone(), segments: Vec::new(), sidecars: Vec::new(), snapshots, names };
    for segment in state.segments.iter_mut().filter(|segment| segment.dirty) {
        segment.dirty = false;
        to_sync.segments.push(segment.file.clone());
        let sidecar = segment.blocks.sidecar().cloned();
        to_sync.sidecars.extend(sidecar.map(|sidecar| (sidecar, segment.file.path.clone())));
    }
    to_sync.names |= !to_sync.segments.is_empty() || !to_sync.snapshots.is_empty();
    to_sync.names.then_some(to_sync)
}
