//! COPY FROM STDIN: bytes of a client become rows, rows become durable batches while the client still sends.
//!
//! Each batch that was appended stays, whatever becomes of the rest: a stream has no undo. Rows of a table are new ones, as
//! those of an INSERT are. The tag tells how many
//! rows were appended; an error tells the line.

use std::sync::Arc;

use bytes::Bytes;

use super::append::append_rows;
use super::append::record_times;
use super::copy_text::Fields;
use super::copy_text::LineReader;
use super::copy_text::bad;
use super::core::Engine;
use super::session::Session;
use super::session::Written;
use super::table_write::insert_new;
use crate::broker::Client;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::format;
use crate::sql::CopyFormat;

/// Rows that are appended together: enough to spread the cost of a flush, few enough to hold in memory.
const ROWS_PER_APPEND: usize = 8192;
/// Bytes of input after which rows are appended, however few they are.
const BYTES_PER_APPEND: usize = 4 * 1024 * 1024;

/// Takes a client's data. Dropping it abandons what was not appended yet.
pub struct CopyInSink {
    engine: Arc<Engine>,
    client: Arc<dyn Client>,
    relation: Arc<Relation>,
    /// The relation's columns that the fields are for, in the order of the fields.
    targets: Vec<usize>,
    reader: LineReader,
    rows: format::text::RowsBuilder,
    bytes: usize,
    appended: u64,
    written: Written,
    /// A row whose key is taken is an error.
    refuses_taken_keys: bool,
}

impl CopyInSink {
    pub(super) fn new(
        session: &Session,
        relation: Arc<Relation>,
        targets: Vec<usize>,
        format: CopyFormat,
        refuses_taken_keys: bool,
    ) -> Self {
        Self {
            engine: Arc::clone(&session.engine),
            client: Arc::clone(&session.client),
            rows: format::text::RowsBuilder::new(&relation.columns, session.settings.zone()),
            relation,
            targets,
            reader: LineReader::new(format),
            bytes: 0,
            appended: 0,
            written: session.written.clone(),
            refuses_taken_keys,
        }
    }

    /// The number of fields in a line.
    pub fn columns(&self) -> usize {
        self.targets.len()
    }

    /// Takes bytes, cut anywhere.
    pub async fn data(&mut self, bytes: Bytes) -> Result<()> {
        let Self { reader, rows, targets, relation, .. } = self;
        reader.push(&bytes, |line, fields| push_row(rows, targets, relation.columns.len(), line, &fields))?;
        self.bytes += bytes.len();
        if ROWS_PER_APPEND <= self.rows.len() || BYTES_PER_APPEND <= self.bytes {
            self.append().await?;
        }
        Ok(())
    }

    /// Takes the end and answers the tag, once all rows are durable.
    pub async fn finish(mut self) -> Result<String> {
        let Self { reader, rows, targets, relation, .. } = &mut self;
        reader.finish(|line, fields| push_row(rows, targets, relation.columns.len(), line, &fields))?;
        self.append().await?;
        Ok(format!("COPY {}", self.appended))
    }

    async fn append(&mut self) -> Result<()> {
        self.bytes = 0;
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = self.rows.finish();
        let appended = match record_times(&self.engine, &self.relation, &rows) {
            Ok(times) if self.refuses_taken_keys => {
                insert_new(&self.engine, &self.client, &self.relation, rows.clone(), times).await
            }
            Ok(times) => append_rows(&self.engine, self.client.as_ref(), &self.relation, &rows, &times).await,
            Err(refused) => Err(refused.into()),
        };
        let line = self.reader.line();
        let ends = appended.map_err(|error| self.placed(error, line))?;
        self.written.note(ends);
        self.appended += u64::try_from(rows.num_rows()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn placed(&self, error: Error, line: u64) -> Error {
        let place = format!("COPY {}, up to line {line}.", self.relation.name);
        match error.detail_text().map(str::to_string) {
            Some(detail) if error.state() == SqlState::UNIQUE_VIOLATION => error.detail(format!("{detail} {place}")),
            _ => error.detail(place),
        }
    }
}

fn push_row(
    rows: &mut format::text::RowsBuilder,
    targets: &[usize],
    columns: usize,
    line: u64,
    fields: &Fields,
) -> Result<()> {
    if fields.len() < targets.len() {
        return Err(bad("missing data for a column", line));
    }
    if targets.len() < fields.len() {
        return Err(bad("extra data after last expected column", line));
    }
    let mut texts: Vec<Option<&str>> = vec![None; columns];
    for (target, field) in targets.iter().zip(fields) {
        texts[*target] = field.as_deref();
    }
    rows.push(&texts).map_err(|refused| Error::from(refused.error).detail(format!("COPY, line {line}.")))
}
