//! Frames from and to a client's socket.

use std::io;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use bytes::Bytes;
use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use super::connection::Ended;
use crate::env::Clock;
use crate::env::Stream;

/// A frame up to this size needs no room that all share, and is read into one piece of memory.
const SMALL: usize = 64 << 10;
/// Pieces that one write hands over.
const PIECES_MAX: usize = 64;

/// The bytes that frames and answers of all connections may take together.
#[derive(Clone)]
pub(super) struct Room {
    kibibytes: Arc<Semaphore>,
    kibibytes_max: u32,
}

impl Room {
    pub fn new(bytes: u64) -> Self {
        let kibibytes_max = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(kibibytes_max).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self { kibibytes: Arc::new(Semaphore::new(permits)), kibibytes_max }
    }

    /// Waits until `bytes` may be used; none is taken for what is small.
    pub async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= SMALL {
            return None;
        }
        // What is larger than all that there is takes all of it.
        let kibibytes = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).min(self.kibibytes_max);
        Some(self.kibibytes.clone().acquire_many_owned(kibibytes).await.expect("the semaphore is never closed"))
    }
}

/// Keeps of `room` what `bytes` take, and gives the rest back.
pub(super) fn keep(room: Option<OwnedSemaphorePermit>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let mut room = room?;
    if bytes <= SMALL {
        return None;
    }
    let spare = room.num_permits().saturating_sub(bytes >> 10);
    drop(room.split(spare));
    Some(room)
}

/// One request's bytes, without their length, and the room that they take.
pub(super) struct Frame {
    pub bytes: Bytes,
    pub room: Option<OwnedSemaphorePermit>,
}

/// Reads frames.
pub(super) struct FrameReader {
    pub stream: ReadHalf<Box<dyn Stream>>,
    pub clock: Arc<dyn Clock>,
    pub room: Room,
    pub bytes_max: usize,
    /// How long a client may send nothing between two frames.
    pub idle_timeout: Duration,
    /// How long it may send nothing in the middle of one.
    pub stall_timeout: Duration,
}

impl FrameReader {
    /// The next frame. Not cancel-safe.
    pub async fn next(&mut self) -> Result<Frame, Ended> {
        let mut length = [0; 4];
        let mut read = 0;
        while read < length.len() {
            let patience = if read == 0 { self.idle_timeout } else { self.stall_timeout };
            let stalled = self.clock.sleep(patience);
            let count = tokio::select! {
                count = self.stream.read(&mut length[read..]) => count?,
                () = stalled => return Err(Ended::Silent),
            };
            if count == 0 {
                return Err(Ended::Gone);
            }
            read += count;
        }
        let claimed = i32::from_be_bytes(length);
        let size = usize::try_from(claimed).ok().filter(|size| *size <= self.bytes_max);
        let size = size.ok_or(Ended::Size { claimed, limit: self.bytes_max })?;
        let room = self.room.take(size).await;
        let bytes = self.body(size).await?;
        Ok(Frame { bytes, room })
    }

    /// Reads `size` bytes; memory grows with what comes.
    async fn body(&mut self, size: usize) -> Result<Bytes, Ended> {
        let mut bytes = BytesMut::with_capacity(size.min(SMALL));
        while bytes.len() < size {
            if bytes.len() == bytes.capacity() {
                bytes.reserve(bytes.len().min(size - bytes.len()));
            }
            let left = (size - bytes.len()) as u64;
            let stalled = self.clock.sleep(self.stall_timeout);
            let mut rest = (&mut self.stream).take(left);
            let count = tokio::select! {
                count = rest.read_buf(&mut bytes) => count?,
                () = stalled => return Err(Ended::Silent),
            };
            if count == 0 {
                return Err(Ended::Gone);
            }
        }
        Ok(bytes.freeze())
    }
}

/// Writes answers.
pub(super) struct FrameWriter {
    pub stream: WriteHalf<Box<dyn Stream>>,
    pub clock: Arc<dyn Clock>,
    /// How long a client may take nothing.
    pub stall_timeout: Duration,
}

impl FrameWriter {
    /// Sends pieces that follow each other.
    pub async fn send(&mut self, mut pieces: Vec<Bytes>) -> Result<(), Ended> {
        let mut from = 0;
        while from < pieces.len() {
            let slices: Vec<_> = pieces[from..].iter().take(PIECES_MAX).map(|piece| IoSlice::new(piece)).collect();
            let stalled = self.clock.sleep(self.stall_timeout);
            let mut written = tokio::select! {
                written = self.stream.write_vectored(&slices) => written?,
                () = stalled => return Err(Ended::Silent),
            };
            if written == 0 {
                return Err(Ended::Io(io::ErrorKind::WriteZero.into()));
            }
            while from < pieces.len() && pieces[from].len() <= written {
                written -= pieces[from].len();
                // What was sent needs no memory any more.
                pieces[from] = Bytes::new();
                from += 1;
            }
            if 0 < written {
                pieces[from].advance(written);
            }
        }
        Ok(self.stream.flush().await?)
    }
}
