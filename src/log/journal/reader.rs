//! Reads the journal at start-up, entry by entry: once to find out what of it counts, once to replay it.
//!
//! Damage in the last group, when nothing says that it was ever durable, is a torn tail: none of its entries count, and
//! the file is cut before it. Damage in a group that is known to have been durable is rot: what can be read counts, and the rest is for
//! the segments to show.
//!
//! Memory holds one entry at a time, and per partition an `Outline`.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use bytes::BytesMut;

use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;
use crate::log::LogError;
use crate::log::files;
use crate::model::Offset;
use crate::model::TopicPartition;

use super::Entry;
use super::EntryKind;
use super::Payload;
use super::entry::ENTRY_HEADER;
use super::group::HEADER;
use super::group::Header;
use super::group::HeaderKind;
use super::group::aligned;

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// How whole the journal was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::log) struct Damage {
    /// The last group was torn and cut.
    pub(in crate::log) torn: bool,
    /// A group that had been durable was damaged.
    pub(in crate::log) rotten: bool,
}

/// What entries say together about one partition, so that an early one can be read in the light of a later one.
#[derive(Debug, Clone, Default)]
pub(in crate::log) struct Outline {
    /// Entries up to this number are about an earlier partition of the same name.
    pub(in crate::log) deleted_at: Option<u64>,
    /// Where the partition starts.
    pub(in crate::log) log_start_offset: Offset,
    /// Where it was cut, oldest first.
    pub(in crate::log) cuts: Vec<Cut>,
    /// The offset after the last batch that an entry puts into a segment, by the segment's base offset.
    pub(in crate::log) segment_ends: BTreeMap<Offset, Offset>,
}

/// A `Truncate` entry.
#[derive(Debug, Clone, Copy)]
pub(in crate::log) struct Cut {
    /// Its number among all entries.
    pub(in crate::log) number: u64,
    pub(in crate::log) segment_base: Offset,
    pub(in crate::log) position: u64,
}

/// What the journal is, before it is replayed.
pub(in crate::log) struct Survey {
    pub(in crate::log) outlines: HashMap<TopicPartition, Outline>,
    pub(in crate::log) damage: Damage,
    /// Where the torn group begins: file and byte.
    pub(in crate::log) torn_at: Option<(PathBuf, u64)>,
    /// Files that were trimmed away, and that a power loss has brought back.
    trimmed: Vec<(u64, PathBuf)>,
    /// All other journal files, oldest first.
    files: Vec<(u64, PathBuf)>,
    /// The number of the last group.
    pub(in crate::log) group: u64,
    /// There is no whole header in any file.
    pub(in crate::log) blank: bool,
    /// The last group counts, and nothing says that it is durable: it may be in the page cache only.
    pub(in crate::log) unconfirmed: bool,
}

/// An entry as it is replayed.
pub(in crate::log) struct Replayed {
    /// Its number among all entries.
    pub(in crate::log) number: u64,
    pub(in crate::log) entry: Entry,
    pub(in crate::log) payload: Payload,
    /// Its bytes in the journal.
    pub(in crate::log) bytes: Bytes,
}

/// Reads all journal files of `dir`, oldest first.
pub(in crate::log) fn survey(disk: &dyn Disk, dir: &Path) -> Result<Survey, LogError> {
    let paths = disk.read_dir(dir).map_err(LogError::io("list", dir))?;
    let generation_of = |path: &PathBuf| files::number_of_file(path, "journal").and_then(|n| u64::try_from(n).ok());
    let files: Vec<(u64, PathBuf)> = paths.into_iter().filter_map(|path| Some((generation_of(&path)?, path))).collect();
    let first_kept = first_kept(disk, &files)?;
    let (trimmed, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(generation, _)| *generation < first_kept);
    let mut surveyor = Surveyor::default();
    for (generation, path) in &files {
        walk(disk, path, *generation, &mut |met| {
            surveyor.meet(path, met);
            Ok(())
        })?;
    }
    Ok(surveyor.finish(trimmed, files))
}

/// The first generation that was not trimmed away: only whole groups can say so.
fn first_kept(disk: &dyn Disk, files: &[(u64, PathBuf)]) -> Result<u64, LogError> {
    let mut first_kept = 0;
    if files.len() < 2 {
        return Ok(first_kept);
    }
    for (generation, path) in files {
        let mut said = 0;
        walk(disk, path, *generation, &mut |met| {
            match met {
                Met::Header(header, _) => said = header.trimmed,
                Met::GroupEnd { whole: true } => first_kept = first_kept.max(said),
                Met::Entry(..) | Met::GroupEnd { whole: false } => {}
            }
            Ok(())
        })?;
    }
    Ok(first_kept)
}

