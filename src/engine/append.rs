//! Rows into a relation's topic: encoded, partitioned by key, appended as one flush group, durable when answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::Array;
use arrow::array::AsArray;
use arrow::array::StringArray;
use arrow::datatypes::Int64Type;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;

use super::codec;
use super::core::Engine;
use crate::broker::Acks;
use crate::broker::Client;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::Rule;
use crate::error::SqlState;
use crate::format::Encoder;
use crate::format::EventTimeColumn;
use crate::model::ColumnRole;
use crate::model::Offset;
use crate::model::PartitionId;
use crate::model::SqlType;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::BatchBuilder;
use crate::protocol::partition_for_key;

/// Room that a batch leaves below the topic's limit for what its last record adds beside key and value.
const RECORD_OVERHEAD: usize = 128;

/// Appends rows and answers, once they are durable, the position after them in each partition.
///
/// `times` are the records' timestamps in milliseconds, one a row.
pub(super) async fn append_rows(
    engine: &Engine,
    client: &dyn Client,
    relation: &Relation,
    rows: &RecordBatch,
    times: &[i64],
) -> Result<Vec<(TopicPartition, Offset)>> {
    let mut appending = Appending::new(engine, client, relation)?;
    appending.add(rows, times)?;
    appending.append(client).await
}

/// One statement's rows, encoded: nothing of them is in the log before all are.
pub(super) struct Appending<'a> {
    relation: &'a Relation,
    encoder: Encoder,
    partitions: i32,
    keyless: PartitionId,
    topic: String,
    batch_bytes_max: usize,
    batches: Batches,
    rows: usize,
    bytes: usize,
}

impl<'a> Appending<'a> {
    /// No rows yet.
    pub(super) fn new(engine: &Engine, client: &dyn Client, relation: &'a Relation) -> Result<Self> {
        let metadata = client.metadata();
        let Some(topic) = metadata.topic_by_id(relation.topic_id) else {
            let message = format!("topic \"{}\" of \"{}\" does not exist", relation.topic, relation.name);
            return Err(Error::new(SqlState::UNDEFINED_OBJECT, message));
        };
        let batch_bytes_max = usize::try_from(topic.config.batch_bytes_max).unwrap_or(usize::MAX);
        Ok(Self {
            relation,
            encoder: codec::encoder(relation)?,
            partitions: topic.partitions,
            keyless: keyless_partition(engine, relation, topic.partitions),
            topic: topic.name.clone(),
            batch_bytes_max,
            batches: Batches::new(batch_bytes_max),
            rows: 0,
            bytes: 0,
        })
    }

    /// Encodes rows. `times` are the records' timestamps in milliseconds, one a row.
    pub(super) fn add(&mut self, rows: &RecordBatch, times: &[i64]) -> Result<()> {
        self.add_in_place(rows, times, &[])
    }

    /// As `add`; `holders` are, of each row, the partitions that hold its key. The row goes into one of these, and is deleted
    /// in the others.
    pub(super) fn add_in_place(
        &mut self,
        rows: &RecordBatch,
        times: &[i64],
        holders: &[Vec<PartitionId>],
    ) -> Result<()> {
        let relation = self.relation;
        check_not_null(relation, rows)?;
        let encoded = self.encoder.encode(rows)?;
        if let Some((row, reason)) = encoded.errors.first() {
            let message = format!("row {} cannot be written to \"{}\"", self.rows + row + 1, relation.name);
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).detail(format!("{reason}.")));
        }
        for (row, time) in times.iter().enumerate() {
            let (key, value) = (encoded.keys[row].as_deref(), encoded.values[row].as_deref());
            self.check_size(self.rows + row, key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len))?;
            let partition = match key {
                Some(key) => partition_for_key(key, self.partitions),
                None => self.keyless,
            };
            let holders = holders.get(row).map_or(&[][..], Vec::as_slice);
            let home = home(holders, partition);
            for stray in holders.iter().filter(|holder| **holder != home) {
                self.put(*stray, *time, key, None);
            }
            self.put(home, *time, key, value);
        }
        self.rows += rows.num_rows();
        Ok(())
    }

    /// Encodes deletions of the rows' keys, with `time` in milliseconds, in each of the partitions that hold them.
    pub(super) fn add_gone(&mut self, rows: &RecordBatch, time: i64, holders: &[Vec<PartitionId>]) -> Result<()> {
        for (row, key) in self.encoder.encode_keys(rows)?.iter().enumerate() {
            let Some(key) = key.as_deref() else { continue };
            match holders.get(row).map_or(&[][..], Vec::as_slice) {
                [] => self.put(partition_for_key(key, self.partitions), time, Some(key), None),
                holders => holders.iter().for_each(|holder| self.put(*holder, time, Some(key), None)),
            }
        }
        Ok(())
    }

    fn put(&mut self, partition: PartitionId, time: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        let partition = TopicPartition { topic: self.relation.topic_id, partition };
        self.bytes += self.batches.add(partition, time, key, value);
    }

    fn check_size(&self, row: usize, size: usize) -> Result<()> {
        let Self { topic, batch_bytes_max, .. } = self;
        if size <= *batch_bytes_max {
            return Ok(());
        }
        let row = row + 1;
        let message = format!("row {row} has {size} bytes, over the limit of {batch_bytes_max} of topic \"{topic}\"");
        Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
            .hint("Send smaller rows: store what is large elsewhere and send where it lies."))
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of memory that they take, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends them as one flush group; see `append_rows`.
    pub(super) async fn append(self, client: &dyn Client) -> Result<Vec<(TopicPartition, Offset)>> {
        let batches = self.finish();
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        let partitions: Vec<TopicPartition> = batches.iter().map(|(partition, _)| *partition).collect();
        let appended = client.append_many(batches, Acks::All).await?;
        let mut ends: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
        for (partition, appended) in partitions.into_iter().zip(appended) {
            let end = ends.entry(partition).or_insert(appended.next_offset);
            *end = (*end).max(appended.next_offset);
        }
        Ok(ends.into_iter().collect())
    }

    /// The batches, for one flush group.
    pub(super) fn finish(self) -> Vec<(TopicPartition, Batch)> {
        self.batches.finish()
    }
}

