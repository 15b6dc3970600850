//! `\copy`: a file on the client's side to a relation, or a relation or a query to a file.
//!
//! Text and CSV go through as they are. Parquet is read and written here; the server sees COPY either way.

use std::path::Path;

use arrow::array::Array;
use arrow::array::RecordBatch;
use arrow::array::timezone::Tz;

use super::client::Client;
use super::error::SqlError;
use super::interrupt::Interrupts;
use super::parquet::ParquetFile;
use super::parquet::ParquetRows;
use super::progress::Progress;
use super::progress::Unit;
use super::protocol::Event;
use super::protocol::ResultColumn;
use crate::env::Disk;
use crate::env::Env;
use crate::env::OpenMode;
use crate::format::text;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;

const READ_BYTES: usize = 256 << 10;
/// Rows of a query that are gathered before they are written to a Parquet file.
const PARQUET_BATCH_ROWS: usize = 8192;

/// Which way.
#[derive(Debug, PartialEq, Eq)]
enum Direction {
    FromFile,
    ToFile,
}

/// `\copy` as it was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CopyCommand {
    /// `name`, `name (a, b)` or `(SELECT ...)`
    what: String,
    direction: Direction,
    path: String,
    parquet: bool,
    /// What stands behind the file's name, for the server.
    options: String,
}

