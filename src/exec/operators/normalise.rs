//! Upserts made into retractions, with the last row of each key in a state table.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::compute::interleave;

use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::user_columns;
use crate::exec::layout::OP_VALUE;
use crate::format::RowKeys;
use crate::format::RowValues;

/// Keeps table 0: key -> user columns.
pub struct Normalise {
    /// The key's columns.
    pub key: Vec<usize>,
    /// The upsert edge that comes in.
    pub input: Layout,
    /// The retract edge that goes out.
    pub output: Layout,
}

/// Where a row that goes out stands: in the batch that came, or among the rows read back from state.
enum From {
    Batch(usize),
    State(usize),
}

impl Step for Normalise {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let schema = self.input.user_schema();
        let users = user_columns(&batch, &schema)?;
        let key_columns: Vec<ArrayRef> = self.key.iter().map(|index| Arc::clone(users.column(*index))).collect();
        let keys = RowKeys::encode_rows(&key_columns, batch.num_rows())?;
        let values = RowValues::encode(&users)?;
        let ops = self.input.ops(&batch).values();
        let mut old_rows = Vec::new();
        let mut out: Vec<(From, i64, usize)> = Vec::new();
        for (row, (key, value)) in keys.into_iter().zip(values).enumerate() {
            let table = cx.table(0);
            if let Some(old) = table.get(&key)? {
                out.push((From::State(old_rows.len()), -1, row));
                old_rows.push(old);
            }
            if ops[row] == OP_VALUE {
                table.put(key, value)?;
                out.push((From::Batch(row), 1, row));
            } else {
                table.delete(key)?;
            }
        }
        let old: Vec<&[u8]> = old_rows.iter().map(|row| row.as_ref()).collect();
        let old = RowValues::decode(&old, &schema)?;
        let indices: Vec<(usize, usize)> = out
            .iter()
            .map(|(from, ..)| match from {
                From::Batch(row) => (0, *row),
                From::State(row) => (1, *row),
            })
            .collect();
        let mut columns = Vec::with_capacity(self.output.schema.fields().len());
        for index in 0..self.input.users() {
            columns.push(interleave(&[users.column(index).as_ref(), old.column(index).as_ref()], &indices)?);
        }
        let rows = arrow::array::UInt64Array::from_iter_values(out.iter().map(|(.., row)| *row as u64));
        for index in self.input.users()..self.input.users() + 3 {
            columns.push(arrow::compute::take(batch.column(index), &rows, None)?);
        }
        columns.push(Arc::new(Int64Array::from_iter_values(out.iter().map(|(_, weight, _)| *weight))));
        cx.emit(RecordBatch::try_new(Arc::clone(&self.output.schema), columns)?);
        Ok(Progress::Done)
    }
}
