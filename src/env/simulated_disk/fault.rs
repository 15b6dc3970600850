//! The calls of a disk, as they are counted, and what can go wrong at one of them.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A kind of disk call. Questions that cannot fail (`exists`, `is_dir`) are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallKind {
    /// Opens a file, and makes it if its mode says so.
    Open,
    /// Makes a directory and its parents.
    CreateDirectory,
    /// Lists a directory.
    ReadDirectory,
    /// Renames.
    Rename,
    /// Removes a file.
    RemoveFile,
    /// Removes a directory and all in it.
    RemoveDirectory,
    /// Makes directory entries durable.
    SyncDirectory,
    /// Takes a lock file.
    Lock,
    /// Asks for the room left, or for all of it.
    FreeBytes,
    /// Reads bytes.
    Read,
    /// Writes bytes.
    Write,
    /// Asks for the length.
    Length,
    /// Sets the length.
    SetLength,
    /// Reserves room.
    Allocate,
    /// Makes bytes durable.
    SyncData,
    /// Makes a whole file system durable.
    SyncFileSystem,
}

impl CallKind {
    /// Whether the call changes what a restart may find.
    pub fn changes(self) -> bool {
        match self {
            CallKind::Open
            | CallKind::CreateDirectory
            | CallKind::Rename
            | CallKind::RemoveFile
            | CallKind::RemoveDirectory
            | CallKind::SyncDirectory
            | CallKind::Write
            | CallKind::SetLength
            | CallKind::Allocate
            | CallKind::SyncData
            | CallKind::SyncFileSystem => true,
            CallKind::ReadDirectory | CallKind::Lock | CallKind::FreeBytes | CallKind::Read | CallKind::Length => false,
        }
    }

    /// Whether the call can find the disk full.
    pub fn takes_room(self) -> bool {
        matches!(
            self,
            CallKind::Open
                | CallKind::CreateDirectory
                | CallKind::Rename
                | CallKind::Write
                | CallKind::Allocate
                | CallKind::SyncData
                | CallKind::SyncDirectory
                | CallKind::SyncFileSystem
        )
    }
}

/// One call, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCall {
    /// Its number since the disk was made or its count reset, from 1.
    pub number: u64,
    /// What was asked.
    pub kind: CallKind,
    /// Of which file or directory; a rename's old path.
    pub path: PathBuf,
    /// From which byte on; 0 where that means nothing.
    pub byte_offset: u64,
    /// How many bytes, or the new length.
    pub length: u64,
    /// Whether it answered with an error.
    pub failed: bool,
}

/// What happened, in order: disk calls, and what a test wrote between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceEvent {
    /// A disk call.
    Call(DiskCall),
    /// Something was acknowledged to a client.
    Acknowledged {
        /// What, in the words of the test.
        what: String,
        /// The sync that had made it durable before; `None` is the fault that the trace is for.
        covered_by: Option<u64>,
    },
    /// A remark of the test.
    Note(String),
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TraceEvent::Call(DiskCall { number, kind, path, byte_offset, length, failed }) => {
                write!(f, "{number:>6} {kind:?} {}", path.display())?;
                if 0 < *length {
                    write!(f, " {byte_offset}+{length}")?;
                }
                f.write_str(if *failed { " failed" } else { "" })
            }
            TraceEvent::Acknowledged { what, covered_by: Some(sync) } => write!(f, "       {what}: covered by {sync}"),
            TraceEvent::Acknowledged { what, covered_by: None } => write!(f, "       {what}: covered by nothing"),
            TraceEvent::Note(text) => write!(f, "     = {text}"),
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// The process ends before the call has an effect.
    CrashBefore,
    /// The process ends after the call took effect, and does not learn that it did.
    CrashAfter,
    /// The process ends in the middle: of a write a prefix is there, of a removed directory some files are gone, of a synced
    /// file system some files are durable.
    CrashInside,
    /// EIO. A write leaves a prefix; a sync loses what it should have made durable, that of a file system in some files.
    IoError,
    /// ENOSPC. As EIO otherwise.
    NoSpace,
}

impl FaultKind {
    /// All kinds, crashes first.
    pub const ALL: [FaultKind; 5] =
        [FaultKind::CrashBefore, FaultKind::CrashAfter, FaultKind::CrashInside, FaultKind::IoError, FaultKind::NoSpace];

    /// Whether this fault at a call of `kind` differs from one that is tried anyway.
    pub fn applies_to(self, kind: CallKind) -> bool {
        match self {
            FaultKind::CrashBefore | FaultKind::CrashAfter => kind.changes(),
            FaultKind::CrashInside => {
                matches!(kind, CallKind::Write | CallKind::RemoveDirectory | CallKind::SyncFileSystem)
            }
            FaultKind::IoError => true,
            FaultKind::NoSpace => kind.takes_room(),
        }
    }

    /// What this fault is at a call of `kind`, which it was not chosen for.
    pub(super) fn at(self, kind: CallKind) -> FaultKind {
        match self {
            FaultKind::CrashInside if !self.applies_to(kind) => FaultKind::CrashBefore,
            FaultKind::NoSpace if !self.applies_to(kind) => FaultKind::IoError,
            FaultKind::CrashBefore
            | FaultKind::CrashAfter
            | FaultKind::CrashInside
            | FaultKind::IoError
            | FaultKind::NoSpace => self,
        }
    }
}

/// A fault at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The number of the call, from 1.
    pub call: u64,
    /// What goes wrong there.
    pub kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at call {}", self.kind, self.call)
    }
}

/// The error of each call after a simulated crash.
#[derive(Debug, thiserror::Error)]
#[error("the simulated process has ended")]
struct SimulatedCrash;

pub(super) fn crash() -> io::Error {
    io::Error::other(SimulatedCrash)
}

/// Whether `error` says that the simulated process has ended, and not that the disk failed.
pub fn is_simulated_crash(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<SimulatedCrash>())
}