impl CopyCommand {
    /// Reads what stands behind `\copy`.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let usage = || {
            let usage = "\\copy name [(columns)] | (query) FROM | TO 'file' [(FORMAT csv | text | parquet, ...)]";
            SqlError::Usage(format!("usage: {usage}"))
        };
        let text = text.trim().trim_end_matches(';');
        let what_end = what_end(text).ok_or_else(usage)?;
        let (what, rest) = (text[..what_end].trim(), text[what_end..].trim_start());
        let (word, rest) = rest.split_once(char::is_whitespace).ok_or_else(usage)?;
        let direction = match word.to_ascii_lowercase().as_str() {
            "from" => Direction::FromFile,
            "to" => Direction::ToFile,
            _ => return Err(usage()),
        };
        if what.is_empty() || (what.starts_with('(') && direction == Direction::FromFile) {
            return Err(usage());
        }
        let (path, options) = file_name(rest.trim_start()).ok_or_else(usage)?;
        let words: Vec<String> = options.split(|c: char| !c.is_alphanumeric()).map(str::to_ascii_lowercase).collect();
        let named = words.iter().any(|word| word == "parquet");
        let parquet = named || (options.trim().is_empty() && path.ends_with(".parquet"));
        Ok(Self { what: what.to_string(), direction, path, parquet, options: options.trim().to_string() })
    }

    /// Runs it; returns the tag to show. Ctrl-C gives it up.
    pub async fn run(&self, mut copying: Copying<'_>) -> Result<String, SqlError> {
        match (&self.direction, self.parquet) {
            (Direction::FromFile, true) => self.send_parquet(copying).await,
            (Direction::FromFile, false) => {
                let mut progress = copying.progress(self.length(&copying)?, Unit::Bytes);
                let sent = self.send_file(&mut copying, &mut progress).await;
                progress.end();
                sent
            }
            (Direction::ToFile, _) => {
                let unit = if self.parquet { Unit::Rows } else { Unit::Bytes };
                let mut progress = copying.progress(None, unit);
                let received = match self.parquet {
                    true => self.receive_parquet(&mut copying, &mut progress).await,
                    false => self.receive_file(&mut copying, &mut progress).await,
                };
                progress.end();
                received
            }
        }
    }

    fn file_error(&self, source: std::io::Error) -> SqlError {
        SqlError::File { path: self.path.clone(), source }
    }

    fn length(&self, copying: &Copying<'_>) -> Result<Option<u64>, SqlError> {
        let file = copying.env.disk.open(Path::new(&self.path), OpenMode::Read);
        file.and_then(|file| file.len()).map(Some).map_err(|error| self.file_error(error))
    }

    async fn send_parquet(&self, copying: Copying<'_>) -> Result<String, SqlError> {
        let mut rows = ParquetRows::open(copying.env.disk.as_ref(), &self.path)?;
        let columns = rows.columns();
        let mut progress = copying.progress(None, Unit::Rows);
        let Copying { env, client, interrupts } = copying;
        let mut sent = 0;
        let batches = std::iter::from_fn(|| {
            if interrupts.pressed() {
                return Some(Err(SqlError::Interrupted));
            }
            let batch = rows.next_batch().transpose()?;
            sent += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
            progress.tick(sent, env.clock.monotonic());
            Some(batch)
        });
        let tag = send_batches(client, &self.what, &columns, batches).await;
        progress.end();
        tag
    }

    async fn send_file(&self, copying: &mut Copying<'_>, progress: &mut Progress) -> Result<String, SqlError> {
        let Copying { env, client, interrupts } = copying;
        let file = env.disk.open(Path::new(&self.path), OpenMode::Read).map_err(|error| self.file_error(error))?;
        begin_copy_in(client, &format!("COPY {} FROM STDIN {}", self.what, self.options)).await?;
        let mut buffer = vec![0; READ_BYTES];
        let mut byte_offset = 0;
        loop {
            let read = match interrupts.pressed() {
                true => Err(SqlError::Interrupted),
                false => file.read_at(&mut buffer, byte_offset).map_err(|error| self.file_error(error)),
            };
            match read {
                Ok(0) => break,
                Ok(read) => {
                    byte_offset += read as u64;
                    client.copy_data(&buffer[..read]).await?;
                    progress.tick(byte_offset, env.clock.monotonic());
                }
                Err(error) => {
                    client.copy_fail(&error.to_string()).await?;
                    // What the server says of that is no news; the error here is.
                    return match client.finish().await {
                        Ok(_) | Err(SqlError::Statement(_)) => Err(error),
                        Err(worse) => Err(worse),
                    };
                }
            }
        }
        client.copy_done().await?;
        client.finish().await
    }

    async fn receive_file(&self, copying: &mut Copying<'_>, progress: &mut Progress) -> Result<String, SqlError> {
        let path = Path::new(&self.path);
        let file = copying.env.disk.open(path, OpenMode::Create).map_err(|error| self.file_error(error))?;
        file.set_len(0).map_err(|error| self.file_error(error))?;
        copying.client.query(&format!("COPY {} TO STDOUT {}", self.what, self.options)).await?;
        let mut byte_offset = 0;
        let mut outcome = Ok(String::new());
        loop {
            match copying.next().await? {
                Event::CopyData(bytes) if outcome.is_ok() => {
                    if let Err(error) = file.write_at(&bytes, byte_offset) {
                        outcome = Err(self.file_error(error));
                        copying.client.cancel().await?;
                    }
                    byte_offset += bytes.len() as u64;
                    progress.tick(byte_offset, copying.env.clock.monotonic());
                }
                Event::Done(tag) if outcome.is_ok() => outcome = Ok(tag),
                Event::Failed(report) if outcome.is_ok() => outcome = Err(SqlError::Statement(report)),
                Event::Ready => return outcome,
                _ => {}
            }
        }
    }

    /// COPY tells no types, so this runs the query itself.
    async fn receive_parquet(&self, copying: &mut Copying<'_>, progress: &mut Progress) -> Result<String, SqlError> {
        copying.client.query(&select_of(&self.what)).await?;
        let mut writing: Option<ParquetOutput> = None;
        let mut outcome = Ok(());
        let mut rows = 0u64;
        loop {
            let step = match copying.next().await? {
                Event::Columns(columns) => {
                    ParquetOutput::create(copying.env.disk.as_ref(), &self.path, &columns).map(|output| {
                        writing = Some(output);
                    })
                }
                Event::Row(row) => {
                    rows += 1;
                    progress.tick(rows, copying.env.clock.monotonic());
                    writing.as_mut().map_or(Ok(()), |output| output.row(&row))
                }
                Event::Failed(report) => Err(SqlError::Statement(report)),
                Event::Ready => break,
                _ => Ok(()),
            };
            if let (Ok(()), Err(error)) = (&outcome, step) {
                if !matches!(error, SqlError::Statement(_)) {
                    copying.client.cancel().await?;
                }
                writing = None;
                outcome = Err(error);
            }
        }
        outcome?;
        if let Some(output) = writing {
            output.finish()?;
        }
        Ok(format!("COPY {rows}"))
    }
}

/// What a `\copy` works with.
pub(super) struct Copying<'a> {
    /// The files of this side.
    pub env: &'a Env,
    /// The session.
    pub client: &'a mut Client,
    /// What gives it up.
    pub interrupts: &'a mut Interrupts,
}

