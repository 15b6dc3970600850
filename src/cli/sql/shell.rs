//! Runs statements and commands and shows what comes of them.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::client::Client;
use super::command::Command;
use super::command::HELP;
use super::error::SqlError;
use super::protocol::Event;
use super::protocol::Report;
use super::protocol::ResultColumn;
use super::splitter::is_blank;
use super::splitter::statement_end;
use super::table::Table;
use crate::env::Env;
use crate::env::OpenMode;

/// Rows that are gathered to find the widths of columns; later rows are shown as they come.
const WIDTH_ROWS: usize = 1000;
/// The longest script that is read.
const SCRIPT_BYTES_MAX: u64 = 64 << 20;
/// How deep `\i` may nest.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Whether an error in a script ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    /// Scripts and `-c`.
    Stop,
    /// At the prompt.
    GoOn,
}

/// Whether the user can be shown a prompt again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// On with the next line.
    Next,
    /// `\q`
    Quit,
}

/// A session with its settings.
pub(super) struct Shell {
    env: Env,
    /// The connection.
    pub client: Client,
    timing: bool,
    expanded: bool,
    /// Rows only, `|` between fields.
    bare: bool,
}

impl Shell {
    /// A shell over an open connection.
    pub fn new(env: Env, client: Client, expanded: bool, bare: bool) -> Self {
        Self { env, client, timing: false, expanded, bare }
    }

