//! Makes many files durable at once.
//!
//! A few are synced one by one. More are synced with their whole file system: then the cost does not grow with their
//! number, but others that write to the same file system have their share in it. That call tells only that somebody
//! lost something; the files' own syncs tell whether it was one of these.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::env::Disk;
use crate::env::File;
use crate::env::FileSystem;

use super::LogError;
use super::partition::Partition;
use super::segment::SegmentFile;

/// So many files are still synced one by one.
const ONE_BY_ONE: usize = 8;

/// What of one partition is to be durable.
pub(super) struct ToSync {
    pub(super) partition: Arc<Partition>,
    /// Log files, with their names.
    pub(super) segments: Vec<Arc<SegmentFile>>,
    /// Their block hashes, and snapshots; `names` takes in the names of these.
    pub(super) sidecars: Vec<(Arc<dyn File>, PathBuf)>,
    pub(super) snapshots: Vec<(Arc<dyn File>, PathBuf)>,
    /// Whether the names in the partition's directory are to be durable.
    pub(super) names: bool,
}

/// Makes all of it durable. The files of a deleted partition are gone, and nobody waits for them.
pub(super) fn sync_all(disk: &dyn Disk, file_system: &dyn FileSystem, all: &[ToSync]) -> Result<(), LogError> {
    let count: usize =
        all.iter().map(|of_one| of_one.segments.len() + of_one.sidecars.len() + of_one.snapshots.len()).sum();
    if ONE_BY_ONE < count {
        match file_system.sync() {
            Ok(()) => {
                let segments = all.iter().flat_map(|of_one| &of_one.segments);
                segments.for_each(|segment| segment.entry_durable.store(true, Ordering::Release));
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(%error, "the file system of the log has lost something; its files are asked one by one");
            }
        }
    }
    ask_all(all.iter().map(|of_one| {
        let synced = of_one.sync(disk);
        let gone = synced.is_err() && of_one.partition.state.lock().deleted;
        if gone { Ok(()) } else { synced }
    }))
}

/// The first failure, when all were asked: what a file has lost is told to who asks first, and that should not be a later start.
fn ask_all(synced: impl Iterator<Item = Result<(), LogError>>) -> Result<(), LogError> {
    let asked: Vec<_> = synced.collect();
    asked.into_iter().collect()
}

impl ToSync {
    /// One log file, with its name.
    pub(super) fn segment(partition: &Arc<Partition>, segment: &Arc<SegmentFile>) -> Self {
        let (partition, segments) = (partition.clone(), vec![segment.clone()]);
        Self { partition, segments, sidecars: Vec::new(), snapshots: Vec::new(), names: false }
    }

    fn sync(&self, disk: &dyn Disk) -> Result<(), LogError> {
        let segments = self.segments.iter().map(|segment| segment.sync(disk));
        let others = self.sidecars.iter().chain(&self.snapshots);
        let others = others.map(|(file, path)| file.sync_data().map_err(LogError::io("sync", path)));
        ask_all(segments.chain(others))?;
        let dir = &self.partition.dir;
        if self.names { disk.sync_dir(dir).map_err(LogError::io("sync", dir)) } else { Ok(()) }
    }
}
