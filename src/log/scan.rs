//! Walks through a segment's batches at start-up and after a cut.

use std::path::Path;

use bytes::Bytes;
use bytes::BytesMut;

use crate::env::Disk;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::protocol::Batch;
use crate::protocol::BatchLimits;
use crate::protocol::HEADER_SIZE;

use super::LogError;
use super::blocks;
use super::blocks::BLOCK;
use super::blocks::block_hash;
use super::epochs::Epochs;
use super::files;
use super::files::Hashed;
use super::producers::Producers;
use super::segment::Segment;
use super::segment::SegmentFile;
use super::snapshot;
use super::snapshot::Snapshot;

const CHUNK: u64 = 256 << 10;
const LIMITS: BatchLimits = BatchLimits { batch_bytes_max: 1 << 30 };

/// Where a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At the last byte, or at reserved room without a batch.
    Clean,
    /// At bytes that are not the batch that belongs there.
    Bad,
}

/// Walks from batch to batch; each is whole and follows the one before it.
pub(super) struct Walk<'a> {
    file: &'a SegmentFile,
    /// The start of the next batch.
    pub(super) position: u64,
    limit: u64,
    expected: Offset,
    leader_epoch: LeaderEpoch,
    buffer: BytesMut,
}

impl<'a> Walk<'a> {
    /// A walk from `position`, where the batch of `expected` stands, to byte `limit`.
    pub(super) fn new(file: &'a SegmentFile, position: u64, limit: u64, expected: Offset) -> Self {
        Self { file, position, limit, expected, leader_epoch: LeaderEpoch(i32::MIN), buffer: BytesMut::new() }
    }

    /// The next batch, or why there is none.
    pub(super) fn next(&mut self) -> Result<Result<Batch, End>, LogError> {
        if !self.fill(HEADER_SIZE)? {
            return Ok(Err(self.end()));
        }
        let size = Batch::peek(&self.buffer).ok().and_then(|header| header.size_in_bytes());
        let Some(size) = size else { return Ok(Err(self.end())) };
        // Told by the length alone: a damaged one would have the rest of the segment read into memory.
        if self.limit < self.position + size as u64 || !self.fill(size)? {
            return Ok(Err(End::Bad));
        }
        let bytes: Bytes = self.buffer.split_to(size).freeze();
        let Ok(batch) = Batch::check(bytes, &LIMITS) else { return Ok(Err(End::Bad)) };
        if batch.base_offset() != self.expected || batch.leader_epoch() < self.leader_epoch {
            return Ok(Err(End::Bad));
        }
        self.position += size as u64;
        self.expected = batch.next_offset();
        self.leader_epoch = batch.leader_epoch();
        Ok(Ok(batch))
    }

    /// The offset that the next batch has.
    pub(super) fn expected(&self) -> Offset {
        self.expected
    }

    /// Reserved room reads as zero; anything else is not a batch.
    fn end(&self) -> End {
        if self.buffer.iter().all(|byte| *byte == 0) { End::Clean } else { End::Bad }
    }

