//! The flush group: one journal append and one fdatasync for all that waits.
//!
//! `flush_once`, `confirm_once` and `trim_once` are plain calls that block; threads are a shell around them, and a
//! simulation calls them itself.
//!
//! Invariants:
//!   * a durable offset moves only after the sync that covers it returned, and is recorded in the journal before anyone hears of it
//!   * after a failed sync nothing is synced again and nothing is acknowledged

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;

use crate::model::TopicPartition;

use super::Ends;
use super::LogError;
use super::checkpoint;
use super::core::Core;
use super::files;
use super::journal::ENTRY_HEADER;
use super::journal::Entry;
use super::journal::EntryKind;
use super::journal::Journal;
use super::measures::GroupSize;
use super::partition::Partition;
use super::partition::Place;
use super::partition::Queued;
use super::partition::State;
use super::room::RoomFor;
use super::segment::SegmentFile;
use super::sync::ToSync;
use super::sync::sync_all;

/// When a partition whose interval has passed is tried again.
const FORCE_RETRY: Duration = Duration::from_secs(1);

/// A group of so many bytes in the journal takes as long as its sync.
const SMALL_GROUP: u64 = 16 << 10;
/// What writing bytes twice costs: about what a disk of 100 MB/s needs for it.
const BYTES_PER_MICRO: u64 = 100;
/// However slow a sync is, no more than this of a partition rides.
const RIDE_BYTES_CEILING: u64 = 1 << 20;

/// How many bytes of a partition ride in the journal: as many as are written twice in the time of the sync that this saves.
fn ride_bytes(at_least: u64, sync_micros: u64) -> u64 {
    at_least.max((sync_micros * BYTES_PER_MICRO).min(RIDE_BYTES_CEILING))
}

/// What a call of `flush_once` found to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing waited.
    Nothing,
    /// A group became durable.
    Group,
}

impl Core {
    /// Makes durable all that waits now, in one group. Blocks; one at a time.
    pub(super) fn flush_once(&self) -> Result<Flushed, LogError> {
        let mut journal = self.journal.lock();
        self.check_running()?;
        let entries = {
            let mut pending = self.pending.lock();
            pending.bytes = 0;
            std::mem::take(&mut pending.entries)
        };
        if entries.is_empty() {
            return Ok(Flushed::Nothing);
        }
        let (begun, size) = (self.env.clock.monotonic(), GroupSize::of(&entries));
        let moved = self.flush_group(&mut journal, entries).map_err(|error| {
            self.fail(&error);
            LogError::Unknown
        })?;
        if let Some(measures) = self.measures.get() {
            measures.flushed(self.env.clock.monotonic().saturating_sub(begun), size, journal.bytes());
        }
        drop(journal);
        let on_durable = self.on_durable.read().clone();
        if let Some(on_durable) = on_durable {
            moved.into_iter().for_each(|(partition, ends)| on_durable(partition, ends));
        }
        Ok(Flushed::Group)
    }

    fn flush_group(
        &self,
        journal: &mut Journal,
        mut entries: Vec<Queued>,
    ) -> Result<Vec<(TopicPartition, Ends)>, LogError> {
        self.sync_segments(&mut entries)?;
        let promised = entries.iter().map(|queued| queued.promised).sum();
        let begun = self.env.clock.monotonic();
        let before = journal.bytes();
        journal.append(entries.iter().map(|queued| &queued.entry), promised)?;
        if journal.bytes() - before <= SMALL_GROUP {
            // A small group takes as long as its sync.
            let took = self.env.clock.monotonic().saturating_sub(begun).as_micros() as u64;
            self.sync_micros.fetch_update(Relaxed, Relaxed, |usual| Some((7 * usual + took) / 8)).ok();
        }
        let confirm_at = self.env.clock.monotonic() + self.config.confirm_after;
        self.pending.lock().confirm_at = Some(confirm_at);
        // The flusher may sleep without a deadline: this group need not be its own.
        self.wake.notify_one();
        let moved: BTreeMap<_, _> = entries.iter().map(|queued| (queued.entry.partition, durable(queued))).collect();
        if self.config.journal_bytes < journal.bytes() {
            self.rotate(journal)?;
        }
        Ok(moved.into_iter().collect())
    }

