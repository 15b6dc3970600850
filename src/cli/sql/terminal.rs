//! The prompt's line editor: it reads statements of several lines, and lines of data.

use std::path::PathBuf;
use std::sync::Arc;

use rustyline::Behavior;
use rustyline::CompletionType;
use rustyline::Config;
use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;

use super::assistant::Assistant;
use super::assistant::Mode;
use super::error::SqlError;
use super::names::NameCache;
use crate::env::Env;

/// Entries of the history that are kept.
const HISTORY_ENTRIES_MAX: usize = 5000;

/// What was typed.
pub(super) enum Line {
    /// This.
    Text(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D.
    End,
}

/// The terminal of somebody who types.
pub(super) struct Terminal {
    env: Env,
    /// Taken while a line is waited for.
    editor: Option<Editor<Assistant, FileHistory>>,
    history: Option<PathBuf>,
}

impl Terminal {
    /// Takes the terminal, and the history of earlier sessions.
    pub fn new(env: &Env, names: Arc<NameCache>, colours: bool) -> Result<Self, SqlError> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY_ENTRIES_MAX)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(broken)?
            // A password or the like can be typed with a space before it.
            .history_ignore_space(true)
            .behavior(Behavior::Stdio)
            .build();
        let mut editor = Editor::with_config(config).map_err(broken)?;
        editor.set_helper(Some(Assistant::new(names, colours)));
        let history = history_path();
        if let Some(path) = &history {
            // The first session has none.
            let _ = editor.load_history(path);
        }
        Ok(Self { env: env.clone(), editor: Some(editor), history })
    }

    /// Statements, which may span lines; `begun` is there already.
    pub async fn statements(&mut self, sign: &'static str, begun: String) -> Result<Line, SqlError> {
        self.read(sign, begun, Mode::Statements).await
    }

    /// A line of data.
    pub async fn data_line(&mut self) -> Result<Line, SqlError> {
        self.read(">> ", String::new(), Mode::Data).await
    }

    /// Keeps an entry for Ctrl-R and the arrow keys.
    pub fn remember(&mut self, entry: &str) {
        if let Some(editor) = &mut self.editor {
            // A history that cannot be kept is no reason to fail.
            let _ = editor.add_history_entry(entry.trim());
        }
    }

    /// Writes the history behind that of other sessions.
    pub fn save(&mut self) {
        if let (Some(editor), Some(path)) = (&mut self.editor, &self.history) {
            let _ = editor.append_history(path);
        }
    }

    async fn read(&mut self, sign: &'static str, begun: String, mode: Mode) -> Result<Line, SqlError> {
        let Some(mut editor) = self.editor.take() else { return Ok(Line::End) };
        if let Some(assistant) = editor.helper_mut() {
            assistant.mode = mode;
        }
        let (editor, line) = self
            .env
            .threads
            .blocking(move || {
                let line = editor.readline_with_initial(sign, (&begun, ""));
                (editor, line)
            })
            .await;
        self.editor = Some(editor);
        match line {
            Ok(line) => Ok(Line::Text(line)),
            Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(broken(error)),
        }
    }
}

fn broken(error: ReadlineError) -> SqlError {
    SqlError::Output(std::io::Error::other(error))
}

fn history_path() -> Option<PathBuf> {
    match std::env::var_os("TIDEMILL_HISTORY") {
        Some(path) if path.is_empty() => None,
        Some(path) => Some(path.into()),
        None => std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".tidemill_history")),
    }
}
