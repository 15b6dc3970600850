//! Retractions of several tasks put in order again: what is shown of a key is one row, or none.
//!
//! A row that moved from one task to another is taken back by the one and given by the other, and the two come in either
//! order. So a key may have several rows for a while; the one that came last is shown. What each task says of a row is in
//! order, so that a row is never taken back before it was given.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use bytes::Bytes;

use super::joined::Half;
use super::joined::Halves;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::user_columns;
use crate::format::RowKeys;
use crate::format::RowValues;

/// Keeps table 0: key -> its rows in the order in which they came, each as time (i64), length (u32) and user columns.
pub struct Consolidate {
    /// The key's columns.
    pub key: Vec<usize>,
    /// The retract edge that comes in and goes out.
    pub layout: Layout,
}

/// A row of a key.
#[derive(Clone)]
struct Version {
    time: i64,
    values: Bytes,
}

/// Rows that leave.
#[derive(Default)]
struct Out {
    halves: Halves,
    times: Vec<i64>,
    /// The row of the batch whose place and clock each has.
    of: Vec<usize>,
    weights: Vec<i64>,
}

impl Out {
    fn push(&mut self, half: Half, time: i64, of: usize, weight: i64) {
        self.halves.push(half);
        self.times.push(time);
        self.of.push(of);
        self.weights.push(weight);
    }
}

impl Consolidate {
    /// A row comes: it is shown, in place of the one that was.
    fn come(versions: &mut Vec<Version>, row: usize, version: Version, out: &mut Out) {
        if let Some(shown) = versions.last() {
            out.push(Half::Stored(shown.values.clone()), shown.time.max(version.time), row, -1);
        }
        out.push(Half::Row(row), version.time, row, 1);
        versions.push(version);
    }

    /// A row goes: if it was shown, the one that came last before it is shown again.
    fn go(versions: &mut Vec<Version>, row: usize, gone: &Version, out: &mut Out) -> Result<(), ExecError> {
        let Some(place) = versions.iter().position(|version| version.values == gone.values) else {
            return Err(ExecError::InternalRecord("a row that is taken back and was not given"));
        };
        let was_shown = place + 1 == versions.len();
        let version = versions.remove(place);
        if was_shown {
            out.push(Half::Row(row), version.time.max(gone.time), row, -1);
            if let Some(shown) = versions.last() {
                out.push(Half::Stored(shown.values.clone()), shown.time.max(gone.time), row, 1);
            }
        }
        Ok(())
    }

    fn leave(&self, cx: &mut Cx<'_>, batch: &RecordBatch, out: Out) -> Result<(), ExecError> {
        let mut columns = out.halves.columns(batch, &self.layout)?;
        let (clocks, seqs) = (self.layout.clocks(batch).values(), self.layout.seqs(batch).values());
        let taken = |values: &[i64]| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(out.of.iter().map(|row| values[*row])))
        };
        let (clocks, seqs) = (taken(clocks), taken(seqs));
        columns.extend([Arc::new(Int64Array::from(out.times)) as ArrayRef, clocks, seqs]);
        columns.push(Arc::new(Int64Array::from(out.weights)));
        cx.emit(RecordBatch::try_new(Arc::clone(&self.layout.schema), columns)?);
        Ok(())
    }
}

fn read(mut bytes: &[u8]) -> Option<Vec<Version>> {
    let mut versions = Vec::new();
    while !bytes.is_empty() {
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (values, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        versions.push(Version { time: i64::from_be_bytes(*time), values: Bytes::copy_from_slice(values) });
        bytes = rest;
    }
    Some(versions)
}

fn write(versions: &[Version]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Version { time, values } in versions {
        bytes.extend(time.to_be_bytes());
        bytes.extend((values.len() as u32).to_be_bytes());
        bytes.extend_from_slice(values);
    }
    bytes
}

impl Step for Consolidate {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let users = user_columns(&batch, &self.layout.user_schema())?;
        let key_columns: Vec<ArrayRef> = self.key.iter().map(|index| Arc::clone(users.column(*index))).collect();
        let keys = RowKeys::encode_rows(&key_columns, batch.num_rows())?;
        let values = RowValues::encode(&users)?;
        let weights = self.layout.weights(&batch).values();
        let times = self.layout.times(&batch).values();
        let mut out = Out::default();
        for (row, (key, values)) in keys.into_iter().zip(values).enumerate() {
            let kept = cx.table(0).get(&key)?;
            let mut versions = match &kept {
                Some(bytes) => read(bytes).ok_or(ExecError::InternalRecord("the rows of a joined key"))?,
                None => Vec::new(),
            };
            let version = Version { time: times[row], values: Bytes::from(values) };
            match weights[row] {
                0 if versions.is_empty() => out.push(Half::Row(row), times[row], row, 0),
                0 => {}
                weight if 0 < weight => Self::come(&mut versions, row, version, &mut out),
                _ => Self::go(&mut versions, row, &version, &mut out)?,
            }
            match versions.is_empty() {
                true if kept.is_some() => cx.table(0).delete(key)?,
                true => {}
                false => cx.table(0).put(key, write(&versions))?,
            }
        }
        self.leave(cx, &batch, out)?;
        Ok(Progress::Done)
    }
}
