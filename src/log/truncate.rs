//! Moves the end of a partition back, for a follower whose tail diverges from its leader's.

use crate::env::Disk;
use crate::model::Offset;

use super::LogError;
use super::files;
use super::journal::Entry;
use super::journal::EntryKind;
use super::partition::Partition;
use super::partition::Place;
use super::partition::State;
use super::scan;

impl Place {
    /// The start of an empty partition.
    pub(super) const START: Place =
        Place { offset: Offset::ZERO, segment_base: Offset::ZERO, position: 0, open_hash: EMPTY };
}

/// The hash of a block without bytes (xxh3 of nothing).
const EMPTY: u64 = 0x2d06_8005_38d3_94c2;

impl State {
    /// Cuts everything from `end` on, which is the start of a batch; returns what the journal is to be told.
    /// After an error the files are in an unknown state.
    pub(super) fn truncate(
        &mut self,
        disk: &dyn Disk,
        partition: &Partition,
        end: Offset,
        producers_max: usize,
    ) -> Result<Entry, LogError> {
        assert!(end < self.log_end_offset, "a cut at {end} takes away something");
        let index = self.segment_of(end).expect("a batch lies in a segment");
        for segment in self.segments.drain(index + 1..) {
            segment.remove(disk)?;
        }
        let segment = self.segments.last_mut().expect("the segment of the cut stays");
        let position = scan::position_of(segment, end)?;
        segment.cut(disk, position, end)?;
        let place = Place { offset: end, segment_base: segment.base, position, open_hash: segment.blocks.open_hash() };
        self.log_end_offset = end;
        self.high_watermark = self.high_watermark.min(end);
        if end < self.durable.offset {
            self.durable = place;
        }
        self.epochs.truncate(end);
        self.unjournaled = None;
        self.truncations += 1;
        self.snapshot_due = false;
        for path in disk.read_dir(&partition.dir).map_err(LogError::io("list", &partition.dir))? {
            if files::number_of_file(&path, "snapshot").is_some_and(|offset| end.0 < offset) {
                disk.remove_file(&path).map_err(LogError::io("remove", &path))?;
            }
        }
        (self.producers, _) = scan::producers(disk, &partition.dir, &self.segments, producers_max)?;
        Ok(Entry {
            leader_epoch: self.leader_epoch,
            next_offset: end,
            segment_base: place.segment_base,
            position,
            open_before: place.open_hash,
            open_after: place.open_hash,
            ..Entry::about(EntryKind::Truncate, partition.id)
        })
    }
}
