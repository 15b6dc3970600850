//! Hashes of a segment's 64 KiB blocks, headers included, so that no flipped byte is served.
//!
//! The CRC of a batch leaves out 16 bytes of its header; these hashes leave out nothing. The hash of a full
//! block stands in the segment's sidecar, that of the last, open block in the journal.
//!
//! Sidecar: per block 16 bytes, hash u64, length of the block u32 (short for the last one of a sealed segment), and
//! the low half of a hash over block number and both, u32. An entry that does not hold its own hash counts as missing,
//! and its block is then guarded by the CRC and the chain of offsets alone.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use xxhash_rust::xxh3::Xxh3;
use xxhash_rust::xxh3::xxh3_64;

use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;

use super::LogError;

/// Bytes of a block.
pub(super) const BLOCK: u64 = 64 << 10;
const ENTRY: usize = 16;

/// The hashes of the full blocks, shared with readers.
pub(super) type BlockHashes = Arc<RwLock<Vec<Option<u64>>>>;

/// The running hashes of one segment.
pub(super) struct Blocks {
    path: PathBuf,
    sidecar: Option<Arc<dyn File>>,
    full: BlockHashes,
    open: Box<Xxh3>,
    length: u64,
}

impl Blocks {
    /// Those of an empty segment; the sidecar file is made when the first block is full.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, sidecar: None, full: BlockHashes::default(), open: Box::new(Xxh3::new()), length: 0 }
    }

    /// Those of a segment whose first `length` bytes stand in `log`: full blocks from the sidecar, which is opened if it is there
    /// and `sidecar` is `None`; the open one read.
    pub(super) fn restore(
        disk: &dyn Disk,
        path: PathBuf,
        sidecar: Option<Arc<dyn File>>,
        log: &dyn File,
        length: u64,
    ) -> Result<Self, LogError> {
        let mut blocks = Self::new(path);
        blocks.length = length;
        let full = usize::try_from(length / BLOCK).expect("a segment's blocks fit memory");
        let mut hashes = vec![None; full];
        let open = || disk.open(&blocks.path, OpenMode::ReadWrite).map_err(LogError::io("open", &blocks.path));
        let sidecar = match sidecar {
            None if disk.exists(&blocks.path) => Some(open()?),
            known => known,
        };
        if let Some(sidecar) = sidecar {
            let mut bytes = vec![0; full * ENTRY];
            let read = sidecar.read_at(&mut bytes, 0).map_err(LogError::io("read", &blocks.path))?;
            for (number, entry) in bytes[..read].as_chunks::<ENTRY>().0.iter().enumerate() {
                let guard = decode(number as u64, entry).filter(|guard| u64::from(guard.length) == BLOCK);
                hashes[number] = guard.map(|guard| guard.hash);
            }
            blocks.sidecar = Some(sidecar);
        }
        *blocks.full.write() = hashes;
        let start = length - length % BLOCK;
        let mut open = vec![0; (length - start) as usize];
        let read = log.read_at(&mut open, start).map_err(LogError::io("read", &blocks.path))?;
        open.truncate(read);
        blocks.open.update(&open);
        Ok(blocks)
    }

    /// What the sidecar at `path` says of the blocks of a sealed segment of `length` bytes, the short one last; `None` where it
    /// says nothing that holds.
    pub(super) fn told(disk: &dyn Disk, path: &Path, length: u64) -> Result<Vec<Option<u64>>, LogError> {
        let count = usize::try_from(length.div_ceil(BLOCK)).expect("a segment's blocks fit memory");
        let mut bytes = vec![0; count * ENTRY];
        let mut read = 0;
        if disk.exists(path) {
            let sidecar = disk.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
            read = sidecar.read_at(&mut bytes, 0).map_err(LogError::io("read", path))?;
        }
        bytes.truncate(read);
        let mut entries = bytes.as_chunks::<ENTRY>().0.iter();
        let of = |number: u64, entry: &[u8; ENTRY]| {
            let expected = BLOCK.min(length - number * BLOCK);
            decode(number, entry).filter(|guard| u64::from(guard.length) == expected).map(|guard| guard.hash)
        };
        Ok((0..count as u64).map(|number| entries.next().and_then(|entry| of(number, entry))).collect())
    }

    /// Takes in bytes that were written at the end; returns the hashes of the blocks that they filled.
    pub(super) fn extend(&mut self, disk: &dyn Disk, mut bytes: &[u8]) -> Result<Vec<u64>, LogError> {
        let mut filled = Vec::new();
        while !bytes.is_empty() {
            let room = (BLOCK - self.length % BLOCK) as usize;
            let (head, rest) = bytes.split_at(room.min(bytes.len()));
            self.open.update(head);
            self.length += head.len() as u64;
            bytes = rest;
            if self.length.is_multiple_of(BLOCK) {
                let hash = self.open.digest();
                self.open.reset();
                self.set(disk, self.length / BLOCK - 1, hash)?;
                filled.push(hash);
            }
        }
        Ok(filled)
    }

    /// Writes the open block's hash to the sidecar too: the segment grows no more.
    pub(super) fn seal(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        if self.length.is_multiple_of(BLOCK) {
            return Ok(());
        }
        let number = self.length / BLOCK;
        let entry = Guard { hash: self.open.digest(), length: (self.length % BLOCK) as u32 };
        self.write(disk, number, entry)
    }

    /// Forgets what the sidecar says of the open block and later ones: the segment grows again.
    pub(super) fn reopen(&self) -> Result<(), LogError> {
        let Some(sidecar) = &self.sidecar else { return Ok(()) };
        let length = self.length / BLOCK * ENTRY as u64;
        if length < sidecar.len().map_err(LogError::io("measure", &self.path))? {
            sidecar.set_len(length).map_err(LogError::io("cut", &self.path))?;
        }
        Ok(())
    }

    /// Takes in that the sidecar was moved.
    pub(super) fn moved_to(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// The hash of the open block, up to the end.
    pub(super) fn open_hash(&self) -> u64 {
        self.open.digest()
    }

    /// The hashes of the full blocks; they go on growing with the segment.
    pub(super) fn full(&self) -> BlockHashes {
        self.full.clone()
    }

    /// The sidecar's file, if there is one by now.
    pub(super) fn sidecar(&self) -> Option<&Arc<dyn File>> {
        self.sidecar.as_ref()
    }

    fn set(&mut self, disk: &dyn Disk, number: u64, hash: u64) -> Result<(), LogError> {
        let mut full = self.full.write();
        full.resize(number as usize, None);
        full.push(Some(hash));
        drop(full);
        self.write(disk, number, Guard { hash, length: BLOCK as u32 })
    }

    fn write(&mut self, disk: &dyn Disk, number: u64, guard: Guard) -> Result<(), LogError> {
        let sidecar = match &self.sidecar {
            Some(sidecar) => sidecar,
            None => {
                let file = disk.open(&self.path, OpenMode::Create).map_err(LogError::io("open", &self.path))?;
                self.sidecar.insert(file)
            }
        };
        sidecar.write_at(&encode(number, guard), number * ENTRY as u64).map_err(LogError::io("write", &self.path))
    }
}

