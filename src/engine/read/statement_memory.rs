//! The memory that statements which are read once take together: DataFusion's operators ask the pool `statements`.
//!
//! What sorts and groups cannot hold goes to files of a temporary folder, up to a limit of its own; a join for which there is no
//! room sorts both its sides (`planned`). Beyond the limit, and for operators that cannot write (joins without an equality), a
//! statement ends with 53200.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::disk_manager::DiskManagerMode;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::memory_pool::MemoryPool as DataFusionPool;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;

use crate::memory::MemoryPool;

/// Memory of a sort that merges, for each of its files at once, bytes: DataFusion opens as many as there is memory for, and
/// what stands above the sort would have none.
const MERGED_FILE_BYTES: usize = 8 << 20;
/// Files that a sort merges at once, at most.
const MERGED_FILES_MAX: usize = 64;

/// What statements run in: a pool of memory, and files in a folder, of so many bytes together.
pub(super) fn runtime(pool: &MemoryPool, files: Option<(&Path, u64)>) -> Result<Arc<RuntimeEnv>, DataFusionError> {
    let disk = match files {
        None | Some((_, 0)) => DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled),
        Some((folder, bytes_max)) => DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![folder.to_path_buf()]))
            .with_max_temp_directory_size(bytes_max)
            .with_max_spill_merge_fan_in((pool.limit() / MERGED_FILE_BYTES).clamp(2, MERGED_FILES_MAX)),
    };
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(StatementMemory::new(pool)))
        .with_disk_manager_builder(disk)
        .build_arc()
}

/// The pool, for DataFusion. An operator that can write files gets its share of a half, for then it has room in the other half
/// to merge what it holds: a sort that has filled all cannot even write it.
struct StatementMemory {
    pool: MemoryPool,
    /// Operators that can write files.
    writers: AtomicUsize,
}

impl StatementMemory {
    fn new(pool: &MemoryPool) -> Self {
        Self { pool: pool.clone(), writers: AtomicUsize::new(0) }
    }

    /// What an operator that can write files may hold.
    fn share(&self) -> usize {
        self.pool.limit() / 2 / self.writers.load(Ordering::Relaxed).max(1)
    }
}

impl fmt::Debug for StatementMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatementMemory").field(&self.pool.used()).finish()
    }
}

impl fmt::Display for StatementMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.pool.used(), self.pool.limit())
    }
}

impl DataFusionPool for StatementMemory {
    fn name(&self) -> &str {
        self.pool.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.writers.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.writers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn grow(&self, _: &MemoryReservation, additional: usize) {
        self.pool.add(additional as isize);
    }

    fn shrink(&self, _: &MemoryReservation, shrink: usize) {
        self.pool.add(-(shrink as isize));
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<(), DataFusionError> {
        let fits = !reservation.consumer().can_spill() || reservation.size() + additional <= self.share();
        self.pool.add(additional as isize);
        if fits && !self.pool.is_full() {
            return Ok(());
        }
        self.pool.add(-(additional as isize));
        let (limit, who, has) = (self.pool.limit(), reservation.consumer().name(), reservation.size());
        let message = format!(
            "statements may take {limit} bytes of memory together; {who} has {has} and asks for {additional} more"
        );
        Err(DataFusionError::ResourcesExhausted(message))
    }

    fn reserved(&self) -> usize {
        self.pool.used()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.pool.limit())
    }
}