impl Copying<'_> {
    fn progress(&self, total: Option<u64>, unit: Unit) -> Progress {
        Progress::new(total, unit, self.env.clock.monotonic())
    }

    /// The next event; Ctrl-C asks the server to cancel, which it then tells.
    async fn next(&mut self) -> Result<Event, SqlError> {
        loop {
            tokio::select! {
                event = self.client.next() => return event,
                () = self.interrupts.next() => self.client.cancel().await?,
            }
        }
    }
}

/// A Parquet file that grows with the rows of a result.
struct ParquetOutput {
    path: String,
    file: ParquetFile,
    builder: text::RowsBuilder,
}

impl ParquetOutput {
    fn create(disk: &dyn Disk, path: &str, columns: &[ResultColumn]) -> Result<Self, SqlError> {
        let columns: Vec<Column> = columns
            .iter()
            .map(|column| Column { name: column.name.clone(), sql_type: sql_type(column), role: ColumnRole::Value })
            .collect();
        let mut builder = text::RowsBuilder::new(&columns, utc());
        let file = ParquetFile::create(disk, path, builder.finish().schema())?;
        Ok(Self { path: path.to_string(), file, builder })
    }

    fn row(&mut self, row: &[Option<String>]) -> Result<(), SqlError> {
        let texts: Vec<Option<&str>> = row.iter().map(Option::as_deref).collect();
        let wrong = |message: String| SqlError::Parquet { path: self.path.clone(), message };
        self.builder.push(&texts).map_err(|error| wrong(error.to_string()))?;
        if self.builder.len() < PARQUET_BATCH_ROWS { Ok(()) } else { self.file.write(&self.builder.finish()) }
    }

    fn finish(mut self) -> Result<(), SqlError> {
        if !self.builder.is_empty() {
            self.file.write(&self.builder.finish())?;
        }
        self.file.finish()
    }
}

/// Sends rows with these columns to `relation`, a name or `name (columns)`; the tag says how many were taken.
pub(in crate::cli) async fn send_batches(
    client: &mut Client,
    relation: &str,
    columns: &[String],
    batches: impl Iterator<Item = Result<RecordBatch, SqlError>> + Send,
) -> Result<String, SqlError> {
    let target = if relation.contains('(') {
        relation.to_string()
    } else {
        let names: Vec<String> = columns.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        format!("{relation} ({})", names.join(", "))
    };
    begin_copy_in(client, &format!("COPY {target} FROM STDIN")).await?;
    for batch in batches {
        match batch.and_then(|batch| copy_lines(&batch)) {
            Ok(lines) => client.copy_data(&lines).await?,
            Err(error) => {
                client.copy_fail(&error.to_string()).await?;
                return client.finish().await.and(Err(error));
            }
        }
    }
    client.copy_done().await?;
    client.finish().await
}

/// Sends lines of COPY's text format to `relation`, a name or `name (columns)`; the tag says how many rows were taken.
pub(in crate::cli) async fn send_lines(client: &mut Client, relation: &str, lines: &[u8]) -> Result<String, SqlError> {
    begin_copy_in(client, &format!("COPY {relation} FROM STDIN")).await?;
    client.copy_data(lines).await?;
    client.copy_done().await?;
    client.finish().await
}

/// Sends a COPY FROM STDIN and waits until its data is asked for.
pub(in crate::cli) async fn begin_copy_in(client: &mut Client, statement: &str) -> Result<(), SqlError> {
    client.query(statement).await?;
    loop {
        match client.next().await? {
            Event::CopyIn => return Ok(()),
            Event::Failed(report) => return client.finish().await.and(Err(SqlError::Statement(report))),
            Event::Ready => return Err(SqlError::Protocol("COPY FROM STDIN did not ask for data")),
            _ => {}
        }
    }
}

/// A batch as lines of COPY's text format.
fn copy_lines(batch: &RecordBatch) -> Result<Vec<u8>, SqlError> {
    let zone = utc();
    let mut lines = Vec::new();
    let mut cell = Vec::new();
    for row in 0..batch.num_rows() {
        for (index, column) in batch.columns().iter().enumerate() {
            if index != 0 {
                lines.push(b'\t');
            }
            if column.is_null(row) {
                lines.extend_from_slice(b"\\N");
                continue;
            }
            cell.clear();
            text::write(column.as_ref(), row, zone, &mut cell)
                .map_err(|error| SqlError::Usage(format!("a value cannot be written as text: {error}")))?;
            escape_into(&cell, &mut lines);
        }
        lines.push(b'\n');
    }
    Ok(lines)
}

