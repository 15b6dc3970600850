//! The memory that statements which are read once take together: DataFusion's operators ask the pool `statements`.
//!
//! What sorts and groups cannot hold goes to files of a temporary folder, up to a limit of its own; beyond it, and for
//! operators that cannot write (joins), a statement ends with 53200.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::disk_manager::DiskManagerMode;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::memory_pool::MemoryPool as DataFusionPool;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;

use crate::memory::MemoryPool;

/// What statements run in: a pool of memory, and files in a folder, of so many bytes together.
pub(super) fn runtime(pool: &MemoryPool, files: Option<(&Path, u64)>) -> Result<Arc<RuntimeEnv>, DataFusionError> {
    let disk = match files {
        None | Some((_, 0)) => DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled),
        Some((folder, bytes_max)) => DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![folder.to_path_buf()]))
            .with_max_temp_directory_size(bytes_max),
    };
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(StatementMemory(pool.clone())))
        .with_disk_manager_builder(disk)
        .build_arc()
}

struct StatementMemory(MemoryPool);

impl fmt::Debug for StatementMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatementMemory").field(&self.0.used()).finish()
    }
}

impl fmt::Display for StatementMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.0.used(), self.0.limit())
    }
}

impl DataFusionPool for StatementMemory {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn grow(&self, _: &MemoryReservation, additional: usize) {
        self.0.add(additional as isize);
    }

    fn shrink(&self, _: &MemoryReservation, shrink: usize) {
        self.0.add(-(shrink as isize));
    }

    fn try_grow(&self, _: &MemoryReservation, additional: usize) -> Result<(), DataFusionError> {
        self.0.add(additional as isize);
        if !self.0.is_full() {
            return Ok(());
        }
        self.0.add(-(additional as isize));
        let message = format!("statements may take {} bytes of memory together", self.0.limit());
        Err(DataFusionError::ResourcesExhausted(message))
    }

    fn reserved(&self) -> usize {
        self.0.used()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.0.limit())
    }
}
