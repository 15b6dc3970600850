//! Moves the end of a partition back, for a follower whose tail diverges from its leader's, or past all that it has, for one
//! whose leader has dropped what would follow.
//!
//! The journal is told first, durably, and the files are cut after that and synced before anything else is appended. So a
//! crash leaves the log as it was, or a journal that ends with the cut, which recovery then makes.

use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::env::Disk;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicPartition;

use super::LogError;
use super::core::Core;
use super::core::Promise;
use super::damage;
use super::epochs::Epochs;
use super::files;
use super::journal::ENTRY_HEADER;
use super::journal::Entry;
use super::journal::EntryKind;
use super::journal::Journal;
use super::partition::Partition;
use super::partition::Place;
use super::partition::Queued;
use super::partition::State;
use super::producers::Producers;
use super::room::RoomFor;
use super::scan;

impl Place {
    /// The start of an empty partition.
    pub(super) const START: Place =
        Place { offset: Offset::ZERO, segment_base: Offset::ZERO, position: 0, open_hash: EMPTY };
}

/// The hash of a block without bytes (xxh3 of nothing).
const EMPTY: u64 = 0x2d06_8005_38d3_94c2;

impl Core {
    /// See `LogDir::truncate_to`.
    pub(super) fn truncate_to(&self, id: TopicPartition, epoch: LeaderEpoch, end: Offset) -> Result<(), LogError> {
        let partition = self.partition(id)?;
        let promises =
            (self.promise(ENTRY_HEADER as u64, RoomFor::Server)?, self.promise(ENTRY_HEADER as u64, RoomFor::Server)?);
        let (mut journal, mut state) = self.quiet(&partition)?;
        let Some(cut) = state.cut_for(&*self.env.disk, id, epoch, end)? else { return Ok(()) };
        self.cut(&mut journal, &partition, &mut state, &cut, promises).map_err(|error| {
            self.fail(&error);
            LogError::Unknown
        })
    }

    /// See `LogDir::begin_at`.
    pub(super) fn begin_at(&self, id: TopicPartition, offset: Offset) -> Result<(), LogError> {
        let partition = self.partition(id)?;
        let promise = self.promise(ENTRY_HEADER as u64, RoomFor::Server)?;
        let (mut journal, mut state) = self.quiet(&partition)?;
        let (start, end) = (state.log_start_offset, state.log_end_offset);
        if offset < end {
            return Err(LogError::OutOfRange { partition: id, offset, start, end });
        }
        if offset == start {
            return Ok(());
        }
        let entry = Entry { base_offset: offset, ..Entry::about(EntryKind::LogStart, id) };
        let told = journal.append(std::iter::once(&entry), promise.keep(ENTRY_HEADER as u64));
        // A recovery finds that all of the log lies before its start, and removes what is left of it.
        let begun = told.and_then(|()| state.begin_at(&*self.env.disk, &partition, offset));
        begun.map_err(|error| {
            self.fail(&error);
            LogError::Unknown
        })?;
        self.tail.forget(id);
        partition.publish(&state);
        Ok(())
    }

    /// See `LogDir::cut_damage`.
    pub(super) fn cut_damage(&self, id: TopicPartition, from: Offset) -> Result<Offset, LogError> {
        let partition = self.partition(id)?;
        let promises =
            (self.promise(ENTRY_HEADER as u64, RoomFor::Server)?, self.promise(ENTRY_HEADER as u64, RoomFor::Server)?);
        let (mut journal, mut state) = self.quiet(&partition)?;
        let disk = &*self.env.disk;
        let kept = state.place_before(disk, from)?;
        let done = match kept {
            Some(cut) => self.cut(&mut journal, &partition, &mut state, &cut, promises).map(|()| cut.offset),
            // Nothing stands before the damage; the offsets that were given out are not given out again.
            None => {
                let end = state.log_end_offset;
                let entry = Entry { base_offset: end, ..Entry::about(EntryKind::LogStart, id) };
                let told = journal.append(std::iter::once(&entry), promises.0.keep(ENTRY_HEADER as u64));
                told.and_then(|()| state.begin_at(disk, &partition, end)).map(|()| end)
            }
        };
        let done = done.and_then(|end| damage::clear(disk, &partition.dir).map(|()| end));
        let end = done.map_err(|error| {
            self.fail(&error);
            LogError::Unknown
        })?;
        state.corrupt_from = None;
        self.tail.forget(id);
        partition.publish(&state);
        Ok(end)
    }

