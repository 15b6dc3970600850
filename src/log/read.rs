//! Reads: from the hot tail, else from the segments, with every byte verified.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Buf;
use bytes::Bytes;
use bytes::BytesMut;

use crate::env::Disk;
use crate::env::OpenMode;
use crate::model::EventTime;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::BatchLimits;
use crate::protocol::HEADER_SIZE;

use super::LogError;
use super::blocks::BLOCK;
use super::blocks::BlockHashes;
use super::blocks::block_hash;
use super::core::Core;
use super::partition::Partition;
use super::segment::Segment;
use super::segment::SegmentFile;
use super::tail::TailBatch;
use super::tail::Wanted;

/// Bytes that one call to the disk reads at most, but for a larger batch.
const READ_MAX: usize = 1 << 20;
/// A batch's size is bounded by its segment; this bounds a damaged length field.
const LIMITS: BatchLimits = BatchLimits { batch_bytes_max: 1 << 30 };

impl Core {
    /// See `LogDir::read`.
    pub(super) fn read(&self, id: TopicPartition, wanted: Wanted) -> Result<Vec<TailBatch>, LogError> {
        let partition = self.partition(id)?;
        let damaged_from = partition.state.lock().corrupt_from.unwrap_or(Offset(i64::MAX));
        let wanted = Wanted { upto: wanted.upto.min(damaged_from), ..wanted };
        let mut read: Vec<TailBatch> = Vec::new();
        let mut next = wanted.from;
        let mut left = wanted.bytes_max;
        loop {
            let wanted = Wanted { from: next, bytes_max: left, ..wanted };
            let some = partition.cold(wanted).and_then(|cold| match cold {
                None => Ok(Read { batches: Vec::new(), full: false }),
                // Looked for only after the range was checked, so that it never serves what retention dropped.
                Some(cold) => match self.tail.read(id, wanted) {
                    Some(batches) => Ok(Read { batches, full: false }),
                    None => partition.read_cold(cold, wanted),
                },
            });
            let some = match some {
                // What lies before the damage is served; the next read begins at the damage.
                Err(LogError::Corrupt { .. }) if !read.is_empty() => break,
                some => some?,
            };
            let Some(last) = some.batches.last() else { break };
            next = last.batch.next_offset();
            let bytes = some.batches.iter().map(|tail| tail.batch.size_in_bytes()).sum::<usize>();
            read.extend(some.batches);
            left = left.saturating_sub(bytes);
            if left == 0 || some.full {
                break;
            }
        }
        // Only the very first batch may pass the limit.
        let mut bytes = 0;
        let within = |tail: &&TailBatch| {
            bytes += tail.batch.size_in_bytes();
            bytes <= wanted.bytes_max
        };
        let count = read.iter().take_while(within).count().max(1);
        read.truncate(count);
        Ok(read)
    }

    /// See `LogDir::offset_for_time`.
    pub(super) fn offset_for_time(
        &self,
        id: TopicPartition,
        time: EventTime,
    ) -> Result<Option<(Offset, EventTime)>, LogError> {
        let partition = self.partition(id)?;
        let start = {
            let state = partition.state.lock();
            let found = state.segments.iter().find(|segment| time.0 <= segment.index.max_timestamp());
            let Some(segment) = found else { return Ok(None) };
            (segment.base, segment.index.position_of_time(time.0), state.log_start_offset, state.log_end_offset)
        };
        let (base, position, log_start, log_end) = start;
        let mut next = partition.offset_at(base, position)?.max(log_start);
        while next < log_end {
            let batches = self.read(id, Wanted { from: next, upto: log_end, bytes_max: 1 << 20 })?;
            let Some(last) = batches.last() else { break };
            next = last.batch.next_offset();
            for batch in batches.iter().filter(|tail| time.0 <= tail.batch.header().max_timestamp) {
                let payload = batch.batch.payload().map_err(|source| LogError::Batch { partition: id, source })?;
                let later =
                    |record: &crate::protocol::Record<'_>| log_start <= record.offset && time.0 <= record.timestamp;
                if let Some(record) = payload.records().filter_map(Result::ok).find(later) {
                    return Ok(Some((record.offset, EventTime(record.timestamp))));
                }
            }
        }
        Ok(None)
    }
}

/// What one place had.
struct Read {
    batches: Vec<TailBatch>,
    /// The next batch is there too and does not fit.
    full: bool,
}

/// A read of one segment, planned under the partition's lock and done outside.
pub(super) struct Cold {
    file: Arc<SegmentFile>,
    hashes: BlockHashes,
    /// Bytes of the segment when the read was planned, and the hash of the block open there.
    length: u64,
    open_hash: u64,
    position: u64,
    leader_epoch: LeaderEpoch,
    truncations: u64,
}

