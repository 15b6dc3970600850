//! PostgreSQL's rules: Arrow's checked kernels, and division by zero an error for doubles too.

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::new_empty_array;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::error::DataFusionError;
use datafusion::error::Result;

use super::Operation;
use super::decimal;
use super::division_by_zero;
use super::of_arrow;
use crate::error::Error;
use crate::error::SqlState;

/// Digits behind the point of a quotient of decimals that have fewer.
const QUOTIENT_SCALE: i8 = 16;
const PRECISION_MAX: i16 = 38;

/// The type of the answer, which Arrow's kernel decides, but for quotients of decimals.
pub(super) fn return_type(operation: Operation, left: &DataType, right: &DataType) -> Result<DataType> {
    if left == right && matches!(left, DataType::Int32 | DataType::Int64 | DataType::Float64) {
        return Ok(left.clone());
    }
    if let (Operation::Divide, DataType::Decimal128(p1, s1), DataType::Decimal128(_, s2)) = (operation, left, right) {
        return Ok(quotient(*p1, *s1, *s2));
    }
    Ok(apply(operation, &new_empty_array(left), &new_empty_array(right), &DataType::Null)?.data_type().clone())
}

/// The type of a quotient of decimals: as many digits behind the point as PostgreSQL tells at least.
fn quotient(p1: u8, s1: i8, s2: i8) -> DataType {
    let scale = s1.max(s2).max(QUOTIENT_SCALE);
    let whole = i16::from(p1) - i16::from(s1) + i16::from(s2);
    let precision = (whole + i16::from(scale)).clamp(i16::from(scale).max(1), PRECISION_MAX);
    DataType::Decimal128(precision as u8, scale)
}

/// The answer for each row.
pub(super) fn apply(operation: Operation, left: &ArrayRef, right: &ArrayRef, output: &DataType) -> Result<ArrayRef> {
    if operation == Operation::Divide && matches!(output, DataType::Decimal128(..)) {
        return decimal::apply(operation, left, right, output);
    }
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
        refuse_out_of_range(operation, left, right, &answer)?;
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

/// Infinity from finite operands is an overflow, and zero from a product or a quotient without a zero an underflow.
fn refuse_out_of_range(operation: Operation, left: &ArrayRef, right: &ArrayRef, answer: &ArrayRef) -> Result<()> {
    let (left, right, answer) =
        (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>(), answer.as_primitive::<Float64Type>());
    // Most batches hold no such number: one look without branches passes them.
    let ends = answer.values().iter().fold(false, |found, value| found | value.is_infinite() | (*value == 0.0));
    if !ends {
        return Ok(());
    }
    for row in (0..answer.len()).filter(|row| answer.is_valid(*row)) {
        let (left, right, answer) = (left.value(row), right.value(row), answer.value(row));
        let underflows = match operation {
            Operation::Multiply => left != 0.0 && right != 0.0,
            Operation::Divide => left != 0.0 && right.is_finite(),
            Operation::Add | Operation::Subtract | Operation::Modulo => false,
        };
        let what = match answer {
            answer if answer.is_infinite() && left.is_finite() && right.is_finite() => "overflow",
            0.0 if underflows => "underflow",
            _ => continue,
        };
        let message = format!("value out of range: {what}");
        return Err(DataFusionError::External(Box::new(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message))));
    }
    Ok(())
}
