//! What each backslash command does.

use std::path::Path;
use std::time::Duration;

use super::chart::Strokes;
use super::client::Client;
use super::command::Command;
use super::command::help;
use super::copy::Copying;
use super::describe::Listing;
use super::edit::edit;
use super::edit::read_text;
use super::error::SqlError;
use super::input::Input;
use super::options::Expanded;
use super::options::Live;
use super::plot::Plot;
use super::shell::Flow;
use super::shell::OnError;
use super::shell::Shell;
use super::showing::Showing;
use super::showing::is_endless;
use super::splitter::is_blank;

/// How deep `\i` may nest.
const INCLUDE_DEPTH_MAX: usize = 16;
/// The width of a page of help where there is no terminal.
const USUAL_COLUMNS: usize = 100;

impl Shell {
    /// Runs a command.
    pub(super) async fn command(
        &mut self,
        command: Command,
        input: &mut Input<'_>,
        depth: usize,
    ) -> Result<Flow, SqlError> {
        match command {
            Command::Quit => return Ok(Flow::Quit),
            Command::Help => {
                let size = self.screen.size();
                let text = help(size.map_or(USUAL_COLUMNS, |(columns, _)| columns));
                return self.paged(&text).await;
            }
            Command::Describe(description) => {
                for listing in description.listings() {
                    self.listing(listing).await?;
                }
            }
            Command::Option(name, value) => {
                let told = self.display.set(&name, &value)?;
                self.say(&told)?;
            }
            Command::Live(argument) => self.live(&argument)?,
            Command::Go { expanded } => self.go(expanded, input).await?,
            Command::Plot(column) => self.plot(&column).await?,
            Command::Watch(seconds) => self.watch(seconds).await?,
            Command::Print => {
                let text = self.typed();
                self.say(text.trim_end())?;
            }
            Command::Reset => {
                self.pending.clear();
                self.say("Nothing is typed now.")?;
            }
            Command::Edit(file) => return self.edit(file.as_deref(), input, depth).await,
            Command::Include(path) => return self.include(&path, depth).await,
            Command::Output(text) => self.output.redirect(&self.env, &text).await?,
            Command::Copy(copy) => {
                let start = self.env.clock.monotonic();
                let copying = Copying { env: &self.env, client: &mut self.client, interrupts: &mut self.interrupts };
                let tag = copy.run(copying).await?;
                self.say(&tag)?;
                self.show_time(start)?;
            }
            Command::Echo(text) => self.say(&text)?,
            Command::Connect => {
                self.reconnect().await?;
                self.say("Connected.")?;
            }
            Command::Connection => {
                let target = &self.target;
                let told = format!(
                    "Database {} at {} as {}; server {}.",
                    target.database,
                    target.address,
                    target.user,
                    self.client.version()
                );
                self.say(&told)?;
            }
        }
        Ok(Flow::Next)
    }

    /// A new connection in the place of the old one.
    pub(super) async fn reconnect(&mut self) -> Result<(), SqlError> {
        self.client = Client::begin(&self.env, &self.target, &self.beginning).await?;
        Ok(())
    }

    fn say(&mut self, line: &str) -> Result<(), SqlError> {
        self.output.write(&format!("{line}\n"))
    }

    async fn paged(&mut self, text: &str) -> Result<Flow, SqlError> {
        if let Some(size) = self.screen.size().filter(|_| self.display.pager) {
            self.output.page(size);
        }
        let written = self.output.write(text);
        self.output.finish(&self.env).await?;
        written.map(|()| Flow::Next)
    }

    async fn listing(&mut self, listing: Listing) -> Result<(), SqlError> {
        let (columns, rows) = self.client.rows(&listing.statement).await.map_err(SqlError::without_place)?;
        if rows.is_empty() {
            return match &listing.if_empty {
                Some(told) => self.output.write(told),
                None => Ok(()),
            };
        }
        let mut display = self.display.clone();
        if listing.expanded && display.expanded != Expanded::On {
            display.expanded = Expanded::On;
        }
        let size = self.screen.size();
        let mut showing = Showing::new(&display, &mut self.output, false, size);
        let events = [super::protocol::Event::Columns(columns)];
        let rows = rows.into_iter().map(super::protocol::Event::Row);
        let shown = events
            .into_iter()
            .chain(rows)
            .chain([super::protocol::Event::Done(String::new())])
            .try_for_each(|event| showing.event(event))
            .and_then(|()| showing.finish());
        self.output.finish(&self.env).await?;
        shown
    }

