//! One file run of a partition's log, with its index and block hashes.
//!
//! Only the last segment of a partition grows. Bytes beyond `length` are reserved room and read as zero.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;
use crate::model::Offset;
use crate::protocol::Batch;

use super::LogError;
use super::PartitionConfig;
use super::SegmentCheck;
use super::blocks::Blocks;
use super::files;
use super::files::Hashed;
use super::index::Index;

/// The open file of a segment, shared with readers and the flusher.
pub(super) struct SegmentFile {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    /// Whether the directory entry is durable.
    pub(super) entry_durable: AtomicBool,
}

impl SegmentFile {
    /// Makes all that was written to the segment durable, and its name.
    pub(super) fn sync(&self, disk: &dyn Disk) -> Result<(), LogError> {
        self.file.sync_data().map_err(LogError::io("sync", &self.path))?;
        if !self.entry_durable.load(Ordering::Acquire) {
            let dir = self.path.parent().expect("a segment lies in its partition's directory");
            disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
            self.entry_durable.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// A segment.
pub(super) struct Segment {
    pub(super) base: Offset,
    pub(super) file: Arc<SegmentFile>,
    /// Bytes that hold batches.
    pub(super) length: u64,
    /// The offset after the last batch.
    pub(super) next_offset: Offset,
    pub(super) index: Index,
    pub(super) blocks: Blocks,
    /// When (wall clock, ms) the first and the last batch was appended. Recovery guesses what no index tells.
    pub(super) begun_at_ms: i64,
    pub(super) appended_at_ms: i64,
    /// Written to since the last trim of the journal.
    pub(super) dirty: bool,
    /// Bytes before the last checkpoint.
    pub(super) checkpoint: u64,
    /// When it was last checked as a sealed one, and what was found.
    pub(super) check: Option<SegmentCheck>,
    /// A write failed: there may be bytes behind the end.
    scribbled: bool,
    reserved: u64,
}

impl Segment {
    /// A new, empty segment. Its directory entry becomes durable with the first sync.
    pub(super) fn create(disk: &dyn Disk, dir: &Path, base: Offset) -> Result<Self, LogError> {
        Self::create_at(disk, files::segment_file(dir, base, "log"), base)
    }

    /// A new, empty segment in a log file of another name, beside which its other files will stand.
    pub(super) fn create_at(disk: &dyn Disk, path: PathBuf, base: Offset) -> Result<Self, LogError> {
        let file = disk.open(&path, OpenMode::Create).map_err(LogError::io("create", &path))?;
        // A crash may have left a file of this name whose batches were never acknowledged.
        if let Err(error) = file.set_len(0) {
            // Nobody would remove it; should this fail too, recovery passes it over.
            let _ = disk.remove_file(&path);
            return Err(LogError::io("cut", &path)(error));
        }
        Ok(Self::over(file, path, base, 0))
    }

    /// A segment that is there. `length` and the rest are for recovery to find out.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, base: Offset) -> Result<Self, LogError> {
        let path = files::segment_file(dir, base, "log");
        let file = disk.open(&path, OpenMode::Create).map_err(LogError::io("open", &path))?;
        let reserved = file.len().map_err(LogError::io("measure", &path))?;
        Ok(Self { dirty: true, ..Self::over(file, path, base, reserved) })
    }

    /// Nothing is known yet of what the file holds.
    fn over(file: Arc<dyn File>, path: PathBuf, base: Offset, reserved: u64) -> Self {
        Self {
            base,
            length: 0,
            next_offset: base,
            index: Index::default(),
            blocks: Blocks::new(path.with_extension("blocks")),
            file: Arc::new(SegmentFile { path, file, entry_durable: AtomicBool::new(false) }),
            begun_at_ms: i64::MAX,
            appended_at_ms: i64::MIN,
            dirty: false,
            checkpoint: 0,
            check: None,
            scribbled: false,
            reserved,
        }
    }

    /// Whether its last check found damage.
    pub(super) fn is_damaged(&self) -> bool {
        self.check.is_some_and(|check| check.damage.is_some())
    }

    /// Bytes of the file, reserved room included.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Whether it is an empty file, where the segment before it leads to another offset.
    pub(super) fn is_left_over(&self, expected: Offset) -> bool {
        self.reserved == 0 && self.base != expected
    }

    /// Whether a batch of `size` bytes still belongs here.
    pub(super) fn takes(&self, size: usize, last_offset: Offset, config: &PartitionConfig) -> bool {
        let fits =
            self.length + size as u64 <= config.segment_bytes && self.index.takes(self.length, config.index_bytes_max);
        let near = last_offset.0 - self.base.0 < i64::from(i32::MAX);
        self.length == 0 || (fits && near)
    }

    /// Reserves room for `size` more bytes, so that a full disk shows before anything is written.
    pub(super) fn reserve(&mut self, size: usize) -> Result<(), LogError> {
        let needed = self.length + size as u64;
        if needed <= self.reserved {
            return Ok(());
        }
        let allocated = files::allocate(&*self.file.file, self.reserved, needed);
        self.reserved = allocated.map_err(LogError::io("reserve room in", &self.file.path))?;
        Ok(())
    }

    /// Writes bytes at the end, through the page cache; returns the hashes of the blocks that they filled.
    pub(super) fn write(&mut self, disk: &dyn Disk, bytes: &[u8]) -> Result<Vec<u64>, LogError> {
        self.dirty = true;
        self.scribbled = true;
        self.file.file.write_at(bytes, self.length).map_err(LogError::io("write", &self.file.path))?;
        self.scribbled = false;
        let filled = self.blocks.extend(disk, bytes)?;
        self.length += bytes.len() as u64;
        Ok(filled)
    }

    /// Puts bytes where the journal says that they were. For recovery, which finds out the length later.
    pub(super) fn put(&mut self, bytes: &[u8], position: u64) -> Result<(), LogError> {
        self.file.file.write_at(bytes, position).map_err(LogError::io("write", &self.file.path))?;
        self.reserved = self.reserved.max(position + bytes.len() as u64);
        self.dirty = true;
        Ok(())
    }

    /// Takes in the place of a batch that stands at `position`.
    pub(super) fn note(&mut self, batch: &Batch, position: u64) {
        self.index.add(batch, position);
        self.next_offset = batch.next_offset();
    }

    /// Takes in when a batch was appended, in ms of the wall clock.
    pub(super) fn note_time(&mut self, now_ms: i64) {
        self.begun_at_ms = self.begun_at_ms.min(now_ms);
        self.appended_at_ms = self.appended_at_ms.max(now_ms);
    }

    /// After a walk at a start: nobody knows when the batches were appended. Too late only keeps them longer, and the
    /// first is as old as its first record, so that a server that is restarted often still begins new segments.
    pub(super) fn guess_times(&mut self, now_ms: i64) {
        self.appended_at_ms = now_ms;
        self.begun_at_ms = self.index.early_timestamp().min(now_ms);
    }

    /// Releases the reserved room and writes the index: the segment grows no more.
    pub(super) fn seal(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        // The sidecar's last hash is written now, and a trim may have synced the rest before.
        self.dirty = true;
        self.file.file.set_len(self.length).map_err(LogError::io("cut", &self.file.path))?;
        self.reserved = self.length;
        self.blocks.seal(disk)?;
        let path = self.file.path.with_extension("index");
        let bytes = self.index.encode(self.next_offset, self.length, self.appended_at_ms);
        files::write_hashed(disk, &path, Hashed::Index, bytes)
    }

    /// Takes back what was written behind `length`, durably.
    pub(super) fn take_back(&mut self, disk: &dyn Disk, length: u64, next_offset: Offset) -> Result<(), LogError> {
        let written = length < self.length || std::mem::take(&mut self.scribbled);
        self.cut(disk, length, next_offset)?;
        if written { self.sync(disk) } else { Ok(()) }
    }

    /// Cuts the file at a batch's border and reads the open block's hash again.
    pub(super) fn cut(&mut self, disk: &dyn Disk, length: u64, next_offset: Offset) -> Result<(), LogError> {
        self.file.file.set_len(length).map_err(LogError::io("cut", &self.file.path))?;
        self.dirty = true;
        self.reserved = length;
        self.restore_blocks(disk, length)?;
        self.blocks.reopen()?;
        self.length = length;
        self.checkpoint = self.checkpoint.min(length);
        self.next_offset = next_offset;
        self.check = None;
        self.index.truncate(length);
        Ok(())
    }

    /// Takes the block hashes of the first `length` bytes from the sidecar and the file.
    pub(super) fn restore_blocks(&mut self, disk: &dyn Disk, length: u64) -> Result<(), LogError> {
        let path = self.file.path.with_extension("blocks");
        // One that is open need not be opened again: a cut has no way back.
        let sidecar = self.blocks.sidecar().cloned();
        self.blocks = Blocks::restore(disk, path, sidecar, &*self.file.file, length)?;
        Ok(())
    }

    /// Takes in that its files have the names of a segment in `dir` now.
    pub(super) fn moved_to(&mut self, dir: &Path) {
        let path = files::segment_file(dir, self.base, "log");
        let file = Arc::clone(&self.file.file);
        self.blocks.moved_to(path.with_extension("blocks"));
        self.file = Arc::new(SegmentFile { path, file, entry_durable: AtomicBool::new(true) });
        self.dirty = false;
    }

    /// Makes all of its files durable that recovery cannot make again.
    pub(super) fn sync(&self, disk: &dyn Disk) -> Result<(), LogError> {
        self.file.sync(disk)?;
        match self.blocks.sidecar() {
            Some(sidecar) => sidecar.sync_data().map_err(LogError::io("sync", &self.file.path)),
            None => Ok(()),
        }
    }

    /// The hash of the block that is open at byte `position`, up to there.
    pub(super) fn open_hash_at(&self, disk: &dyn Disk, position: u64) -> Result<u64, LogError> {
        let path = self.file.path.with_extension("blocks");
        let sidecar = self.blocks.sidecar().cloned();
        Ok(Blocks::restore(disk, path, sidecar, &*self.file.file, position)?.open_hash())
    }

    /// Removes all files of the segment.
    pub(super) fn remove(&self, disk: &dyn Disk) -> Result<(), LogError> {
        // The log goes last: without it the others would never be found again.
        for extension in ["index", "snapshot", "blocks", "log"] {
            let path = self.file.path.with_extension(extension);
            if disk.exists(&path) {
                disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
            }
        }
        Ok(())
    }
}
