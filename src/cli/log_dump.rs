//! `tidemill log dump DIRECTORY`: the batches and records of a partition's segments, as they lie on disk.
//!
//! It reads files only: a server may run on them. Bytes that are no batch end a segment's listing, with the reason.

use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use bytes::Bytes;

use crate::env::Disk;
use crate::env::OpenMode;
use crate::error::Error;
use crate::error::SqlState;
use crate::exec::Mark;
use crate::exec::Said;
use crate::protocol::Batch;
use crate::protocol::BatchLimits;
use crate::protocol::Control;
use crate::protocol::HEADER_SIZE;

/// Characters of a key or value that are shown.
const SHOWN_MAX: usize = 200;

/// What is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct LogDumpArguments {
    /// A partition's directory, or one of its `.log` files.
    path: PathBuf,
    /// Shows batches only.
    #[arg(long)]
    batches: bool,
}

/// Shows the segments below a path.
pub fn run(disk: &dyn Disk, arguments: &LogDumpArguments) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let segments = segments(disk, &arguments.path)?;
    if segments.is_empty() {
        let message = format!("{} has no segment files (*.log)", arguments.path.display());
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    for path in segments {
        let shown = writeln!(out, "{}", path.display()).map_err(|error| cannot_write(&error));
        shown?;
        dump_segment(disk, &path, arguments.batches, &mut out)?;
    }
    Ok(())
}

fn segments(disk: &dyn Disk, path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !disk.is_dir(path) {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut paths = disk.read_dir(path).map_err(|error| cannot_read(path, error))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    Ok(paths)
}

fn dump_segment(disk: &dyn Disk, path: &Path, batches_only: bool, out: &mut dyn Write) -> Result<(), Error> {
    let file = disk.open(path, OpenMode::Read).map_err(|error| cannot_read(path, error))?;
    let length = file.len().map_err(|error| cannot_read(path, error))?;
    let mut byte_offset = 0;
    while byte_offset < length {
        let mut header = [0; HEADER_SIZE];
        let read = file.read_at(&mut header, byte_offset).map_err(|error| cannot_read(path, error))?;
        if header[..read].iter().all(|byte| *byte == 0) {
            // Reserved room behind the last batch.
            break;
        }
        let whole = match Batch::peek(&header[..read]) {
            Ok(found) => found.size_in_bytes().unwrap_or(HEADER_SIZE),
            Err(error) => return line(out, &format!("  byte {byte_offset}: not a batch: {error}")),
        };
        if length - byte_offset < whole as u64 {
            return line(out, &format!("  byte {byte_offset}: a batch of {whole} bytes is cut at the end of the file"));
        }
        let mut bytes = vec![0; whole];
        file.read_at(&mut bytes, byte_offset).map_err(|error| cannot_read(path, error))?;
        let limits = BatchLimits { batch_bytes_max: whole };
        match Batch::check(Bytes::from(bytes), &limits) {
            Ok(batch) => dump_batch(&batch, byte_offset, batches_only, out)?,
            Err(error) => line(out, &format!("  byte {byte_offset}: a damaged batch of {whole} bytes: {error}"))?,
        }
        byte_offset += whole as u64;
    }
    Ok(())
}

fn dump_batch(batch: &Batch, byte_offset: u64, batches_only: bool, out: &mut dyn Write) -> Result<(), Error> {
    let header = batch.header();
    let mut text = format!(
        "  byte {byte_offset}: offsets {}..={}, {} records, {} bytes, leader epoch {}, time {}..={}",
        batch.base_offset(),
        batch.last_offset(),
        header.record_count,
        batch.size_in_bytes(),
        header.leader_epoch,
        header.base_timestamp,
        header.max_timestamp,
    );
    if header.producer_id != -1 {
        let producer = (header.producer_id, header.producer_epoch, header.base_sequence);
        text.push_str(&format!(", producer {} epoch {} sequence {}", producer.0, producer.1, producer.2));
    }
    if batch.is_transactional() {
        text.push_str(", transactional");
    }
    match batch.control() {
        Ok(None) => {}
        Ok(Some(Control::End(marker))) => text.push_str(&format!(", control {marker:?}")),
        Ok(Some(Control::Mark(bytes))) => text.push_str(&format!(", {}", shown_mark(&bytes))),
        Err(error) => text.push_str(&format!(", a control batch that cannot be read: {error}")),
    }
    line(out, &text)?;
    if batches_only || batch.is_control() {
        return Ok(());
    }
    let payload = match batch.payload() {
        Ok(payload) => payload,
        Err(error) => return line(out, &format!("    records cannot be read: {error}")),
    };
    for record in payload.records() {
        match record {
            Ok(record) => {
                let (key, value) = (shown(record.key), shown(record.value));
                let headers = record.headers.count();
                let headers = if headers == 0 { String::new() } else { format!(" headers {headers}") };
                line(
                    out,
                    &format!("    {} time {} key {key} value {value}{headers}", record.offset, record.timestamp),
                )?;
            }
            Err(error) => return line(out, &format!("    a record cannot be read: {error}")),
        }
    }
    Ok(())
}

/// Text as text, other bytes as hex, both cut.
fn shown_mark(bytes: &[u8]) -> String {
    match Mark::decode(bytes) {
        Ok(mark) => {
            let said = |(task, said): &(u32, Said)| {
                let clock = said.clock.map_or("none".to_string(), |clock| clock.to_string());
                format!("{task}: {clock}{}", if said.idle { " idle" } else { "" })
            };
            let writers: Vec<String> = mark.writers.iter().map(said).collect();
            match writers.is_empty() {
                true => format!("mark of query {}, which has ended", mark.query),
                false => format!(
                    "mark of query {} task {} for {} records, stream times {}",
                    mark.query,
                    mark.task,
                    mark.rows,
                    writers.join(", ")
                ),
            }
        }
        Err(error) => format!("a mark that cannot be read: {error}"),
    }
}

fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_string() };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control()) => format!("{text:?}"),
        _ => format!("\\x{}", bytes.iter().take(SHOWN_MAX).map(|byte| format!("{byte:02x}")).collect::<String>()),
    };
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], bytes.len()),
        None => text,
    }
}

