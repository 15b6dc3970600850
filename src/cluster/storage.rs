//! The voter's two files: `log`, the entries, and `vote`, the term.
//!
//! After the fdatasync of an entry a 16-byte mark is written behind it. Nobody waits for the mark, but one that is
//! found proves that its entry had been durable: a bad entry without a mark behind it is a torn tail and is cut, one
//! with a mark is rot, and the log is not opened.
//!
//! Invariants:
//!   * at most one entry is not yet durable
//!   * after a failed flush nothing is written any more (`Unknown`)

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::entry::Entry;
use super::entry::FRAME_HEADER_BYTES;
use super::entry::PAYLOAD_BYTES_MAX;
use super::error::MetadataError;
use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;

const MARK_MAGIC: u32 = 0x544d_4f4b;
const MARK_BYTES: usize = 16;
const VOTE_BYTES: usize = 8;

/// The entry log and the vote of one voter.
pub(super) struct MetadataStorage {
    path: PathBuf,
    file: Arc<dyn File>,
    end: u64,
    poisoned: bool,
}

/// What was found at opening.
pub(super) struct Opened {
    pub storage: MetadataStorage,
    pub entries: Vec<Entry>,
    /// This start's term, durable before it is used.
    pub term: u32,
    /// Bytes of a torn entry that were cut.
    pub torn_bytes: u64,
}

impl MetadataStorage {
    /// Opens or makes the files in `dir`, cuts a torn tail, takes the next term.
    pub(super) fn open(disk: &dyn Disk, dir: &Path) -> Result<Opened, MetadataError> {
        make_dir(disk, dir)?;
        let term = take_term(disk, dir)?;
        let path = dir.join("log");
        let at = |action| {
            let path = path.clone();
            move |error: io::Error| MetadataError::disk(action, path, error)
        };
        let file = disk.open(&path, OpenMode::Create).map_err(at("open"))?;
        disk.sync_dir(dir).map_err(at("sync the directory of"))?;
        let length = file.len().map_err(at("read"))?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let read = file.read_at(&mut bytes, 0).map_err(at("read"))?;
        bytes.truncate(read);
        let Scanned { entries, last, end } = scan(&bytes, &path)?;
        // An entry may be whole and the room of its mark not: then `end` lies past the file.
        let torn_bytes = length.saturating_sub(end);
        if 0 < torn_bytes {
            file.set_len(end).map_err(at("cut"))?;
        }
        // The last entry may be one that a killed process never flushed, or failed to: it is kept, so it must be durable
        // before it counts. It is written anew, since a flush that failed may have left its pages as if they were on disk.
        file.write_at(&bytes[last as usize..bytes.len().min(end as usize)], last).map_err(at("write"))?;
        file.sync_data().map_err(at("flush"))?;
        let storage = Self { path, file, end, poisoned: false };
        Ok(Opened { storage, entries, term, torn_bytes })
    }

    /// Appends one entry; durable when this returns `Ok`, gone when it returns another error than `Unknown`.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), MetadataError> {
        if self.poisoned {
            return Err(MetadataError::Unknown { source: None });
        }
        let mut frame = entry.encode();
        let payload = frame.len() - FRAME_HEADER_BYTES;
        if PAYLOAD_BYTES_MAX < payload {
            return Err(MetadataError::TooLarge { bytes: payload, limit: PAYLOAD_BYTES_MAX });
        }
        let frame_end = self.end + frame.len() as u64;
        frame.extend_from_slice(&[0; MARK_BYTES]);
        if let Err(error) = self.file.write_at(&frame, self.end) {
            self.undo()?;
            return Err(MetadataError::disk("write", &self.path, error));
        }
        if let Err(error) = self.file.sync_data() {
            self.poisoned = true;
            return Err(MetadataError::Unknown { source: Some(error) });
        }
        self.end = frame_end + MARK_BYTES as u64;
        // The entry is durable whether or not its mark gets there; a disk that fails here will fail the next append.
        if let Err(error) = self.file.write_at(&mark(entry.version), frame_end) {
            tracing::warn!(%error, version = entry.version, "could not mark a metadata entry as durable");
        }
        Ok(())
    }

    /// Takes back a write that failed: until that is durable, the entry might come back after a crash.
    fn undo(&mut self) -> Result<(), MetadataError> {
        let undone = self.file.set_len(self.end).and_then(|()| self.file.sync_data());
        undone.map_err(|error| {
            self.poisoned = true;
            MetadataError::Unknown { source: Some(error) }
        })
    }
}

