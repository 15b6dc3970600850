//! Windows that ksqlDB's store forgets before their final row is given.
//!
//! Its store keeps a window for its retention behind the start of the newest window that has a row. A window gives its final
//! row with the first row whose time closes it; if that row's own window has pushed it out of the store, there is none. What
//! counts is how far time goes from one row to the next, so rows are judged one by one, whatever came with them in a round.

/// Which of the windows that a round closes are forgotten.
pub(super) struct Forgotten {
    retention_ms: Option<i64>,
    /// Stream time at the last row.
    clock: i64,
    /// Starts between these, both exclusive, are forgotten. They ascend and do not overlap.
    spans: Vec<(i64, i64)>,
}

impl Forgotten {
    /// Nothing, for now; without a retention, for ever. What was closed before a restart has no state that could leave.
    pub(super) fn new(retention_ms: Option<i64>) -> Self {
        Self { retention_ms, clock: i64::MIN, spans: Vec::new() }
    }

    /// Judges the windows that rows close by stream time at each: `closes_ms` after their start, of which a time's newest
    /// window has `last_start`.
    pub(super) fn judge(&mut self, clocks: &[i64], closes_ms: i64, last_start: impl Fn(i64) -> i64) {
        let Some(retention_ms) = self.retention_ms else { return };
        for clock in clocks {
            if *clock <= self.clock {
                continue;
            }
            let before = last_start(*clock).saturating_sub(retention_ms);
            let open = self.clock.saturating_sub(closes_ms);
            if open < last_start(before.saturating_sub(1)) {
                self.spans.push((open, before));
            }
            self.clock = *clock;
        }
    }

    /// Whether the window that starts then, which is closed now, is forgotten.
    pub(super) fn contains(&self, start: i64) -> bool {
        let at = self.spans.partition_point(|(_, before)| *before <= start);
        self.spans.get(at).is_some_and(|(after, _)| *after < start)
    }

    /// All windows that were closed have left.
    pub(super) fn clear(&mut self) {
        self.spans.clear();
    }
}
