//! The sparse index of a segment: from an offset or a time to a byte position at or before it.

use crate::model::Offset;
use crate::protocol::Batch;

/// Bytes of the log between two entries.
const INTERVAL: u64 = 16 << 10;
const ENTRY: usize = 24;
/// Bytes before the first entry.
const HEADER: u64 = 32;

/// One point: a batch, where it begins, and the greatest timestamp before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    offset: i64,
    position: u64,
    timestamp_before: i64,
}

/// Points in ascending order of offset, position and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    points: Vec<Point>,
    max_timestamp: i64,
}

/// What an index file holds.
pub(super) struct Decoded {
    pub(super) index: Index,
    pub(super) next_offset: Offset,
    /// Bytes of the segment.
    pub(super) length: u64,
    /// When (wall clock, ms) its last batch was appended.
    pub(super) appended_at_ms: i64,
}

impl Default for Index {
    fn default() -> Self {
        Self { points: Vec::new(), max_timestamp: i64::MIN }
    }
}

impl Index {
    /// Takes in a batch that begins at `position`.
    pub(super) fn add(&mut self, batch: &Batch, position: u64) {
        let due = self.points.last().is_none_or(|last| INTERVAL <= position - last.position);
        if due {
            let timestamp_before = self.max_timestamp;
            self.points.push(Point { offset: batch.base_offset().0, position, timestamp_before });
        }
        self.max_timestamp = self.max_timestamp.max(batch.header().max_timestamp);
    }

    /// Whether a batch at `position` can be taken in without the file passing `bytes_max`; the first always can.
    pub(super) fn takes(&self, position: u64, bytes_max: u64) -> bool {
        let Some(last) = self.points.last() else { return true };
        let due = u64::from(INTERVAL <= position - last.position);
        HEADER + (self.points.len() as u64 + due) * ENTRY as u64 <= bytes_max || due == 0
    }

    /// Where to begin to look for `offset`.
    pub(super) fn position_of(&self, offset: Offset) -> u64 {
        let after = self.points.partition_point(|point| point.offset <= offset.0);
        after.checked_sub(1).map_or(0, |at| self.points[at].position)
    }

    /// Where to begin to look for the first record at or after `timestamp`.
    pub(super) fn position_of_time(&self, timestamp: i64) -> u64 {
        let after = self.points.partition_point(|point| point.timestamp_before < timestamp);
        after.checked_sub(1).map_or(0, |at| self.points[at].position)
    }

    /// The last batch known to begin at or before `position`: its offset and where it begins.
    pub(super) fn batch_before(&self, position: u64) -> Option<(Offset, u64)> {
        let after = self.points.partition_point(|point| point.position <= position);
        after.checked_sub(1).map(|at| (Offset(self.points[at].offset), self.points[at].position))
    }

    /// The greatest timestamp, in ms.
    pub(super) fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// The greatest timestamp of the first batches, in ms.
    pub(super) fn early_timestamp(&self) -> i64 {
        self.points.get(1).map_or(self.max_timestamp, |point| point.timestamp_before)
    }

    /// Forgets what lies at or after `position`. The greatest timestamp stays: too great only costs a look.
    pub(super) fn truncate(&mut self, position: u64) {
        self.points.retain(|point| point.position < position);
    }

    /// The bytes of the index file: greatest timestamp, next offset, byte length, time of the last append, points.
    pub(super) fn encode(&self, next_offset: Offset, length: u64, appended_at_ms: i64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER as usize + self.points.len() * ENTRY);
        bytes.extend(self.max_timestamp.to_be_bytes());
        bytes.extend(next_offset.0.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(appended_at_ms.to_be_bytes());
        for point in &self.points {
            bytes.extend(point.offset.to_be_bytes());
            bytes.extend(point.position.to_be_bytes());
            bytes.extend(point.timestamp_before.to_be_bytes());
        }
        bytes
    }

    /// The index in those bytes, and what was written with it.
    pub(super) fn decode(bytes: &[u8]) -> Option<Decoded> {
        let (words, rest) = bytes.as_chunks::<8>();
        let [max_timestamp, next_offset, length, appended_at_ms, points @ ..] = words else { return None };
        let (points, torn) = points.as_chunks::<3>();
        if !rest.is_empty() || !torn.is_empty() {
            return None;
        }
        let points = points.iter().map(|[offset, position, timestamp_before]| Point {
            offset: i64::from_be_bytes(*offset),
            position: u64::from_be_bytes(*position),
            timestamp_before: i64::from_be_bytes(*timestamp_before),
        });
        let index = Self { points: points.collect(), max_timestamp: i64::from_be_bytes(*max_timestamp) };
        Some(Decoded {
            index,
            next_offset: Offset(i64::from_be_bytes(*next_offset)),
            length: u64::from_be_bytes(*length),
            appended_at_ms: i64::from_be_bytes(*appended_at_ms),
        })
    }
}