/// The entries of the file.
struct Scanned {
    entries: Vec<Entry>,
    /// Where the last of them begins.
    last: u64,
    /// Where the next one goes.
    end: u64,
}

fn scan(bytes: &[u8], path: &Path) -> Result<Scanned, MetadataError> {
    let mut entries: Vec<Entry> = Vec::new();
    let (mut last, mut place) = (0, 0);
    while place < bytes.len() {
        let expected = entries.len() as u64 + 1;
        match Entry::decode(&bytes[place..]) {
            Some((entry, length)) if entry.version == expected => {
                entries.push(entry);
                last = place;
                // The last mark may not have been written; its room is there or is made by the next append.
                place += length + MARK_BYTES;
            }
            _ if has_mark(&bytes[place..], expected) => {
                return Err(MetadataError::Corrupt { path: path.to_path_buf(), byte_offset: place as u64 });
            }
            _ => break,
        }
    }
    Ok(Scanned { entries, last: last as u64, end: place as u64 })
}

fn mark(version: u64) -> [u8; MARK_BYTES] {
    let mut mark = [0; MARK_BYTES];
    mark[..4].copy_from_slice(&MARK_MAGIC.to_be_bytes());
    mark[4..12].copy_from_slice(&version.to_be_bytes());
    let checksum = crc32c::crc32c(&mark[..12]);
    mark[12..].copy_from_slice(&checksum.to_be_bytes());
    mark
}

/// Whether a mark of version `from` or later lies anywhere in `bytes`.
fn has_mark(bytes: &[u8], from: u64) -> bool {
    bytes.windows(MARK_BYTES).any(|window| {
        window[..4] == MARK_MAGIC.to_be_bytes()
            && window[4..12].try_into().is_ok_and(|version| from <= u64::from_be_bytes(version))
            && window[12..] == crc32c::crc32c(&window[..12]).to_be_bytes()
    })
}

/// Makes a directory, and durable that it is there.
pub(super) fn make_dir(disk: &dyn Disk, dir: &Path) -> Result<(), MetadataError> {
    let made = disk.create_dir_all(dir).and_then(|()| match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => disk.sync_dir(parent),
        _ => Ok(()),
    });
    made.map_err(|error| MetadataError::disk("create", dir, error))
}

/// Reads the last term and makes the next one durable. The file is replaced whole: rename, then the directory.
fn take_term(disk: &dyn Disk, dir: &Path) -> Result<u32, MetadataError> {
    let path = dir.join("vote");
    let at = |action| {
        let path = path.clone();
        move |error: io::Error| MetadataError::disk(action, path, error)
    };
    let mut last = 0;
    if disk.exists(&path) {
        let file = disk.open(&path, OpenMode::Read).map_err(at("open"))?;
        let mut bytes = [0; VOTE_BYTES];
        let read = file.read_at(&mut bytes, 0).map_err(at("read"))?;
        let (term, checksum) = bytes.split_at(4);
        if read != VOTE_BYTES || crc32c::crc32c(term).to_be_bytes() != checksum {
            return Err(MetadataError::Corrupt { path, byte_offset: 0 });
        }
        last = u32::from_be_bytes(term.try_into().expect("the split is at four"));
    }
    let term = last + 1;
    let mut bytes = term.to_be_bytes().to_vec();
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    replace_file(disk, dir, "vote", &bytes)?;
    Ok(term)
}

/// Puts `bytes` into `dir/name`, durably and whole: a crash leaves the old file or the new one.
pub(super) fn replace_file(disk: &dyn Disk, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), MetadataError> {
    let path = dir.join(name);
    let fresh = dir.join(format!("{name}.new"));
    let written = (|| {
        if disk.exists(&fresh) {
            disk.remove_file(&fresh)?;
        }
        let file = disk.open(&fresh, OpenMode::CreateNew)?;
        file.write_at(bytes, 0)?;
        file.sync_data()?;
        disk.rename(&fresh, &path)?;
        disk.sync_dir(dir)
    })();
    written.map_err(|error| MetadataError::disk("replace", path, error))
}
