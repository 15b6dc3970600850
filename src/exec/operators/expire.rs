//! Rows taken away when stream time has passed their event time by their time to live.
//!
//! Table 0: tag 0 and the row's key -> its event time; tag 1, the event time and the key -> nothing. What has to go is a
//! range of the second.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use super::removal;
use super::removal::BATCH_ROWS;
use super::sortable::NUMBER_BYTES;
use super::sortable::number;
use super::sortable::sortable;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::format::RowKeys;
use crate::model::EventTime;

const BY_KEY: u8 = 0;
const BY_TIME: u8 = 1;

/// See the file's head.
#[derive(Clone)]
pub struct Expire {
    /// The row's key.
    pub key: Vec<usize>,
    /// How long after its event time a row is kept, milliseconds.
    pub ttl_ms: i64,
    /// The edge that comes in.
    pub input: Layout,
    /// The edge that goes out, of the same columns: upserts in place of facts.
    pub output: Layout,
}

fn by_key(key: &[u8]) -> Vec<u8> {
    [&[BY_KEY], key].concat()
}

/// Times in the order of their bytes.
fn by_time(time: i64, key: &[u8]) -> Vec<u8> {
    [&[BY_TIME], &sortable(time)[..], key].concat()
}

/// The time and the key of what `by_time` made.
fn read_by_time(entry: &[u8]) -> Option<(i64, &[u8])> {
    let (time, key) = entry.get(1..)?.split_first_chunk::<NUMBER_BYTES>()?;
    Some((number(*time), key))
}

impl Expire {
    /// Forgets a row, if it is there.
    fn forget(cx: &mut Cx<'_>, key: &[u8]) -> Result<(), ExecError> {
        let name = by_key(key);
        let Some(time) = cx.table(0).get(&name)? else { return Ok(()) };
        let time = time.first_chunk::<NUMBER_BYTES>().map(|bytes| i64::from_be_bytes(*bytes));
        let time = time.ok_or(ExecError::InternalRecord("the time of a row with a time to live"))?;
        cx.table(0).delete(by_time(time, key))?;
        cx.table(0).delete(name)?;
        Ok(())
    }

    fn key_schema(&self) -> SchemaRef {
        let fields = self.key.iter().map(|index| self.input.schema.field(*index).clone());
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The rows of these keys, to be taken away.
    fn gone(&self, found: &[(i64, Bytes)], now: i64) -> Result<RecordBatch, ExecError> {
        let bytes: Vec<&[u8]> = found.iter().map(|(_, key)| key.as_ref()).collect();
        let decoded = RowKeys::decode(&bytes, &self.key_schema())?;
        let times = found.iter().map(|(time, _)| time.saturating_add(self.ttl_ms)).collect();
        removal::rows(&self.output, (&self.key, decoded.columns()), times, now)
    }
}

impl Step for Expire {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let is_there = removal::are_there(&self.input, &batch);
        let columns: Vec<ArrayRef> = self.key.iter().map(|index| Arc::clone(batch.column(*index))).collect();
        let times = self.input.times(&batch);
        for (row, key) in RowKeys::encode_rows(&columns, batch.num_rows())?.into_iter().enumerate() {
            Self::forget(cx, &key)?;
            if is_there(row) {
                let time = times.value(row);
                cx.table(0).put(by_time(time, &key), Bytes::new())?;
                cx.table(0).put(by_key(&key), time.to_be_bytes().to_vec())?;
            }
        }
        cx.emit(RecordBatch::try_new(Arc::clone(&self.output.schema), batch.columns().to_vec())?);
        Ok(Progress::Done)
    }

    fn drained(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        let Some(EventTime(now)) = cx.stream_time().0 else { return Ok(Progress::Done) };
        let end = by_time(now.saturating_sub(self.ttl_ms), &[]);
        let entries = cx.table(0).front(&[BY_TIME], &end)?.map(|entry| entry.map(|(entry, _)| entry));
        let entries = entries.take(BATCH_ROWS).collect::<Result<Vec<_>, _>>()?;
        if entries.is_empty() {
            return Ok(Progress::Done);
        }
        let wrong = || ExecError::InternalRecord("the entry of a row with a time to live");
        let found = entries
            .iter()
            .map(|entry| read_by_time(entry).map(|(time, key)| (time, entry.slice_ref(key))).ok_or_else(wrong));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let batch = self.gone(&found, now)?;
        cx.emit(batch);
        for (_, key) in &found {
            Self::forget(cx, key)?;
        }
        Ok(if entries.len() < BATCH_ROWS { Progress::Done } else { Progress::More })
    }

    fn resume(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        self.drained(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_in_the_order_of_their_times() {
        let times = [i64::MIN, -1, 0, 1, 1_717_200_000_000, i64::MAX];
        assert!(times.map(|time| by_time(time, b"k")).is_sorted());
        for time in times {
            assert_eq!(read_by_time(&by_time(time, b"key")), Some((time, &b"key"[..])));
        }
        assert_eq!(read_by_time(&[BY_TIME, 1, 2]), None);
    }
}