/// Which of the partitions that hold a key its next row goes to: the one that its hash calls for, if it is among them or nobody
/// holds it. Clients with another hash put it elsewhere, and will find it there.
fn home(holders: &[PartitionId], of_hash: PartitionId) -> PartitionId {
    match holders {
        [first, ..] if !holders.contains(&of_hash) => *first,
        _ => of_hash,
    }
}

/// Where rows without a key go. Those of a relation that has a key are one group, NULL, and a query that groups in place
/// must find them in one partition. Others stay together, so that one INSERT is one batch.
fn keyless_partition(engine: &Engine, relation: &Relation, partitions: i32) -> PartitionId {
    if relation.columns.iter().any(|column| column.role == ColumnRole::Key) {
        return partition_for_key(b"", partitions);
    }
    let number = engine.env().random.next_u64() % u64::try_from(partitions.max(1)).unwrap_or(1);
    PartitionId(i32::try_from(number).unwrap_or(0))
}

/// A value that its relation does not take.
#[derive(Debug)]
pub(super) struct RefusedValue {
    /// The row, from 0.
    pub(super) row: usize,
    /// The relation's column.
    pub(super) column: usize,
    /// Why.
    pub(super) error: Error,
}

impl From<RefusedValue> for Error {
    fn from(refused: RefusedValue) -> Self {
        refused.error
    }
}

/// A table's key columns hold no null, nor do those that were declared so.
pub(super) fn check_not_null(relation: &Relation, rows: &RecordBatch) -> std::result::Result<(), RefusedValue> {
    if !relation.is_table() {
        return Ok(());
    }
    for (index, column) in relation.columns.iter().enumerate() {
        let values = rows.column(index);
        let holds_no_null = column.role != ColumnRole::Value || relation.not_null.contains(&index);
        if !holds_no_null || values.null_count() == 0 {
            continue;
        }
        if let Some(row) = (0..values.len()).find(|row| values.is_null(*row)) {
            let message = format!(
                "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                column.name, relation.name
            );
            let rule = Rule { table: relation.name.clone(), column: Some(column.name.clone()), constraint: None };
            let error = Error::new(SqlState::NOT_NULL_VIOLATION, message).of_rule(rule);
            let error = error.detail(format!("Row {}.", row + 1));
            return Err(RefusedValue { row, column: index, error });
        }
    }
    Ok(())
}

/// Rows as their relation takes them from a statement, texts as what their columns were declared. Refused are nulls where none
/// may be, and texts that their columns do not take.
pub(super) fn fitted(relation: &Relation, rows: RecordBatch) -> std::result::Result<RecordBatch, RefusedValue> {
    check_not_null(relation, &rows)?;
    if relation.text_kinds.is_empty() {
        return Ok(rows);
    }
    let mut columns = rows.columns().to_vec();
    for (index, kind) in &relation.text_kinds {
        let mut changed = false;
        let mut fit = |(row, text): (usize, Option<&str>)| {
            let Some(text) = text else { return Ok(None) };
            let fitted = kind.fit(text).map_err(|error| {
                let detail = format!("Column \"{}\" of row {}.", relation.columns[*index].name, row + 1);
                RefusedValue { row, column: *index, error: error.detail(detail) }
            })?;
            changed |= fitted != text;
            Ok(Some(fitted.into_owned()))
        };
        let texts = rows.column(*index).as_string::<i32>().iter().enumerate();
        let fitted = texts.map(&mut fit).collect::<std::result::Result<StringArray, _>>()?;
        if changed {
            columns[*index] = Arc::new(fitted);
        }
    }
    let internal = |cause| {
        let error = Error::internal("texts as their columns take them").caused_by(cause);
        RefusedValue { row: usize::MAX, column: usize::MAX, error }
    };
    RecordBatch::try_new(rows.schema(), columns).map_err(internal)
}

