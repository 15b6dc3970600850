//! COPY FROM STDIN: bytes of a client become rows, rows become durable batches while the client still sends.
//!
//! Each batch that was appended stays, whatever becomes of the rest: a stream has no undo. Rows of a table are new ones, as
//! those of an INSERT are. The tag tells how many rows were appended; an error tells the line.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;

use super::append::append_rows;
use super::append::fitted_new;
use super::append::record_times;
use super::copy_text::Fields;
use super::copy_text::LineReader;
use super::copy_text::bad;
use super::core::Engine;
use super::defaults::Defaults;
use super::outcome::OutputField;
use super::row_time::TargetColumn;
use super::row_time::told_ms;
use super::session::Session;
use super::session::Written;
use super::table_write::insert_new;
use super::table_write::replace_rows;
use super::tables::is_plain_table;
use crate::broker::Client;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::format;
use crate::model::Offset;
use crate::model::SqlType;
use crate::model::TopicPartition;
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
    defaults: Defaults,
    is_binary: bool,
    reader: LineReader,
    /// Rows that came in binary, which has no lines.
    rows: u64,
    taken: Taken,
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
        targets: Vec<TargetColumn>,
        defaults: Defaults,
        format: CopyFormat,
        refuses_taken_keys: bool,
    ) -> Self {
        let names = targets.iter().map(|target| target.name(&relation).to_string()).collect();
        Self {
            engine: Arc::clone(&session.engine),
            client: Arc::clone(&session.client),
            taken: Taken {
                columns: relation.columns.len(),
                targets,
                zone: session.settings.zone(),
                rows: format::text::RowsBuilder::new(&relation.columns, session.settings.zone()),
                times: Vec::new(),
            },
            relation,
            defaults,
            is_binary: format.binary,
            reader: LineReader::new(format, names),
            rows: 0,
            bytes: 0,
            appended: 0,
            written: session.written.clone(),
            refuses_taken_keys,
        }
    }

    /// The number of fields in a line.
    pub fn columns(&self) -> usize {
        self.taken.targets.len()
    }

    /// The columns that the fields of a row are for, of a COPY in binary.
    pub fn binary_fields(&self) -> Option<Vec<OutputField>> {
        let field = |target: &TargetColumn| match target {
            TargetColumn::Column(index) => {
                let column = &self.relation.columns[*index];
                let text_kind = self.relation.text_kinds.get(index).copied();
                OutputField { text_kind, ..OutputField::new(column.name.clone(), column.sql_type.clone()) }
            }
            TargetColumn::RowTime => OutputField::new(target.name(&self.relation), SqlType::BigInt),
        };
        self.is_binary.then(|| self.taken.targets.iter().map(field).collect())
    }

    /// The zone in which instants are read that tell none.
    pub fn zone(&self) -> Tz {
        self.taken.zone
    }

    /// Takes the fields of one row.
    pub async fn row(&mut self, fields: Vec<Option<String>>) -> Result<()> {
        self.rows += 1;
        self.taken.push(self.rows, &fields)?;
        self.bytes += fields.iter().flatten().map(String::len).sum::<usize>();
        if ROWS_PER_APPEND <= self.taken.rows.len() || BYTES_PER_APPEND <= self.bytes {
            self.append().await?;
        }
        Ok(())
    }

    /// Takes bytes, cut anywhere.
    pub async fn data(&mut self, bytes: Bytes) -> Result<()> {
        let Self { reader, taken, .. } = self;
        reader.push(&bytes, |line, fields| taken.push(line, &fields))?;
        self.bytes += bytes.len();
        if ROWS_PER_APPEND <= self.taken.rows.len() || BYTES_PER_APPEND <= self.bytes {
            self.append().await?;
        }
        Ok(())
    }

    /// Takes the end and answers the tag, once all rows are durable.
    pub async fn finish(mut self) -> Result<String> {
        let Self { is_binary, reader, taken, .. } = &mut self;
        if !*is_binary {
            reader.finish(|line, fields| taken.push(line, &fields))?;
        }
        self.append().await?;
        Ok(format!("COPY {}", self.appended))
    }

    async fn append(&mut self) -> Result<()> {
        self.bytes = 0;
        if self.taken.rows.is_empty() {
            return Ok(());
        }
        let (rows, told) = self.taken.finish();
        let count = u64::try_from(rows.num_rows()).unwrap_or(u64::MAX);
        let line = self.reader.line().max(self.rows);
        let ends = self.write(rows, told).await.map_err(|error| self.placed(error, line))?;
        self.written.note(ends);
        self.appended += count;
        Ok(())
    }

    /// Writes rows with the times that were told of them. Those of a table claim their keys, as those of an INSERT do.
    async fn write(&self, rows: RecordBatch, told: Vec<Option<i64>>) -> Result<Vec<(TopicPartition, Offset)>> {
        let Self { engine, client, relation, .. } = self;
        let rows = fitted_new(engine, relation, self.defaults.fill(rows)?)?;
        let mut times = record_times(engine, relation, &rows)?;
        for (time, told) in times.iter_mut().zip(told) {
            *time = told.unwrap_or(*time);
        }
        match is_plain_table(relation) {
            true if self.refuses_taken_keys => insert_new(engine, client, relation, rows, times).await,
            true => replace_rows(engine, client, relation, rows, times).await,
            false => append_rows(engine, client.as_ref(), relation, &rows, &times).await,
        }
    }

    fn placed(&self, error: Error, line: u64) -> Error {
        let place = format!("COPY {}, up to line {line}.", self.relation.name);
        match error.detail_text().map(str::to_string) {
            Some(detail) if error.state() == SqlState::UNIQUE_VIOLATION => error.detail(format!("{detail} {place}")),
            _ => error.detail(place),
        }
    }
}

/// Rows that were taken and not appended yet.
struct Taken {
    /// How many columns the relation has.
    columns: usize,
    /// What the fields are for, in their order.
    targets: Vec<TargetColumn>,
    zone: Tz,
    rows: format::text::RowsBuilder,
    /// The time that a row's record was told to have.
    times: Vec<Option<i64>>,
}

impl Taken {
    fn push(&mut self, line: u64, fields: &Fields) -> Result<()> {
        if fields.len() < self.targets.len() {
            return Err(bad("missing data for a column", line));
        }
        if self.targets.len() < fields.len() {
            return Err(bad("extra data after last expected column", line));
        }
        let placed = |error: Error| error.detail(format!("COPY, line {line}."));
        let mut texts: Vec<Option<&str>> = vec![None; self.columns];
        let mut time = None;
        for (target, field) in self.targets.iter().zip(fields) {
            match target {
                TargetColumn::Column(index) => texts[*index] = field.as_deref(),
                TargetColumn::RowTime => time = field.as_deref(),
            }
        }
        let time = time.map(|text| told_ms(text, self.zone)).transpose().map_err(placed)?;
        self.rows.push(&texts).map_err(|refused| placed(Error::from(refused.error)))?;
        self.times.push(time);
        Ok(())
    }

    fn finish(&mut self) -> (RecordBatch, Vec<Option<i64>>) {
        (self.rows.finish(), std::mem::take(&mut self.times))
    }
}