    /// The journal and the partition locked, with nothing of the partition waiting for the journal: that has a partition's entries
    /// in the order of its bytes.
    fn quiet<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
    ) -> Result<(MutexGuard<'a, Journal>, MutexGuard<'a, State>), LogError> {
        loop {
            self.force(partition)?;
            self.flush_once()?;
            let journal = self.journal.lock();
            self.check_running()?;
            let state = partition.state.lock();
            let waits = self.pending.lock().entries.iter().any(|queued| queued.partition.id == partition.id);
            if !waits && state.unjournaled.is_none() {
                return Ok((journal, state));
            }
        }
    }

    /// Tells the journal, then cuts the files. After an error nothing is known.
    fn cut(
        &self,
        journal: &mut Journal,
        partition: &Arc<Partition>,
        state: &mut State,
        cut: &Place,
        promises: (Promise<'_>, Promise<'_>),
    ) -> Result<(), LogError> {
        let entry = Entry {
            leader_epoch: state.leader_epoch,
            next_offset: cut.offset,
            segment_base: cut.segment_base,
            position: cut.position,
            open_before: cut.open_hash,
            open_after: cut.open_hash,
            ..Entry::about(EntryKind::Truncate, partition.id)
        };
        journal.append(std::iter::once(&entry), promises.0.keep(ENTRY_HEADER as u64))?;
        state.truncate(&*self.env.disk, partition, cut, self.config.producers_max)?;
        self.tail.forget(partition.id);
        partition.publish(state);
        // Once the journal has it, what is lazily written behind the cut is kept again.
        let (entry, truncations) = (state.trim(partition.id), state.truncations);
        let promised = promises.1.keep(ENTRY_HEADER as u64);
        self.enqueue(vec![Queued::about(partition.clone(), entry, truncations, promised)]);
        Ok(())
    }
}

impl State {
    /// The end of the last whole batch that lies before `offset`; `None` if there is none.
    fn place_before(&self, disk: &dyn Disk, offset: Offset) -> Result<Option<Place>, LogError> {
        let Some(index) = self.segment_of(offset).filter(|_| self.log_start_offset < offset) else { return Ok(None) };
        let segment = &self.segments[index];
        let mut walk = scan::Walk::new(&segment.file, 0, segment.length, segment.base);
        while walk.expected() < offset && walk.next()?.is_ok() {}
        let (position, end) = (walk.position, walk.expected());
        let open_hash = segment.open_hash_at(disk, position)?;
        Ok(Some(Place { offset: end, segment_base: segment.base, position, open_hash }))
    }

    /// Where to cut so that nothing diverges from a leader whose `epoch` ends at `end`; `None` if nothing does.
    fn cut_for(
        &self,
        disk: &dyn Disk,
        id: TopicPartition,
        epoch: LeaderEpoch,
        end: Offset,
    ) -> Result<Option<Place>, LogError> {
        let (start, log_end) = (self.log_start_offset, self.log_end_offset);
        let end = end.min(self.epochs.end_of(epoch, log_end).map_or(start, |(_, end)| end));
        if log_end <= end {
            return Ok(None);
        }
        if end < start {
            return Err(LogError::OutOfRange { partition: id, offset: end, start, end: log_end });
        }
        let Some(index) = self.segment_of(end) else { return Ok(None) };
        let segment = &self.segments[index];
        // Batches are whole: the cut is at the start of the batch that contains the offset.
        let (position, offset) = scan::batch_of(segment, end)?;
        let open_hash = segment.open_hash_at(disk, position)?;
        Ok(Some(Place { offset, segment_base: segment.base, position, open_hash }))
    }

    /// Drops everything and begins again at `offset`. After an error the files are in an unknown state.
    fn begin_at(&mut self, disk: &dyn Disk, partition: &Partition, offset: Offset) -> Result<(), LogError> {
        for segment in self.segments.drain(..) {
            segment.remove(disk)?;
        }
        // What a snapshot calls open has no marker any more.
        for path in disk.read_dir(&partition.dir).map_err(LogError::io("list", &partition.dir))? {
            if files::number_of_file(&path, "snapshot").is_some() {
                disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
            }
        }
        disk.sync_dir(&partition.dir).map_err(LogError::io("sync", &partition.dir))?;
        (self.log_start_offset, self.log_end_offset, self.high_watermark) = (offset, offset, offset);
        self.durable = Place { offset, ..Place::START };
        (self.epochs, self.producers) = (Epochs::default(), Producers::default());
        self.truncations += 1;
        self.snapshot_due = false;
        Ok(())
    }

    /// Cuts everything from `cut` on, durably. After an error the files are in an unknown state.
    fn truncate(
        &mut self,
        disk: &dyn Disk,
        partition: &Partition,
        cut: &Place,
        producers_max: usize,
    ) -> Result<(), LogError> {
        let end = cut.offset;
        assert!(end < self.log_end_offset, "a cut at {end} takes away something");
        let index = self.segment_of(end).expect("a batch lies in a segment");
        for segment in self.segments.drain(index + 1..) {
            segment.remove(disk)?;
        }
        let segment = self.segments.last_mut().expect("the segment of the cut stays");
        segment.cut(disk, cut.position, end)?;
        for path in disk.read_dir(&partition.dir).map_err(LogError::io("list", &partition.dir))? {
            if files::number_of_file(&path, "snapshot").is_some_and(|offset| end.0 < offset) {
                disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
            }
        }
        // What was cut must not be found behind what is appended next, nor what the sidecar said of it.
        segment.file.sync(disk)?;
        if let Some(sidecar) = segment.blocks.sidecar() {
            sidecar.sync_data().map_err(LogError::io("sync", &segment.file.path))?;
        }
        disk.sync_dir(&partition.dir).map_err(LogError::io("sync", &partition.dir))?;
        self.log_end_offset = end;
        self.high_watermark = self.high_watermark.min(end);
        self.durable = *cut;
        self.epochs.truncate(end);
        self.unjournaled = None;
        self.truncations += 1;
        self.snapshot_due = false;
        (self.producers, _) = scan::producers(disk, &partition.dir, &self.segments, producers_max)?;
        Ok(())
    }
}