/// Rows that were not there before, as `fitted`, with the numbers that those of a table without a key are given.
pub(super) fn fitted_new(
    engine: &Engine,
    relation: &Relation,
    rows: RecordBatch,
) -> std::result::Result<RecordBatch, RefusedValue> {
    let numbered = engine.row_keys().give(engine.env(), relation, rows);
    fitted(relation, numbered.map_err(|error| RefusedValue { row: usize::MAX, column: usize::MAX, error })?)
}

/// The timestamp of each row's record in milliseconds: its timestamp column where that is a time, else now.
///
/// A row whose column no reader would take for a time is refused: it would be acknowledged and seen by nobody.
pub(super) fn record_times(
    engine: &Engine,
    relation: &Relation,
    rows: &RecordBatch,
) -> std::result::Result<Vec<i64>, RefusedValue> {
    let now_ms = engine.env().clock.wall_millis();
    let mut times = vec![now_ms; rows.num_rows()];
    let Some(index) = relation.timestamp_column else { return Ok(times) };
    let (column, sql_type) = (rows.column(index), &relation.columns[index].sql_type);
    let ahead = engine.runtime().parts().config.timestamp_future_max.as_millis();
    let latest = now_ms.saturating_add(i64::try_from(ahead).unwrap_or(i64::MAX));
    let reader = EventTimeColumn::new(&relation.columns, index, relation.timestamp_format.as_deref()).ok();
    let strict = relation.compatibility == Compatibility::Postgres;
    for (row, time) in times.iter_mut().enumerate() {
        let refused = |state, what: &str| {
            let message = format!("column \"{}\" of \"{}\" {what}", relation.columns[index].name, relation.name);
            let detail = format!("Row {}. It gives the record's event time.", row + 1);
            RefusedValue { row, column: index, error: Error::new(state, message).detail(detail) }
        };
        if column.is_null(row) {
            match strict {
                true => return Err(refused(SqlState::NOT_NULL_VIOLATION, "cannot be null")),
                false => continue,
            }
        }
        *time = match sql_type {
            SqlType::BigInt => column.as_primitive::<Int64Type>().value(row),
            SqlType::Timestamp | SqlType::TimestampTz => {
                column.as_primitive::<TimestampMicrosecondType>().value(row).div_euclid(1000)
            }
            // A text is what whoever reads the record makes of it.
            _ => match reader.as_ref().map(|reader| reader.of_row(rows, row)) {
                Some(Ok(time)) => time,
                Some(Err(cause)) => {
                    let refused = refused(SqlState::INVALID_DATETIME_FORMAT, "gives no time");
                    let error = refused.error.detail(format!("Row {}: {cause}.", row + 1));
                    return Err(RefusedValue { error, ..refused });
                }
                None => continue,
            },
        };
        if strict && *time < 0 {
            return Err(refused(SqlState::DATETIME_FIELD_OVERFLOW, "cannot be before 1970"));
        }
        if strict && latest < *time {
            let refused = refused(SqlState::DATETIME_FIELD_OVERFLOW, "is too far ahead of the clock");
            let hint = "The setting exec.timestamp_future_max says how far it may be.";
            return Err(RefusedValue { error: refused.error.hint(hint), ..refused });
        }
    }
    Ok(times)
}

/// Batches in the making, one open per partition, none over the limit unless a single record is.
struct Batches {
    batch_bytes_max: usize,
    open: BTreeMap<TopicPartition, BatchBuilder>,
    full: Vec<(TopicPartition, Batch)>,
}

impl Batches {
    fn new(batch_bytes_max: usize) -> Self {
        Self { batch_bytes_max, open: BTreeMap::new(), full: Vec::new() }
    }

    /// Answers how many bytes the record takes at most.
    fn add(&mut self, partition: TopicPartition, time_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
        let size = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + RECORD_OVERHEAD;
        let overfull = |open: &BatchBuilder| !open.is_empty() && self.batch_bytes_max < open.size_in_bytes() + size;
        if self.open.get(&partition).is_some_and(overfull) {
            let full = self.open.remove(&partition).expect("it was just there");
            self.full.push((partition, full.finish()));
        }
        self.open.entry(partition).or_default().append(time_ms, key, value, &[]);
        size
    }

    fn finish(mut self) -> Vec<(TopicPartition, Batch)> {
        for (partition, open) in std::mem::take(&mut self.open) {
            self.full.push((partition, open.finish()));
        }
        self.full
    }
}
