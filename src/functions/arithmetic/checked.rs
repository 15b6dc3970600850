//! PostgreSQL's rules: Arrow's checked kernels, and division by zero an error for doubles too.

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::new_empty_array;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::error::Result;

use super::Operation;
use super::division_by_zero;
use super::of_arrow;
use super::out_of_range;

/// The type of the answer, which Arrow's kernel decides.
pub(super) fn return_type(operation: Operation, left: &DataType, right: &DataType) -> Result<DataType> {
    if left == right && matches!(left, DataType::Int32 | DataType::Int64 | DataType::Float64) {
        return Ok(left.clone());
    }
    Ok(apply(operation, &new_empty_array(left), &new_empty_array(right))?.data_type().clone())
}

/// The answer for each row.
pub(super) fn apply(operation: Operation, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
    let double = left.data_type() == &DataType::Float64;
    if double && matches!(operation, Operation::Divide | Operation::Modulo) {
        refuse_zeros(left, right)?;
    }
    let answer = match operation {
        Operation::Add => numeric::add(left, right),
        Operation::Subtract => numeric::sub(left, right),
        Operation::Multiply => numeric::mul(left, right),
        Operation::Divide => numeric::div(left, right),
        Operation::Modulo => numeric::rem(left, right),
    };
    let answer = answer.map_err(|error| of_arrow(error, left.data_type()))?;
    if double {
        refuse_overflow(left, right, &answer)?;
    }
    Ok(answer)
}

fn refuse_zeros(left: &ArrayRef, right: &ArrayRef) -> Result<()> {
    let divisors = right.as_primitive::<Float64Type>();
    let divides = |row: usize| left.is_valid(row) && divisors.is_valid(row);
    match (0..left.len()).any(|row| divides(row) && divisors.value(row) == 0.0) {
        true => Err(division_by_zero()),
        false => Ok(()),
    }
}

/// Infinity from finite operands is an overflow.
fn refuse_overflow(left: &ArrayRef, right: &ArrayRef, answer: &ArrayRef) -> Result<()> {
    let (left, right, answer) =
        (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>(), answer.as_primitive::<Float64Type>());
    let overflows = |row: usize| {
        answer.is_valid(row)
            && answer.value(row).is_infinite()
            && left.value(row).is_finite()
            && right.value(row).is_finite()
    };
    match (0..answer.len()).any(overflows) {
        true => Err(out_of_range(&DataType::Float64)),
        false => Ok(()),
    }
}
