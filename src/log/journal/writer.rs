//! Writes flush groups to the newest journal file and begins new files.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;
use crate::env::are_too_many_open;
use crate::log::LogError;
use crate::log::room::JournalRoom;

use super::Entry;
use super::group::HEADER;
use super::group::Header;
use super::group::HeaderKind;
use super::group::aligned;

/// The journal, open for writing.
pub(in crate::log) struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    generation: u64,
    /// The newest file.
    room: Arc<Mutex<JournalRoom>>,
    /// Files before the newest one, not trimmed away yet, with their generations.
    old: Vec<(u64, PathBuf)>,
    /// The number of the last group.
    group: u64,
}

impl Journal {
    /// Begins file `generation` after the files in `old`; the last group of those was `group`.
    pub(in crate::log) fn begin(
        disk: Arc<dyn Disk>,
        dir: &Path,
        generation: u64,
        group: u64,
        old: Vec<(u64, PathBuf)>,
    ) -> Result<Self, LogError> {
        let room = create(&*disk, dir, generation, group)?;
        Ok(Self { disk, dir: dir.to_path_buf(), generation, room: Arc::new(Mutex::new(room)), old, group })
    }

    /// The newest file's room; what is appended was promised there.
    pub(in crate::log) fn room(&self) -> Arc<Mutex<JournalRoom>> {
        Arc::clone(&self.room)
    }

    /// Appends one group, which was promised so many bytes, and makes it durable. After an error nothing is known, and the
    /// journal must not be used again.
    pub(in crate::log) fn append<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        promised: u64,
    ) -> Result<(), LogError> {
        self.append_group(entries, &[], 0, promised)
    }

    /// Appends the group that says all that the first `old` old files are needed for, and removes those. `carried` are entries
    /// in the bytes that an earlier journal had. Errors as for `append`.
    pub(in crate::log) fn trim<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        carried: &[Bytes],
        old: usize,
        promised: u64,
    ) -> Result<(), LogError> {
        let first_kept = self.old.get(old).map_or(self.generation, |(generation, _)| *generation);
        self.append_group(entries, carried, first_kept, promised)?;
        // A power loss may bring some of them back; no reader looks into those unless the newest file is lost, too.
        for (_, path) in self.old.drain(..old) {
            self.disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
        }
        self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))
    }

    fn append_group<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        carried: &[Bytes],
        trimmed: u64,
        promised: u64,
    ) -> Result<(), LogError> {
        let mut bytes = vec![0; HEADER];
        entries.for_each(|entry| entry.encode(&mut bytes));
        carried.iter().for_each(|entry| bytes.extend_from_slice(entry));
        self.group += 1;
        let length = (bytes.len() - HEADER) as u64;
        let header = Header { trimmed, ..self.header(HeaderKind::Group, length) };
        bytes[..HEADER].copy_from_slice(&header.encode());
        let (file, path, start) = self.newest();
        let end = aligned(start + bytes.len() as u64);
        let used = end + HEADER as u64 - start;
        assert!(used <= promised, "a group of {used} bytes was promised {promised}");
        file.write_at(&bytes, start).map_err(LogError::io("write", &path))?;
        file.sync_data().map_err(LogError::io("sync", &path))?;
        // Written, not synced: the next group or the confirming flush makes it durable.
        let confirmation = self.header(HeaderKind::Confirmation, 0).encode();
        file.write_at(&confirmation, end).map_err(LogError::io("write", &path))?;
        let mut room = self.room.lock();
        room.position += used;
        room.give_back(promised);
        Ok(())
    }

    /// Makes the last confirmation durable.
    pub(in crate::log) fn confirm(&self) -> Result<(), LogError> {
        let (file, path, _) = self.newest();
        file.sync_data().map_err(LogError::io("sync", &path))
    }

    /// Bytes of the newest file.
    pub(in crate::log) fn bytes(&self) -> u64 {
        self.room.lock().position
    }

    /// Goes on in a new file; stays in this one if there is no room for another, or no more files may be opened.
    pub(in crate::log) fn rotate(&mut self) -> Result<(), LogError> {
        // The reader of the next file takes what this one confirms on trust.
        self.confirm()?;
        let generation = self.generation + 1;
        let next = create(&*self.disk, &self.dir, generation, self.group);
        let moved = next.and_then(|next| {
            let mut room = self.room.lock();
            let old = room.path.clone();
            room.move_to(next).map(|()| old)
        });
        match moved {
            Ok(old) => {
                self.old.push((std::mem::replace(&mut self.generation, generation), old));
                Ok(())
            }
            Err(LogError::DiskFull { path }) => {
                tracing::warn!(path = %path.display(), "the disk is full; the journal goes on in its newest file");
                Ok(())
            }
            Err(LogError::Io { path, source, .. }) if are_too_many_open(&source) => {
                tracing::warn!(path = %path.display(), %source, "the journal goes on in its newest file");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// How many files there are before the newest one.
    pub(in crate::log) fn old(&self) -> usize {
        self.old.len()
    }

    /// The oldest generation that is not trimmed away.
    pub(in crate::log) fn oldest(&self) -> u64 {
        self.old.first().map_or(self.generation, |(generation, _)| *generation)
    }

    /// The generation of the newest file.
    pub(in crate::log) fn generation(&self) -> u64 {
        self.generation
    }

    fn newest(&self) -> (Arc<dyn File>, PathBuf, u64) {
        let room = self.room.lock();
        (Arc::clone(&room.file), room.path.clone(), room.position)
    }

    fn header(&self, kind: HeaderKind, length: u64) -> Header {
        let confirmed = match kind {
            HeaderKind::Group => self.group - 1,
            HeaderKind::File | HeaderKind::Confirmation => self.group,
        };
        Header { kind, generation: self.generation, group: self.group, length, confirmed, trimmed: 0 }
    }
}

/// A new file. One that an earlier try left for want of room is begun again.
fn create(disk: &dyn Disk, dir: &Path, generation: u64, group: u64) -> Result<JournalRoom, LogError> {
    let path = dir.join(format!("{generation:020}.journal"));
    let file = disk.open(&path, OpenMode::Create).map_err(LogError::io("create", &path))?;
    let mut room = JournalRoom::new(Arc::clone(&file), path.clone());
    room.promise(HEADER as u64)?;
    let header = Header { kind: HeaderKind::File, generation, group, length: 0, confirmed: group, trimmed: 0 };
    file.write_at(&header.encode(), 0).map_err(LogError::io("write", &path))?;
    file.sync_data().map_err(LogError::io("sync", &path))?;
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    room.position = HEADER as u64;
    room.give_back(HEADER as u64);
    Ok(room)
}
