//! The hot tail: the newest batches of all partitions in memory, under one budget in bytes.
//!
//! Batches leave in the order in which they came, so a partition that nobody writes to costs nothing after a while.

use std::any::Any;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

use parking_lot::Mutex;

use crate::memory::MemoryPool;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::Batch;

/// A place beside a batch in which a reader keeps what it made of it, for the next reader.
pub type Slot = Arc<OnceLock<Arc<dyn Any + Send + Sync>>>;

/// A batch as it is read, with its slot. Shared slots come from the hot tail, empty ones from the disk.
#[derive(Clone)]
pub struct TailBatch {
    /// The batch.
    pub batch: Batch,
    /// The slot.
    pub slot: Slot,
}

impl TailBatch {
    /// A batch whose slot is empty.
    pub fn new(batch: Batch) -> Self {
        Self { batch, slot: Slot::default() }
    }
}

impl fmt::Debug for TailBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.batch)
    }
}

/// What a read asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The batch that contains this offset comes first.
    pub(super) from: Offset,
    /// No batch starts here or after.
    pub(super) upto: Offset,
    /// Bytes after which no further batch is added.
    pub(super) bytes_max: usize,
}

/// The newest batches.
pub(super) struct Tail {
    budget: usize,
    state: Mutex<State>,
    /// Where its bytes are counted for people; the budget is its own.
    pool: OnceLock<MemoryPool>,
}

#[derive(Default)]
struct State {
    bytes: usize,
    partitions: HashMap<TopicPartition, VecDeque<TailBatch>>,
    order: VecDeque<(TopicPartition, Offset)>,
}

impl Tail {
    /// A tail of at most `budget` bytes.
    pub(super) fn new(budget: usize) -> Self {
        Self { budget, state: Mutex::default(), pool: OnceLock::new() }
    }

    /// Counts its bytes in `pool` from now on.
    pub(super) fn count_in(&self, pool: &MemoryPool) {
        if self.pool.set(pool.clone()).is_ok() {
            pool.add(self.state.lock().bytes as isize);
        }
    }

    fn count(&self, before: usize, after: usize) {
        if let Some(pool) = self.pool.get() {
            pool.add(after as isize - before as isize);
        }
    }

    /// Adds the newest batch of a partition.
    pub(super) fn push(&self, partition: TopicPartition, batch: Batch) {
        let mut state = self.state.lock();
        let before = state.bytes;
        state.bytes += batch.size_in_bytes();
        state.order.push_back((partition, batch.base_offset()));
        state.partitions.entry(partition).or_default().push_back(TailBatch::new(batch));
        while self.budget < state.bytes {
            let Some((oldest, offset)) = state.order.pop_front() else { break };
            state.drop_front(oldest, offset);
        }
        self.count(before, state.bytes);
    }

    /// The batches that a read wants, if the tail holds the first of them.
    pub(super) fn read(&self, partition: TopicPartition, wanted: Wanted) -> Option<Vec<TailBatch>> {
        let state = self.state.lock();
        let batches = state.partitions.get(&partition)?;
        let first = batches.partition_point(|tail| tail.batch.next_offset() <= wanted.from);
        let from = batches.get(first)?;
        if wanted.from < from.batch.base_offset() {
            return None;
        }
        let mut bytes = 0;
        let mut read = Vec::new();
        for tail in batches.range(first..) {
            bytes += tail.batch.size_in_bytes();
            let full = !read.is_empty() && wanted.bytes_max < bytes;
            if full || wanted.upto <= tail.batch.base_offset() {
                break;
            }
            read.push(tail.clone());
        }
        Some(read)
    }

    /// Forgets a partition's batches before `offset`: they were compacted.
    pub(super) fn forget_below(&self, partition: TopicPartition, offset: Offset) {
        let mut state = self.state.lock();
        let before = state.bytes;
        let Some(batches) = state.partitions.get(&partition) else { return };
        let old = |tail: &&TailBatch| tail.batch.next_offset() <= offset;
        let gone: Vec<Offset> = batches.iter().take_while(old).map(|tail| tail.batch.base_offset()).collect();
        for offset in gone {
            state.drop_front(partition, offset);
        }
        self.count(before, state.bytes);
        let first = state.partitions.get(&partition).and_then(|batches| batches.front());
        let first = first.map_or(Offset(i64::MAX), |front| front.batch.base_offset());
        state.order.retain(|(other, offset)| *other != partition || first <= *offset);
    }

    /// Forgets a partition: it was truncated or deleted.
    pub(super) fn forget(&self, partition: TopicPartition) {
        let mut state = self.state.lock();
        let before = state.bytes;
        let gone = state.partitions.remove(&partition).unwrap_or_default();
        state.bytes -= gone.iter().map(|tail| tail.batch.size_in_bytes()).sum::<usize>();
        state.order.retain(|(other, _)| *other != partition);
        self.count(before, state.bytes);
    }
}

impl State {
    fn drop_front(&mut self, partition: TopicPartition, offset: Offset) {
        let Some(batches) = self.partitions.get_mut(&partition) else { return };
        if batches.front().is_some_and(|front| front.batch.base_offset() == offset) {
            self.bytes -= batches.pop_front().map_or(0, |front| front.batch.size_in_bytes());
        }
        if batches.is_empty() {
            self.partitions.remove(&partition);
        }
    }
}
