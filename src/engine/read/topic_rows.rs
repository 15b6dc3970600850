//! The rows of one partition between two offsets: all of a stream's, the newest of each key of a table's.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::BooleanArray;
use arrow::array::Int32Array;
use arrow::array::Int64Array;
use arrow::array::TimestampMicrosecondArray;
use arrow::compute::filter_record_batch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::DataType;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::record_batch::RecordBatchOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use futures::TryStreamExt;
use futures::stream;

use super::topic_reader::TopicReader;
use super::topic_reader::Until;
use crate::broker::Client;
use crate::error::Error;
use crate::format::Decoded;
use crate::format::Decoder;
use crate::format::RawRecord;
use crate::format::RowOp;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::plan::PseudoColumn;
use crate::protocol::Record;

/// A partition between two offsets.
pub(super) struct TopicRows {
    pub(super) client: Arc<dyn Client>,
    pub(super) decoder: Arc<Decoder>,
    /// Of the columns that are wanted.
    pub(super) schema: SchemaRef,
    /// Places of these among the relation's, and behind those among `pseudo`.
    pub(super) used: Vec<usize>,
    /// What there is besides the relation's columns.
    pub(super) pseudo: Vec<PseudoColumn>,
    /// How many columns the relation has.
    pub(super) columns: usize,
    pub(super) partition: TopicPartition,
    pub(super) from: Offset,
    pub(super) upto: Offset,
    /// A table: a later record of a key replaces an earlier one, one without value deletes it.
    pub(super) newest_only: bool,
    /// A stream's record without a value is a row of nulls; under ksqlDB's rules it is none.
    pub(super) null_rows: bool,
}

impl fmt::Debug for TopicRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} up to {}", self.partition, self.from, self.upto)
    }
}

/// What one read gave.
struct Slice {
    rows: RecordBatch,
    /// Of each row of a table.
    op: Vec<RowOp>,
    /// Of each row of a table.
    keys: Vec<Option<Vec<u8>>>,
}

/// What of a topic's records is wanted.
struct Wanted {
    decoder: Arc<Decoder>,
    /// Of these rows.
    schema: SchemaRef,
    used: Vec<usize>,
    /// How many the relation has.
    columns: usize,
    pseudo: Vec<PseudoColumn>,
    partition: i32,
    with_keys: bool,
    null_rows: bool,
}

impl Wanted {
    fn decode(&self, records: &[Record<'_>]) -> Result<Slice, Error> {
        let raw = records.iter().map(|record| RawRecord {
            offset: record.offset.0,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        });
        let own: Vec<usize> = self.used.iter().copied().filter(|place| self.of_pseudo(*place).is_none()).collect();
        let decoded = self.decoder.decode_columns(raw, &own);
        let rows = self.rows(&decoded)?;
        if !self.with_keys {
            let rows = if self.null_rows { rows } else { with_value(&rows, &decoded.op)? };
            return Ok(Slice { rows, op: Vec::new(), keys: Vec::new() });
        }
        // Offsets of rows are a part of those of records, in the same order.
        let mut records = records.iter();
        let key = |offset: &i64| {
            let record = records.find(|record| record.offset.0 == *offset);
            record.and_then(|record| record.key.map(<[u8]>::to_vec))
        };
        let keys = decoded.offsets.iter().map(key).collect();
        Ok(Slice { rows, op: decoded.op, keys })
    }
}

impl Wanted {
    /// The pseudo column at a place behind the relation's columns.
    fn of_pseudo(&self, place: usize) -> Option<PseudoColumn> {
        self.pseudo.get(place.checked_sub(self.columns)?).copied()
    }

