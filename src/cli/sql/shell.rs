//! Runs statements and shows what comes of them. Its commands are in `backslash`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::client::Beginning;
use super::client::Client;
use super::client::Target;
use super::command::Command;
use super::error::SqlError;
use super::input::Input;
use super::interrupt::Interrupts;
use super::live::KeySource;
use super::live::LiveTable;
use super::live::key_source;
use super::names::NameCache;
use super::options::Display;
use super::options::Live;
use super::output::Output;
use super::picture::Canvas;
use super::picture::Picture;
use super::protocol::Event;
use super::report::complain;
use super::report::render_report;
use super::report::tell;
use super::screen::Screen;
use super::showing::Showing;
use super::showing::changes_names;
use super::showing::is_endless;
use super::splitter::Stop;
use super::splitter::first_stop;
use super::splitter::is_blank;
use crate::env::Env;

/// Between two pictures of a push query.
const REDRAW: Duration = Duration::from_millis(100);
/// The size of a terminal that nobody knows.
const USUAL_SIZE: (usize, usize) = (80, 24);

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
    pub(super) env: Env,
    pub(super) target: Target,
    pub(super) beginning: Beginning,
    /// The connection.
    pub client: Client,
    pub(super) display: Display,
    pub(super) output: Output,
    pub(super) screen: Screen,
    pub(super) interrupts: Interrupts,
    /// Names for completion, if somebody types.
    pub(super) names: Option<Arc<NameCache>>,
    /// What was typed and has not been run: the statement that a line has begun.
    pub pending: String,
    /// The last statement, for `\g` and its like.
    pub(super) last: String,
}

/// What `script` and its like return, since scripts run scripts.
pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<Flow, SqlError>> + Send + 'a>>;

impl Shell {
    /// A shell over an open connection.
    pub fn new(
        env: Env,
        (target, beginning): (Target, Beginning),
        client: Client,
        display: Display,
    ) -> Result<Self, SqlError> {
        let interrupts = Interrupts::new().map_err(SqlError::Output)?;
        Ok(Self {
            env,
            target,
            beginning,
            client,
            display,
            output: Output::standard(),
            screen: Screen::new(),
            interrupts,
            names: None,
            pending: String::new(),
            last: String::new(),
        })
    }

