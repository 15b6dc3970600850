//! Fetch: the batches of many partitions as they lie in the log, or a wait until there are enough.
//!
//! The reader leaves out aborted transactions by itself: it is told of them. Nothing polls: who waits is woken by the
//! partitions it waits for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::LocalBroker;
use crate::broker::BrokerError;
use crate::broker::Isolation;
use crate::log::AbortedTransaction;
use crate::log::Ends;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::security::Operation;

/// Where a reader stands in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPartition {
    /// Which.
    pub partition: TopicPartition,
    /// The next offset to read.
    pub offset: Offset,
    /// The leader epoch that the reader knows.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The leader epoch of what it read last, for readers that want to be told where they diverge.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Bytes of the answer for this partition; its first batch may pass it.
    pub bytes_max: usize,
}

/// How much a fetch returns, and how long it waits for how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// It waits for so many bytes over all partitions.
    pub bytes_min: usize,
    /// Bytes over all partitions; the first batch of all may pass it.
    pub bytes_max: usize,
    /// For no longer than this.
    pub wait_max: Duration,
    /// Which records of transactions it reads up to.
    pub isolation: Isolation,
}

/// What one partition has.
#[derive(Debug, Clone)]
pub struct FetchedPartition {
    /// Its ends when it was read.
    pub ends: Ends,
    /// Whole batches in offset order; the first may begin before the position.
    pub batches: Vec<Bytes>,
    /// The aborted transactions among them, by their first offset.
    pub aborted: Vec<AbortedTransaction>,
    /// The reader's log differs from here on: the greatest epoch that both may know, and where it ended.
    pub diverging: Option<(LeaderEpoch, Offset)>,
}

type Found = Result<FetchedPartition, BrokerError>;

/// A fetch under way. `ready`, then `read`; if that is not enough, again.
pub struct Fetching {
    local: LocalBroker,
    partitions: Vec<Watched>,
    limits: FetchLimits,
    /// When it answers with what there is, on the monotonic clock.
    deadline: Duration,
}

/// One partition of a fetch.
struct Watched {
    wanted: FetchPartition,
    /// Its ends as they move; the error that the reader is told once.
    ends: Result<watch::Receiver<Ends>, BrokerError>,
    /// It was looked at, and readers saw what lies below.
    seen: Option<Offset>,
}

impl LocalBroker {
    /// Begins a fetch; the answers are in the order of `partitions`.
    pub async fn begin_fetch(&self, partitions: Vec<FetchPartition>, limits: FetchLimits) -> Fetching {
        let deadline = self.env().clock.monotonic() + limits.wait_max;
        let mut watched = Vec::with_capacity(partitions.len());
        for wanted in partitions {
            let ends = self.watch(&wanted).await;
            watched.push(Watched { wanted, ends, seen: None });
        }
        Fetching { local: self.clone(), partitions: watched, limits, deadline }
    }

    async fn watch(&self, wanted: &FetchPartition) -> Result<watch::Receiver<Ends>, BrokerError> {
        self.authorized(wanted.partition, Operation::Read).await?;
        self.check_leader_epoch(wanted.partition, wanted.current_leader_epoch)?;
        Ok(self.broker.log.watch(wanted.partition)?)
    }
}

impl Fetching {
    /// Resolves when there is more to tell than when it was read last, or the wait is over. Cancel-safe.
    pub async fn ready(&mut self) {
        let clock = Arc::clone(&self.local.env().clock);
        let left = self.deadline.saturating_sub(clock.monotonic());
        let isolation = self.limits.isolation;
        if left.is_zero() || self.partitions.is_empty() || self.partitions.iter().any(|one| one.has_news(isolation)) {
            return;
        }
        let moves: Vec<_> = self.partitions.iter_mut().filter_map(|watched| watched.moved(isolation)).collect();
        tokio::select! {
            _ = futures::future::select_all(moves) => {}
            () = self.local.broker.log.failed() => {}
            () = clock.sleep(left) => {}
        }
    }

    /// The most bytes that `read` returns, but for a single batch that is larger.
    pub fn bytes_max(&self) -> usize {
        let partitions = self.partitions.iter().map(|watched| watched.wanted.bytes_max);
        partitions.fold(0, usize::saturating_add).min(self.limits.bytes_max)
    }

    /// What there is now.
    pub fn read(&mut self) -> Vec<Found> {
        let mut left = Left { bytes: self.limits.bytes_max, first: true };
        let (local, isolation) = (&self.local, self.limits.isolation);
        let read = |watched: &mut Watched| match &mut watched.ends {
            Ok(moving) => {
                let ends = *moving.borrow_and_update();
                watched.seen = Some(visible_end(isolation, &ends));
                local.read_one(&watched.wanted, ends, isolation, &mut left)
            }
            // With an error there is enough, so it is told once.
            Err(error) => Err(std::mem::replace(error, BrokerError::Closed)),
        };
        self.partitions.iter_mut().map(read).collect()
    }

