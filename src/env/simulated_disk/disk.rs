//! The simulated disk behind `env::Disk`: counts calls, injects faults, ends and restarts the process.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::content::PAGE_BYTES;
use super::fault::CallKind;
use super::fault::DiskCall;
use super::fault::Fault;
use super::fault::FaultKind;
use super::fault::TraceEvent;
use super::fault::crash;
use super::tree::Dice;
use super::tree::NodeId;
use super::tree::Tree;
use crate::env::Disk;
use crate::env::DiskLock;
use crate::env::File;
use crate::env::FileSystem;
use crate::env::OpenMode;

/// What a disk without a set capacity says is free when it is empty.
const ROOM_BYTES: u64 = 1 << 40;

/// A disk in memory with faults. Clones are the same disk; `fork` makes another.
#[derive(Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Clone)]
struct State {
    tree: Tree,
    dice: Dice,
    capacity: Option<u64>,
    refuses_opens: bool,
    /// Grows when the process ends; a handle or lock of an earlier life is dead.
    life: u64,
    crashed: bool,
    locks: BTreeSet<PathBuf>,
    faults: BTreeMap<u64, FaultKind>,
    fired: Vec<Fault>,
    calls: Vec<CallKind>,
    trace: Option<Vec<TraceEvent>>,
}

/// What a call that fails in its middle leaves behind.
enum Partial<'a> {
    Nothing,
    PrefixOf {
        node: NodeId,
        bytes: &'a [u8],
        byte_offset: u64,
    },
    LostSync {
        node: NodeId,
    },
    LostDirectorySync {
        path: &'a Path,
    },
    SomeRemoved {
        path: &'a Path,
    },
    /// Of a file system: some files were synced, the others have lost what was not.
    SomeSynced,
}