    /// Runs all lines of an input: statements, and commands, which take the rest of their line.
    pub fn script<'a>(&'a mut self, input: &'a mut Input<'_>, depth: usize, on_error: OnError) -> Running<'a> {
        Box::pin(async move {
            while let Some(line) = input.line().await? {
                self.pending.push_str(&line);
                if self.run_pending(input, depth, on_error).await? == Flow::Quit {
                    return Ok(Flow::Quit);
                }
            }
            if input.ends_statements() && !is_blank(&self.pending) {
                let statement = std::mem::take(&mut self.pending);
                self.settled(on_error, statement.trim_start(), input).await?;
            }
            Ok(Flow::Next)
        })
    }

    /// Runs what is whole of what was read.
    async fn run_pending(&mut self, input: &mut Input<'_>, depth: usize, on_error: OnError) -> Result<Flow, SqlError> {
        while let Some(stop) = first_stop(&self.pending) {
            if !input.is_typed() && self.interrupts.pressed() {
                return Err(SqlError::Interrupted);
            }
            match stop {
                Stop::Semicolon(at) => {
                    let statement: String = self.pending.drain(..=at).collect();
                    self.settled(on_error, statement.trim_start(), input).await?;
                }
                Stop::Command(at) => {
                    let length = self.pending[at..].find('\n').unwrap_or(self.pending.len() - at);
                    let line: String = self.pending.drain(at..at + length).collect();
                    let run = match Command::parse(&line) {
                        Ok(command) => self.command(command, input, depth).await,
                        Err(error) => Err(error),
                    };
                    match run {
                        Ok(Flow::Next) => {}
                        Ok(Flow::Quit) => return Ok(Flow::Quit),
                        Err(error) => told(error, &self.last, on_error)?,
                    }
                }
            }
        }
        if is_blank(&self.pending) {
            self.pending.clear();
        }
        Ok(Flow::Next)
    }

    /// Runs a statement of a script; its error is told here, and ends the script only where errors do.
    async fn settled(&mut self, on_error: OnError, statement: &str, input: &mut Input<'_>) -> Result<(), SqlError> {
        self.last = statement.to_string();
        match self.statement(statement, Some(input)).await {
            Err(error) => told(error, statement, on_error),
            Ok(()) => Ok(()),
        }
    }

    /// Runs one statement and shows its answer; `data` gives the lines behind a COPY FROM STDIN.
    pub async fn statement(&mut self, text: &str, data: Option<&mut Input<'_>>) -> Result<(), SqlError> {
        let endless = is_endless(text);
        if let Live::By(columns) = &self.display.live
            && endless
            && self.output.is_terminal()
        {
            let by = if columns.is_empty() { self.key_of(text).await? } else { columns.clone() };
            let mut table = LiveTable::new(by, &self.display.null);
            return self.draw(text, &mut table).await;
        }
        let start = self.env.clock.monotonic();
        let run = self.shown(text, endless, data).await;
        let paged = self.output.finish(&self.env).await;
        if changes_names(text)
            && let Some(names) = &self.names
        {
            names.refresh();
        }
        run?;
        paged?;
        self.show_time(start)
    }

    async fn shown(&mut self, text: &str, endless: bool, mut data: Option<&mut Input<'_>>) -> Result<(), SqlError> {
        self.client.query(text).await?;
        let size = self.screen.size();
        let mut showing = Showing::new(&self.display, &mut self.output, endless, size);
        let (mut failed, mut cancelled) = (None, false);
        loop {
            let event = tokio::select! {
                event = self.client.next() => event?,
                () = self.interrupts.next() => {
                    self.client.cancel().await?;
                    continue;
                }
            };
            match event {
                Event::Ready => break,
                Event::Failed(report) => failed = Some(report),
                Event::CopyIn => copy_in(&mut self.client, data.take()).await?,
                other => showing.event(other)?,
            }
            if showing.is_left() && !cancelled {
                self.client.cancel().await?;
                cancelled = true;
            }
        }
        showing.finish()?;
        // A reader who has seen enough wanted no error.
        failed.filter(|_| !cancelled).map_or(Ok(()), |report| Err(SqlError::Statement(report)))
    }

    /// Runs a statement and draws its rows as a picture: over and over while it goes on, if there is a terminal.
    pub(super) async fn draw(&mut self, text: &str, picture: &mut dyn Picture) -> Result<(), SqlError> {
        let start = self.env.clock.monotonic();
        self.client.query(text).await?;
        let in_place = self.output.is_terminal() && is_endless(text) && self.screen.size().is_some();
        let mut canvas = Canvas::new(self.screen.colours());
        let (mut failed, mut wrong, mut begun) = (None, None, false);
        let mut tick = self.env.clock.sleep(REDRAW);
        loop {
            let event = tokio::select! {
                event = self.client.next() => event?,
                () = self.interrupts.next() => {
                    self.client.cancel().await?;
                    continue;
                }
                () = &mut tick, if in_place => {
                    tick = self.env.clock.sleep(REDRAW);
                    if begun && wrong.is_none() {
                        draw_once(picture, &mut canvas, self.screen.size())?;
                    }
                    continue;
                }
            };
            match event {
                Event::Ready => break,
                Event::Failed(report) => failed = Some(report),
                Event::Notice(report) => tell(&render_report(&report, "")),
                Event::Columns(columns) => match picture.begin(columns) {
                    Ok(()) => begun = true,
                    Err(error) => {
                        wrong = Some(error);
                        self.client.cancel().await?;
                    }
                },
                Event::Row(row) if begun => picture.row(row, self.env.clock.wall_micros()),
                _ => {}
            }
        }
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if begun && in_place {
            draw_once(picture, &mut canvas, self.screen.size())?;
        } else if begun {
            let size = self.screen.size().unwrap_or(USUAL_SIZE);
            for line in picture.lines(size) {
                let (super::picture::Line::Plain(line) | super::picture::Line::Strong(line)) = line;
                self.output.write(&format!("{line}\n"))?;
            }
        }
        self.show_time(start)?;
        failed.map_or(Ok(()), |report| Err(SqlError::Statement(report)))
    }

    /// The columns by which a push query's rows change, as far as that can be told.
    async fn key_of(&mut self, statement: &str) -> Result<Vec<String>, SqlError> {
        let relation = match key_source(statement) {
            Some(KeySource::Columns(columns)) => return Ok(columns),
            Some(KeySource::Relation(relation)) => relation,
            None => return Ok(Vec::new()),
        };
        match self.client.rows(&format!("DESCRIBE {relation}")).await {
            Ok((_, rows)) => {
                let is_key = |role: &str| ["primary key", "key", "window"].contains(&role);
                let key = rows.into_iter().filter(|row| row.get(2).and_then(Option::as_deref).is_some_and(is_key));
                Ok(key.filter_map(|row| row.into_iter().next()?).collect())
            }
            // The query itself says what is wrong.
            Err(SqlError::Statement(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn show_time(&mut self, start: Duration) -> Result<(), SqlError> {
        if self.display.timing {
            let took = self.env.clock.monotonic().saturating_sub(start);
            self.output.write(&format!("Time: {:.3} ms\n", took.as_secs_f64() * 1000.0))?;
        }
        Ok(())
    }
}

/// Tells an error where it happened, once; it ends the script only where errors do, or if the session is lost.
fn told(error: SqlError, statement: &str, on_error: OnError) -> Result<(), SqlError> {
    if !error.leaves_session() {
        return Err(error);
    }
    complain(&error, statement);
    match (on_error, error) {
        (OnError::GoOn, _) => Ok(()),
        (OnError::Stop, SqlError::Told(error)) => Err(SqlError::Told(error)),
        (OnError::Stop, error) => Err(SqlError::Told(Box::new(error))),
    }
}

fn draw_once(picture: &mut dyn Picture, canvas: &mut Canvas, size: Option<(usize, usize)>) -> Result<(), SqlError> {
    let (columns, rows) = size.unwrap_or(USUAL_SIZE);
    // The last line stays free, so that nothing scrolls.
    let room = rows - 1;
    let mut lines = picture.lines((columns, room));
    lines.truncate(room);
    canvas.draw(&lines, columns)
}

/// Lines of data up to `\.` or the end.
async fn copy_in(client: &mut Client, input: Option<&mut Input<'_>>) -> Result<(), SqlError> {
    let Some(input) = input else { return client.copy_fail("no data is given here").await };
    if input.is_typed() {
        tell("Enter data, a line a row. End with \\. on a line of its own, or Ctrl-D.\n");
    }
    loop {
        match input.data().await {
            Ok(Some(line)) if line.trim_ascii_end() == b"\\." => return client.copy_done().await,
            Ok(Some(line)) => client.copy_data(&line).await?,
            Ok(None) => return client.copy_done().await,
            Err(error) => return client.copy_fail(&error.to_string()).await,
        }
    }
}
