//! Reads the journal at start-up: all entries up to a torn end, and what of it is damaged.
//!
//! Damage in the last group, when nothing says that it was ever durable, is a torn tail: none of its entries count, and
//! the file is cut before it. Damage in a group that is known to have been durable is rot: what can be read counts, and the rest is for
//! the segments to show.

use std::path::Path;
use std::path::PathBuf;

use bytes::Bytes;

use crate::env::Disk;
use crate::env::OpenMode;
use crate::log::LogError;
use crate::log::files;

use super::Entry;
use super::Payload;
use super::group::HEADER;
use super::group::Header;
use super::group::HeaderKind;
use super::group::aligned;

/// How whole the journal was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::log) struct Damage {
    /// The last group was torn and cut.
    pub(in crate::log) torn: bool,
    /// A group that had been durable was damaged.
    pub(in crate::log) rotten: bool,
}

/// What the journal said.
pub(in crate::log) struct Read {
    pub(in crate::log) entries: Vec<(Entry, Payload)>,
    pub(in crate::log) damage: Damage,
    /// Where the torn group begins: file and byte.
    pub(in crate::log) torn_at: Option<(PathBuf, u64)>,
    /// All journal files, oldest first.
    pub(in crate::log) files: Vec<PathBuf>,
    /// The newest generation.
    pub(in crate::log) generation: u64,
    /// The number of the last group.
    pub(in crate::log) group: u64,
}

/// One group as it was found: its entries up to the damage.
struct Group {
    number: u64,
    place: (PathBuf, u64),
    entries: Vec<(Entry, Payload)>,
    whole: bool,
}

/// Reads all journal files of `dir`, oldest first.
pub(in crate::log) fn read_all(disk: &dyn Disk, dir: &Path) -> Result<Read, LogError> {
    let paths = disk.read_dir(dir).map_err(LogError::io("list", dir))?;
    let generation_of = |path: &PathBuf| files::number_of_file(path, "journal").and_then(|n| u64::try_from(n).ok());
    let files: Vec<(u64, PathBuf)> = paths.into_iter().filter_map(|path| Some((generation_of(&path)?, path))).collect();
    let mut scan = Scan::default();
    for (generation, path) in &files {
        scan.file(disk, path, *generation)?;
    }
    let generation = files.last().map_or(0, |(generation, _)| *generation);
    let files = files.into_iter().map(|(_, path)| path).collect();
    Ok(scan.finish(files, generation))
}

#[derive(Default)]
struct Scan {
    groups: Vec<Group>,
    confirmed: u64,
    /// A group number was skipped, or a file's header could not be read though its groups can.
    missing: bool,
}

impl Scan {
    fn file(&mut self, disk: &dyn Disk, path: &Path, generation: u64) -> Result<(), LogError> {
        let file = disk.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
        let length = file.len().map_err(LogError::io("measure", path))?;
        let mut bytes = vec![0; usize::try_from(length).expect("a journal file fits memory")];
        let read = file.read_at(&mut bytes, 0).map_err(LogError::io("read", path))?;
        bytes.truncate(read);
        let bytes = Bytes::from(bytes);
        let mut position = 0;
        while position + HEADER <= bytes.len() {
            match Header::decode(&bytes[position..], generation) {
                Some(header) => position = self.header(&header, &bytes, (path, position)),
                None => position += HEADER,
            }
        }
        Ok(())
    }

    /// Takes in what follows a header; returns where the next one may stand.
    fn header(&mut self, header: &Header, bytes: &Bytes, (path, position): (&Path, usize)) -> usize {
        self.confirmed = self.confirmed.max(header.confirmed);
        let start = position + HEADER;
        if header.kind != HeaderKind::Group {
            return start;
        }
        let expected = self.groups.last().map_or(header.group, |last| last.number + 1);
        self.missing |= expected != header.group;
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let end = start.saturating_add(length).min(bytes.len());
        let place = (path.to_path_buf(), position as u64);
        let mut group = Group { number: header.group, place, entries: Vec::new(), whole: end - start == length };
        let mut rest = bytes.slice(start..end);
        while !rest.is_empty() {
            let Some((entry, payload, after)) = Entry::decode(&rest) else {
                group.whole = false;
                break;
            };
            group.whole &= payload == Payload::Whole;
            group.entries.push((entry, payload));
            rest = after;
        }
        self.groups.push(group);
        aligned(end as u64) as usize
    }

    fn finish(mut self, files: Vec<PathBuf>, generation: u64) -> Read {
        let mut damage = Damage { torn: false, rotten: self.missing };
        // A group that is said to be durable must be there.
        damage.rotten |= self.groups.last().is_some_and(|last| last.number < self.confirmed);
        for group in &self.groups {
            damage.rotten |= !group.whole && group.number <= self.confirmed;
        }
        let confirmed = self.confirmed;
        let torn = self.groups.pop_if(|last| !last.whole && confirmed < last.number);
        damage.torn = torn.is_some();
        let torn_at = torn.map(|group| group.place);
        let group = self.groups.last().map_or(self.confirmed, |last| last.number.max(self.confirmed));
        let entries = self.groups.into_iter().flat_map(|group| group.entries).collect();
        Read { entries, damage, torn_at, files, generation, group }
    }
}
