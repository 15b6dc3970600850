//! What the demo says, and its progress bar.

use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::env::Clock;

/// Width of the progress bar in characters.
const BAR: usize = 40;
/// Without a terminal, one line for so many rows.
const ROWS_PER_LINE: usize = 50_000;
/// The bar is not drawn more often.
const REDRAW: Duration = Duration::from_millis(50);

/// The demo goes on when nobody reads its output.
pub(super) fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A bar on a terminal, lines elsewhere.
pub(super) struct Progress {
    clock: Arc<dyn Clock>,
    all: usize,
    terminal: bool,
    next_line: usize,
    drawn: Option<Duration>,
}

impl Progress {
    /// A bar that is full at `all` rows.
    pub fn new(clock: Arc<dyn Clock>, all: usize) -> Self {
        Self { clock, all, terminal: io::stdout().is_terminal(), next_line: ROWS_PER_LINE, drawn: None }
    }

    /// `sent` rows are in the log.
    pub fn tell(&mut self, sent: usize) {
        let all = self.all;
        if self.terminal {
            let now = self.clock.monotonic();
            if sent != all && self.drawn.is_some_and(|drawn| now.saturating_sub(drawn) < REDRAW) {
                return;
            }
            self.drawn = Some(now);
            let done = (sent * BAR).checked_div(all).unwrap_or(BAR).min(BAR);
            let end = if sent == all { "\n" } else { "" };
            say(&format!("\rflights [{}{}] {sent} of {all}{end}", "#".repeat(done), " ".repeat(BAR - done)));
        } else if self.next_line <= sent || sent == all {
            say(&format!("flights: {sent} of {all}\n"));
            self.next_line = sent - sent % ROWS_PER_LINE + ROWS_PER_LINE;
        }
    }
}