    fn rows(&self, decoded: &Decoded) -> Result<RecordBatch, Error> {
        if self.pseudo.is_empty() {
            return decoded.rows.project(&self.used).map_err(misfit);
        }
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.used.len());
        for (place, field) in self.used.iter().zip(self.schema.fields()) {
            arrays.push(match self.of_pseudo(*place) {
                None => Arc::clone(decoded.rows.column(*place)),
                Some(PseudoColumn::RowPartition) => {
                    Arc::new(Int32Array::from(vec![self.partition; decoded.offsets.len()]))
                }
                Some(PseudoColumn::RowOffset) => Arc::new(Int64Array::new(decoded.offsets.clone(), None)),
                Some(PseudoColumn::RowTime) if *field.data_type() == DataType::Int64 => {
                    Arc::new(Int64Array::new(decoded.event_times.clone(), None))
                }
                Some(PseudoColumn::RowTime) => {
                    let micros = decoded.event_times.iter().map(|millis| millis.saturating_mul(1000));
                    let micros = TimestampMicrosecondArray::from_iter_values(micros);
                    Arc::new(micros.with_data_type(field.data_type().clone()))
                }
            });
        }
        let count = RecordBatchOptions::new().with_row_count(Some(decoded.offsets.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &count).map_err(misfit)
    }
}

/// Reads and decodes.
struct Reader {
    topic: TopicReader,
    wanted: Wanted,
}

impl Reader {
    /// The next rows, `None` at the end.
    async fn read(&mut self) -> Result<Option<Slice>, Error> {
        let Self { topic, wanted } = self;
        topic.read(|records| wanted.decode(records)).await?.transpose()
    }

    /// The newest row of each key, when all was read.
    async fn newest(mut self, schema: SchemaRef) -> Result<RecordBatch, Error> {
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut newest: HashMap<Option<Vec<u8>>, (usize, usize)> = HashMap::new();
        while let Some(slice) = self.read().await? {
            for (row, (key, op)) in slice.keys.into_iter().zip(slice.op).enumerate() {
                match op {
                    RowOp::Value => newest.insert(key, (batches.len(), row)),
                    RowOp::NoValue => newest.remove(&key),
                };
            }
            batches.push(slice.rows);
        }
        let mut places: Vec<(usize, usize)> = newest.into_values().collect();
        if places.is_empty() {
            return Ok(RecordBatch::new_empty(schema));
        }
        places.sort_unstable();
        let batches: Vec<&RecordBatch> = batches.iter().collect();
        if schema.fields().is_empty() {
            let rows = RecordBatchOptions::new().with_row_count(Some(places.len()));
            return RecordBatch::try_new_with_options(schema, Vec::new(), &rows).map_err(misfit);
        }
        interleave_record_batch(&batches, &places).map_err(misfit)
    }
}

/// Rows of records that have a value.
fn with_value(rows: &RecordBatch, op: &[RowOp]) -> Result<RecordBatch, Error> {
    if !op.contains(&RowOp::NoValue) {
        return Ok(rows.clone());
    }
    let has_value: BooleanArray = op.iter().map(|op| Some(*op == RowOp::Value)).collect();
    filter_record_batch(rows, &has_value).map_err(misfit)
}

fn misfit(error: ArrowError) -> Error {
    Error::internal("rows of one relation do not fit together").caused_by(error)
}

impl PartitionStream for TopicRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let topic = TopicReader {
            client: Arc::clone(&self.client),
            partition: self.partition,
            next: self.from,
            until: Until::Offset(self.upto),
        };
        let wanted = Wanted {
            decoder: Arc::clone(&self.decoder),
            schema: Arc::clone(&self.schema),
            used: self.used.clone(),
            columns: self.columns,
            pseudo: self.pseudo.clone(),
            partition: self.partition.partition.0,
            with_keys: self.newest_only,
            null_rows: self.null_rows,
        };
        let reader = Reader { topic, wanted };
        let rows = match self.newest_only {
            true => stream::once(reader.newest(Arc::clone(&self.schema))).boxed(),
            false => stream::try_unfold(reader, |mut reader| async move {
                let slice = reader.read().await?;
                Ok(slice.map(|slice| (slice.rows, reader)))
            })
            .boxed(),
        };
        let rows = rows.map_err(|error: Error| DataFusionError::External(Box::new(error)));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}
