//! The file that says from which offset on a partition is damaged.
//!
//! Recovery brings sidecars and the journal to what it found, so without it the next start would take damage for data, or
//! its absence for a torn tail. Nothing is cut off a partition that has one; it goes with the partition.

use std::path::Path;

use crate::env::Disk;
use crate::env::OpenMode;
use crate::model::Offset;
use crate::protocol::Reader;
use crate::protocol::Writer;

use super::LogError;
use super::files;
use super::files::Hashed;

const VERSION: i16 = 1;

/// Marks the partition in `dir`, durably.
pub(super) fn mark(disk: &dyn Disk, dir: &Path, offset: Offset) -> Result<(), LogError> {
    let mut writer = Writer::new();
    writer.i16(VERSION);
    writer.i64(offset.0);
    let path = dir.join(files::DAMAGE_FILE);
    files::write_hashed(disk, &path, Hashed::Damage, writer.finish())?;
    let file = disk.open(&path, OpenMode::ReadWrite).map_err(LogError::io("open", &path))?;
    file.sync_data().map_err(LogError::io("sync", &path))?;
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))
}

/// Takes the mark away, durably.
pub(super) fn clear(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    let path = dir.join(files::DAMAGE_FILE);
    if disk.exists(&path) {
        disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
    }
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))
}

/// Where the partition in `dir` is marked; from its first offset on if the mark cannot be read.
pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Offset>, LogError> {
    let path = dir.join(files::DAMAGE_FILE);
    if !disk.exists(&path) {
        return Ok(None);
    }
    let bytes = files::read_hashed(disk, &path, Hashed::Damage)?.unwrap_or_default();
    let mut reader = Reader::new(&bytes);
    let offset = match (reader.i16(), reader.i64()) {
        (Ok(VERSION), Ok(offset)) => Offset(offset),
        _ => Offset::ZERO,
    };
    Ok(Some(offset))
}
