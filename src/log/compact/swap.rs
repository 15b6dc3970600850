//! Takes a new segment into the place of old ones, whole or not at all.
//!
//! ```text
//! <partition>/cleaned-%020d.{log,index,blocks}   a segment that is to take the place of others
//!            /range       first and next offset of those, and what the file `compacted` will say
//!            /swap        the same, decided
//!            /compacted   the same, done: how far the log is compacted
//! ```
//!
//! The rename of `range` to `swap` decides. What follows is repeated by the next start as often as needed: old files go,
//! snapshots of producers from before the end of the range with them, the index and the block hashes are renamed, then the
//! log file, and `swap` last.

use std::path::Path;
use std::path::PathBuf;

use crate::env::Disk;
use crate::model::Offset;
use crate::protocol::PrimitiveError;
use crate::protocol::Reader;
use crate::protocol::Writer;

use crate::log::LogError;
use crate::log::files;
use crate::log::files::Hashed;
use crate::log::segment::Segment;

const CLEANED: &str = "cleaned-";
const RANGE: &str = "range";
const SWAP: &str = "swap";
const COMPACTED: &str = "compacted";

const VERSION: i16 = 1;

/// How far a partition is compacted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::log) struct Compacted {
    /// Of each key below it only the newest record is kept.
    pub(in crate::log) upto: Offset,
    /// No tombstone went at or after this offset.
    pub(in crate::log) tombstones_from: Offset,
}

/// The offsets whose segments a new one replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) base: Offset,
    pub(super) next: Offset,
}

/// Where the log file of a segment stands that is being written in the place of that of `base`.
pub(super) fn cleaned_file(dir: &Path, base: Offset) -> PathBuf {
    let place = files::segment_file(dir, base, "log");
    dir.join(format!("{CLEANED}{}", place.file_name().unwrap_or_default().to_string_lossy()))
}

/// Makes the new segment durable, and what is to be decided. After an error nothing has changed.
pub(super) fn prepare(
    disk: &dyn Disk,
    dir: &Path,
    segment: &mut Segment,
    range: Range,
    compacted: Compacted,
) -> Result<(), LogError> {
    segment.seal(disk)?;
    segment.sync(disk)?;
    let path = dir.join(RANGE);
    files::write_hashed_durably(disk, &path, Hashed::Compaction, encode(range, compacted))?;
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))
}

/// Decides for what was prepared, and finishes it. After an error nobody knows which: only a start finds out.
pub(super) fn decide(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    let path = dir.join(RANGE);
    disk.rename(&path, &dir.join(SWAP)).map_err(LogError::io("rename", &path))?;
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    finish(disk, dir)
}

/// Finishes what was decided for, and clears away what was not; no error if there is nothing.
pub(in crate::log) fn finish(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    let path = dir.join(SWAP);
    if disk.exists(&path) {
        let range = files::read_hashed(disk, &path, Hashed::Compaction)?.as_deref().and_then(decode);
        let (range, _) = range.ok_or_else(|| LogError::Format { kind: "swap", path: path.clone() })?;
        replace(disk, dir, range)?;
        disk.rename(&path, &dir.join(COMPACTED)).map_err(LogError::io("rename", &path))?;
        return disk.sync_dir(dir).map_err(LogError::io("sync", dir));
    }
    clear(disk, dir)
}

/// Removes what was written and not decided for.
pub(super) fn clear(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    for path in disk.read_dir(dir).map_err(LogError::io("list", dir))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == RANGE || name.starts_with(CLEANED) {
            disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
        }
    }
    Ok(())
}

fn replace(disk: &dyn Disk, dir: &Path, range: Range) -> Result<(), LogError> {
    for path in disk.read_dir(dir).map_err(LogError::io("list", dir))? {
        let replaced = |base: &i64| range.base.0 < *base && *base < range.next.0;
        if let Some(base) = files::number_of_file(&path, "log").filter(replaced) {
            // The log goes last: without it the others would never be found again.
            for extension in ["index", "blocks", "log"] {
                let path = files::segment_file(dir, Offset(base), extension);
                if disk.exists(&path) {
                    disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
                }
            }
        }
        // A transaction that it calls open may have ended by a marker that is gone now.
        if files::number_of_file(&path, "snapshot").is_some_and(|offset| offset < range.next.0) {
            disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
        }
    }
    let log = cleaned_file(dir, range.base);
    let rename = |extension: &str| {
        let (from, to) = (log.with_extension(extension), files::segment_file(dir, range.base, extension));
        match disk.exists(&from) {
            true => disk.rename(&from, &to).map_err(LogError::io("rename", &from)),
            false => Ok(()),
        }
    };
    rename("index")?;
    rename("blocks")?;
    // What vouches for the log file's bytes is there before they are.
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    rename("log")?;
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))
}

/// How far the partition in `dir` is compacted. If that cannot be told, no tombstone below `end` is counted on.
pub(in crate::log) fn compacted(disk: &dyn Disk, dir: &Path, end: Offset) -> Result<Compacted, LogError> {
    let path = dir.join(COMPACTED);
    if !disk.exists(&path) {
        return Ok(Compacted::default());
    }
    let known = files::read_hashed(disk, &path, Hashed::Compaction)?.as_deref().and_then(decode);
    Ok(known.map_or(Compacted { upto: Offset::ZERO, tombstones_from: end }, |(_, compacted)| compacted))
}

fn encode(range: Range, compacted: Compacted) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.i16(VERSION);
    for offset in [range.base, range.next, compacted.upto, compacted.tombstones_from] {
        writer.i64(offset.0);
    }
    writer.finish()
}

fn decode(bytes: &[u8]) -> Option<(Range, Compacted)> {
    read(bytes).ok().flatten()
}

fn read(bytes: &[u8]) -> Result<Option<(Range, Compacted)>, PrimitiveError> {
    let mut reader = Reader::new(bytes);
    if reader.i16()? != VERSION {
        return Ok(None);
    }
    let mut offset = || reader.i64().map(Offset);
    let range = Range { base: offset()?, next: offset()? };
    Ok(Some((range, Compacted { upto: offset()?, tombstones_from: offset()? })))
}
