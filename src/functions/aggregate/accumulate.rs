//! One group's total, of a query without GROUP BY or of a window frame.

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

use super::Running;
use super::Total;
use super::function::scalar;
use super::groups::bad_state;
use super::groups::out_of_range;
use super::groups::wrong_type;

/// The total and what it keeps.
#[derive(Debug)]
pub(super) struct One<R> {
    total: Total,
    running: R,
}

impl<R: Running> One<R> {
    pub(super) fn new(total: Total) -> Self {
        Self { total, running: R::default() }
    }

    fn add(&mut self, values: &[ArrayRef], weight: i64) -> Result<()> {
        match R::for_each(&values[0], |_, value| self.running.add(value, weight)) {
            true => Ok(()),
            false => Err(wrong_type(&values[0])),
        }
    }
}

impl<R: Running> Accumulator for One<R> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        scalar(self.running.result(&self.total).map_err(out_of_range)?, self.total.output())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut state = Vec::new();
        self.running.write(&mut state);
        Ok(vec![ScalarValue::Binary(Some(state))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = states[0].as_binary::<i32>();
        for row in (0..states.len()).filter(|row| states.is_valid(*row)) {
            self.running.merge(&R::read(&mut states.value(row)).ok_or_else(bad_state)?);
        }
        Ok(())
    }
}
