//! The machine's disk with slower syncs, for benches.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidemill::env::Disk;
use tidemill::env::DiskLock;
use tidemill::env::File;
use tidemill::env::FileSystem;
use tidemill::env::OpenMode;

/// The machine's disk, each sync slower.
pub struct Delayed {
    disk: Arc<dyn Disk>,
    delay: Delay,
}

/// How much slower; shared with the disk.
#[derive(Clone, Default)]
pub struct Delay(Arc<AtomicU64>);

impl Delay {
    /// From now on each sync takes so much longer.
    pub fn set(&self, added: Duration) {
        self.0.store(added.as_micros() as u64, Ordering::Relaxed);
    }

    fn wait(&self) {
        std::thread::sleep(Duration::from_micros(self.0.load(Ordering::Relaxed)));
    }
}

impl Delayed {
    /// Not slower yet.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, delay: Delay::default() }
    }

    /// What sets how much slower.
    pub fn delay(&self) -> Delay {
        self.delay.clone()
    }
}

struct DelayedFile {
    file: Arc<dyn File>,
    delay: Delay,
}

impl Disk for Delayed {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(DelayedFile { file: self.disk.open(path, mode)?, delay: self.delay.clone() }))
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.disk.read_dir(path)
    }
    fn exists(&self, path: &Path) -> bool {
        self.disk.exists(path)
    }
    fn is_dir(&self, path: &Path) -> bool {
        self.disk.is_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir_all(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn lock(&self, path: &Path) -> io::Result<DiskLock> {
        self.disk.lock(path)
    }
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.disk.free_bytes(path)
    }
    fn size_bytes(&self, path: &Path) -> io::Result<u64> {
        self.disk.size_bytes(path)
    }
    fn file_system(&self, path: &Path) -> io::Result<Arc<dyn FileSystem>> {
        Ok(Arc::new(DelayedFileSystem { file_system: self.disk.file_system(path)?, delay: self.delay.clone() }))
    }
}

struct DelayedFileSystem {
    file_system: Arc<dyn FileSystem>,
    delay: Delay,
}

impl FileSystem for DelayedFileSystem {
    fn sync(&self) -> io::Result<()> {
        self.file_system.sync()?;
        self.delay.wait();
        Ok(())
    }
}

impl File for DelayedFile {
    fn read_at(&self, buffer: &mut [u8], byte_offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, byte_offset)
    }
    fn write_at(&self, bytes: &[u8], byte_offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, byte_offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.delay.wait();
        Ok(())
    }
}