impl Partition {
    /// Where to read from the disk; `None` at the end.
    fn cold(&self, wanted: Wanted) -> Result<Option<Cold>, LogError> {
        let state = self.state.lock();
        let partition = self.id;
        if let Some(offset) = state.corrupt_from.filter(|offset| *offset <= wanted.from) {
            return Err(LogError::Corrupt { partition, offset });
        }
        let (start, end) = (state.log_start_offset, state.log_end_offset);
        if wanted.from < start || end < wanted.from {
            return Err(LogError::OutOfRange { partition, offset: wanted.from, start, end });
        }
        let at_end = wanted.from == end || wanted.upto <= wanted.from;
        let Some(index) = state.segment_of(wanted.from).filter(|_| !at_end) else { return Ok(None) };
        let segment = &state.segments[index];
        Ok(Some(Cold::new(segment, segment.index.position_of(wanted.from), state.leader_epoch, state.truncations)))
    }

    fn read_cold(&self, cold: Cold, wanted: Wanted) -> Result<Read, LogError> {
        let truncations = cold.truncations;
        let read = Reader::new(self.id, cold, wanted.from).batches(wanted);
        let state = self.state.lock();
        if state.truncations != truncations {
            let (start, end) = (state.log_start_offset, state.log_end_offset);
            return Err(LogError::OutOfRange { partition: self.id, offset: wanted.from, start, end });
        }
        read
    }

    /// The base offset of the batch at a byte position that the index gave.
    fn offset_at(&self, base: Offset, position: u64) -> Result<Offset, LogError> {
        let state = self.state.lock();
        let Some(index) = state.segment_of(base) else { return Ok(base) };
        let segment = &state.segments[index];
        let mut header = [0; HEADER_SIZE];
        let path = &segment.file.path;
        segment.file.file.read_at(&mut header, position).map_err(LogError::io("read", path))?;
        let offset = Batch::peek(&header).map(|header| Offset(header.base_offset));
        Ok(offset.unwrap_or(base).clamp(segment.base, segment.next_offset))
    }
}

impl Cold {
    /// The same read of the file that has the segment's name now.
    pub(super) fn by_name(self, disk: &dyn Disk) -> io::Result<Self> {
        let path = self.file.path.clone();
        let file = disk.open(&path, OpenMode::Read)?;
        Ok(Self { file: Arc::new(SegmentFile { path, file, entry_durable: AtomicBool::new(true) }), ..self })
    }

    /// The hashes of the full blocks.
    pub(super) fn hashes(&self) -> Vec<Option<u64>> {
        self.hashes.read().clone()
    }

    /// The hash of the block after those.
    pub(super) fn open_hash(&self) -> u64 {
        self.open_hash
    }

    pub(super) fn new(segment: &Segment, position: u64, leader_epoch: LeaderEpoch, truncations: u64) -> Self {
        Self {
            file: segment.file.clone(),
            hashes: segment.blocks.full(),
            length: segment.length,
            open_hash: segment.blocks.open_hash(),
            position,
            leader_epoch,
            truncations,
        }
    }
}

/// Reads block after block, checks each, and cuts batches out of them.
pub(super) struct Reader {
    partition: TopicPartition,
    cold: Cold,
    /// Verified bytes from `cold.position` on.
    buffer: BytesMut,
    /// Bytes that will be asked for, as far as is known: they are read in few calls.
    ahead: usize,
    /// The next byte to read; the start of a block.
    read_to: u64,
    /// The first offset not read yet, for errors.
    next: Offset,
}

impl Reader {
    pub(super) fn new(partition: TopicPartition, cold: Cold, from: Offset) -> Self {
        let read_to = cold.position - cold.position % BLOCK;
        Self { partition, cold, buffer: BytesMut::new(), ahead: 0, read_to, next: from }
    }

    fn batches(mut self, wanted: Wanted) -> Result<Read, LogError> {
        self.ahead = wanted.bytes_max;
        let mut read: Vec<TailBatch> = Vec::new();
        let mut left = wanted.bytes_max;
        let mut last_epoch = LeaderEpoch(i32::MIN);
        let mut expected: Option<Offset> = None;
        while self.cold.position < self.cold.length {
            let batch = match self.batch(if read.is_empty() { usize::MAX } else { left }) {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok(Read { batches: read, full: true }),
                // What was read before the damage is served; the next read begins at the damage.
                Err(LogError::Corrupt { .. }) if !read.is_empty() => break,
                Err(error) => return Err(error),
            };
            let in_order = expected.is_none_or(|expected| expected == batch.base_offset())
                && last_epoch <= batch.leader_epoch()
                && batch.leader_epoch() <= self.cold.leader_epoch;
            if !in_order && read.is_empty() {
                return Err(self.corrupt());
            }
            if !in_order {
                break;
            }
            expected = Some(batch.next_offset());
            last_epoch = batch.leader_epoch();
            if batch.next_offset() <= wanted.from {
                continue;
            }
            if wanted.from < batch.base_offset() && read.is_empty() {
                return Err(self.corrupt());
            }
            if wanted.upto <= batch.base_offset() {
                break;
            }
            left = left.saturating_sub(batch.size_in_bytes());
            self.next = batch.next_offset();
            read.push(TailBatch::new(batch));
        }
        Ok(Read { batches: read, full: false })
    }

