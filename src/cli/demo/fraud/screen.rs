//! The picture on a terminal, drawn again in place; a line now and then where there is none.

use std::io;
use std::io::IsTerminal;
use std::time::Duration;

use rustyline::DefaultEditor;

use super::progress::Shared;
use super::settle::behind;
use super::view::Bars;
use super::view::Line;
use super::view::picture;
use super::view::sentence;
use crate::cli::demo::output::say;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::env::Env;

/// Between two pictures.
const REDRAW: Duration = Duration::from_millis(250);
/// Between two lines, where there is no terminal.
const TELL: Duration = Duration::from_secs(5);
/// A width for who does not know theirs.
const WIDTH: usize = 80;

/// Where the demo is shown.
pub(super) struct Screen {
    terminal: Option<DefaultEditor>,
    bars: Bars,
    colours: bool,
    drawn: usize,
    /// The size for which it was drawn.
    drawn_for: (usize, usize),
}

impl Screen {
    /// The terminal on standard output, if there is one.
    pub fn new() -> Self {
        let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let terminal = io::stdout().is_terminal() && told("TERM").is_none_or(|terminal| terminal != "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(told).unwrap_or_default();
        let blocks = locale.to_ascii_lowercase().replace('-', "").contains("utf8");
        Self {
            terminal: if terminal { DefaultEditor::new().ok() } else { None },
            bars: if blocks { Bars::Blocks } else { Bars::Letters },
            colours: told("NO_COLOR").is_none(),
            drawn: 0,
            drawn_for: (0, 0),
        }
    }

    /// Characters of a line. A terminal that is made narrower is noticed.
    pub fn width(&mut self) -> usize {
        self.size().map_or(WIDTH, |(width, _)| width)
    }

    fn size(&mut self) -> Option<(usize, usize)> {
        let (columns, rows) = self.terminal.as_mut()?.dimensions()?;
        Some((usize::from(columns).max(1), usize::from(rows).max(1)))
    }

    /// Shows how it goes, until it is dropped.
    pub async fn show(
        &mut self,
        env: &Env,
        client: &mut Client,
        address: &str,
        shared: &Shared,
    ) -> Result<(), SqlError> {
        let mut told = env.clock.monotonic();
        loop {
            let left = behind(client).await?;
            let now = env.clock.monotonic();
            shared.with(|progress| {
                progress.behind = Some(left);
                progress.tick(now);
            });
            if let Some((width, height)) = self.size() {
                // The last line stays free, so that nothing scrolls.
                let size = (width, height - 1);
                let lines = shared.with(|progress| picture(progress, now, address, size, self.bars));
                self.draw(&lines, size);
            } else if TELL <= now.saturating_sub(told) {
                told = now;
                say(&shared.with(|progress| sentence(progress, now)));
            }
            env.clock.sleep(REDRAW).await;
        }
    }

    /// Draws over what was drawn before, within `size`.
    fn draw(&mut self, lines: &[Line], size: (usize, usize)) {
        let mut text = String::new();
        if 0 < self.drawn && self.drawn_for != size {
            // The terminal has broken its lines anew: nobody knows where the first one is.
            text.push_str("\x1b[H\x1b[2J");
        } else if 0 < self.drawn {
            // To the beginning of the first line that was drawn.
            text.push_str(&format!("\r\x1b[{}A", self.drawn));
        }
        let lines = &lines[..lines.len().min(size.1)];
        for line in lines {
            match line {
                Line::Strong(line) if self.colours => text.push_str(&format!("\x1b[1m{line}\x1b[0m\x1b[K\n")),
                Line::Strong(line) | Line::Plain(line) => text.push_str(&format!("{line}\x1b[K\n")),
            }
        }
        // What a taller picture has left.
        text.push_str("\x1b[J");
        (self.drawn, self.drawn_for) = (lines.len(), size);
        say(&text);
    }
}