    /// Runs a text: statements and lines with backslash commands.
    pub fn script<'a>(
        &'a mut self,
        text: &'a str,
        depth: usize,
        on_error: OnError,
    ) -> Pin<Box<dyn Future<Output = Result<Flow, SqlError>> + Send + 'a>> {
        Box::pin(async move {
            let mut lines: VecDeque<&str> = text.split_inclusive('\n').collect();
            let mut pending = String::new();
            while let Some(line) = lines.pop_front() {
                if is_blank(&pending) && line.trim_start().starts_with('\\') {
                    pending.clear();
                    if self.recover(on_error, |shell| shell.command(line, depth)).await? == Flow::Quit {
                        return Ok(Flow::Quit);
                    }
                    continue;
                }
                pending.push_str(line);
                while let Some(end) = statement_end(&pending) {
                    let statement: String = pending.drain(..end).collect();
                    self.settled(on_error, statement.trim_start(), &mut lines).await?;
                }
            }
            if !is_blank(&pending) {
                self.settled(on_error, pending.trim_start(), &mut lines).await?;
            }
            Ok(Flow::Next)
        })
    }

    async fn recover<'a>(
        &'a mut self,
        on_error: OnError,
        run: impl FnOnce(&'a mut Self) -> Pin<Box<dyn Future<Output = Result<Flow, SqlError>> + Send + 'a>>,
    ) -> Result<Flow, SqlError> {
        match run(self).await {
            Err(error) if on_error == OnError::GoOn && error.leaves_session() => {
                complain(&error, "");
                Ok(Flow::Next)
            }
            other => other,
        }
    }

    /// Runs a statement of a script; its error is told here, and ends the script only where errors do.
    async fn settled(
        &mut self,
        on_error: OnError,
        statement: &str,
        lines: &mut VecDeque<&str>,
    ) -> Result<(), SqlError> {
        match self.statement(statement, Some(lines)).await {
            Err(error) if error.leaves_session() => {
                complain(&error, statement);
                if on_error == OnError::Stop { Err(error) } else { Ok(()) }
            }
            other => other,
        }
    }

    /// Runs a line that begins with a backslash.
    pub fn command<'a>(
        &'a mut self,
        line: &'a str,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Flow, SqlError>> + Send + 'a>> {
        Box::pin(async move {
            match Command::parse(line)? {
                Command::Quit => return Ok(Flow::Quit),
                Command::Help => show(HELP)?,
                Command::Statements(statements) => {
                    for statement in statements {
                        self.statement(&statement, None).await?;
                    }
                }
                Command::Timing(switch) => {
                    self.timing = switch.unwrap_or(!self.timing);
                    show(&format!("Timing is {}.\n", if self.timing { "on" } else { "off" }))?;
                }
                Command::Expanded(switch) => {
                    self.expanded = switch.unwrap_or(!self.expanded);
                    show(&format!("Expanded display is {}.\n", if self.expanded { "on" } else { "off" }))?;
                }
                Command::Include(path) => {
                    if INCLUDE_DEPTH_MAX <= depth {
                        return Err(SqlError::Usage(format!("\\i nests deeper than {INCLUDE_DEPTH_MAX} files")));
                    }
                    let text = self.read_script(&path)?;
                    return self.script(&text, depth + 1, OnError::Stop).await;
                }
                Command::Copy(copy) => {
                    let start = self.env.clock.monotonic();
                    let tag = copy.run(&mut self.client, self.env.disk.as_ref()).await?;
                    show(&format!("{tag}\n"))?;
                    self.show_time(start)?;
                }
            }
            Ok(Flow::Next)
        })
    }

    /// The text of a script.
    pub fn read_script(&self, path: &str) -> Result<String, SqlError> {
        let failed = |source| SqlError::File { path: path.to_string(), source };
        let file = self.env.disk.open(Path::new(path), OpenMode::Read).map_err(failed)?;
        let length = file.len().map_err(failed)?;
        if SCRIPT_BYTES_MAX < length {
            return Err(SqlError::Usage(format!("{path}: a script may have {SCRIPT_BYTES_MAX} bytes, not {length}")));
        }
        let mut bytes = vec![0; length as usize];
        let read = file.read_at(&mut bytes, 0).map_err(failed)?;
        bytes.truncate(read);
        String::from_utf8(bytes).map_err(|_| failed(io::ErrorKind::InvalidData.into()))
    }

    /// Runs one statement and shows its answer; `data` gives the lines behind a COPY FROM STDIN in a script.
    pub async fn statement(&mut self, text: &str, data: Option<&mut VecDeque<&str>>) -> Result<(), SqlError> {
        let start = self.env.clock.monotonic();
        self.client.query(text).await?;
        let mut showing = Showing { endless: is_endless(text), expanded: self.expanded, bare: self.bare, result: None };
        let mut failed = None;
        let mut data = data;
        loop {
            let event = tokio::select! {
                event = self.client.next() => event?,
                pressed = tokio::signal::ctrl_c() => {
                    pressed.map_err(SqlError::Output)?;
                    self.client.cancel().await?;
                    continue;
                }
            };
            match event {
                Event::Ready => break,
                Event::Failed(report) => failed = Some(report),
                Event::CopyIn => self.copy_in(data.take()).await?,
                other => showing.event(other)?,
            }
        }
        showing.finish()?;
        self.show_time(start)?;
        failed.map_or(Ok(()), |report| Err(SqlError::Statement(report)))
    }

    /// Lines of the script up to `\.`, or else our standard input.
    async fn copy_in(&mut self, lines: Option<&mut VecDeque<&str>>) -> Result<(), SqlError> {
        if let Some(lines) = lines.filter(|lines| !lines.is_empty()) {
            while let Some(line) = lines.pop_front() {
                if line.trim_end() == "\\." {
                    break;
                }
                self.client.copy_data(line.as_bytes()).await?;
            }
            return self.client.copy_done().await;
        }
        let mut input = tokio::io::stdin();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match input.read(&mut buffer).await {
                Ok(0) => return self.client.copy_done().await,
                Ok(read) => self.client.copy_data(&buffer[..read]).await?,
                Err(error) => return self.client.copy_fail(&error.to_string()).await,
            }
        }
    }

    fn show_time(&self, start: Duration) -> Result<(), SqlError> {
        if self.timing {
            let took = self.env.clock.monotonic().saturating_sub(start);
            show(&format!("Time: {:.3} ms\n", took.as_secs_f64() * 1000.0))?;
        }
        Ok(())
    }
}

/// What is shown of a running statement.
struct Showing {
    endless: bool,
    expanded: bool,
    bare: bool,
    result: Option<ShownResult>,
}

enum ShownResult {
    Gathering(Vec<ResultColumn>, Vec<Vec<Option<String>>>),
    Flowing(Table),
}

