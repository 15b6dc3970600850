//! `tidemill log verify` and `tidemill log repair`: what is damaged in the log of a stopped server, and the end of it.
//!
//! Both open the log as a start of the server does, so what a crash has left is put right first.

use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cluster::DataDir;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::log::FlushOn;
use crate::log::LogConfig;
use crate::log::LogDir;
use crate::log::LogError;
use crate::log::OpenReport;
use crate::model::Offset;
use crate::model::TopicPartition;

/// Bytes read at once.
const READ_BYTES: usize = 4 << 20;

/// What is verified.
#[derive(Debug, Clone, clap::Args)]
pub struct LogVerifyArguments {
    /// The data directory of a server that does not run.
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: PathBuf,
}

/// What is repaired.
#[derive(Debug, Clone, clap::Args)]
pub struct LogRepairArguments {
    /// The data directory of a server that does not run.
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: PathBuf,
    /// The partition, as `log verify` names it: topic id, dash, number.
    partition: String,
    /// Says that all records from the damage on are to be dropped.
    #[arg(long, required = true)]
    cut: bool,
}

/// Reads everything and tells of each partition; whether all is whole.
pub fn verify(env: &Env, arguments: &LogVerifyArguments) -> Result<bool, Error> {
    let (_data_dir, log, report) = open(env, arguments.data_dir.clone())?;
    let mut out = io::stdout().lock();
    let mut damaged = report.unreadable.len();
    for partition in log.partitions() {
        let ends = log.ends(partition)?;
        let from = damage(&log, partition)?;
        damaged += usize::from(from.is_some());
        let told = from.map_or("whole".to_string(), |from| format!("damaged from offset {from} on"));
        let (segments, bytes) = (log.segments(partition)?.len(), log.size_in_bytes(partition)?);
        let (start, end) = (ends.log_start_offset, ends.log_end_offset);
        tell(&mut out, &format!("{partition}  offsets {start}..{end}  {segments} segments  {bytes} bytes  {told}"))?;
    }
    for partition in &report.unreadable {
        tell(&mut out, &format!("{partition}  cannot be read"))?;
    }
    if report.journal_damaged {
        tell(&mut out, "the journal was damaged: what only it held may be missing")?;
    }
    let partitions = log.partitions().len() + report.unreadable.len();
    tell(&mut out, &format!("{partitions} partitions, {damaged} damaged"))?;
    log.close()?;
    Ok(damaged == 0 && !report.journal_damaged)
}

/// Drops what is damaged.
pub fn repair(env: &Env, arguments: &LogRepairArguments) -> Result<(), Error> {
    let (_data_dir, log, _) = open(env, arguments.data_dir.clone())?;
    let named = log.partitions().into_iter().find(|partition| partition.to_string() == arguments.partition);
    let partition = named.ok_or_else(|| {
        let message = format!("there is no partition {} in this log", arguments.partition);
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint("`tidemill log verify` lists them.")
    })?;
    let mut out = io::stdout().lock();
    let end = log.ends(partition)?.log_end_offset;
    match damage(&log, partition)? {
        None => tell(&mut out, &format!("{partition} is whole"))?,
        Some(from) => {
            let ends_at = log.cut_damage(partition, from)?;
            tell(&mut out, &format!("{partition}: offsets {from}..{end} are gone; it goes on at {ends_at}"))?;
        }
    }
    log.close()?;
    Ok(())
}

fn open(env: &Env, path: PathBuf) -> Result<(DataDir, Arc<LogDir>, OpenReport), Error> {
    let log = path.join("log");
    if !env.disk.is_dir(&log) {
        let message = format!("{} is no data directory: there is no log in it", path.display());
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    // Its lock is held until the log is closed.
    let data_dir = DataDir::open(env, &path)?;
    let config = LogConfig { flush_on: FlushOn::Step, ..LogConfig::default() };
    let (log, report) = LogDir::open(env.clone(), &log, config)?;
    Ok((data_dir, log, report))
}

/// Reads a whole partition; from which offset on it is damaged, if it is.
fn damage(log: &LogDir, partition: TopicPartition) -> Result<Option<Offset>, Error> {
    let ends = log.ends(partition)?;
    let mut next = ends.log_start_offset;
    while next < ends.log_end_offset {
        match log.read(partition, next, ends.log_end_offset, READ_BYTES) {
            Ok(read) => match read.last() {
                Some(last) => next = last.batch.next_offset(),
                None => return Ok(Some(next)),
            },
            Err(LogError::Corrupt { offset, .. }) => return Ok(Some(offset)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

fn tell(out: &mut dyn Write, line: &str) -> Result<(), Error> {
    writeln!(out, "{line}").map_err(|error| Error::new(SqlState::IO_ERROR, format!("cannot write: {error}")))
}
