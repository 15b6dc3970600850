//! What stays of one batch.
//!
//! Committed transactions are dissolved: their batches stand for themselves from then on, and their markers and marks go. What
//! was aborted goes with its marker. Of each producer the last batch and the last one with sequence numbers
//! stay, if need be without their records, so that both and its epoch are known to whoever reads the log from the start.

use crate::model::Offset;
use crate::protocol::Batch;
use crate::protocol::BatchError;
use crate::protocol::Record;
use crate::protocol::Retain;

use super::keys::Keys;

/// What a pass knows while it writes batches again.
pub(super) struct Rewrite<'a> {
    pub(super) keys: &'a Keys,
    /// The wall clock, in ms.
    pub(super) now_ms: i64,
    /// How long a tombstone is kept for those who still read, in ms.
    pub(super) delete_retention_ms: i64,
    /// The greatest offset of a tombstone that went.
    pub(super) tombstone_gone: Option<Offset>,
}

/// How a batch stands to the partition's producers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Its transaction was aborted.
    pub(super) aborted: bool,
    /// It tells the epoch or the last sequence number of its producer.
    pub(super) last_of_producer: bool,
}

impl Rewrite<'_> {
    /// What stays of `batch`, which lies below `keys.upto`; `None` if nothing does.
    pub(super) fn batch(&mut self, batch: Batch, standing: Standing) -> Result<Option<Batch>, BatchError> {
        if batch.is_control() {
            // Behind a mark stands the marker of its transaction, which tells the epoch as well.
            let stays = standing.last_of_producer && !batch.is_mark();
            return Ok(stays.then_some(batch));
        }
        let payload = batch.payload()?;
        let expired = batch.delete_horizon_ms().is_some_and(|horizon| horizon <= self.now_ms);
        let keys = self.keys;
        let superseded = |record: &Record<'_>| record.key.is_some_and(|key| keys.has_later(key, record.offset));
        let is_tombstone = |record: &Record<'_>| record.key.is_some() && record.value.is_none();
        let wanted = |record: &Record<'_>| !(standing.aborted || superseded(record) || expired && is_tombstone(record));
        let mut tombstones = false;
        let mut kept = 0;
        for record in payload.records() {
            let record = record?;
            let tombstone = is_tombstone(&record);
            if wanted(&record) {
                kept += 1;
                tombstones |= tombstone;
            } else if tombstone && !standing.aborted && !superseded(&record) {
                self.tombstone_gone = self.tombstone_gone.max(Some(record.offset));
            }
        }
        if kept == 0 && !standing.last_of_producer {
            return Ok(None);
        }
        let horizon = self.now_ms.saturating_add(self.delete_retention_ms);
        let how = Retain {
            end_transaction: batch.is_transactional(),
            delete_horizon_ms: (tombstones && batch.delete_horizon_ms().is_none()).then_some(horizon),
        };
        let unchanged = Retain { end_transaction: false, delete_horizon_ms: None };
        if kept == batch.record_count() && how == unchanged {
            drop(payload);
            return Ok(Some(batch));
        }
        batch.retain(&payload, wanted, how).map(Some)
    }
}