fn line(out: &mut dyn Write, text: &str) -> Result<(), Error> {
    writeln!(out, "{text}").map_err(|error| cannot_write(&error))
}

fn cannot_read(path: &Path, error: io::Error) -> Error {
    Error::new(SqlState::IO_ERROR, format!("could not read {}: {error}", path.display())).caused_by(error)
}

fn cannot_write(error: &io::Error) -> Error {
    Error::new(SqlState::IO_ERROR, format!("could not write the output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use crate::protocol::BatchBuilder;

    fn dumped(bytes: &[u8]) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("00000000000000000000.log");
        let disk = Env::real().disk;
        let file = disk.open(&path, OpenMode::CreateNew).expect("a file");
        file.write_at(bytes, 0).expect("written");
        let mut out = Vec::new();
        dump_segment(disk.as_ref(), &path, false, &mut out).expect("dumped");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn batches_records_and_damage_are_shown() {
        let mut builder = BatchBuilder::new();
        builder.append(5, Some(b"k"), Some(b"{\"a\":1}"), &[]);
        builder.append(7, None, None, &[]);
        let whole = builder.finish().bytes().to_vec();
        let mut bytes = whole.clone();
        bytes.extend([0; 100]);
        let text = dumped(&bytes);
        assert!(text.contains("offsets 0..=1, 2 records"), "{text}");
        assert!(text.contains("0 time 5 key \"k\" value \"{\\\"a\\\":1}\""), "{text}");
        assert!(text.contains("1 time 7 key null value null"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        let mut damaged = whole.clone();
        *damaged.last_mut().expect("it has bytes") ^= 1;
        assert!(dumped(&damaged).contains("damaged batch"));
        assert!(dumped(&whole[..whole.len() - 1]).contains("cut at the end"));
        assert!(
            dumped(b"rubbish that is longer than the header of a batch, so that it can be looked at")
                .contains("not a batch")
        );
    }
}