    fn fill(&mut self, size: usize) -> Result<bool, LogError> {
        while self.buffer.len() < size {
            let from = self.position + self.buffer.len() as u64;
            let length = CHUNK.min(self.limit.saturating_sub(from)) as usize;
            let start = self.buffer.len();
            self.buffer.resize(start + length, 0);
            let path = &self.file.path;
            let read = self.file.file.read_at(&mut self.buffer[start..], from).map_err(LogError::io("read", path))?;
            self.buffer.truncate(start + read);
            if read == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The numbers of the full blocks from byte `from` to `length` whose bytes are not those of the sidecar.
pub(super) fn bad_blocks(segment: &Segment, from: u64, length: u64) -> Result<Vec<u64>, LogError> {
    let hashes = segment.blocks.full();
    let hashes = hashes.read();
    let mut bad = Vec::new();
    let mut block = vec![0; BLOCK as usize];
    for (number, expected) in hashes.iter().enumerate().skip((from / BLOCK) as usize) {
        let start = number as u64 * BLOCK;
        let Some(expected) = expected.filter(|_| start + BLOCK <= length) else { continue };
        let path = &segment.file.path;
        let read = segment.file.file.read_at(&mut block, start).map_err(LogError::io("read", path))?;
        if block_hash(&block[..read]) != expected {
            bad.push(number as u64);
        }
    }
    Ok(bad)
}

/// A sealed segment's last, short block beside what the sidecar says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShortBlock {
    /// The sidecar has none, or has lost it.
    Unknown,
    /// Its bytes are the sidecar's, and end here.
    Whole { end: u64 },
    /// Its bytes are not the sidecar's.
    Bad { number: u64 },
}

/// Checks the last, short block of a sealed segment.
pub(super) fn short_block(disk: &dyn Disk, segment: &Segment) -> Result<ShortBlock, LogError> {
    let path = &segment.file.path;
    let Some((number, guard)) = blocks::short_block(disk, &path.with_extension("blocks"))? else {
        return Ok(ShortBlock::Unknown);
    };
    let mut block = vec![0; guard.length as usize];
    let read = segment.file.file.read_at(&mut block, number * BLOCK).map_err(LogError::io("read", path))?;
    Ok(match block_hash(&block[..read]) == guard.hash {
        true => ShortBlock::Whole { end: number * BLOCK + read as u64 },
        false => ShortBlock::Bad { number },
    })
}

/// The byte at which the batch that contains `offset` begins, and its base offset; it is known to be in the segment.
pub(super) fn batch_of(segment: &Segment, offset: Offset) -> Result<(u64, Offset), LogError> {
    let path = &segment.file.path;
    let format = || LogError::Format { kind: "segment", path: path.clone() };
    let mut header = [0; HEADER_SIZE];
    let mut position = segment.index.position_of(offset);
    while position < segment.length {
        segment.file.file.read_at(&mut header, position).map_err(LogError::io("read", path))?;
        let found = Batch::peek(&header).map_err(|_| format())?;
        if offset.0 <= found.base_offset.saturating_add(i64::from(found.last_offset_delta)) {
            return Ok((position, Offset(found.base_offset)));
        }
        position += found.size_in_bytes().ok_or_else(format)? as u64;
    }
    Err(format())
}

/// The newest snapshot at or below `end`, and its offset; an empty one at 0 if there is none. One from before the first
/// segment is of no use: what it calls open may have ended in a segment that is gone.
pub(super) fn newest_snapshot(
    disk: &dyn Disk,
    dir: &Path,
    first: Offset,
    end: Offset,
) -> Result<(Offset, Snapshot), LogError> {
    let paths = disk.read_dir(dir).map_err(LogError::io("list", dir))?;
    for path in paths.iter().rev() {
        let usable = |offset: &i64| (first.0..=end.0).contains(offset);
        let Some(offset) = files::number_of_file(path, "snapshot").filter(usable) else { continue };
        let bytes = files::read_hashed(disk, path, Hashed::Snapshot)?;
        let offset = Offset(offset);
        if let Some(snapshot) = bytes.and_then(|bytes| snapshot::decode(offset, &bytes)) {
            return Ok((offset, snapshot));
        }
    }
    Ok((Offset::ZERO, Snapshot::default()))
}

/// The producers and epochs at the end of these segments: the newest snapshot, and what was written since.
pub(super) fn producers(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[Segment],
    producers_max: usize,
) -> Result<(Producers, Epochs), LogError> {
    let first = segments.first().map_or(Offset::ZERO, |first| first.base);
    let end = segments.last().map_or(Offset::ZERO, |last| last.next_offset);
    let (from, Snapshot { mut producers, mut epochs, .. }) = newest_snapshot(disk, dir, first, end)?;
    for segment in segments.iter().filter(|segment| from < segment.next_offset) {
        let mut walk = Walk::new(&segment.file, 0, segment.length, segment.base);
        while let Ok(batch) = walk.next()? {
            if from <= batch.base_offset() {
                producers.record(&batch, producers_max);
                epochs.add(batch.leader_epoch(), batch.base_offset());
            }
        }
    }
    Ok((producers, epochs))
}
