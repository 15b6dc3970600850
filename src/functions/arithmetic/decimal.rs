//! Decimal arithmetic with ksqlDB's result types, exact in 256 bits, halves rounded up.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Decimal128Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Decimal128Type;
use datafusion::arrow::datatypes::i256;
use datafusion::error::Result;

use super::Operation;
use super::division_by_zero;
use super::out_of_range;

const PRECISION_MAX: i32 = 38;

/// ksqlDB's result types, kept within 38 digits: digits after the point go first, but not the last six.
pub(super) fn result_type(operation: Operation, (p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> DataType {
    let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
    let (precision, scale) = match operation {
        Operation::Add | Operation::Subtract => (s1.max(s2) + (p1 - s1).max(p2 - s2) + 1, s1.max(s2)),
        Operation::Multiply => (p1 + p2 + 1, s1 + s2),
        Operation::Divide => {
            let scale = 6.max(s1 + p2 + 1);
            (p1 - s1 + s2 + scale, scale)
        }
        Operation::Modulo => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
    };
    let excess = (precision - PRECISION_MAX).max(0);
    let scale = (scale - excess).max(scale.min(6));
    let precision = precision.clamp(1, PRECISION_MAX);
    DataType::Decimal128(precision as u8, scale as i8)
}

/// The answer for each row.
pub(super) fn apply(
    operation: Operation,
    left: &ArrayRef,
    right: &ArrayRef,
    return_type: &DataType,
) -> Result<ArrayRef> {
    let (left, right) = (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
    let DataType::Decimal128(precision, scale) = *return_type else {
        return Err(out_of_range(return_type));
    };
    let scales = Scales { left: left.scale(), right: right.scale(), answer: scale };
    let limit = i256::from_i128(10_i128.pow(u32::from(precision)));
    let answer = |(left, right): (Option<i128>, Option<i128>)| {
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        if right == 0 && matches!(operation, Operation::Divide | Operation::Modulo) {
            return Err(division_by_zero());
        }
        let exact = scales.compute(operation, i256::from_i128(left), i256::from_i128(right));
        let fits = exact.filter(|value| value.wrapping_abs() < limit).and_then(i256::to_i128);
        fits.map(Some).ok_or_else(|| out_of_range(return_type))
    };
    let answers: Decimal128Array = left.iter().zip(right).map(answer).collect::<Result<_>>()?;
    Ok(Arc::new(answers.with_precision_and_scale(precision, scale)?))
}

/// Digits after the point.
struct Scales {
    left: i8,
    right: i8,
    answer: i8,
}

impl Scales {
    /// The answer at its scale, `None` if 256 bits do not hold it.
    fn compute(&self, operation: Operation, left: i256, right: i256) -> Option<i256> {
        let same = self.left.max(self.right);
        let aligned = || Some((times_ten(left, same - self.left)?, times_ten(right, same - self.right)?));
        let (value, scale) = match operation {
            Operation::Add => aligned().and_then(|(left, right)| left.checked_add(right)).map(|sum| (sum, same))?,
            Operation::Subtract => {
                aligned().and_then(|(left, right)| left.checked_sub(right)).map(|rest| (rest, same))?
            }
            Operation::Modulo => {
                aligned().and_then(|(left, right)| left.checked_rem(right)).map(|rest| (rest, same))?
            }
            Operation::Multiply => (left.checked_mul(right)?, self.left + self.right),
            Operation::Divide => {
                // left / 10^s1 / (right / 10^s2) at the answer's scale: shift before dividing, round once.
                let shift = self.answer + self.right - self.left;
                let (left, right) =
                    if shift < 0 { (left, times_ten(right, -shift)?) } else { (times_ten(left, shift)?, right) };
                return divide_half_up(left, right);
            }
        };
        match self.answer - scale {
            0 => Some(value),
            shift @ 1.. => times_ten(value, shift),
            shift => divide_half_up(value, times_ten(i256::ONE, -shift)?),
        }
    }
}

fn times_ten(value: i256, digits: i8) -> Option<i256> {
    value.checked_mul(i256::from_i128(10).checked_pow(u32::try_from(digits).ok()?)?)
}

fn divide_half_up(left: i256, right: i256) -> Option<i256> {
    let quotient = left.checked_div(right)?;
    let rest = left.checked_rem(right)?.wrapping_abs();
    let up = right.wrapping_abs() <= rest.checked_add(rest)?;
    let away = if left.is_negative() == right.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    if up { quotient.checked_add(away) } else { Some(quotient) }
}
