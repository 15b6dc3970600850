//! Records as rows: what `tidemill.records('topic')` and PRINT show of a topic, whatever its format.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::BinaryArray;
use arrow::array::Int32Array;
use arrow::array::Int64Array;
use arrow::array::StringArray;
use arrow::array::TimestampMicrosecondArray;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::record_batch::RecordBatchOptions;
use futures::StreamExt;
use futures::stream;
use serde_json::Value;
use serde_json::json;

use super::outcome::RowStream;
use super::read::TopicReader;
use crate::error::Error;
use crate::error::Result;
use crate::model::PartitionId;
use crate::model::SqlType;
use crate::protocol::Headers;
use crate::protocol::Record;

/// Kafka's timestamp of a record that has none.
const NO_TIMESTAMP: i64 = -1;

/// A column of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordColumn {
    Partition,
    Offset,
    Timestamp,
    Key,
    Value,
    Headers,
}

/// How keys and values are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// As they are.
    Bytes,
    /// As text if they are UTF-8, else as `\x` and hexadecimal digits.
    Text,
}

impl RecordColumn {
    pub(super) const ALL: [RecordColumn; 6] =
        [Self::Partition, Self::Offset, Self::Timestamp, Self::Key, Self::Value, Self::Headers];

    /// The column's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Offset => "offset",
            Self::Timestamp => "timestamp",
            Self::Key => "key",
            Self::Value => "value",
            Self::Headers => "headers",
        }
    }

    /// The column's type.
    pub(super) fn sql_type(self, shown: Shown) -> SqlType {
        match (self, shown) {
            (Self::Partition, _) => SqlType::Int,
            (Self::Offset, _) => SqlType::BigInt,
            (Self::Timestamp, _) => SqlType::TimestampTz,
            (Self::Key | Self::Value, Shown::Bytes) => SqlType::Bytes,
            (Self::Key | Self::Value, Shown::Text) | (Self::Headers, _) => SqlType::Text,
        }
    }

    fn array(self, shown: Shown, partition: PartitionId, records: &[Record<'_>]) -> ArrayRef {
        match self {
            Self::Partition => Arc::new(Int32Array::from(vec![partition.0; records.len()])),
            Self::Offset => Arc::new(records.iter().map(|record| record.offset.0).collect::<Int64Array>()),
            Self::Timestamp => {
                let times = records.iter().map(|record| match record.timestamp {
                    NO_TIMESTAMP => None,
                    millis => millis.checked_mul(1000),
                });
                Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            Self::Key => bytes(records.iter().map(|record| record.key), shown),
            Self::Value => bytes(records.iter().map(|record| record.value), shown),
            Self::Headers => {
                Arc::new(records.iter().map(|record| Some(headers(record.headers))).collect::<StringArray>())
            }
        }
    }
}

/// The schema of these columns.
pub(super) fn schema(columns: &[RecordColumn], shown: Shown) -> SchemaRef {
    let field = |column: &RecordColumn| {
        let nullable = !matches!(column, RecordColumn::Partition | RecordColumn::Offset | RecordColumn::Headers);
        Field::new(column.name(), column.sql_type(shown).arrow(), nullable)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// What a reader reads, as rows.
pub(super) fn stream(reader: TopicReader, columns: Arc<[RecordColumn]>, shown: Shown) -> RowStream {
    let schema = schema(&columns, shown);
    stream::try_unfold((reader, columns, schema), move |(mut reader, columns, schema)| async move {
        let partition = reader.partition.partition;
        let read = reader.read(|found| rows(&columns, shown, &schema, partition, found)).await?;
        Ok(read.transpose()?.map(|rows| (rows, (reader, columns, schema))))
    })
    .boxed()
}

fn rows(
    columns: &[RecordColumn],
    shown: Shown,
    schema: &SchemaRef,
    partition: PartitionId,
    records: &[Record<'_>],
) -> Result<RecordBatch> {
    let arrays = columns.iter().map(|column| column.array(shown, partition, records)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(records.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
        .map_err(|error| Error::internal("rows of records").caused_by(error))
}

fn bytes<'a>(fields: impl Iterator<Item = Option<&'a [u8]>>, shown: Shown) -> ArrayRef {
    match shown {
        Shown::Bytes => Arc::new(fields.collect::<BinaryArray>()),
        Shown::Text => Arc::new(fields.map(|field| field.map(text)).collect::<StringArray>()),
    }
}

/// Bytes as text if they are UTF-8, else as `\x` and hexadecimal digits.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_string(),
        Err(_) => std::iter::once("\\x".to_string()).chain(bytes.iter().map(|byte| format!("{byte:02x}"))).collect(),
    }
}

/// Headers as JSON, in their order: a name may come twice.
fn headers(headers: Headers<'_>) -> String {
    let header = |(name, value): (&[u8], Option<&[u8]>)| json!({ "name": text(name), "value": value.map(text) });
    Value::Array(headers.map(header).collect()).to_string()
}