impl Survey {
    /// Makes durable what counts from now on.
    pub(in crate::log) fn confirm(&self, disk: &dyn Disk) -> Result<(), LogError> {
        for (_, path) in self.files.iter().filter(|_| self.unconfirmed) {
            let file = disk.open(path, OpenMode::ReadWrite).map_err(LogError::io("open", path))?;
            file.sync_data().map_err(LogError::io("sync", path))?;
        }
        Ok(())
    }

    /// Hands every entry that counts to `each`, oldest first. The torn group was cut off before.
    pub(in crate::log) fn replay(
        &self,
        disk: &dyn Disk,
        each: &mut dyn FnMut(Replayed) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let mut number = 0;
        for (generation, path) in &self.files {
            walk(disk, path, *generation, &mut |met| match met {
                Met::Entry(entry, payload, bytes) => {
                    number += 1;
                    each(Replayed { number, entry, payload, bytes })
                }
                Met::Header(..) | Met::GroupEnd { .. } => Ok(()),
            })?;
        }
        Ok(())
    }

    /// All files, with their generations, oldest first.
    pub(in crate::log) fn old_files(&self) -> Vec<(u64, PathBuf)> {
        self.trimmed.iter().chain(&self.files).cloned().collect()
    }

    /// The newest generation.
    pub(in crate::log) fn generation(&self) -> u64 {
        self.files.last().map_or(0, |(generation, _)| *generation)
    }
}

/// What a walk through a file meets.
enum Met {
    Header(Header, u64),
    Entry(Entry, Payload, Bytes),
    GroupEnd { whole: bool },
}

fn walk(
    disk: &dyn Disk,
    path: &Path,
    generation: u64,
    meet: &mut dyn FnMut(Met) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let mut window = Window::open(disk, path)?;
    let mut position = 0;
    while let Some(bytes) = window.at(position, HEADER)? {
        let header = Header::decode(bytes, generation);
        let at = position;
        position += HEADER as u64;
        let Some(header) = header else { continue };
        meet(Met::Header(header, at))?;
        if header.kind != HeaderKind::Group {
            continue;
        }
        let end = position.saturating_add(header.length).min(window.length);
        let mut whole = end - position == header.length;
        while position < end {
            let Some((entry, payload, bytes)) = window.entry(position, end)? else {
                whole = false;
                break;
            };
            position += bytes.len() as u64;
            whole &= payload == Payload::Whole;
            meet(Met::Entry(entry, payload, bytes))?;
        }
        meet(Met::GroupEnd { whole })?;
        position = aligned(end);
    }
    Ok(())
}

/// The part of a journal file that is in memory; moves forward only.
struct Window<'a> {
    path: &'a Path,
    file: Arc<dyn File>,
    length: u64,
    start: u64,
    buffer: BytesMut,
}

impl<'a> Window<'a> {
    fn open(disk: &dyn Disk, path: &'a Path) -> Result<Self, LogError> {
        let file = disk.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
        let length = file.len().map_err(LogError::io("measure", path))?;
        Ok(Self { path, file, length, start: 0, buffer: BytesMut::new() })
    }

    /// `size` bytes from `position` on; `None` if the file ends before.
    fn at(&mut self, position: u64, size: usize) -> Result<Option<&[u8]>, LogError> {
        let passed = usize::try_from(position - self.start).unwrap_or(usize::MAX);
        if passed <= self.buffer.len() {
            drop(self.buffer.split_to(passed));
        } else {
            self.buffer.clear();
        }
        self.start = position;
        while self.buffer.len() < size {
            let filled = self.buffer.len();
            self.buffer.resize(filled + CHUNK.max(size - filled), 0);
            let from = position + filled as u64;
            let read = self.file.read_at(&mut self.buffer[filled..], from).map_err(LogError::io("read", self.path))?;
            self.buffer.truncate(filled + read);
            if read == 0 {
                return Ok(None);
            }
        }
        Ok(Some(&self.buffer[..size]))
    }

