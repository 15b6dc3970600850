//! Room on the disk: what the journal was promised before anything is written, and what is kept for the server itself.
//!
//! Every entry of the journal has its room allocated before the bytes that it is about are written. So a full disk refuses
//! an append, whole, and never a flush: the log goes on when there is room again.
//!
//! The reserve is a file that takes room from everybody. When the disk is full it is given up, so that markers, positions,
//! metadata and DROP still have some; clients are refused until it could be taken again.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;

use super::LogError;
use super::files;

/// Bytes of a flush group besides its entries, at most: its header, the confirmation, and what aligns them.
pub(super) const GROUP_OVERHEAD: u64 = 4 * 64;

/// Who asks for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoomFor {
    /// Data that somebody wants to store.
    Client,
    /// What the server needs to go on, or to make room.
    Server,
}

/// The newest journal file's room.
pub(super) struct JournalRoom {
    pub(super) file: Arc<dyn File>,
    pub(super) path: PathBuf,
    /// Bytes written.
    pub(super) position: u64,
    pub(super) reserved: u64,
    /// Bytes beyond `position` that entries on their way were promised.
    promised: u64,
}

impl JournalRoom {
    /// The room of a file of which nothing was promised.
    pub(super) fn new(file: Arc<dyn File>, path: PathBuf) -> Self {
        Self { file, path, position: 0, reserved: 0, promised: 0 }
    }

    /// Allocates room for `bytes` more; they must be given back or written.
    pub(super) fn promise(&mut self, bytes: u64) -> Result<(), LogError> {
        let needed = self.position + self.promised + bytes;
        if self.reserved < needed {
            let allocated = files::allocate(&*self.file, self.reserved, needed);
            self.reserved = allocated.map_err(LogError::io("reserve room in", &self.path))?;
        }
        self.promised += bytes;
        Ok(())
    }

    /// Takes a promise back, used or not.
    pub(super) fn give_back(&mut self, bytes: u64) {
        self.promised = self.promised.checked_sub(bytes).expect("only what was promised is given back");
    }

    /// Goes on in `next`, which has the room that was promised here, or stays.
    pub(super) fn move_to(&mut self, mut next: JournalRoom) -> Result<(), LogError> {
        next.promise(self.promised)?;
        *self = next;
        Ok(())
    }
}

/// The file that keeps room.
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// Gives up what an earlier process kept. It is taken once recovery has what it needs.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, bytes_max: u64) -> Result<Self, LogError> {
        let path = dir.join(files::RESERVE_FILE);
        let bytes = match bytes_max {
            0 => 0,
            _ => bytes_max.min(disk.size_bytes(dir).map_err(LogError::io("measure", dir))? / 100),
        };
        let mut reserve = Self { path, bytes, held: true };
        if disk.exists(&reserve.path) {
            reserve.give_up(disk)?;
        }
        reserve.held = bytes == 0;
        Ok(reserve)
    }

    /// Whether the room is kept, after an attempt to take it.
    pub(super) fn take(&mut self, disk: &dyn Disk, dir: &Path) -> bool {
        // With some room to spare, or the next append would find the disk full again.
        let has_room = || disk.free_bytes(dir).is_ok_and(|free| self.bytes + self.bytes / 4 <= free);
        if !self.held && has_room() {
            let file = disk.open(&self.path, OpenMode::Create);
            self.held = file.and_then(|file| file.allocate(self.bytes)).is_ok();
            if self.held {
                tracing::info!(bytes = self.bytes, "the disk reserve is kept");
            }
        }
        self.held
    }

    /// Whether room was made just now.
    pub(super) fn give_up(&mut self, disk: &dyn Disk) -> Result<bool, LogError> {
        if !self.held || !disk.exists(&self.path) {
            return Ok(false);
        }
        let file = disk.open(&self.path, OpenMode::ReadWrite).map_err(LogError::io("open", &self.path))?;
        file.set_len(0).map_err(LogError::io("cut", &self.path))?;
        self.held = false;
        Ok(true)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
