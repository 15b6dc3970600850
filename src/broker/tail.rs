//! Stand-ins for the log's own `TailBatch` and `Ends`, of the same shape, until that room is there.

use std::any::Any;
use std::sync::Arc;
use std::sync::OnceLock;

use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::protocol::Batch;

/// A place beside a batch where its reader keeps what it made of it.
pub type Slot = Arc<OnceLock<Arc<dyn Any + Send + Sync>>>;

/// A batch and its slot.
#[derive(Debug, Clone)]
pub struct TailBatch {
    /// The batch.
    pub batch: Batch,
    /// Shared by all who read it while it is in memory.
    pub slot: Slot,
}

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// What lies below was dropped.
    pub log_start_offset: Offset,
    /// The first offset of the oldest open transaction, else the log end.
    pub last_stable_offset: Offset,
    /// What lies below is on all in-sync replicas.
    pub high_watermark: Offset,
    /// What lies below survives power loss.
    pub durable_offset: Offset,
    /// The offset of the next append.
    pub log_end_offset: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
}

impl Ends {
    /// Readers see what lies below.
    pub fn readable_end(&self) -> Offset {
        self.high_watermark.min(self.last_stable_offset)
    }
}
