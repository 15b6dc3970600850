//! ksqlDB's rules: Java's integers and doubles, decimals of a precision and scale that follow from the operands'.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::Result;

use super::Operation;
use super::decimal;
use super::division_by_zero;
use super::of_arrow;

/// The type of the answer.
pub(super) fn return_type(operation: Operation, left: &DataType, right: &DataType) -> DataType {
    match (left, right) {
        (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) => {
            decimal::result_type(operation, (*p1, *s1), (*p2, *s2))
        }
        _ => left.clone(),
    }
}

/// The answer for each row, of `return_type`.
pub(super) fn apply(
    operation: Operation,
    left: &ArrayRef,
    right: &ArrayRef,
    return_type: &DataType,
) -> Result<ArrayRef> {
    match left.data_type() {
        DataType::Int32 if operation == Operation::Divide => {
            let (left, right) = (left.as_primitive::<Int32Type>(), right.as_primitive::<Int32Type>());
            let divide = |(left, right): (Option<i32>, Option<i32>)| match (left, right) {
                (Some(_), Some(0)) => Err(division_by_zero()),
                (Some(left), Some(right)) => Ok(Some(left.wrapping_div(right))),
                _ => Ok(None),
            };
            let answer: Int32Array = left.iter().zip(right).map(divide).collect::<Result<_>>()?;
            Ok(Arc::new(answer))
        }
        DataType::Int64 if operation == Operation::Divide => {
            let (left, right) = (left.as_primitive::<Int64Type>(), right.as_primitive::<Int64Type>());
            let divide = |(left, right): (Option<i64>, Option<i64>)| match (left, right) {
                (Some(_), Some(0)) => Err(division_by_zero()),
                (Some(left), Some(right)) => Ok(Some(left.wrapping_div(right))),
                _ => Ok(None),
            };
            let answer: Int64Array = left.iter().zip(right).map(divide).collect::<Result<_>>()?;
            Ok(Arc::new(answer))
        }
        DataType::Decimal128(_, _) => decimal::apply(operation, left, right, return_type),
        data_type => {
            let answer = match operation {
                Operation::Add => numeric::add_wrapping(left, right),
                Operation::Subtract => numeric::sub_wrapping(left, right),
                Operation::Multiply => numeric::mul_wrapping(left, right),
                // Doubles only: integers are above.
                Operation::Divide => numeric::div(left, right),
                Operation::Modulo => numeric::rem(left, right),
            };
            answer.map_err(|error| of_arrow(error, data_type))
        }
    }
}
