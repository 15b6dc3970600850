//! A stream looked up in a table, each row at its place in the order of event time.
//!
//! The table's rows of the round lie in an overlay by key and `__seq`; a stream row takes the last one before it, else
//! the table's state as the round found it. The state is changed when all stream rows have been answered.
//!
//! Of a table that tells its event time, `versions` keeps what the rows were before.

mod versions;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::RecordBatch;
use arrow::array::UInt64Array;
use arrow::array::new_null_array;
use arrow::compute::concat_batches;
use arrow::compute::interleave;
use arrow::compute::take;
use datafusion::physical_expr::PhysicalExpr;

use super::log_errors;
use crate::exec::CutId;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Ports;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::evaluate;
use crate::exec::expressions::user_columns;
use crate::exec::layout::OP_VALUE;
use crate::format::RowKeys;
use crate::format::RowValues;

/// What a join is.
#[derive(Clone)]
pub struct JoinSpec {
    /// The stream's side of each pair, in the order of the table's key.
    pub left_key: Vec<Arc<dyn PhysicalExpr>>,
    /// The table's side.
    pub right_key: Vec<Arc<dyn PhysicalExpr>>,
    /// Whether a stream row without table row goes on, with nulls.
    pub keeps_left: bool,
    /// For how long a stream row behind stream time still meets the version of its own time, milliseconds; `None`: it meets the
    /// newest that was read before it.
    pub history_ms: Option<i64>,
    /// Whether a stream row with a null in its key goes on under `keeps_left`.
    pub keeps_null_key: bool,
    /// The stream's edge.
    pub left: Layout,
    /// The table's edge.
    pub right: Layout,
    /// The edge that goes out: left columns, then right ones.
    pub output: Layout,
}

/// Keeps table 0: key -> the table's user columns, or what `versions` says.
pub struct Join {
    /// What it is.
    pub spec: JoinSpec,
}

/// The table row that a stream row met.
#[derive(Clone, Copy)]
enum Met {
    Nothing,
    Overlay(usize),
    State(usize),
}

impl Step for Join {
    fn ports(&self) -> Ports {
        Ports::Round
    }

    fn input(&mut self, _: &mut Cx<'_>, _: usize, _: RecordBatch) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    fn round(&mut self, cx: &mut Cx<'_>, slices: Vec<Vec<RecordBatch>>) -> Result<Progress, ExecError> {
        let left = concat_batches(&self.spec.left.schema, &slices[0])?;
        let right = concat_batches(&self.spec.right.schema, &slices[1])?;
        let right_keys = self.keys(cx, &self.spec.right_key, &self.spec.right, &right)?;
        if let Some(history_ms) = self.spec.history_ms {
            self.round_as_of(cx, &left, &right, right_keys, history_ms)?;
            return Ok(Progress::Done);
        }
        if 0 < left.num_rows() {
            self.probe(cx, &left, &right, &right_keys)?;
        }
        self.apply(cx, &right, right_keys)?;
        Ok(Progress::Done)
    }

    fn flush(&mut self, cx: &mut Cx<'_>, _: CutId) -> Result<Progress, ExecError> {
        if let Some(history_ms) = self.spec.history_ms {
            self.forget_versions(cx, history_ms)?;
        }
        Ok(Progress::Done)
    }
}

impl Join {
    /// The key of each row, `None` with a null in it.
    fn keys(
        &self,
        cx: &mut Cx<'_>,
        exprs: &[Arc<dyn PhysicalExpr>],
        layout: &Layout,
        batch: &RecordBatch,
    ) -> Result<Vec<Option<Vec<u8>>>, ExecError> {
        let mut errors = Vec::new();
        let columns =
            exprs.iter().map(|expr| evaluate(expr, batch, &mut errors)).collect::<Result<Vec<ArrayRef>, _>>()?;
        log_errors(cx, layout, batch, &errors, "row left out by a join key that failed");
        let keys = RowKeys::encode_rows(&columns, batch.num_rows())?;
        let null = |row: usize| columns.iter().any(|column| column.is_null(row));
        Ok(keys.into_iter().enumerate().map(|(row, key)| (!null(row)).then_some(key)).collect())
    }