    /// The entry at `position` of a group that ends at `end`; `None` if it is torn or flipped.
    fn entry(&mut self, position: u64, end: u64) -> Result<Option<(Entry, Payload, Bytes)>, LogError> {
        let Some(header) = self.at(position, ENTRY_HEADER)? else { return Ok(None) };
        let size = Entry::size_in_bytes(header).filter(|size| position + *size as u64 <= end);
        let Some(size) = size else { return Ok(None) };
        if self.at(position, size)?.is_none() {
            return Ok(None);
        }
        let bytes = self.buffer.split_to(size).freeze();
        self.start += size as u64;
        Ok(Entry::decode(&bytes).map(|(entry, payload)| (entry, payload, bytes)))
    }
}

/// The group that was met last.
struct Group {
    number: u64,
    place: (PathBuf, u64),
    whole: bool,
    notes: Vec<(TopicPartition, Note)>,
}

enum Note {
    Deleted(u64),
    Start(Offset),
    Cut(Cut),
    Bytes { segment_base: Offset, next_offset: Offset },
}

#[derive(Default)]
struct Surveyor {
    outlines: HashMap<TopicPartition, Outline>,
    last: Option<Group>,
    entries: u64,
    confirmed: u64,
    headers: u64,
    /// A group number was skipped.
    missing: bool,
    /// The lowest number of a damaged group before the last one.
    broken: Option<u64>,
}

impl Surveyor {
    fn meet(&mut self, path: &Path, met: Met) {
        match met {
            Met::Header(header, position) => {
                self.headers += 1;
                self.confirmed = self.confirmed.max(header.confirmed);
                if header.kind == HeaderKind::Group {
                    self.missing |= self.last.as_ref().is_some_and(|last| last.number + 1 != header.group);
                    self.settle();
                    let place = (path.to_path_buf(), position);
                    self.last = Some(Group { number: header.group, place, whole: false, notes: Vec::new() });
                }
            }
            Met::Entry(entry, ..) => {
                self.entries += 1;
                let number = self.entries;
                let note = match entry.kind {
                    EntryKind::Append | EntryKind::DurableTo => {
                        Note::Bytes { segment_base: entry.segment_base, next_offset: entry.next_offset }
                    }
                    EntryKind::Delete => Note::Deleted(number),
                    EntryKind::Trim | EntryKind::LogStart => Note::Start(entry.base_offset),
                    EntryKind::Truncate => {
                        Note::Cut(Cut { number, segment_base: entry.segment_base, position: entry.position })
                    }
                };
                if let Some(last) = &mut self.last {
                    last.notes.push((entry.partition, note));
                }
            }
            Met::GroupEnd { whole } => {
                if let Some(last) = &mut self.last {
                    last.whole = whole;
                }
            }
        }
    }

    /// A later group was met, so the last one counts.
    fn settle(&mut self) {
        let Some(group) = self.last.take() else { return };
        if !group.whole {
            self.broken.get_or_insert(group.number);
        }
        for (partition, note) in group.notes {
            let outline = self.outlines.entry(partition).or_default();
            match note {
                Note::Deleted(number) => *outline = Outline { deleted_at: Some(number), ..Outline::default() },
                Note::Start(offset) => outline.log_start_offset = outline.log_start_offset.max(offset),
                Note::Cut(cut) => outline.cuts.push(cut),
                Note::Bytes { segment_base, next_offset } => {
                    let end = outline.segment_ends.entry(segment_base).or_insert(next_offset);
                    *end = next_offset.max(*end);
                }
            }
        }
    }

    fn finish(mut self, trimmed: Vec<(u64, PathBuf)>, files: Vec<(u64, PathBuf)>) -> Survey {
        let confirmed = self.confirmed;
        // A group that is said to be durable must be there.
        let mut rotten = self.missing | self.last.as_ref().is_some_and(|last| last.number < confirmed);
        let group = self.last.as_ref().map_or(confirmed, |last| last.number.max(confirmed));
        let torn = self.last.take_if(|last| !last.whole && confirmed < last.number);
        self.settle();
        rotten |= self.broken.is_some_and(|broken| broken <= confirmed);
        let damage = Damage { torn: torn.is_some(), rotten };
        let group = if torn.is_some() { group - 1 } else { group };
        let torn_at = torn.map(|group| group.place);
        let (blank, unconfirmed) = (self.headers == 0, confirmed < group);
        Survey { outlines: self.outlines, damage, torn_at, trimmed, files, group, blank, unconfirmed }
    }
}
