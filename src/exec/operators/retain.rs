//! Rows of windows taken away when they have been kept long enough.
//!
//! Table 0: the bound that time is counted from, then the row's key -> nothing. What has to go is a range.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use arrow::datatypes::TimestampMicrosecondType;
use bytes::Bytes;

use super::removal;
use super::removal::BATCH_ROWS;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::format::RowKeys;
use crate::model::EventTime;

/// See the file's head.
#[derive(Clone)]
pub struct Retain {
    /// The row's key.
    pub key: Vec<usize>,
    /// The column of the bound.
    pub bound: usize,
    /// How long after the bound a row is kept, milliseconds.
    pub retention_ms: i64,
    /// The edge that comes in.
    pub input: Layout,
    /// The edge that goes out, of the same columns: upserts in place of facts.
    pub output: Layout,
}

impl Retain {
    /// The keys of a batch's rows in the table.
    fn keys(&self, batch: &RecordBatch) -> Result<Vec<Vec<u8>>, ExecError> {
        let bound = batch.column(self.bound);
        let milliseconds: ArrayRef = match bound.data_type() {
            DataType::Timestamp(..) => {
                let micros = bound.as_primitive::<TimestampMicrosecondType>().values();
                Arc::new(Int64Array::from_iter_values(micros.iter().map(|micros| micros.div_euclid(1000))))
            }
            _ => Arc::new(bound.as_primitive::<Int64Type>().clone()),
        };
        let key = self.key.iter().map(|index| Arc::clone(batch.column(*index)));
        let columns: Vec<ArrayRef> = std::iter::once(milliseconds).chain(key).collect();
        Ok(RowKeys::encode_rows(&columns, batch.num_rows())?)
    }

    fn key_schema(&self) -> SchemaRef {
        let fields = self.key.iter().map(|index| self.input.schema.field(*index).clone());
        Arc::new(Schema::new(
            std::iter::once(Field::new("bound", DataType::Int64, true)).chain(fields).collect::<Vec<_>>(),
        ))
    }

    /// The rows of these keys, to be taken away.
    fn gone(&self, keys: &[Bytes], now: i64) -> Result<RecordBatch, ExecError> {
        let bytes: Vec<&[u8]> = keys.iter().map(Bytes::as_ref).collect();
        let decoded = RowKeys::decode(&bytes, &self.key_schema())?;
        let bounds = decoded.column(0).as_primitive::<Int64Type>().values();
        let times = bounds.iter().map(|bound| bound.saturating_add(self.retention_ms)).collect();
        removal::rows(&self.output, (&self.key, &decoded.columns()[1..]), times, now)
    }
}

impl Step for Retain {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let is_there = removal::are_there(&self.input, &batch);
        for (row, key) in self.keys(&batch)?.into_iter().enumerate() {
            match is_there(row) {
                true => cx.table(0).put(key, Bytes::new())?,
                false => cx.table(0).delete(key)?,
            }
        }
        cx.emit(RecordBatch::try_new(Arc::clone(&self.output.schema), batch.columns().to_vec())?);
        Ok(Progress::Done)
    }

    fn drained(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        let Some(EventTime(now)) = cx.stream_time().0 else { return Ok(Progress::Done) };
        let bound: ArrayRef = Arc::new(Int64Array::from(vec![now.saturating_sub(self.retention_ms)]));
        let bound = RowKeys::encode_row(&[bound], 0)?;
        let found = cx.table(0).front(&[], &bound)?.map(|entry| entry.map(|(key, _)| key));
        let keys = found.take(BATCH_ROWS).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Ok(Progress::Done);
        }
        let batch = self.gone(&keys, now)?;
        cx.emit(batch);
        let all = keys.len() < BATCH_ROWS;
        for key in keys {
            cx.table(0).delete(key)?;
        }
        Ok(if all { Progress::Done } else { Progress::More })
    }

    fn resume(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        self.drained(cx)
    }
}
