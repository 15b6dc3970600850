//! A leaf: hands on the rows that the round gives it.

use arrow::array::RecordBatch;

use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Ports;
use crate::exec::Progress;
use crate::exec::Step;

/// Reads leaf slot `leaf` of its task.
pub struct Source {
    /// The slot.
    pub leaf: usize,
}

impl Step for Source {
    fn ports(&self) -> Ports {
        Ports::Round
    }

    fn input(&mut self, _: &mut Cx<'_>, _: usize, _: RecordBatch) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    fn round(&mut self, cx: &mut Cx<'_>, _: Vec<Vec<RecordBatch>>) -> Result<Progress, ExecError> {
        for batch in cx.take_leaf(self.leaf) {
            cx.emit(batch);
        }
        Ok(Progress::Done)
    }
}
