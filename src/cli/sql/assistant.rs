//! What helps at the prompt, as the line editor wants it: completion, colours, and when Enter ends an entry.

use std::borrow::Cow;
use std::sync::Arc;

use rustyline::Context;
use rustyline::completion::Completer;
use rustyline::completion::FilenameCompleter;
use rustyline::completion::Pair;
use rustyline::highlight::CmdKind;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::ValidationContext;
use rustyline::validate::ValidationResult;
use rustyline::validate::Validator;

use super::completion::Completion;
use super::completion::complete;
use super::highlight::highlighted;
use super::names::NameCache;
use super::splitter::is_whole;

/// What is being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Statements and commands.
    Statements,
    /// A line of data.
    Data,
}

/// See the file's head.
pub(super) struct Assistant {
    /// What is being typed.
    pub mode: Mode,
    names: Arc<NameCache>,
    colours: bool,
    files: FilenameCompleter,
}

impl Assistant {
    /// One that completes these names.
    pub fn new(names: Arc<NameCache>, colours: bool) -> Self {
        Self { mode: Mode::Statements, names, colours, files: FilenameCompleter::new() }
    }
}

impl rustyline::Helper for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if self.mode == Mode::Data {
            return Ok((at, Vec::new()));
        }
        match complete(&self.names.names(), &line[..at]) {
            Completion::File => self.files.complete(line, at, context),
            Completion::Words(start, found) => {
                let pair = |text: String| Pair { display: text.clone(), replacement: text };
                Ok((start, found.into_iter().map(pair).collect()))
            }
        }
    }
}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _at: usize) -> Cow<'l, str> {
        match self.colours && self.mode == Mode::Statements {
            true => Cow::Owned(highlighted(line)),
            false => Cow::Borrowed(line),
        }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        match self.colours {
            true => Cow::Owned(format!("\x1b[1m{prompt}\x1b[0m")),
            false => Cow::Borrowed(prompt),
        }
    }

    fn highlight_char(&self, _line: &str, _at: usize, kind: CmdKind) -> bool {
        // What is typed may turn all behind it into a text or a comment.
        self.colours && kind != CmdKind::MoveCursor
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let whole = self.mode == Mode::Data || is_whole(context.input());
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}
