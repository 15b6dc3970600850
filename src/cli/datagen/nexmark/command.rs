//! `tidemill datagen nexmark`: the arguments, and where the events go.

use std::io;
use std::io::Write;
use std::path::PathBuf;

use super::Generator;
use super::Options;
use super::files;
use super::server;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;

/// Bytes that are gathered before they are written.
pub(super) const WRITE_AT: usize = 1 << 20;

/// How many events, which, and where they go.
#[derive(Debug, Clone, clap::Args)]
pub struct NexmarkArguments {
    /// How many events
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) events: u64,
    /// All chance follows from it
    #[arg(long, default_value_t = 42)]
    pub(super) seed: u64,
    /// Events in a second of event time
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) rate: u64,
    /// How likely an event's date_time falls back, 0 to 1
    #[arg(long, default_value_t = 0.1, value_parser = probability)]
    pub(super) ooo_prob: f64,
    /// By how much it falls back at most, in milliseconds
    #[arg(long, default_value_t = 3_000)]
    pub(super) ooo_max_ms: u64,
    /// tagged: {"event_type":2,"bid":{..}}; split: the bare rows of each kind; both
    #[arg(long, value_enum, default_value_t = Layout::Tagged)]
    pub(super) layout: Layout,
    /// Files of each kind; 50 events in turn go to each
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_024))]
    pub(super) parts: u64,
    /// Writes files and meta.json into a directory instead of lines on standard output
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "server")]
    pub(super) output: Option<PathBuf>,
    /// Copies the rows into the streams person, auction and bid of a server instead (sql/nexmark/01_streams.sql)
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["layout", "parts"])]
    pub(super) server: Option<String>,
}

/// In which form events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Layout {
    Tagged,
    Split,
    Both,
}

impl Layout {
    pub(super) fn word(self) -> &'static str {
        match self {
            Layout::Tagged => "tagged",
            Layout::Split => "split",
            Layout::Both => "both",
        }
    }
}

fn probability(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err("it is not from 0 to 1".to_owned()) }
}

/// Makes the events.
pub async fn run(env: &Env, arguments: &NexmarkArguments) -> Result<(), Error> {
    let generator = Generator::new(Options {
        seed: arguments.seed,
        rate: arguments.rate,
        late_probability: arguments.ooo_prob,
        late_ms_max: arguments.ooo_max_ms,
    });
    if let Some(address) = &arguments.server {
        return server::send(env, address, &generator, arguments.events).await;
    }
    if let Some(directory) = &arguments.output {
        return files::write(env.disk.as_ref(), directory, &generator, arguments);
    }
    if arguments.layout != Layout::Tagged || arguments.parts != 1 {
        let message = "standard output takes one part of tagged events";
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint("Name a directory with --output."));
    }
    match print(&generator, arguments.events) {
        // Whoever reads has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(cannot_write("standard output", error)),
        Ok(()) => Ok(()),
    }
}

fn print(generator: &Generator, events: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut lines = Vec::with_capacity(WRITE_AT + (1 << 12));
    for number in 0..events {
        generator.event(number).write_tagged(&mut lines);
        lines.push(b'\n');
        if WRITE_AT <= lines.len() {
            out.write_all(&lines)?;
            lines.clear();
        }
    }
    out.write_all(&lines)?;
    out.flush()
}

pub(super) fn cannot_write(what: impl std::fmt::Display, error: io::Error) -> Error {
    Error::new(SqlState::IO_ERROR, format!("could not write to {what}: {error}")).caused_by(error)
}
