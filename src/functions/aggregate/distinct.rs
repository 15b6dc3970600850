//! A total over values that are counted once.

use std::collections::HashSet;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

/// The values that were seen, handed to the total when it is asked for.
#[derive(Debug)]
pub(super) struct Distinct {
    total: Box<dyn Accumulator>,
    data_type: DataType,
    seen: HashSet<ScalarValue>,
}

impl Distinct {
    pub(super) fn new(total: Box<dyn Accumulator>, data_type: DataType) -> Self {
        Self { total, data_type, seen: HashSet::new() }
    }

    fn note(&mut self, values: &ArrayRef) -> Result<()> {
        for row in 0..values.len() {
            if values.is_valid(row) {
                self.seen.insert(ScalarValue::try_from_array(values, row)?);
            }
        }
        Ok(())
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.note(&values[0])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if !self.seen.is_empty() {
            self.total.update_batch(&[ScalarValue::iter_to_array(self.seen.drain())?])?;
        }
        self.total.evaluate()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.total.size() + self.seen.capacity() * size_of::<ScalarValue>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let seen: Vec<ScalarValue> = self.seen.drain().collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list(&seen, &self.data_type, true))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states[0].as_list::<i32>().iter().flatten() {
            self.note(&values)?;
        }
        Ok(())
    }
}