    /// Whether what was read is to be answered: it is enough, something is wrong, or the wait is over.
    pub fn is_enough(&self, found: &[Found]) -> bool {
        let size = |found: &FetchedPartition| found.batches.iter().map(Bytes::len).sum::<usize>();
        let is_news = |found: &Found| found.as_ref().map_or(true, |found| found.diverging.is_some());
        // Without partitions there is nothing to wait for.
        let enough = self.limits.bytes_min <= found.iter().flatten().map(size).sum();
        enough || found.is_empty() || found.iter().any(is_news) || self.deadline <= self.local.env().clock.monotonic()
    }
}

impl Watched {
    /// Whether a look at it would show more than the last one.
    fn has_news(&self, isolation: Isolation) -> bool {
        let Ok(ends) = &self.ends else { return true };
        let ends = *ends.borrow();
        let first = self.seen.is_none()
            && (self.wanted.last_fetched_epoch.is_some() || ends.log_end_offset < self.wanted.offset);
        first || is_news(self.seen.unwrap_or(self.wanted.offset), self.wanted.offset, isolation, &ends)
    }

    /// Resolves when it has news.
    fn moved(&mut self, isolation: Isolation) -> Option<BoxFuture<'_, ()>> {
        let ends = self.ends.as_mut().ok()?;
        let (offset, seen) = (self.wanted.offset, self.seen.unwrap_or(self.wanted.offset));
        let moved = async move {
            // A partition whose sender is gone was deleted, which the next look tells.
            let _ = ends.wait_for(|ends| is_news(seen, offset, isolation, ends)).await;
        };
        Some(moved.boxed())
    }
}

/// Whether a reader at `offset`, who saw what lies below `seen`, has more to see or nothing any more.
fn is_news(seen: Offset, offset: Offset, isolation: Isolation, ends: &Ends) -> bool {
    seen < visible_end(isolation, ends) || offset < ends.log_start_offset || ends.deleted
}

impl LocalBroker {
    fn read_one(&self, wanted: &FetchPartition, ends: Ends, isolation: Isolation, left: &mut Left) -> Found {
        let FetchPartition { partition, offset, .. } = *wanted;
        if ends.deleted {
            return Err(BrokerError::UnknownPartition { partition });
        }
        let mut found = FetchedPartition { ends, batches: Vec::new(), aborted: Vec::new(), diverging: None };
        if let Some(epoch) = wanted.last_fetched_epoch {
            found.diverging = self.diverging(partition, epoch, offset)?;
            if found.diverging.is_some() {
                return Ok(found);
            }
        }
        if offset < ends.log_start_offset || ends.log_end_offset < offset {
            let (start, end) = (ends.log_start_offset, ends.log_end_offset);
            return Err(BrokerError::OffsetOutOfRange { partition, offset, start, end });
        }
        let end = visible_end(isolation, &ends);
        let read = match offset < end && (left.first || 0 < left.bytes) {
            true => self.broker.log.read(partition, offset, end, left.bytes.min(wanted.bytes_max))?,
            false => Vec::new(),
        };
        let size: usize = read.iter().map(|tail| tail.batch.size_in_bytes()).sum();
        if size == 0 && end < ends.log_end_offset && end <= offset {
            self.broker.check_readable_beyond(partition, end)?;
        }
        if left.bytes < size && !left.first {
            // Only the first batch of all may pass the limit; this one comes first next time. What is left is too little for
            // most others too: a read of each to find that out would be most of the work.
            left.bytes = 0;
            return Ok(found);
        }
        let next = read.last().map_or(offset, |last| last.batch.next_offset());
        if isolation == Isolation::ReadCommitted && offset < next {
            found.aborted = self.broker.log.aborted(partition, offset, next)?;
            found.aborted.sort_by_key(|aborted| aborted.first_offset);
        }
        left.take(size);
        found.batches = read.into_iter().map(|tail| tail.batch.bytes().clone()).collect();
        Ok(found)
    }

    /// Where a log whose last batch below `offset` is of `epoch` leaves ours, if it does.
    fn diverging(
        &self,
        partition: TopicPartition,
        epoch: LeaderEpoch,
        offset: Offset,
    ) -> Result<Option<(LeaderEpoch, Offset)>, BrokerError> {
        let end = self.broker.log.epoch_end(partition, epoch)?;
        Ok(end.filter(|(known, end)| *known < epoch || *end < offset))
    }
}

/// What a fetch may still return.
struct Left {
    bytes: usize,
    /// Nothing was found yet.
    first: bool,
}

impl Left {
    fn take(&mut self, size: usize) {
        self.bytes = self.bytes.saturating_sub(size);
        self.first &= size == 0;
    }
}

fn visible_end(isolation: Isolation, ends: &Ends) -> Offset {
    match isolation {
        Isolation::ReadCommitted => ends.readable_end(),
        Isolation::ReadUncommitted => ends.high_watermark,
    }
}
