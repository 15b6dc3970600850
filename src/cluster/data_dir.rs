//! The data directory: locked by one process, and marked with whose it is and who can read it.
//!
//! `lock` is held for the life of the process. `meta` says cluster, node and format level, in text, with a checksum;
//! a directory that a newer server wrote is refused before anything else is read.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use super::error::MetadataError;
use super::record::ClusterId;
use super::record::NodeId;
use super::storage::make_dir;
use super::storage::replace_file;
use crate::env::Disk;
use crate::env::DiskLock;
use crate::env::Env;
use crate::env::OpenMode;

/// The format of everything below the data directory that this server writes and reads.
pub const FORMAT_LEVEL: u32 = 5;

const META_BYTES_MAX: usize = 64 << 10;

/// Whose data directory it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataDirMeta {
    /// The format level of the server that wrote last.
    pub format_level: u32,
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
}

/// A data directory that is held by this process until the value is dropped.
pub struct DataDir {
    path: PathBuf,
    meta: DataDirMeta,
    #[expect(dead_code, reason = "held for its drop")]
    lock: DiskLock,
}

impl DataDir {
    /// Makes, locks and reads `path`.
    pub fn open(env: &Env, path: &Path) -> Result<Self, MetadataError> {
        let disk = env.disk.as_ref();
        make_dir(disk, path)?;
        let lock = disk.lock(&path.join("lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => MetadataError::InUse { path: path.to_path_buf() },
            _ => MetadataError::disk("lock", path, error),
        })?;
        let meta = match read_meta(disk, path)? {
            Some(meta) if meta.format_level < FORMAT_LEVEL => {
                // From here on it may hold what an older server would take for damage.
                let meta = DataDirMeta { format_level: FORMAT_LEVEL, ..meta };
                replace_file(disk, path, "meta", encode_meta(&meta).as_bytes())?;
                meta
            }
            Some(meta) => meta,
            None => {
                let cluster = ClusterId(env.random.uuid_bytes());
                let meta = DataDirMeta { format_level: FORMAT_LEVEL, cluster, node: NodeId(0) };
                replace_file(disk, path, "meta", encode_meta(&meta).as_bytes())?;
                meta
            }
        };
        Ok(Self { path: path.to_path_buf(), meta, lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is.
    pub fn meta(&self) -> &DataDirMeta {
        &self.meta
    }
}

fn encode_meta(meta: &DataDirMeta) -> String {
    let mut text = serde_json::to_string(meta).expect("the meta file has only fields that JSON can hold");
    let checksum = crc32c::crc32c(text.as_bytes());
    write!(text, "\n{checksum:08x}\n").expect("writing to a String does not fail");
    text
}

fn read_meta(disk: &dyn Disk, dir: &Path) -> Result<Option<DataDirMeta>, MetadataError> {
    let path = dir.join("meta");
    if !disk.exists(&path) {
        return Ok(None);
    }
    let at = |action| {
        let path = path.clone();
        move |error: io::Error| MetadataError::disk(action, path, error)
    };
    let mut bytes = vec![0; META_BYTES_MAX];
    let file = disk.open(&path, OpenMode::Read).map_err(at("open"))?;
    let read = file.read_at(&mut bytes, 0).map_err(at("read"))?;
    let corrupt = || MetadataError::Corrupt { path: path.clone(), byte_offset: 0 };
    let text = std::str::from_utf8(&bytes[..read]).map_err(|_| corrupt())?;
    let (body, checksum) = text.trim_end().rsplit_once('\n').ok_or_else(corrupt)?;
    if format!("{:08x}", crc32c::crc32c(body.as_bytes())) != checksum {
        return Err(corrupt());
    }
    // The level first: a newer server may have other fields.
    #[derive(Deserialize)]
    struct Level {
        format_level: u32,
    }
    let Level { format_level: found } = serde_json::from_str(body).map_err(|_| corrupt())?;
    if FORMAT_LEVEL < found {
        return Err(MetadataError::NewerFormat { found, known: FORMAT_LEVEL });
    }
    serde_json::from_str(body).map(Some).map_err(|_| corrupt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_server_on_the_same_directory_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let env = Env::real();
        let first = DataDir::open(&env, dir.path()).expect("the first may");
        assert!(matches!(DataDir::open(&env, dir.path()), Err(MetadataError::InUse { .. })));
        let meta = first.meta().clone();
        drop(first);
        assert_eq!(DataDir::open(&env, dir.path()).expect("the lock is free").meta(), &meta);
    }

    #[test]
    fn an_older_directory_is_marked_before_it_is_written() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let env = Env::real();
        let mut meta = DataDir::open(&env, dir.path()).expect("fresh").meta().clone();
        meta.format_level = FORMAT_LEVEL - 1;
        replace_file(env.disk.as_ref(), dir.path(), "meta", encode_meta(&meta).as_bytes()).expect("written");
        drop(DataDir::open(&env, dir.path()).expect("it is known"));
        let found = read_meta(env.disk.as_ref(), dir.path()).expect("it reads").expect("it is there");
        assert_eq!(found, DataDirMeta { format_level: FORMAT_LEVEL, ..meta });
    }

    #[test]
    fn newer_format_level_and_flipped_bytes_are_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let env = Env::real();
        let mut meta = DataDir::open(&env, dir.path()).expect("fresh").meta().clone();
        meta.format_level = FORMAT_LEVEL + 1;
        replace_file(env.disk.as_ref(), dir.path(), "meta", encode_meta(&meta).as_bytes()).expect("written");
        let opened = DataDir::open(&env, dir.path());
        assert!(matches!(
            opened,
            Err(MetadataError::NewerFormat { found, known: FORMAT_LEVEL }) if found == FORMAT_LEVEL + 1
        ));
        let flipped = encode_meta(&meta).replacen('0', "1", 1);
        replace_file(env.disk.as_ref(), dir.path(), "meta", flipped.as_bytes()).expect("written");
        assert!(matches!(DataDir::open(&env, dir.path()), Err(MetadataError::Corrupt { .. })));
    }
}
