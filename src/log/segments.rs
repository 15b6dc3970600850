//! The segments of a partition, from outside: what retention decides on and people look at.

use crate::model::EventTime;
use crate::model::Offset;
use crate::model::TopicPartition;

use super::LogError;
use super::SegmentCheck;
use super::core::Core;
use super::segment::Segment;

/// One segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentDescription {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// The offset after its last record.
    pub next_offset: Offset,
    /// Bytes of its batches.
    pub size_in_bytes: u64,
    /// The greatest time of a record; `None` without records.
    pub max_timestamp: Option<EventTime>,
    /// When the last batch was appended, in ms of the wall clock; after a restart perhaps later.
    pub appended_at_ms: i64,
    /// When the first batch was, of the last segment; an estimate after a restart.
    pub begun_at_ms: i64,
    /// It grows no more.
    pub sealed: bool,
    /// When it was last checked, and what was found; `None` if it was not since the start.
    pub check: Option<SegmentCheck>,
}

impl SegmentDescription {
    fn new(segment: &Segment, sealed: bool) -> Self {
        let empty = segment.length == 0;
        Self {
            base_offset: segment.base,
            next_offset: segment.next_offset,
            size_in_bytes: segment.length,
            max_timestamp: (!empty).then(|| EventTime(segment.index.max_timestamp())),
            appended_at_ms: segment.appended_at_ms,
            begun_at_ms: segment.begun_at_ms,
            sealed,
            check: segment.check,
        }
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.size_in_bytes == 0
    }
}

impl Core {
    /// See `LogDir::segments`.
    pub(super) fn segments(&self, id: TopicPartition) -> Result<Vec<SegmentDescription>, LogError> {
        let partition = self.partition(id)?;
        let state = partition.state.lock();
        let last = state.segments.len().saturating_sub(1);
        Ok(state.segments.iter().enumerate().map(|(at, segment)| SegmentDescription::new(segment, at < last)).collect())
    }

    /// See `LogDir::roll`.
    pub(super) fn roll(&self, id: TopicPartition) -> Result<(), LogError> {
        let partition = self.partition(id)?;
        let mut state = partition.state.lock();
        if state.corrupt_from.is_some() || state.deleted || state.segments.last().is_none_or(|last| last.length == 0) {
            return Ok(());
        }
        let entries = self.force_locked(&partition, &mut state)?.into_iter().collect();
        // Under the partition's lock: the journal has a partition's entries in the order of its offsets.
        self.enqueue(entries);
        let mark = state.mark();
        if let Err(error) = state.begin_segment(&*self.env.disk, &partition) {
            let rewound = state.rewind(&*self.env.disk, &partition.dir, mark);
            rewound.inspect_err(|error| self.fail(error))?;
            return Err(error);
        }
        state.snapshot(&*self.env.disk, &partition)
    }
}