impl SimulatedDisk {
    /// An empty disk without a limit of room; `seed` decides what a power loss keeps and where a write tears.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            tree: Tree::new(),
            dice: Dice::new(seed),
            capacity: None,
            refuses_opens: false,
            life: 0,
            crashed: false,
            locks: BTreeSet::new(),
            faults: BTreeMap::new(),
            fired: Vec::new(),
            calls: Vec::new(),
            trace: None,
        })))
    }

    /// Another disk with the same content, synced or not, under its own seed, without faults or open files.
    pub fn fork(&self, seed: u64) -> Self {
        let mut state = self.0.lock().clone();
        state.dice = Dice::new(seed);
        state.faults.clear();
        state.end_life();
        state.reset_calls();
        Self(Arc::new(Mutex::new(state)))
    }

    /// Makes `fault` happen at its call, counted from the last `reset_calls`.
    pub fn inject(&self, fault: Fault) {
        self.0.lock().faults.insert(fault.call, fault.kind);
    }

    /// The faults that have happened.
    pub fn fired(&self) -> Vec<Fault> {
        self.0.lock().fired.clone()
    }

    /// Sets the room on the disk in bytes, files included.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.lock().capacity = Some(bytes);
    }

    /// Whether the process has as many open files as it may have.
    pub fn refuse_opens(&self, refuse: bool) {
        self.0.lock().refuses_opens = refuse;
    }

    /// Ends the process as `kill -9` does: the page cache stays, handles and locks are gone.
    pub fn kill_process(&self) {
        self.0.lock().end_life();
    }

    /// Ends the process and loses the page cache: what was not synced is kept, torn or lost, by the seed.
    pub fn lose_power(&self) {
        let mut state = self.0.lock();
        state.end_life();
        let State { tree, dice, .. } = &mut *state;
        tree.lose_power(dice);
    }

    /// Whether an injected crash has ended the process.
    pub fn has_crashed(&self) -> bool {
        self.0.lock().crashed
    }

    /// The kinds of all calls since the last `reset_calls`, in order: call `n` is at `n - 1`.
    pub fn calls(&self) -> Vec<CallKind> {
        self.0.lock().calls.clone()
    }

    /// Counts calls from 1 again and forgets which faults fired.
    pub fn reset_calls(&self) {
        self.0.lock().reset_calls();
    }

    /// Forgets the faults that have not happened yet.
    pub fn clear_faults(&self) {
        self.0.lock().faults.clear();
    }

    /// Records each call from now on, until `take_trace`.
    pub fn start_trace(&self) {
        self.0.lock().trace = Some(Vec::new());
    }

    /// Ends the record and hands it over.
    pub fn take_trace(&self) -> Vec<TraceEvent> {
        self.0.lock().trace.take().unwrap_or_default()
    }

    /// Puts a remark into the record.
    pub fn note(&self, text: &str) {
        let mut state = self.0.lock();
        state.record(TraceEvent::Note(text.to_string()));
    }

    /// Puts an acknowledgement into the record, with the sync that covers a file's copy of `bytes`, and tells that sync.
    ///
    /// `None`: at this moment a power loss could lose what is being acknowledged.
    pub fn acknowledged(&self, what: &str, bytes: &[u8]) -> Option<u64> {
        let mut state = self.0.lock();
        let covered_by = state.sync_that_covers(bytes);
        state.record(TraceEvent::Acknowledged { what: what.to_string(), covered_by });
        covered_by
    }

    /// Paths of all files that the process sees, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        self.0.lock().tree.files().into_iter().map(|(path, _)| path).collect()
    }

    /// A file's bytes as the process sees them; not counted as a call.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.0.lock();
        Ok(state.tree.file(state.tree.find(path)?)?.cache().to_vec())
    }

    /// Replaces a file's bytes, durably; not counted as a call.
    pub fn set_contents(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        let number = state.calls.len() as u64;
        let node = state.tree.find(path)?;
        let file = state.tree.file_mut(node)?;
        file.set_length(0);
        file.write(bytes, 0);
        file.sync(number);
        Ok(())
    }

    /// Flips bit `bit` (0..8) of one byte of the medium, and of the page cache.
    pub fn flip_bit(&self, path: &Path, byte_offset: u64, bit: u8) -> io::Result<()> {
        assert!(bit < 8, "a byte has no bit {bit}");
        let mut state = self.0.lock();
        let node = state.tree.find(path)?;
        state.tree.file_mut(node)?.flip_bit(byte_offset, bit);
        Ok(())
    }

    /// One counted call: decides by the faults whether `effect` happens, or `partial`, and what is answered.
    fn call<T>(
        &self,
        mut call: DiskCall,
        life: Option<u64>,
        partial: Partial<'_>,
        effect: impl FnOnce(&mut State, u64) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.0.lock();
        if state.crashed || life.is_some_and(|life| life != state.life) {
            return Err(crash());
        }
        state.calls.push(call.kind);
        call.number = state.calls.len() as u64;
        let fault = state.faults.remove(&call.number).map(|fault| fault.at(call.kind));
        state.fired.extend(fault.map(|kind| Fault { call: call.number, kind }));
        let result = match fault {
            None => effect(&mut state, call.number),
            Some(FaultKind::CrashBefore) => Err(crash()),
            Some(FaultKind::CrashAfter) => effect(&mut state, call.number).and(Err(crash())),
            Some(FaultKind::CrashInside) if call.kind == CallKind::SyncFileSystem => {
                let State { tree, dice, .. } = &mut *state;
                tree.sync_some(dice, call.number);
                Err(crash())
            }
            Some(FaultKind::CrashInside) => state.apply(partial).and(Err(crash())),
            Some(FaultKind::IoError) => state.apply(partial).and(Err(io::Error::from_raw_os_error(libc::EIO))),
            Some(FaultKind::NoSpace) => state.apply(partial).and(Err(no_space())),
        };
        let ends = [FaultKind::CrashBefore, FaultKind::CrashAfter, FaultKind::CrashInside];
        state.crashed = fault.is_some_and(|kind| ends.contains(&kind));
        call.failed = result.is_err();
        state.record(TraceEvent::Call(call));
        result
    }
}

impl State {
    fn end_life(&mut self) {
        self.life += 1;
        self.crashed = false;
        self.locks.clear();
        self.tree.forget_unreachable();
    }

    fn reset_calls(&mut self) {
        self.calls.clear();
        self.fired.clear();
    }

    fn record(&mut self, event: TraceEvent) {
        if let Some(trace) = &mut self.trace {
            trace.push(event);
        }
    }

    fn room(&self) -> u64 {
        self.capacity.unwrap_or(ROOM_BYTES).saturating_sub(self.tree.used_bytes())
    }

