//! Which windows a time is in, and when they close. All times are milliseconds.

/// The windows of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    /// Side by side.
    Tumbling(Tumbling),
    /// Overlapping.
    Hopping(Hopping),
    /// As long as rows follow each other.
    Session(Session),
}

/// Windows of one size, side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tumbling {
    /// From start to end.
    pub size_ms: i64,
    /// How long after its end a window takes rows.
    pub grace_ms: i64,
}

impl Tumbling {
    /// The start of the window of an event time.
    pub fn start(&self, time: i64) -> i64 {
        time.div_euclid(self.size_ms).saturating_mul(self.size_ms)
    }

    /// The stream time that closes the window that starts at `start`.
    pub fn closes(&self, start: i64) -> i64 {
        start.saturating_add(self.size_ms).saturating_add(self.grace_ms)
    }
}

/// Windows of one size, one beginning every `advance_ms`; none begins before 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hopping {
    /// From start to end, at least `advance_ms`.
    pub size_ms: i64,
    /// From start to the next start.
    pub advance_ms: i64,
    /// How long after its end a window takes rows.
    pub grace_ms: i64,
    /// The width of a pane: no window begins or ends inside one.
    pane_ms: i64,
}

impl Hopping {
    /// Windows of these spans.
    pub fn new(size_ms: i64, advance_ms: i64, grace_ms: i64) -> Self {
        let (mut pane_ms, mut rest) = (size_ms, advance_ms);
        while rest != 0 {
            (pane_ms, rest) = (rest, pane_ms % rest);
        }
        Self { size_ms, advance_ms, grace_ms, pane_ms }
    }

    /// The start of the pane of an event time.
    pub fn pane(&self, time: i64) -> i64 {
        time.div_euclid(self.pane_ms).saturating_mul(self.pane_ms)
    }

    /// The start of the last window that a time is in.
    pub fn last_start(&self, time: i64) -> i64 {
        time.div_euclid(self.advance_ms).saturating_mul(self.advance_ms)
    }

    /// The start of the first window that a time is in.
    pub fn first_start(&self, time: i64) -> i64 {
        let before = time.saturating_sub(self.size_ms).div_euclid(self.advance_ms);
        let first = before.saturating_add(1).saturating_mul(self.advance_ms);
        first.max(0).min(self.last_start(time))
    }

    /// The stream time that closes the window that starts at `start`.
    pub fn closes(&self, start: i64) -> i64 {
        start.saturating_add(self.size_ms).saturating_add(self.grace_ms)
    }

    /// The start of the last window that stream time `now` has closed.
    pub fn last_closed(&self, now: i64) -> i64 {
        self.last_start(now.saturating_sub(self.grace_ms).saturating_sub(self.size_ms))
    }
}

/// Sessions: both bounds are times of rows, and a row no more than a gap away belongs to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The longest gap inside a session.
    pub gap_ms: i64,
    /// How long after a gap behind its end a session takes rows.
    pub grace_ms: i64,
}

impl Session {
    /// The stream time that closes a session that ends at `end`: a gap and the grace behind it no row can join it in time.
    pub fn closes(&self, end: i64) -> i64 {
        end.saturating_add(self.gap_ms).saturating_add(self.grace_ms).saturating_add(1)
    }

    /// The least end of a session that is open at stream time `now`: one that ends before it is closed.
    pub fn open_from(&self, now: i64) -> i64 {
        now.saturating_sub(self.gap_ms).saturating_sub(self.grace_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    #[test]
    fn a_time_is_in_all_windows_between_its_first_and_its_last() {
        for (size_ms, advance_ms) in [(5, 2), (6, 3), (4, 4), (7, 1), (10, 4)] {
            let window = Hopping::new(size_ms, advance_ms, 3);
            for time in 0..50 {
                let all = (0..=time).filter(|start| start % advance_ms == 0 && time < start + size_ms);
                let between = (window.first_start(time)..=window.last_start(time)).step_by(advance_ms as usize);
                assert_eq!(all.collect::<Vec<_>>(), between.collect::<Vec<_>>(), "{size_ms} by {advance_ms} at {time}");
                let pane = window.pane(time);
                assert_eq!(window.first_start(pane), window.first_start(time));
                assert_eq!(window.last_start(pane), window.last_start(time));
                let planned = plan::Window::Hopping { size_ms, advance_ms, grace_ms: 3 };
                let count = (window.last_start(time) - window.first_start(time)) / advance_ms + 1;
                assert!(count as usize <= planned.windows_of_row(), "{size_ms} by {advance_ms} at {time}");
                let closed = window.last_closed(time);
                assert!(window.closes(closed) <= time && time < window.closes(closed + advance_ms));
            }
        }
    }

    #[test]
    fn a_session_is_open_until_it_closes() {
        let window = Session { gap_ms: 7, grace_ms: 4 };
        for now in 0..40 {
            for end in 0..40 {
                assert_eq!(window.open_from(now) <= end, now < window.closes(end), "{end} at {now}");
            }
        }
    }
}