/// The hash of a block's bytes.
pub(super) fn block_hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The number and the bytes' hash of a sealed segment's last, short block, if the sidecar has it, with its length.
pub(super) fn short_block(disk: &dyn Disk, path: &Path) -> Result<Option<(u64, Guard)>, LogError> {
    if !disk.exists(path) {
        return Ok(None);
    }
    let sidecar = disk.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
    let length = sidecar.len().map_err(LogError::io("measure", path))?;
    let Some(number) = (length / ENTRY as u64).checked_sub(1) else { return Ok(None) };
    let mut entry = [0; ENTRY];
    sidecar.read_at(&mut entry, number * ENTRY as u64).map_err(LogError::io("read", path))?;
    let guard = decode(number, &entry).filter(|guard| u64::from(guard.length) < BLOCK);
    Ok(guard.map(|guard| (number, guard)))
}

/// What the sidecar says of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    pub(super) hash: u64,
    pub(super) length: u32,
}

fn encode(number: u64, guard: Guard) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..8].copy_from_slice(&guard.hash.to_be_bytes());
    entry[8..12].copy_from_slice(&guard.length.to_be_bytes());
    let check = check(number, &entry);
    entry[12..].copy_from_slice(&check.to_be_bytes());
    entry
}

fn decode(number: u64, entry: &[u8; ENTRY]) -> Option<Guard> {
    let whole = entry[12..] == check(number, entry).to_be_bytes();
    let (hash, rest) = entry.split_first_chunk::<8>()?;
    let length = rest.first_chunk::<4>()?;
    whole.then(|| Guard { hash: u64::from_be_bytes(*hash), length: u32::from_be_bytes(*length) })
}

fn check(number: u64, entry: &[u8; ENTRY]) -> u32 {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&entry[..12]);
    xxh3_64(&bytes) as u32
}