    /// The next batch, which must begin at `self.next`; `None` at the end of the segment.
    pub(super) fn next_in_order(&mut self) -> Result<Option<Batch>, LogError> {
        if self.cold.position == self.cold.length {
            return Ok(None);
        }
        let batch = self.batch(usize::MAX)?.expect("every batch fits");
        if batch.base_offset() != self.next || self.cold.leader_epoch < batch.leader_epoch() {
            return Err(self.corrupt());
        }
        self.next = batch.next_offset();
        Ok(Some(batch))
    }

    /// The next batch; `None` if it is larger than `limit`.
    fn batch(&mut self, limit: usize) -> Result<Option<Batch>, LogError> {
        self.fill(HEADER_SIZE)?;
        let size = Batch::peek(&self.buffer).ok().and_then(|header| header.size_in_bytes());
        let size = size.filter(|size| self.cold.position + *size as u64 <= self.cold.length);
        let size = size.ok_or_else(|| self.corrupt())?;
        if limit < size {
            return Ok(None);
        }
        self.fill(size)?;
        let bytes: Bytes = self.buffer.split_to(size).freeze();
        self.cold.position += size as u64;
        Batch::check(bytes, &LIMITS).map(Some).map_err(|_| self.corrupt())
    }

    /// Reads and verifies blocks until the buffer holds `size` bytes.
    fn fill(&mut self, size: usize) -> Result<(), LogError> {
        while self.buffer.len() < size {
            let left = self.cold.length.saturating_sub(self.read_to);
            if left == 0 {
                return Err(self.corrupt());
            }
            let held = self.buffer.len();
            // No more than is there already: a damaged length takes no memory, and a large batch is copied about once.
            let wanted = self.ahead.max(size - held).min(READ_MAX.max(held)) as u64;
            self.read_blocks(wanted.next_multiple_of(BLOCK).min(left) as usize)?;
        }
        Ok(())
    }

    /// Appends the next `length` bytes, which begin and end with blocks, to the buffer.
    fn read_blocks(&mut self, length: usize) -> Result<(), LogError> {
        let held = self.buffer.len();
        // One piece of memory for many batches, which the disk fills: bytes that are copied once more cost more than their hash.
        let mut buffer = BytesMut::zeroed(held + length);
        buffer[..held].copy_from_slice(&self.buffer);
        let file = &self.cold.file;
        let read = file.file.read_at(&mut buffer[held..], self.read_to);
        let count = read.map_err(LogError::io("read", &file.path))?;
        let whole = self.verified(&buffer[held..held + count]);
        // What is whole before the damage is served; the next call begins at the damage.
        if whole == 0 {
            return Err(self.corrupt());
        }
        buffer.truncate(held + whole);
        if held == 0 {
            let skip = self.cold.position.saturating_sub(self.read_to);
            buffer.advance(whole.min(skip as usize));
        }
        self.buffer = buffer;
        self.read_to += whole as u64;
        self.ahead = self.ahead.saturating_sub(whole);
        Ok(())
    }

    /// The length of the blocks at the start of `bytes`, which stand at `read_to`, that are whole and have their hash.
    fn verified(&self, bytes: &[u8]) -> usize {
        let first = (self.read_to / BLOCK) as usize;
        let hashes: Vec<_> =
            self.cold.hashes.read().iter().skip(first).take(bytes.len() / BLOCK as usize).copied().collect();
        let is_whole = |(place, block): (usize, &[u8])| {
            let length = BLOCK.min(self.cold.length - self.read_to - place as u64 * BLOCK);
            let expected = match length {
                BLOCK => hashes.get(place).copied().flatten(),
                _ => Some(self.cold.open_hash),
            };
            block.len() as u64 == length && expected.is_none_or(|expected| expected == block_hash(block))
        };
        let blocks = bytes.chunks(BLOCK as usize).enumerate();
        blocks.map_while(|block| is_whole(block).then_some(block.1.len())).sum()
    }

    fn corrupt(&self) -> LogError {
        LogError::Corrupt { partition: self.partition, offset: self.next }
    }
}
