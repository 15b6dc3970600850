//! Files and directories, in the few calls that the log needs.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::open_files::keep_spare;
use super::open_files::open_in_need;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// To read; an error if it is not there.
    Read,
    /// To read and write; an error if it is not there.
    ReadWrite,
    /// To read and write; made if it is not there, kept if it is.
    Create,
    /// To read and write; an error if it is there.
    CreateNew,
}

/// Directories and files. All calls block; none is retried but for want of a descriptor, in `sync_dir`.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Makes a directory and its parents; no error if it is there.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The paths of a directory's entries, sorted.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Whether there is a file or directory.
    fn exists(&self, path: &Path) -> bool;
    /// Whether there is a directory.
    fn is_dir(&self, path: &Path) -> bool;
    /// Renames a file or directory, over a file that may be there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with all that is in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory's entries durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Holds a lock file for this process until the value is dropped; `WouldBlock` if another holds it.
    fn lock(&self, path: &Path) -> io::Result<DiskLock>;
    /// Bytes that may still be written below `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Bytes of the disk that `path` lies on, used or not.
    fn size_bytes(&self, path: &Path) -> io::Result<u64>;
    /// The file system that `path` lies on. It tells of what was lost from now on.
    fn file_system(&self, path: &Path) -> io::Result<Arc<dyn FileSystem>>;
}

/// A file system, to be made durable as a whole.
pub trait FileSystem: Send + Sync {
    /// Makes all durable that was written to any file and directory (syncfs). An error says that some file of it lost
    /// something, which may be one of another process: that file's own sync then says so too.
    fn sync(&self) -> io::Result<()>;
}

/// An open file. Reads and writes take a byte offset, so that one handle serves all threads.
pub trait File: Send + Sync {
    /// Reads up to `buffer.len()` bytes at `byte_offset`; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], byte_offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `byte_offset`; what is not synced may be lost, torn or reordered.
    fn write_at(&self, bytes: &[u8], byte_offset: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file holds no byte.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or grows the file; grown bytes read as zero.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Reserves room up to `length` bytes, so that a full disk shows here and not at a write; the length grows with it.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Makes all that was written durable, and the length (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
}

/// A held lock file. Dropping it lets go.
pub struct DiskLock(#[expect(dead_code, reason = "held for its drop")] Box<dyn Send + Sync>);

impl DiskLock {
    /// Wraps what holds the lock; its drop lets go.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

/// The machine's disk.
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::ReadWrite => options.write(true),
            OpenMode::Create => options.write(true).create(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
        };
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // A flush of the log has no way back for want of a descriptor.
        let synced = open_in_need(|| fs::File::open(path))?.sync_all();
        keep_spare();
        synced
    }

    fn lock(&self, path: &Path) -> io::Result<DiskLock> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(DiskLock::new(file)),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = stat_disk(path)?;
        Ok(stat.f_bavail * stat.f_frsize)
    }

    fn size_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = stat_disk(path)?;
        Ok(stat.f_blocks * stat.f_frsize)
    }

    fn file_system(&self, path: &Path) -> io::Result<Arc<dyn FileSystem>> {
        Ok(Arc::new(RealFileSystem(fs::File::open(path)?)))
    }
}

/// Held open, since the kernel tells a descriptor only of what was lost after it was opened.
struct RealFileSystem(fs::File);

impl FileSystem for RealFileSystem {
    fn sync(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open for as long as `self.0` lives.
        match unsafe { libc::syncfs(self.0.as_raw_fd()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn stat_disk(path: &Path) -> io::Result<libc::statvfs> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` is a C string that lives through the call and `stat` is room for the result.
    let code = unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statvfs returned 0, so it filled `stat`.
    Ok(unsafe { stat.assume_init() })
}

struct RealFile(fs::File);

impl File for RealFile {
    fn read_at(&self, buffer: &mut [u8], byte_offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.0.read_at(&mut buffer[read..], byte_offset + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], byte_offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, byte_offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let length = libc::off_t::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the descriptor is open for as long as `self.0` lives.
        match unsafe { libc::fallocate(self.0.as_raw_fd(), 0, 0, length) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