    fn probe(
        &self,
        cx: &mut Cx<'_>,
        left: &RecordBatch,
        right: &RecordBatch,
        right_keys: &[Option<Vec<u8>>],
    ) -> Result<(), ExecError> {
        let spec = &self.spec;
        let left_keys = self.keys(cx, &spec.left_key, &spec.left, left)?;
        let mut overlay: HashMap<&[u8], Vec<(i64, usize)>> = HashMap::new();
        let right_seqs = spec.right.seqs(right).values();
        for (row, key) in right_keys.iter().enumerate() {
            if let Some(key) = key {
                overlay.entry(key).or_default().push((right_seqs[row], row));
            }
        }
        let (left_ops, right_ops) = (spec.left.ops(left).values(), spec.right.ops(right).values());
        let left_seqs = spec.left.seqs(left).values();
        let mut read: HashMap<&[u8], Met> = HashMap::new();
        let mut stored = Vec::new();
        let mut rows: Vec<(u64, Met)> = Vec::with_capacity(left.num_rows());
        for (row, key) in left_keys.iter().enumerate() {
            if left_ops[row] != OP_VALUE {
                continue;
            }
            let Some(key) = key else {
                if spec.keeps_left && spec.keeps_null_key {
                    rows.push((row as u64, Met::Nothing));
                }
                continue;
            };
            let versions = overlay.get(key.as_slice()).map(Vec::as_slice).unwrap_or_default();
            let before = versions.partition_point(|(seq, _)| *seq < left_seqs[row]);
            let met = match before.checked_sub(1).map(|last| versions[last].1) {
                Some(version) if right_ops[version] == OP_VALUE => Met::Overlay(version),
                Some(_) => Met::Nothing,
                None => match read.get(key.as_slice()) {
                    Some(met) => *met,
                    None => {
                        let met = match cx.table(0).get(key)? {
                            Some(value) => {
                                stored.push(value);
                                Met::State(stored.len() - 1)
                            }
                            None => Met::Nothing,
                        };
                        read.insert(key, met);
                        met
                    }
                },
            };
            if spec.keeps_left || !matches!(met, Met::Nothing) {
                rows.push((row as u64, met));
            }
        }
        let stored: Vec<&[u8]> = stored.iter().map(|value| value.as_ref()).collect();
        let stored = RowValues::decode(&stored, &spec.right.user_schema())?;
        cx.emit(self.rows(left, right, &stored, &rows)?);
        Ok(())
    }

    /// Left columns, the right columns that were met, and the left's system columns.
    fn rows(
        &self,
        left: &RecordBatch,
        right: &RecordBatch,
        stored: &RecordBatch,
        rows: &[(u64, Met)],
    ) -> Result<RecordBatch, ExecError> {
        let spec = &self.spec;
        let from_left = UInt64Array::from_iter_values(rows.iter().map(|(row, _)| *row));
        let from_right: Vec<(usize, usize)> = rows
            .iter()
            .map(|(_, met)| match met {
                Met::Nothing => (0, 0),
                Met::Overlay(row) => (1, *row),
                Met::State(row) => (2, *row),
            })
            .collect();
        let mut columns = Vec::with_capacity(spec.output.schema.fields().len());
        for index in 0..spec.left.users() {
            columns.push(take(left.column(index), &from_left, None)?);
        }
        for index in 0..spec.right.users() {
            let nothing = new_null_array(right.column(index).data_type(), 1);
            let sources = [nothing.as_ref(), right.column(index).as_ref(), stored.column(index).as_ref()];
            columns.push(interleave(&sources, &from_right)?);
        }
        for index in spec.left.users()..spec.left.users() + 3 {
            columns.push(take(left.column(index), &from_left, None)?);
        }
        columns.push(Arc::new(arrow::array::Int8Array::from(vec![OP_VALUE; rows.len()])));
        Ok(RecordBatch::try_new(Arc::clone(&spec.output.schema), columns)?)
    }

    /// The table as it is after the round.
    fn apply(&self, cx: &mut Cx<'_>, right: &RecordBatch, keys: Vec<Option<Vec<u8>>>) -> Result<(), ExecError> {
        if right.num_rows() == 0 {
            return Ok(());
        }
        let mut last: HashMap<Vec<u8>, usize> = HashMap::new();
        for (row, key) in keys.into_iter().enumerate() {
            if let Some(key) = key {
                last.insert(key, row);
            }
        }
        let ops = self.spec.right.ops(right).values();
        let values = RowValues::encode(&user_columns(right, &self.spec.right.user_schema())?)?;
        for (key, row) in last {
            match ops[row] {
                OP_VALUE => cx.table(0).put(key, values[row].clone())?,
                _ => cx.table(0).delete(key)?,
            }
        }
        Ok(())
    }
}