    fn sync_that_covers(&self, bytes: &[u8]) -> Option<u64> {
        assert!(!bytes.is_empty(), "an acknowledgement names bytes to look for");
        self.tree.durable_files().iter().find_map(|(_, node)| {
            let file = self.tree.file(*node).ok()?;
            let durable = file.durable().to_vec();
            let starts = memchr::memmem::find_iter(&durable, bytes).map(|start| start as u64);
            starts.into_iter().find_map(|start| file.covered_by(start..start + bytes.len() as u64))
        })
    }

    fn apply(&mut self, partial: Partial<'_>) -> io::Result<()> {
        match partial {
            Partial::Nothing => Ok(()),
            Partial::PrefixOf { node, bytes, byte_offset } => {
                let count = self.dice.below(bytes.len() as u64 + 1) as usize;
                self.write(node, &bytes[..count], byte_offset)
            }
            Partial::LostSync { node } => self.tree.file_mut(node).map(|file| file.fail_sync()),
            Partial::LostDirectorySync { path } => self.tree.fail_sync_directory(path),
            Partial::SomeSynced => {
                let call = self.calls.len() as u64;
                self.tree.fail_sync_all(&mut self.dice, call);
                Ok(())
            }
            Partial::SomeRemoved { path } => {
                let count = self.dice.below(self.tree.entry_count(path) as u64 + 1) as usize;
                self.tree.empty_directory(path, count)
            }
        }
    }

    /// Writes what there is room for, as the kernel does; the rest is ENOSPC.
    fn write(&mut self, node: NodeId, bytes: &[u8], byte_offset: u64) -> io::Result<()> {
        let end = byte_offset.checked_add(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        let held = self.tree.file(node)?.disk_bytes();
        let limit = match self.capacity {
            Some(_) => held.saturating_add(self.room() / PAGE_BYTES * PAGE_BYTES),
            None => u64::MAX,
        };
        let fits = bytes.len() - end.saturating_sub(limit).min(bytes.len() as u64) as usize;
        self.tree.file_mut(node)?.write(&bytes[..fits], byte_offset);
        if fits < bytes.len() { Err(no_space()) } else { Ok(()) }
    }
}

fn no_space() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOSPC)
}

