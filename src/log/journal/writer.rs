//! Writes flush groups to the newest journal file and begins new files.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;
use crate::log::LogError;
use crate::log::files;

use super::Entry;
use super::group::HEADER;
use super::group::Header;
use super::group::HeaderKind;
use super::group::aligned;

/// The journal, open for writing.
pub(in crate::log) struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    current: JournalFile,
    /// Files before the current one, not trimmed away yet.
    old: Vec<PathBuf>,
    /// The number of the last group.
    group: u64,
}

struct JournalFile {
    path: PathBuf,
    file: Arc<dyn File>,
    generation: u64,
    position: u64,
    reserved: u64,
}

impl Journal {
    /// Begins file `generation` after the files in `old`; the last group of those was `group`.
    pub(in crate::log) fn begin(
        disk: Arc<dyn Disk>,
        dir: &Path,
        generation: u64,
        group: u64,
        old: Vec<PathBuf>,
    ) -> Result<Self, LogError> {
        let current = JournalFile::create(&*disk, dir, generation, group)?;
        Ok(Self { disk, dir: dir.to_path_buf(), current, old, group })
    }

    /// Appends one group and makes it durable. After an error nothing is known, and the journal must not be used again.
    /// `carried` are entries in the bytes that an earlier journal had.
    pub(in crate::log) fn append<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        carried: &[Bytes],
    ) -> Result<(), LogError> {
        let mut bytes = vec![0; HEADER];
        entries.for_each(|entry| entry.encode(&mut bytes));
        carried.iter().for_each(|entry| bytes.extend_from_slice(entry));
        self.group += 1;
        let length = (bytes.len() - HEADER) as u64;
        bytes[..HEADER].copy_from_slice(&self.header(HeaderKind::Group, length).encode());
        let file = &mut self.current;
        file.reserve(bytes.len() as u64 + 2 * HEADER as u64)?;
        file.file.write_at(&bytes, file.position).map_err(LogError::io("write", &file.path))?;
        file.file.sync_data().map_err(LogError::io("sync", &file.path))?;
        file.position = aligned(file.position + bytes.len() as u64);
        // Written, not synced: the next group or the confirming flush makes it durable.
        let confirmation = self.header(HeaderKind::Confirmation, 0).encode();
        let file = &mut self.current;
        file.file.write_at(&confirmation, file.position).map_err(LogError::io("write", &file.path))?;
        file.position += HEADER as u64;
        Ok(())
    }

    /// Makes the last confirmation durable.
    pub(in crate::log) fn confirm(&self) -> Result<(), LogError> {
        self.current.file.sync_data().map_err(LogError::io("sync", &self.current.path))
    }

    /// Bytes of the newest file.
    pub(in crate::log) fn bytes(&self) -> u64 {
        self.current.position
    }

    /// Goes on in a new file.
    pub(in crate::log) fn rotate(&mut self) -> Result<(), LogError> {
        // The reader of the next file takes what this one confirms on trust.
        self.confirm()?;
        let next = JournalFile::create(&*self.disk, &self.dir, self.current.generation + 1, self.group)?;
        let old = std::mem::replace(&mut self.current, next);
        self.old.push(old.path);
        Ok(())
    }

    /// The files before the newest one.
    pub(in crate::log) fn old(&self) -> &[PathBuf] {
        &self.old
    }

    /// Removes the first `count` old files: all that they cover stands elsewhere by now.
    pub(in crate::log) fn remove_old(&mut self, count: usize) -> Result<(), LogError> {
        for path in self.old.drain(..count) {
            self.disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
        }
        Ok(())
    }

    fn header(&self, kind: HeaderKind, length: u64) -> Header {
        let confirmed = match kind {
            HeaderKind::Group => self.group - 1,
            HeaderKind::File | HeaderKind::Confirmation => self.group,
        };
        Header { kind, generation: self.current.generation, group: self.group, length, confirmed }
    }
}

impl JournalFile {
    fn create(disk: &dyn Disk, dir: &Path, generation: u64, group: u64) -> Result<Self, LogError> {
        let path = dir.join(format!("{generation:020}.journal"));
        let file = disk.open(&path, OpenMode::CreateNew).map_err(LogError::io("create", &path))?;
        let mut journal = Self { path, file, generation, position: 0, reserved: 0 };
        journal.reserve(HEADER as u64)?;
        let header = Header { kind: HeaderKind::File, generation, group, length: 0, confirmed: group };
        journal.file.write_at(&header.encode(), 0).map_err(LogError::io("write", &journal.path))?;
        journal.file.sync_data().map_err(LogError::io("sync", &journal.path))?;
        disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
        journal.position = HEADER as u64;
        Ok(journal)
    }

    fn reserve(&mut self, size: u64) -> Result<(), LogError> {
        let needed = self.position + size;
        if self.reserved < needed {
            let reserved = files::reservation(self.reserved, needed);
            self.file.allocate(reserved).map_err(LogError::io("reserve room in", &self.path))?;
            self.reserved = reserved;
        }
        Ok(())
    }
}
