//! Reads: from the hot tail, else from the segments, with every byte verified.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
                None => Ok(Vec::new()),
                // Looked for only after the range was checked, so that it never serves what retention dropped.
                Some(cold) => match self.tail.read(id, wanted) {
                    Some(hot) => Ok(hot),
                    None => partition.read_cold(cold, wanted),
                },
            });
            let some = match some {
                // What lies before the damage is served; the next read begins at the damage.
                Err(LogError::Corrupt { .. }) if !read.is_empty() => break,
                some => some?,
            };
            let Some(last) = some.last() else { break };
            next = last.batch.next_offset();
            let bytes = some.iter().map(|tail| tail.batch.size_in_bytes()).sum::<usize>();
            read.extend(some);
            left = left.saturating_sub(bytes);
            if left == 0 {
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

    fn read_cold(&self, cold: Cold, wanted: Wanted) -> Result<Vec<TailBatch>, LogError> {
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
    /// The next byte to read; the start of a block.
    read_to: u64,
    /// The first offset not read yet, for errors.
    next: Offset,
}

impl Reader {
    pub(super) fn new(partition: TopicPartition, cold: Cold, from: Offset) -> Self {
        let read_to = cold.position - cold.position % BLOCK;
        Self { partition, cold, buffer: BytesMut::new(), read_to, next: from }
    }

    fn batches(mut self, wanted: Wanted) -> Result<Vec<TailBatch>, LogError> {
        let mut read: Vec<TailBatch> = Vec::new();
        let mut bytes = 0;
        let mut last_epoch = LeaderEpoch(i32::MIN);
        let mut expected: Option<Offset> = None;
        while self.cold.position < self.cold.length {
            let batch = match self.batch() {
                Ok(batch) => batch,
                // What was read before the damage is served; the next read begins at the damage.
                Err(LogError::Corrupt { .. }) if !read.is_empty() => break,
                Err(error) => return Err(error),
            };
            let in_order = expected.is_none_or(|expected| expected == batch.base_offset())
                && last_epoch <= batch.leader_epoch()
                && batch.leader_epoch() <= self.cold.leader_epoch;
            if !in_order {
                return if read.is_empty() { Err(self.corrupt()) } else { Ok(read) };
            }
            expected = Some(batch.next_offset());
            last_epoch = batch.leader_epoch();
            if batch.next_offset() <= wanted.from {
                continue;
            }
            if wanted.from < batch.base_offset() && read.is_empty() {
                return Err(self.corrupt());
            }
            bytes += batch.size_in_bytes();
            let full = !read.is_empty() && wanted.bytes_max < bytes;
            if full || wanted.upto <= batch.base_offset() {
                break;
            }
            self.next = batch.next_offset();
            read.push(TailBatch::new(batch));
        }
        Ok(read)
    }

    /// The next batch, which must begin at `self.next`; `None` at the end of the segment.
    pub(super) fn next_in_order(&mut self) -> Result<Option<Batch>, LogError> {
        if self.cold.position == self.cold.length {
            return Ok(None);
        }
        let batch = self.batch()?;
        if batch.base_offset() != self.next || self.cold.leader_epoch < batch.leader_epoch() {
            return Err(self.corrupt());
        }
        self.next = batch.next_offset();
        Ok(Some(batch))
    }

    fn batch(&mut self) -> Result<Batch, LogError> {
        self.fill(HEADER_SIZE)?;
        let size = Batch::peek(&self.buffer).ok().and_then(|header| header.size_in_bytes());
        let size = size.filter(|size| self.cold.position + *size as u64 <= self.cold.length);
        let size = size.ok_or_else(|| self.corrupt())?;
        self.fill(size)?;
        let bytes: Bytes = self.buffer.split_to(size).freeze();
        self.cold.position += size as u64;
        Batch::check(bytes, &LIMITS).map_err(|_| self.corrupt())
    }

    /// Reads and verifies blocks until the buffer holds `size` bytes.
    fn fill(&mut self, size: usize) -> Result<(), LogError> {
        while self.buffer.len() < size {
            let length = BLOCK.min(self.cold.length.saturating_sub(self.read_to));
            if length == 0 {
                return Err(self.corrupt());
            }
            let mut block = vec![0; length as usize];
            let file = &self.cold.file;
            let count = file.file.read_at(&mut block, self.read_to).map_err(LogError::io("read", &file.path))?;
            let number = (self.read_to / BLOCK) as usize;
            let expected = match length {
                BLOCK => self.cold.hashes.read().get(number).copied().flatten(),
                _ => Some(self.cold.open_hash),
            };
            if count < block.len() || expected.is_some_and(|expected| expected != block_hash(&block)) {
                return Err(self.corrupt());
            }
            let skip = self.cold.position.saturating_sub(self.read_to).min(length);
            let from = if self.buffer.is_empty() { skip as usize } else { 0 };
            self.buffer.extend_from_slice(&block[from..]);
            self.read_to += length;
        }
        Ok(())
    }

    fn corrupt(&self) -> LogError {
        LogError::Corrupt { partition: self.partition, offset: self.next }
    }
}