fn asked(kind: CallKind, path: &Path, byte_offset: u64, length: u64) -> DiskCall {
    DiskCall { number: 0, kind, path: path.to_path_buf(), byte_offset, length, failed: false }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let call = asked(CallKind::Open, path, 0, 0);
        let (node, life) = self.call(call, None, Partial::Nothing, |state, _| {
            if state.refuses_opens {
                return Err(io::Error::from_raw_os_error(libc::EMFILE));
            }
            let node = match (state.tree.find(path), mode) {
                (Ok(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
                (Ok(node), _) if state.tree.is_directory(node) => return Err(io::ErrorKind::IsADirectory.into()),
                (Ok(node), _) => node,
                (Err(error), OpenMode::Create | OpenMode::CreateNew) if error.kind() == io::ErrorKind::NotFound => {
                    state.tree.create_file(path)?
                }
                (Err(error), _) => return Err(error),
            };
            Ok((node, state.life))
        })?;
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), path: path.to_path_buf(), node, life, writable }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let call = asked(CallKind::CreateDirectory, path, 0, 0);
        self.call(call, None, Partial::Nothing, |state, _| state.tree.create_directories(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let call = asked(CallKind::ReadDirectory, path, 0, 0);
        self.call(call, None, Partial::Nothing, |state, _| state.tree.list(path))
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.0.lock();
        !state.crashed && state.tree.find(path).is_ok()
    }

    fn is_dir(&self, path: &Path) -> bool {
        let state = self.0.lock();
        !state.crashed && state.tree.find(path).is_ok_and(|node| state.tree.is_directory(node))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let call = asked(CallKind::Rename, from, 0, 0);
        self.call(call, None, Partial::Nothing, |state, _| state.tree.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let call = asked(CallKind::RemoveFile, path, 0, 0);
        self.call(call, None, Partial::Nothing, |state, _| state.tree.remove_file(path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let call = asked(CallKind::RemoveDirectory, path, 0, 0);
        self.call(call, None, Partial::SomeRemoved { path }, |state, _| state.tree.remove_directory(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let call = asked(CallKind::SyncDirectory, path, 0, 0);
        self.call(call, None, Partial::LostDirectorySync { path }, |state, _| state.tree.sync_directory(path))
    }

    fn lock(&self, path: &Path) -> io::Result<DiskLock> {
        let call = asked(CallKind::Lock, path, 0, 0);
        let life = self.call(call, None, Partial::Nothing, |state, _| {
            if state.tree.find(path).is_err() {
                state.tree.create_file(path)?;
            }
            match state.locks.insert(path.to_path_buf()) {
                true => Ok(state.life),
                false => Err(io::ErrorKind::WouldBlock.into()),
            }
        })?;
        Ok(DiskLock::new(HeldLock { disk: self.clone(), path: path.to_path_buf(), life }))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let call = asked(CallKind::FreeBytes, path, 0, 0);
        self.call(call, None, Partial::Nothing, |state, _| Ok(state.room()))
    }

    fn size_bytes(&self, path: &Path) -> io::Result<u64> {
        let call = asked(CallKind::FreeBytes, path, 0, 0);
        self.call(call, None, Partial::Nothing, |state, _| Ok(state.capacity.unwrap_or(ROOM_BYTES)))
    }

    fn file_system(&self, path: &Path) -> io::Result<Arc<dyn FileSystem>> {
        let call = asked(CallKind::Open, path, 0, 0);
        let life = self.call(call, None, Partial::Nothing, |state, _| {
            state.tree.find(path)?;
            Ok(state.life)
        })?;
        Ok(Arc::new(SimulatedFileSystem { disk: self.clone(), path: path.to_path_buf(), life }))
    }
}

struct SimulatedFileSystem {
    disk: SimulatedDisk,
    path: PathBuf,
    life: u64,
}

impl FileSystem for SimulatedFileSystem {
    fn sync(&self) -> io::Result<()> {
        let call = asked(CallKind::SyncFileSystem, &self.path, 0, 0);
        self.disk.call(call, Some(self.life), Partial::SomeSynced, |state, number| {
            state.tree.sync_all(number);
            Ok(())
        })
    }
}

struct HeldLock {
    disk: SimulatedDisk,
    path: PathBuf,
    life: u64,
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        let mut state = self.disk.0.lock();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    path: PathBuf,
    node: NodeId,
    life: u64,
    writable: bool,
}

impl SimulatedFile {
    fn call<T>(
        &self,
        kind: CallKind,
        range: Range<u64>,
        partial: Partial<'_>,
        effect: impl FnOnce(&mut State, u64) -> io::Result<T>,
    ) -> io::Result<T> {
        if kind.changes() && kind != CallKind::SyncData && !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let call = asked(kind, &self.path, range.start, range.end.saturating_sub(range.start));
        self.disk.call(call, Some(self.life), partial, effect)
    }
}

impl File for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], byte_offset: u64) -> io::Result<usize> {
        let range = byte_offset..byte_offset.saturating_add(buffer.len() as u64);
        self.call(CallKind::Read, range, Partial::Nothing, |state, _| {
            Ok(state.tree.file(self.node)?.cache().read(buffer, byte_offset))
        })
    }

    fn write_at(&self, bytes: &[u8], byte_offset: u64) -> io::Result<()> {
        let range = byte_offset..byte_offset.saturating_add(bytes.len() as u64);
        let partial = Partial::PrefixOf { node: self.node, bytes, byte_offset };
        self.call(CallKind::Write, range, partial, |state, _| state.write(self.node, bytes, byte_offset))
    }

    fn len(&self) -> io::Result<u64> {
        self.call(CallKind::Length, 0..0, Partial::Nothing, |state, _| Ok(state.tree.file(self.node)?.cache().length()))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.call(CallKind::SetLength, 0..length, Partial::Nothing, |state, _| {
            state.tree.file_mut(self.node)?.set_length(length);
            Ok(())
        })
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.call(CallKind::Allocate, 0..length, Partial::Nothing, |state, _| {
            let held = state.tree.file(self.node)?.disk_bytes();
            if state.capacity.is_some() && state.room() < length.next_multiple_of(PAGE_BYTES).saturating_sub(held) {
                return Err(no_space());
            }
            state.tree.file_mut(self.node)?.reserve(length);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(CallKind::SyncData, 0..0, Partial::LostSync { node: self.node }, |state, number| {
            let file = state.tree.file_mut(self.node)?;
            if file.take_lost() {
                return Err(io::Error::from_raw_os_error(libc::EIO));
            }
            file.sync(number);
            Ok(())
        })
    }
}
