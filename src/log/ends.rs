//! The offsets that bound a partition.

use crate::model::LeaderEpoch;
use crate::model::Offset;

/// The ends of a partition at one moment.
///
/// `log_start_offset <= last_stable_offset <= high_watermark <= log_end_offset`, and `durable_offset <= log_end_offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The first offset still kept.
    pub log_start_offset: Offset,
    /// The first offset of the oldest transaction without a marker, at most the high watermark.
    pub last_stable_offset: Offset,
    /// Consumers read below it; set from outside the log.
    pub high_watermark: Offset,
    /// All below it survives power loss.
    pub durable_offset: Offset,
    /// The offset that the next append gets.
    pub log_end_offset: Offset,
    /// Compaction took no tombstone at or after this offset: who has read less and goes on may miss a deletion.
    pub tombstones_from: Offset,
    /// The newest leader epoch seen.
    pub leader_epoch: LeaderEpoch,
    /// The partition was deleted: no end moves any more.
    pub deleted: bool,
}

impl Ends {
    /// SQL readers and read_committed consumers read below it.
    pub fn readable_end(&self) -> Offset {
        self.high_watermark.min(self.last_stable_offset)
    }
}
