//! Event time, which rows carry, and stream time, which rows move.

use serde::Deserialize;
use serde::Serialize;

/// When a record happened: milliseconds since 1970-01-01 UTC, as in Kafka's record format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EventTime(pub i64);

/// The greatest event time seen so far, `None` before the first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct StreamTime(pub Option<EventTime>);

impl StreamTime {
    /// Stream time after a record at `event_time`.
    pub fn advance(self, event_time: EventTime) -> Self {
        Self(Some(self.0.map_or(event_time, |seen| seen.max(event_time))))
    }

    /// Whether something that closes at `closes` (exclusive end plus grace, in milliseconds) is closed.
    ///
    /// This is the one place that decides lateness: closed at stream time `closes` and after.
    pub fn has_reached(self, closes: i64) -> bool {
        self.0.is_some_and(|EventTime(now)| closes <= now)
    }
}
