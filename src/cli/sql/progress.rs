//! How far a `\copy` is, on standard error if that is a terminal.

use std::io;
use std::io::IsTerminal;
use std::time::Duration;

use super::report::tell;

/// Between two pictures.
const REDRAW: Duration = Duration::from_millis(200);

/// See the file's head.
pub(super) struct Progress {
    shown: bool,
    /// What there is to do, if it is known.
    total: Option<u64>,
    unit: Unit,
    started: Duration,
    drawn: Option<Duration>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Rows.
    Rows,
}

impl Progress {
    /// Nothing is done yet; `now` is the monotonic clock.
    pub fn new(total: Option<u64>, unit: Unit, now: Duration) -> Self {
        Self { shown: io::stderr().is_terminal(), total, unit, started: now, drawn: None }
    }

    /// So much is done.
    pub fn tick(&mut self, done: u64, now: Duration) {
        let is_due = self.drawn.is_none_or(|drawn| REDRAW <= now.saturating_sub(drawn));
        // What is done at once needs no picture.
        if self.shown && is_due && REDRAW <= now.saturating_sub(self.started) {
            self.drawn = Some(now);
            tell(&format!("\r{}\x1b[K", self.line(done, now)));
        }
    }

    /// Wipes the picture.
    pub fn end(&mut self) {
        if self.drawn.take().is_some() {
            tell("\r\x1b[K");
        }
    }

    fn line(&self, done: u64, now: Duration) -> String {
        let seconds = now.saturating_sub(self.started).as_secs_f64().max(0.001);
        let rate = done as f64 / seconds;
        let amount = |amount: f64| match self.unit {
            Unit::Bytes => format!("{:.1} MB", amount / 1e6),
            Unit::Rows => format!("{amount:.0} rows"),
        };
        match self.total.filter(|total| 0 < *total) {
            Some(total) => {
                let share = (done as f64 / total as f64).min(1.0);
                let filled = (share * 20.0) as usize;
                let left = if 0.0 < rate { total.saturating_sub(done) as f64 / rate } else { 0.0 };
                let bar = format!("{}{}", "#".repeat(filled), "-".repeat(20 - filled));
                format!("[{bar}] {:.0} %, {}/s, {left:.0} s left", share * 100.0, amount(rate))
            }
            None => format!("{}, {}/s", amount(done as f64), amount(rate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_told_with_what_is_left_if_that_is_known() {
        let now = Duration::from_secs(2);
        let progress = |total, unit| Progress::new(total, unit, Duration::ZERO);
        assert_eq!(
            progress(Some(8_000_000), Unit::Bytes).line(2_000_000, now),
            "[#####---------------] 25 %, 1.0 MB/s, 6 s left"
        );
        assert_eq!(progress(None, Unit::Rows).line(500, now), "500 rows, 250 rows/s");
        assert_eq!(progress(Some(0), Unit::Bytes).line(0, now), "0.0 MB, 0.0 MB/s");
    }
}
