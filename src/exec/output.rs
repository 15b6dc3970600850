//! What a task has to say at its next cut, gathered while rounds pass.

use std::collections::BTreeMap;

use crate::broker::PendingBatch;
use crate::model::OperatorId;
use crate::model::TopicPartition;
use crate::state::ViewDelta;

/// Entries of the processing log that one cut keeps; the rest are counted.
const LOG_ENTRIES_MAX: usize = 1_000;

/// One entry of the processing log: a row that did not go the whole way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The operator.
    pub operator: OperatorId,
    /// What became of the row, and why.
    pub message: String,
    /// The row's event time, milliseconds since 1970-01-01 UTC.
    pub event_time: i64,
}

/// Records, view changes and log entries that wait for the cut.
#[derive(Debug, Default)]
pub struct CutOutput {
    /// Records by partition.
    pub appends: BTreeMap<TopicPartition, PendingBatch>,
    /// Changes of the view that the sink keeps, by the partition of its topic.
    pub views: Vec<(usize, ViewDelta)>,
    /// Entries of the processing log.
    pub log: Vec<LogEntry>,
    /// Entries that did not find room in `log`.
    pub log_dropped: u64,
    /// Rows for closed windows, by operator.
    pub late: BTreeMap<OperatorId, u64>,
    /// Bytes of rows that operators hold for their flush.
    pub held_bytes: usize,
    /// Whether an operator holds something for its flush.
    pub held: bool,
}

impl CutOutput {
    /// The batch for a partition.
    pub fn batch(&mut self, partition: TopicPartition) -> &mut PendingBatch {
        self.appends.entry(partition).or_default()
    }

    /// Adds an entry, or counts it when there is no room.
    pub fn log(&mut self, entry: LogEntry) {
        if self.log.len() < LOG_ENTRIES_MAX { self.log.push(entry) } else { self.log_dropped += 1 }
    }

    /// Bytes that wait for the cut.
    pub fn bytes(&self) -> usize {
        self.held_bytes + self.appends.values().map(PendingBatch::size_in_bytes).sum::<usize>()
    }

    /// Whether the cut would write anything.
    pub fn is_empty(&self) -> bool {
        !self.held && self.views.is_empty() && self.appends.values().all(PendingBatch::is_empty)
    }
}
