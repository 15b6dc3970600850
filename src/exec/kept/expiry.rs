//! Rows of a table that go by themselves, when stream time has passed their event time by their time to live.
//!
//! Stream time is the greatest event time of a row that the table has had, as far as it is known: of rows read since the
//! start, and of those that are there. Rows are looked for when it has gone on by a part of the time to live.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::BooleanArray;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use parking_lot::Mutex;

use super::Claim;
use super::KeptTable;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::exec::ExecError;
use crate::exec::task::keeps_time;
use crate::exec::task::topic_spec;
use crate::format::Encoder;
use crate::format::RowKeys;
use crate::model::TopicPartition;
use crate::plan::relation_key;
use crate::protocol::Batch;
use crate::protocol::BatchBuilder;
use crate::protocol::partition_for_key;
use crate::state::StateError;
use crate::state::ViewSnapshot;

/// Rows that go together.
const ROWS_MAX: usize = 500;
/// Rows that one look finds.
const FOUND_MAX: usize = 100_000;
/// Rows are looked for when stream time has gone on by this part of their time to live.
const PARTS: i64 = 32;
/// And by so many milliseconds at least.
const STEP_MS_MIN: i64 = 1_000;

/// When rows of a table go.
pub(super) struct Expiry {
    ttl_ms: i64,
    encoder: Arc<Encoder>,
    /// `i64::MIN` before the first row.
    stream_time: AtomicI64,
    /// Stream time when rows were looked for.
    looked_at: Mutex<i64>,
}

impl Expiry {
    /// That of a table, if its rows have a time to live.
    pub(super) fn of(relation: &Relation) -> Result<Option<Self>> {
        let Some(ttl_ms) = relation.ttl_ms.filter(|_| keeps_time(relation) && !relation.read_only) else {
            return Ok(None);
        };
        let encoder = topic_spec(relation)?.encoder;
        let (stream_time, looked_at) = (AtomicI64::new(i64::MIN), Mutex::new(i64::MIN));
        Ok(Some(Self { ttl_ms, encoder, stream_time, looked_at }))
    }

    /// Notes the event times of rows, their last column.
    pub(super) fn note(&self, rows: &RecordBatch) {
        if let Some(newest) = times(rows).values().iter().max() {
            self.stream_time.fetch_max(*newest, Ordering::AcqRel);
        }
    }

    /// Rows whose event time lies before this have to go; `None` if nothing is to be looked for yet.
    fn due(&self) -> Option<i64> {
        let stream_time = self.stream_time.load(Ordering::Acquire);
        let mut looked_at = self.looked_at.lock();
        let step = (self.ttl_ms / PARTS).max(STEP_MS_MIN).min(self.ttl_ms);
        // The first look finds how far the rows that are there have brought it.
        if *looked_at != i64::MIN && stream_time < looked_at.saturating_add(step) {
            return None;
        }
        *looked_at = stream_time.max(i64::MIN + 1);
        Some(stream_time.saturating_sub(self.ttl_ms))
    }

    fn before(&self) -> i64 {
        self.stream_time.load(Ordering::Acquire).saturating_sub(self.ttl_ms)
    }
}

/// The last column.
fn times(rows: &RecordBatch) -> &Int64Array {
    rows.column(rows.num_columns() - 1).as_primitive::<Int64Type>()
}

impl KeptTable {
    /// Whether rows go by themselves.
    pub(in crate::exec) fn expires(&self) -> bool {
        self.expiry.is_some()
    }