    fn live(&mut self, argument: &str) -> Result<(), SqlError> {
        self.display.live = match (argument, &self.display.live) {
            ("off", _) | ("", Live::By(_)) => Live::Off,
            ("on" | "", _) => Live::By(Vec::new()),
            (columns, _) => Live::By(split_names(columns)),
        };
        let told = match &self.display.live {
            Live::Off => "Rows of push queries scroll by.".to_string(),
            Live::By(columns) if columns.is_empty() => {
                "Rows of push queries change in place, by their key.".to_string()
            }
            Live::By(columns) => format!("Rows of push queries change in place, by {}.", columns.join(", ")),
        };
        self.say(&told)
    }

    /// What was typed and not run, or the last statement.
    fn typed(&self) -> String {
        if is_blank(&self.pending) { self.last.clone() } else { self.pending.clone() }
    }

    /// The statement that `\g` and its like run.
    fn taken(&mut self) -> Result<String, SqlError> {
        if !is_blank(&self.pending) {
            self.last = std::mem::take(&mut self.pending).trim().to_string();
        }
        self.pending.clear();
        match is_blank(&self.last) {
            true => Err(SqlError::Usage("there is no statement yet".to_string())),
            false => Ok(self.last.clone()),
        }
    }

    async fn go(&mut self, expanded: bool, input: &mut Input<'_>) -> Result<(), SqlError> {
        let statement = self.taken()?;
        let before = self.display.expanded;
        if expanded {
            self.display.expanded = Expanded::On;
        }
        let run = self.statement(&statement, Some(input)).await;
        self.display.expanded = before;
        run
    }

    async fn plot(&mut self, column: &str) -> Result<(), SqlError> {
        let statement = self.taken()?;
        let strokes = if self.screen.blocks() { Strokes::Blocks } else { Strokes::Letters };
        let mut plot = Plot::new(column, is_endless(&statement), strokes);
        self.draw(&statement, &mut plot).await
    }

    async fn watch(&mut self, seconds: f64) -> Result<(), SqlError> {
        let statement = self.taken()?;
        let pager = std::mem::replace(&mut self.display.pager, false);
        let run = loop {
            if let Err(error) = self.statement(&statement, None).await {
                break Err(error);
            }
            tokio::select! {
                () = self.env.clock.sleep(Duration::from_secs_f64(seconds)) => {}
                () = self.interrupts.next() => break Ok(()),
            }
        };
        self.display.pager = pager;
        run
    }

    async fn edit(&mut self, file: Option<&str>, input: &mut Input<'_>, depth: usize) -> Result<Flow, SqlError> {
        if !input.is_typed() {
            return Err(SqlError::Usage("\\e needs a terminal".to_string()));
        }
        let text = edit(&self.env, file, &self.typed()).await?;
        self.pending.clear();
        self.say(text.trim_end())?;
        let mut edited = Input::edited(&text);
        Box::pin(self.script(&mut edited, depth, OnError::GoOn)).await
    }

    async fn include(&mut self, path: &str, depth: usize) -> Result<Flow, SqlError> {
        if INCLUDE_DEPTH_MAX <= depth {
            return Err(SqlError::Usage(format!("\\i nests deeper than {INCLUDE_DEPTH_MAX} files")));
        }
        let text = self.read_script(path)?;
        let outer = std::mem::take(&mut self.pending);
        let run = self.script(&mut Input::text(&text), depth + 1, OnError::Stop).await;
        self.pending = outer;
        run
    }

    /// The text of a script.
    pub fn read_script(&self, path: &str) -> Result<String, SqlError> {
        read_text(&self.env, Path::new(path)).map_err(|source| SqlError::File { path: path.to_string(), source })
    }
}

fn split_names(text: &str) -> Vec<String> {
    let names = text.split([',', ' ']).filter(|name| !name.is_empty());
    names.map(super::lexer::unquoted).collect()
}