impl Showing {
    fn event(&mut self, event: Event) -> Result<(), SqlError> {
        match event {
            Event::Columns(columns) => {
                self.result = Some(ShownResult::Gathering(columns, Vec::new()));
                // Rows of a push query are shown one by one, under names that are there from the start.
                if self.endless { self.flow() } else { Ok(()) }
            }
            Event::Row(row) => self.row(row),
            Event::Done(tag) => match self.result.take() {
                Some(result) => self.end(result),
                None => show(&format!("{tag}\n")),
            },
            Event::CopyData(bytes) => {
                let mut out = io::stdout().lock();
                out.write_all(&bytes).and_then(|()| out.flush()).map_err(SqlError::Output)
            }
            Event::Notice(report) => {
                tell(&render_report(&report, ""));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn row(&mut self, row: Vec<Option<String>>) -> Result<(), SqlError> {
        if self.bare {
            let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or_default()).collect();
            return show(&format!("{}\n", cells.join("|")));
        }
        match &mut self.result {
            Some(ShownResult::Gathering(_, rows)) => {
                rows.push(row);
                if rows.len() < WIDTH_ROWS { Ok(()) } else { self.flow() }
            }
            Some(ShownResult::Flowing(table)) => show(&table.row(&row)),
            None => Ok(()),
        }
    }

    /// Sets the widths and shows what was gathered.
    fn flow(&mut self) -> Result<(), SqlError> {
        let Some(ShownResult::Gathering(columns, rows)) = self.result.take() else { return Ok(()) };
        let mut table = Table::new(columns, &rows, self.expanded);
        if !self.bare {
            show(&table.header())?;
            for row in &rows {
                show(&table.row(row))?;
            }
        }
        self.result = Some(ShownResult::Flowing(table));
        Ok(())
    }

    fn end(&mut self, result: ShownResult) -> Result<(), SqlError> {
        self.result = Some(result);
        self.flow()?;
        match self.result.take() {
            Some(ShownResult::Flowing(table)) if !self.bare => show(&format!("{}\n", table.footer())),
            _ => Ok(()),
        }
    }

    /// What a failed statement had shown stays; its gathered rows are shown too.
    fn finish(&mut self) -> Result<(), SqlError> {
        self.flow()
    }
}

/// A bare SELECT with EMIT: it ends only when it is cancelled.
fn is_endless(text: &str) -> bool {
    let upper = text.to_uppercase();
    let words: Vec<&str> =
        upper.split(|c: char| c.is_whitespace() || c == ';').filter(|word| !word.is_empty()).collect();
    words.first() == Some(&"SELECT")
        && words.windows(2).any(|pair| pair[0] == "EMIT" && matches!(pair[1], "CHANGES" | "FINAL"))
}

/// Writes to standard output at once, so that a pipe sees rows as they come.
pub(super) fn show(text: &str) -> Result<(), SqlError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(SqlError::Output)
}

/// Writes to standard error; when even that is gone there is nobody to tell.
pub(super) fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Tells an error, with the place in the statement if the server named one.
pub(super) fn complain(error: &SqlError, statement: &str) {
    match error {
        SqlError::Statement(report) | SqlError::Fatal(report) => tell(&render_report(report, statement)),
        SqlError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => tell(&format!("tidemill sql: {other}\n")),
    }
}

fn render_report(report: &Report, statement: &str) -> String {
    let state = match report.state.as_str() {
        "" | "00000" => String::new(),
        state => format!(" {state}:"),
    };
    let mut text = format!("{}:{state} {}\n", report.severity, report.message);
    if let Some(position) = report.position {
        text.push_str(&caret(statement, position));
    }
    if let Some(detail) = &report.detail {
        text.push_str(&format!("DETAIL:  {detail}\n"));
    }
    if let Some(hint) = &report.hint {
        text.push_str(&format!("HINT:  {hint}\n"));
    }
    text
}

/// The line that has the character `position` (from 1) of the statement, and a caret under it.
fn caret(statement: &str, position: usize) -> String {
    let before: String = statement.chars().take(position.saturating_sub(1)).collect();
    let line_number = before.matches('\n').count() + 1;
    let Some(line) = statement.lines().nth(line_number - 1) else { return String::new() };
    let column = before.chars().rev().take_while(|character| *character != '\n').count();
    let label = format!("LINE {line_number}: ");
    format!("{label}{line}\n{}^\n", " ".repeat(label.len() + column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_point_at_their_character() {
        assert_eq!(caret("SELECT nope", 8), "LINE 1: SELECT nope\n               ^\n");
        assert_eq!(caret("SELECT\n  ünope", 11), "LINE 2:   ünope\n           ^\n");
        assert_eq!(caret("", 5), "");
    }

    #[test]
    fn only_a_bare_select_with_emit_is_endless() {
        assert!(is_endless("select * from t emit changes;"));
        assert!(is_endless("SELECT 1 EMIT\nFINAL"));
        assert!(!is_endless("CREATE TABLE t AS SELECT 1 EMIT CHANGES"));
        assert!(!is_endless("SELECT emit FROM changes"));
    }
}