    /// Syncs the segments of what does not ride in the journal, and leaves "durable to" in the place of its bytes.
    fn sync_segments(&self, entries: &mut [Queued]) -> Result<(), LogError> {
        let mut bytes: HashMap<TopicPartition, u64> = HashMap::new();
        for Queued { entry, .. } in entries.iter() {
            let counted = match entry.kind {
                EntryKind::Append => entry.span,
                // Bytes that the journal was not told of before cannot ride.
                EntryKind::DurableTo => u64::MAX,
                EntryKind::Trim | EntryKind::Truncate | EntryKind::LogStart | EntryKind::Delete => 0,
            };
            let sum = bytes.entry(entry.partition).or_default();
            *sum = sum.saturating_add(counted);
        }
        let ride_bytes_max = ride_bytes(self.config.ride_bytes_max, self.sync_micros.load(Relaxed));
        let rides = |entry: &Entry| bytes[&entry.partition] <= ride_bytes_max;
        let mut to_sync: BTreeMap<*const SegmentFile, ToSync> = BTreeMap::new();
        for Queued { entry, file, partition, .. } in entries.iter() {
            let Some(file) = file.as_ref().filter(|_| !rides(entry)) else { continue };
            to_sync.entry(Arc::as_ptr(file)).or_insert_with(|| ToSync::segment(partition, file));
        }
        sync_all(&*self.env.disk, &*self.file_system, &to_sync.into_values().collect::<Vec<_>>())?;
        for queued in entries.iter_mut().filter(|queued| queued.file.is_some() && !rides(&queued.entry)) {
            queued.entry.kind = EntryKind::DurableTo;
            queued.entry.payload = queued.filled.iter().flat_map(|hash| hash.to_be_bytes()).collect::<Vec<u8>>().into();
        }
        Ok(())
    }

    /// Syncs the journal once more after the last group, so that its durable offsets are durable themselves.
    pub(super) fn confirm_once(&self) -> Result<(), LogError> {
        let journal = self.journal.lock();
        self.check_running()?;
        let due = self.pending.lock().confirm_at.take();
        if due.is_none() {
            return Ok(());
        }
        journal.confirm().map_err(|error| {
            self.fail(&error);
            LogError::Unknown
        })
    }

    /// Puts what the journal was not told of into the next group.
    pub(super) fn force(&self, partition: &Arc<Partition>) -> Result<(), LogError> {
        let mut state = partition.state.lock();
        let queued = self.force_locked(partition, &mut state)?;
        self.enqueue(queued.into_iter().collect());
        Ok(())
    }

    /// What the journal was not told of, with its room there.
    pub(super) fn force_locked(
        &self,
        partition: &Arc<Partition>,
        state: &mut State,
    ) -> Result<Option<Queued>, LogError> {
        let Some(bytes) = state.force_bytes() else { return Ok(None) };
        let promise = self.promise(bytes, RoomFor::Server)?;
        Ok(state.force(partition).map(|queued| Queued { promised: promise.keep(bytes), ..queued }))
    }

    /// Has the partition flushed once `after` has passed, unless it is due already.
    pub(super) fn flush_at(&self, partition: &Arc<Partition>, after: Duration) {
        let at = self.env.clock.monotonic() + after;
        let mut pending = self.pending.lock();
        if !pending.due.iter().any(|(_, due)| due.id == partition.id) {
            pending.due.push((at, partition.clone()));
            drop(pending);
            self.wake.notify_one();
        }
    }

    /// Forces the partitions whose interval has passed.
    pub(super) fn force_due(&self) {
        let now = self.env.clock.monotonic();
        let due: Vec<_> = {
            let mut pending = self.pending.lock();
            pending.due.extract_if(.., |(at, _)| *at <= now).map(|(_, partition)| partition).collect()
        };
        for partition in due {
            if let Err(error) = self.force(&partition) {
                tracing::warn!(partition = %partition.id, %error, "could not flush a partition in time; trying again");
                self.flush_at(&partition, FORCE_RETRY);
            }
        }
    }

    fn rotate(&self, journal: &mut Journal) -> Result<(), LogError> {
        journal.rotate()?;
        self.pending.lock().trim_wanted = true;
        self.trim.notify_one();
        Ok(())
    }