fn escape_into(cell: &[u8], lines: &mut Vec<u8>) {
    for byte in cell {
        match byte {
            b'\\' => lines.extend_from_slice(b"\\\\"),
            b'\t' => lines.extend_from_slice(b"\\t"),
            b'\n' => lines.extend_from_slice(b"\\n"),
            b'\r' => lines.extend_from_slice(b"\\r"),
            other => lines.push(*other),
        }
    }
}

/// Where the relation or the query ends: before FROM or TO outside parentheses and quotes.
fn what_end(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0i32, None);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, _) if depth == 0 && character.is_whitespace() => {
                let word = text[at..].split_whitespace().next().unwrap_or_default();
                if word.eq_ignore_ascii_case("from") || word.eq_ignore_ascii_case("to") {
                    return Some(at);
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// A file's name, quoted or bare, and what stands behind it.
fn file_name(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let mut name = String::new();
        let mut characters = quoted.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if character != '\'' {
                name.push(character);
            } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
                name.push('\'');
            } else {
                return Some((name, &quoted[at + 1..]));
            }
        }
        return None;
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (end != 0).then(|| (text[..end].to_string(), &text[end..]))
}

fn select_of(what: &str) -> String {
    match (what.strip_prefix('(').and_then(|query| query.strip_suffix(')')), what.split_once('(')) {
        (Some(query), _) => query.to_string(),
        (None, Some((name, columns))) => format!("SELECT {} FROM {name}", columns.trim_end().trim_end_matches(')')),
        (None, None) => format!("SELECT * FROM {what}"),
    }
}

/// Our type for a result's column; what has none is written as text.
fn sql_type(column: &ResultColumn) -> SqlType {
    match column.oid {
        16 => SqlType::Boolean,
        17 => SqlType::Bytes,
        20 => SqlType::BigInt,
        21 | 23 => SqlType::Int,
        700 | 701 => SqlType::Double,
        1082 => SqlType::Date,
        1083 => SqlType::Time,
        1114 => SqlType::Timestamp,
        1184 => SqlType::TimestampTz,
        1700 if 4 <= column.modifier => {
            let packed = column.modifier - 4;
            let precision = u8::try_from(packed >> 16).unwrap_or(38).clamp(1, 38);
            SqlType::Decimal { precision, scale: i8::try_from(packed & 0x7ff).unwrap_or(0).min(precision as i8) }
        }
        _ => SqlType::Text,
    }
}

fn utc() -> Tz {
    "+00:00".parse().expect("UTC is a time zone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Direction, String, bool, String) {
        let command = CopyCommand::parse(text).expect("it is right");
        (command.what, command.direction, command.path, command.parquet, command.options)
    }

    #[test]
    fn copy_commands_are_read() {
        let owned = str::to_string;
        assert_eq!(
            parsed("flights FROM 'a b.parquet' (FORMAT parquet)"),
            (owned("flights"), Direction::FromFile, owned("a b.parquet"), true, owned("(FORMAT parquet)"))
        );
        assert_eq!(
            parsed("(SELECT a FROM t WHERE x = ' to ') to x.parquet;"),
            (owned("(SELECT a FROM t WHERE x = ' to ')"), Direction::ToFile, owned("x.parquet"), true, owned(""))
        );
        assert_eq!(
            parsed("t (a, b) from 'it''s.csv' CSV HEADER"),
            (owned("t (a, b)"), Direction::FromFile, owned("it's.csv"), false, owned("CSV HEADER"))
        );
        for wrong in ["", "t", "t from", "(SELECT 1) from 'x'", "t into 'x'", "t from 'x"] {
            assert!(CopyCommand::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_relation_with_columns_is_selected_by_them() {
        assert_eq!(select_of("(SELECT 1)"), "SELECT 1");
        assert_eq!(select_of("t (a, b)"), "SELECT a, b FROM t ");
        assert_eq!(select_of("t"), "SELECT * FROM t");
    }

    #[test]
    fn copy_text_is_escaped() {
        let mut lines = Vec::new();
        escape_into(b"a\tb\\c\nd", &mut lines);
        assert_eq!(lines, b"a\\tb\\\\c\\nd");
    }
}
