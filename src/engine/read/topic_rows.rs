//! The rows of one partition between two offsets: all of a stream's, the newest of each key of a table's.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::compute::interleave_record_batch;
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
use crate::format::Decoder;
use crate::format::RawRecord;
use crate::format::RowOp;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::Record;

/// A partition between two offsets.
pub(super) struct TopicRows {
    pub(super) client: Arc<dyn Client>,
    pub(super) decoder: Arc<Decoder>,
    /// Of the columns that are wanted.
    pub(super) schema: SchemaRef,
    /// Places of these among the relation's.
    pub(super) used: Vec<usize>,
    pub(super) partition: TopicPartition,
    pub(super) from: Offset,
    pub(super) upto: Offset,
    /// A table: a later record of a key replaces an earlier one, one without value deletes it.
    pub(super) newest_only: bool,
}

impl fmt::Debug for TopicRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} up to {}", self.partition, self.from, self.upto)
    }
}

/// What one read gave.
struct Slice {
    rows: RecordBatch,
    op: Vec<RowOp>,
    /// Of each row, if they are asked for.
    keys: Vec<Option<Vec<u8>>>,
}

/// What of a topic's records is wanted.
struct Wanted {
    decoder: Arc<Decoder>,
    used: Vec<usize>,
    with_keys: bool,
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
        let decoded = self.decoder.decode_columns(raw, &self.used);
        let rows = decoded.rows.project(&self.used).map_err(misfit)?;
        if !self.with_keys {
            return Ok(Slice { rows, op: decoded.op, keys: Vec::new() });
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
        let wanted =
            Wanted { decoder: Arc::clone(&self.decoder), used: self.used.clone(), with_keys: self.newest_only };
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