    /// Syncs the segments that the journal's old files cover, says so in the newest one, and removes the old ones.
    pub(super) fn trim_once(&self) -> Result<(), LogError> {
        self.check_running()?;
        let _trimming = self.trimming.lock();
        let old = self.journal.lock().old();
        self.pending.lock().trim_wanted = false;
        if old == 0 {
            return Ok(());
        }
        self.trim_old(old).or_else(|error| match error {
            LogError::DiskFull { path } => {
                // Nothing was removed; the next group that finds the journal long asks again.
                tracing::warn!(path = %path.display(), "the disk is full; the journal is not trimmed");
                Ok(())
            }
            error => {
                self.fail(&error);
                Err(LogError::Unknown)
            }
        })
    }

    /// Begins a new journal file and trims all others away: afterwards the journal holds no byte of a segment that was
    /// durable and sealed before. An error if the disk is too full for that.
    pub(super) fn trim_all(&self) -> Result<(), LogError> {
        let newest = {
            let mut journal = self.journal.lock();
            let newest = journal.generation();
            journal.rotate().map_err(|error| {
                self.fail(&error);
                LogError::Unknown
            })?;
            newest
        };
        self.trim_once()?;
        let journal = self.journal.lock();
        match journal.oldest() <= newest {
            true => Err(LogError::DiskFull { path: self.dir.join(files::JOURNAL_DIR) }),
            false => Ok(()),
        }
    }

    /// Makes durable what recovery put right, and has the new journal know of every partition.
    pub(super) fn trim_at_open(&self) -> Result<(), LogError> {
        let old = self.journal.lock().old();
        // Without partitions and without an older journal there is nothing to say.
        if old == 0 && self.partitions.read().is_empty() {
            return Ok(());
        }
        self.trim_old(old)
    }

    fn trim_old(&self, old: usize) -> Result<(), LogError> {
        let mut partitions: Vec<_> = self.partitions.read().values().cloned().collect();
        partitions.sort_by_key(|partition| partition.id);
        checkpoint::sync_dirty(self, &partitions).map_err(|error| {
            self.fail(&error);
            LogError::Unknown
        })?;
        let mut journal = self.journal.lock();
        // No group is in flight while the journal is locked, so each durable end is that of the last group.
        let partitions: Vec<_> = self.partitions.read().values().cloned().collect();
        let trims: Vec<Entry> = partitions.iter().map(|partition| partition.state.lock().trim(partition.id)).collect();
        let carried: Vec<_> = self.carried.lock().iter().map(|(_, bytes)| bytes.clone()).collect();
        let entries = trims.len() * ENTRY_HEADER + carried.iter().map(Bytes::len).sum::<usize>();
        let promised = self.promise(entries as u64, RoomFor::Server)?.keep(entries as u64);
        // From here on a failure leaves it open what is there.
        journal.trim(trims.iter(), &carried, old, promised).map_err(|error| {
            self.fail(&error);
            LogError::Unknown
        })
    }
}

impl State {
    /// The entry that says where the partition starts and durably ends.
    pub(super) fn trim(&self, partition: TopicPartition) -> Entry {
        Entry {
            leader_epoch: self.leader_epoch,
            base_offset: self.log_start_offset,
            next_offset: self.durable.offset,
            segment_base: self.durable.segment_base,
            position: self.durable.position,
            open_before: self.durable.open_hash,
            payload: Bytes::new(),
            ..Entry::about(EntryKind::Trim, partition)
        }
    }
}

/// Moves the durable offset of the partition that a flushed entry is about.
fn durable(queued: &Queued) -> Ends {
    let mut state = queued.partition.state.lock();
    let entry = &queued.entry;
    let has_bytes = matches!(entry.kind, EntryKind::Append | EntryKind::DurableTo);
    if has_bytes && queued.truncations == state.truncations && state.durable.offset < entry.next_offset {
        state.durable = Place {
            offset: entry.next_offset,
            segment_base: entry.segment_base,
            position: entry.position + entry.span,
            open_hash: entry.open_after,
        };
    }
    queued.partition.publish(&state)
}

#[cfg(test)]
mod tests {
    use super::ride_bytes;

    #[test]
    fn more_rides_where_a_sync_takes_long() {
        assert_eq!(ride_bytes(0, 0), 0);
        assert_eq!(ride_bytes(64 << 10, 100), 64 << 10);
        assert_eq!(ride_bytes(64 << 10, 3_000), 300_000);
        assert_eq!(ride_bytes(64 << 10, 500_000), 1 << 20);
    }
}
