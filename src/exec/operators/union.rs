//! Rows of several inputs in the order in which they were read.

use arrow::array::RecordBatch;
use arrow::array::UInt32Array;
use arrow::compute::concat_batches;
use arrow::compute::take_record_batch;

use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Ports;
use crate::exec::Progress;
use crate::exec::Step;

/// The branches of a union.
pub struct Union {
    /// The edge that goes out; those that come in have the same columns.
    pub layout: Layout,
}

impl Step for Union {
    fn ports(&self) -> Ports {
        Ports::Round
    }

    fn input(&mut self, _: &mut Cx<'_>, _: usize, _: RecordBatch) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    fn round(&mut self, cx: &mut Cx<'_>, slices: Vec<Vec<RecordBatch>>) -> Result<Progress, ExecError> {
        let branches = slices.iter().filter(|slices| !slices.is_empty()).count();
        let all: Vec<RecordBatch> = slices.into_iter().flatten().collect();
        if branches < 2 {
            // What one branch read is in its order.
            all.into_iter().for_each(|batch| cx.emit(batch));
            return Ok(Progress::Done);
        }
        let all = concat_batches(&self.layout.schema, &all)?;
        let seqs = self.layout.seqs(&all).values();
        let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
        // Of one record's rows the first branch's come first.
        order.sort_by_key(|row| seqs[*row as usize]);
        cx.emit(take_record_batch(&all, &UInt32Array::from(order))?);
        Ok(Progress::Done)
    }
}
