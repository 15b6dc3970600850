//! The names of a log directory's files, and the byte fields in them.
//!
//! ```text
//! <dir>/journal/%020d.journal                   the journal, by generation
//! <dir>/<topic uuid>-<partition>/partition      what the partition was told
//!                               damaged         from which offset on it is damaged, if it is
//!                               %020d.log       record batches, by base offset
//!                               %020d.blocks    hashes of the log file's 64 KiB blocks
//!                               %020d.index     offset and time index of a sealed segment (a cache)
//!                               %020d.snapshot  producers at that offset, and how to find it (a cache)
//!                               compacted, swap, range, cleaned-*   see `compact::swap`
//! <dir>/disk_reserve                            room that is kept for the server itself
//! <dir>/sync_failed                             the page cache may hold what the disk has lost
//! <dir>/<...>-delete, <...>-stray               on their way out; not of this cluster
//! ```

use std::io;
use std::path::Path;
use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;
use crate::model::Offset;
use crate::model::PartitionId;
use crate::model::TopicPartition;

use super::LogError;

pub(super) const JOURNAL_DIR: &str = "journal";
pub(super) const PARTITION_FILE: &str = "partition";
pub(super) const DAMAGE_FILE: &str = "damaged";
pub(super) const RESERVE_FILE: &str = "disk_reserve";
/// Is there once a sync has failed, until a start has written again what may be lost.
pub(super) const SYNC_FAILED_FILE: &str = "sync_failed";
pub(super) const DELETED: &str = "-delete";
pub(super) const STRAY: &str = "-stray";

/// The directory of a partition.
pub(super) fn partition_dir(dir: &Path, partition: TopicPartition) -> PathBuf {
    dir.join(partition.to_string())
}

/// The partition that a directory is named for, if it is one's.
pub(super) fn partition_of_dir(path: &Path) -> Option<TopicPartition> {
    let name = path.file_name()?.to_str()?;
    let (topic, number) = name.split_at_checked(36)?;
    let number = number.strip_prefix('-')?.parse::<i32>().ok().filter(|number| 0 <= *number)?;
    let partition = TopicPartition { topic: topic.parse().ok()?, partition: PartitionId(number) };
    (partition.to_string() == name).then_some(partition)
}

/// The file of a segment with this extension.
pub(super) fn segment_file(dir: &Path, base: Offset, extension: &str) -> PathBuf {
    dir.join(format!("{:020}.{extension}", base.0))
}

/// The number in the name of a file with this extension.
pub(super) fn number_of_file(path: &Path, extension: &str) -> Option<i64> {
    let number = path.file_name()?.to_str()?.strip_suffix(extension)?.strip_suffix('.')?;
    (number.len() == 20).then(|| number.parse().ok())?
}

/// Reserves room so that `needed` bytes fit and tells how much: it doubles from 64 KiB, by at most 16 MiB at a time. A disk
/// that is nearly full may have what is needed and not more.
pub(super) fn allocate(file: &dyn File, reserved: u64, needed: u64) -> io::Result<u64> {
    let mut next = reserved;
    while next < needed {
        next += next.clamp(64 << 10, 16 << 20);
    }
    match file.allocate(next) {
        Ok(()) => Ok(next),
        Err(error) if is_full(&error) => file.allocate(needed).map(|()| needed),
        Err(error) => Err(error),
    }
}

/// Whether an error of the disk says that it has no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What a small file holds. One that stands in the place of another is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashed {
    Partition,
    Damage,
    Index,
    Snapshot,
    Compaction,
}

impl Hashed {
    /// The hash of such a file in the directory of `path`: that of another partition is another.
    fn hash(self, path: &Path, bytes: &[u8]) -> u64 {
        let partition = path.parent().and_then(Path::file_name).unwrap_or_default();
        let kind = match self {
            Hashed::Partition => 1,
            Hashed::Damage => 2,
            Hashed::Index => 3,
            Hashed::Snapshot => 4,
            Hashed::Compaction => 5,
        };
        xxh3_64_with_seed(bytes, xxh3_64_with_seed(partition.as_encoded_bytes(), kind))
    }
}

/// Writes a small file whose last eight bytes are a hash of the others. Not synced.
pub(super) fn write_hashed(disk: &dyn Disk, path: &Path, kind: Hashed, mut bytes: Vec<u8>) -> Result<(), LogError> {
    let hash = kind.hash(path, &bytes);
    bytes.extend(hash.to_be_bytes());
    let file = disk.open(path, OpenMode::Create).map_err(LogError::io("open", path))?;
    file.set_len(0).map_err(LogError::io("cut", path))?;
    file.write_at(&bytes, 0).map_err(LogError::io("write", path))
}

/// Writes such a file and syncs it; its name is durable after a sync of its directory.
pub(super) fn write_hashed_durably(disk: &dyn Disk, path: &Path, kind: Hashed, bytes: Vec<u8>) -> Result<(), LogError> {
    write_hashed(disk, path, kind, bytes)?;
    let file = disk.open(path, OpenMode::ReadWrite).map_err(LogError::io("open", path))?;
    file.sync_data().map_err(LogError::io("sync", path))
}

/// Makes a file durable that is there, and its name.
pub(super) fn sync(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    let file = disk.open(path, OpenMode::ReadWrite).map_err(LogError::io("open", path))?;
    file.sync_data().map_err(LogError::io("sync", path))?;
    let dir = path.parent().expect("a file lies in a directory");
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))
}

/// Writes such a file in the place of one that is there, durably: whatever happens, the old one is found or the new one.
pub(super) fn replace_hashed(disk: &dyn Disk, path: &Path, kind: Hashed, bytes: Vec<u8>) -> Result<(), LogError> {
    let fresh = path.with_extension("new");
    write_hashed_durably(disk, &fresh, kind, bytes)?;
    disk.rename(&fresh, path).map_err(LogError::io("rename", &fresh))?;
    let dir = path.parent().expect("a file lies in a directory");
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))
}

/// The bytes of such a file; `None` if it is not there, torn, flipped, or another's.
pub(super) fn read_hashed(disk: &dyn Disk, path: &Path, kind: Hashed) -> Result<Option<Vec<u8>>, LogError> {
    if !disk.exists(path) {
        return Ok(None);
    }
    let file = disk.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
    let length = file.len().map_err(LogError::io("measure", path))?;
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let read = file.read_at(&mut bytes, 0).map_err(LogError::io("read", path))?;
    bytes.truncate(read);
    let Some((content, hash)) = bytes.split_last_chunk::<8>() else { return Ok(None) };
    let whole = kind.hash(path, content) == u64::from_be_bytes(*hash);
    let length = content.len();
    bytes.truncate(length);
    Ok(whole.then_some(bytes))
}