    /// Takes away the rows whose time has passed, if it is time to look for them; whether any went.
    pub(in crate::exec) async fn expire(&self) -> Result<bool> {
        let Some(expiry) = &self.expiry else { return Ok(false) };
        if expiry.due().is_none() {
            return Ok(false);
        }
        let view = || self.publisher.current().view(self.relation().id).cloned();
        let Some(now) = view() else { return Ok(false) };
        expiry.stream_time.fetch_max(newest(&now, self).await?, Ordering::AcqRel);
        drop(now);
        let before = expiry.before();
        let mut went = false;
        let mut from: Option<Vec<u8>> = None;
        loop {
            let Some(view) = view() else { return Ok(went) };
            let (key, start) = (relation_key(self.relation()), from.take());
            let look = move || passed(&view, &key, before, start.as_deref());
            let found = self.env.threads.blocking(look).await?;
            for keys in found.chunks(ROWS_MAX) {
                went |= self.take_away(expiry, keys.to_vec(), before).await?;
            }
            match found.len() < FOUND_MAX {
                true => return Ok(went),
                false => from = found.last().cloned(),
            }
        }
    }

    /// Takes away those of these rows whose time has still passed when nobody else changes them.
    async fn take_away(&self, expiry: &Expiry, keys: Vec<Vec<u8>>, before: i64) -> Result<bool> {
        let _lock = self.locks().lock(Claim::Keys(&keys)).await;
        self.catch_up().await?;
        let Some(view) = self.publisher.current().view(self.relation().id).cloned() else { return Ok(false) };
        let look = move || -> std::result::Result<Vec<RecordBatch>, StateError> {
            let rows = keys.iter().map(|key| view.get(key));
            let rows = rows.collect::<std::result::Result<Vec<_>, _>>()?;
            Ok(rows.into_iter().flatten().filter(|row| times(row).values().iter().all(|time| *time < before)).collect())
        };
        let gone = self.env.threads.blocking(look).await?;
        if gone.is_empty() {
            return Ok(false);
        }
        let batches = self.tombstones(expiry, &gone)?;
        self.append(self.client.as_ref(), batches).await?;
        Ok(true)
    }

    fn tombstones(&self, expiry: &Expiry, gone: &[RecordBatch]) -> Result<Vec<(TopicPartition, Batch)>> {
        let relation = self.relation();
        let mut open: std::collections::BTreeMap<TopicPartition, BatchBuilder> = Default::default();
        for row in gone {
            let time = times(row).value(0).saturating_add(expiry.ttl_ms);
            for key in expiry.encoder.encode_keys(row)?.into_iter().flatten() {
                let partition = partition_for_key(&key, relation.partitions);
                let partition = TopicPartition { topic: relation.topic_id, partition };
                open.entry(partition).or_default().append(time, Some(key.as_slice()), None, &[]);
            }
        }
        Ok(open.into_iter().map(|(partition, batch)| (partition, batch.finish())).collect())
    }
}

/// The greatest event time of a row that is there.
async fn newest(view: &Arc<ViewSnapshot>, table: &KeptTable) -> Result<i64> {
    let (view, time) = (Arc::clone(view), view.schema().fields().len() - 1);
    let look = move || -> std::result::Result<i64, StateError> {
        let mut newest = i64::MIN;
        for rows in view.batches(Some(&[time])) {
            newest = newest.max(times(&rows?).values().iter().copied().max().unwrap_or(i64::MIN));
        }
        Ok(newest)
    };
    Ok(table.env.threads.blocking(look).await?)
}

/// Encoded keys of rows whose event time lies before `before`, in order, those up to `from` left out.
fn passed(
    view: &ViewSnapshot,
    key: &[usize],
    before: i64,
    from: Option<&[u8]>,
) -> std::result::Result<Vec<Vec<u8>>, Error> {
    let mut found: std::collections::BTreeSet<Vec<u8>> = Default::default();
    for rows in view.batches(None) {
        let rows = rows?;
        let old: BooleanArray = times(&rows).values().iter().map(|time| Some(*time < before)).collect();
        let rows = filter_record_batch(&rows, &old).map_err(ExecError::from)?;
        let columns: Vec<ArrayRef> = key.iter().map(|at| Arc::clone(rows.column(*at))).collect();
        for key in RowKeys::encode_rows(&columns, rows.num_rows())? {
            if from.is_none_or(|from| from < key.as_slice()) {
                found.insert(key);
                if FOUND_MAX < found.len() {
                    found.pop_last();
                }
            }
        }
    }
    Ok(found.into_iter().collect())
}
