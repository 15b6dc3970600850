//! What the terminal is like: its size, and whether it has colours and more than ASCII.

use std::io;
use std::io::IsTerminal;

use rustyline::DefaultEditor;

/// The terminal on standard output, if there is one.
pub(super) struct Screen {
    terminal: Option<DefaultEditor>,
    colours: bool,
    blocks: bool,
}

impl Screen {
    /// Looks at standard output and the environment: `TERM`, `NO_COLOR`, and what says UTF-8.
    pub fn new() -> Self {
        let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let terminal = io::stdout().is_terminal() && told("TERM").is_none_or(|terminal| terminal != "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(told).unwrap_or_default();
        Self {
            terminal: if terminal { DefaultEditor::new().ok() } else { None },
            colours: terminal && told("NO_COLOR").is_none(),
            blocks: locale.to_ascii_lowercase().replace('-', "").contains("utf8"),
        }
    }

    /// Columns and rows, `None` without a terminal. A terminal that is made narrower is noticed.
    pub fn size(&mut self) -> Option<(usize, usize)> {
        let (columns, rows) = self.terminal.as_mut()?.dimensions()?;
        Some((usize::from(columns).max(1), usize::from(rows).max(2)))
    }

    /// Whether colours may be used.
    pub fn colours(&self) -> bool {
        self.colours
    }

    /// Whether more than ASCII may be drawn.
    pub fn blocks(&self) -> bool {
        self.blocks
    }
}
