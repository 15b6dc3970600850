//! The totals of many groups.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BinaryArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::Decimal128Array;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::Int64Array;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::EmitTo;
use datafusion::logical_expr::GroupsAccumulator;

use super::Number;
use super::OutOfRange;
use super::Running;
use super::Total;
use crate::error::Error;
use crate::model::SqlType;

/// What each group keeps.
pub(super) struct Groups<R> {
    total: Total,
    running: Vec<R>,
}

impl<R: Running> Groups<R> {
    pub(super) fn new(total: Total) -> Self {
        Self { total, running: Vec::new() }
    }
}

impl<R: Running> GroupsAccumulator for Groups<R> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.running.resize(total_num_groups, R::default());
        let running = &mut self.running;
        let is_taken = R::for_each(&values[0], |row, value| {
            if passes(opt_filter, row) {
                running[group_indices[row]].add(value, 1);
            }
        });
        if is_taken { Ok(()) } else { Err(wrong_type(&values[0])) }
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let running = emit_to.take_needed(&mut self.running);
        let numbers = running.iter().map(|running| running.result(&self.total).map_err(out_of_range));
        column(numbers.collect::<Result<_>>()?, self.total.output())
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let running = emit_to.take_needed(&mut self.running);
        Ok(vec![states(running.iter())])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.running.resize(total_num_groups, R::default());
        let states = values[0].as_binary::<i32>();
        for (row, group) in group_indices.iter().enumerate().filter(|(row, _)| states.is_valid(*row)) {
            self.running[*group].merge(&R::read(&mut states.value(row)).ok_or_else(bad_state)?);
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut running = vec![R::default(); values[0].len()];
        let is_taken = R::for_each(&values[0], |row, value| {
            if passes(opt_filter, row) {
                running[row].add(value, 1);
            }
        });
        if is_taken { Ok(vec![states(running.iter())]) } else { Err(wrong_type(&values[0])) }
    }

    fn size(&self) -> usize {
        self.running.capacity() * size_of::<R>()
    }
}

pub(super) fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

fn states<'a, R: Running>(running: impl Iterator<Item = &'a R>) -> ArrayRef {
    let states = running.map(|running| {
        let mut state = Vec::new();
        running.write(&mut state);
        state
    });
    Arc::new(BinaryArray::from_iter_values(states))
}

/// Results as a column of the output's type.
pub(super) fn column(numbers: Vec<Number>, output: &SqlType) -> Result<ArrayRef> {
    let exact = |number: &Number| if let Number::Exact(value) = number { Some(*value) } else { None };
    let double = |number: &Number| if let Number::Double(value) = number { Some(*value) } else { None };
    let numbers = numbers.iter();
    // What `Total` calls exact fits the output.
    Ok(match output {
        SqlType::Int => Arc::new(Int32Array::from_iter(numbers.map(|number| exact(number).map(|value| value as i32)))),
        SqlType::BigInt => {
            Arc::new(Int64Array::from_iter(numbers.map(|number| exact(number).map(|value| value as i64))))
        }
        SqlType::Decimal { precision, scale } => {
            Arc::new(Decimal128Array::from_iter(numbers.map(exact)).with_precision_and_scale(*precision, *scale)?)
        }
        _ => Arc::new(Float64Array::from_iter(numbers.map(double))),
    })
}

pub(super) fn out_of_range(found: OutOfRange) -> DataFusionError {
    DataFusionError::External(Box::new(Error::from(found)))
}

pub(super) fn bad_state() -> DataFusionError {
    DataFusionError::External(Box::new(Error::internal("a partial total cannot be read")))
}

pub(super) fn wrong_type(values: &ArrayRef) -> DataFusionError {
    let message = format!("a total was planned for another type than {}", values.data_type());
    DataFusionError::External(Box::new(Error::internal(message)))
}
