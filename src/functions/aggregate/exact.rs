//! The exact sum of integers, or of decimals of one scale.

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::PrimitiveArray;
use datafusion::arrow::datatypes::ArrowPrimitiveType;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Decimal128Type;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::datatypes::i256;

use super::Number;
use super::OutOfRange;
use super::Running;
use super::Total;
use super::running::take;

/// Sum and number of values. 256 bits hold 2^63 values of 128 bits, so that nothing overflows before a result is made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ExactSum {
    /// The sum, of the scale of the values.
    pub sum: i256,
    /// How many values, each by its weight.
    pub count: i64,
}

/// Bytes of a sum.
const BYTES: usize = 32;

impl Running for ExactSum {
    type Native = i128;

    fn add(&mut self, value: i128, weight: i64) {
        let value = i256::from_i128(value);
        self.sum = match weight {
            1 => self.sum.wrapping_add(value),
            -1 => self.sum.wrapping_sub(value),
            weight => self.sum.wrapping_add(value.wrapping_mul(i256::from(weight))),
        };
        self.count += weight;
    }

    fn merge(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.count += other.count;
    }

    /// Of the sum only the bytes that its sign does not tell, behind their number.
    fn write(&self, state: &mut Vec<u8>) {
        let bytes = self.sum.to_be_bytes();
        let sign = if self.sum.is_negative() { 0xff } else { 0 };
        let told = bytes.iter().take_while(|byte| **byte == sign).count();
        // The first byte that is kept carries the sign.
        let told = if bytes.get(told).is_some_and(|byte| (byte ^ sign) < 0x80) { told } else { told.saturating_sub(1) };
        state.push((BYTES - told) as u8);
        state.extend(&bytes[told..]);
        state.extend(self.count.to_be_bytes());
    }

    fn read(state: &mut &[u8]) -> Option<Self> {
        let [kept] = take(state)?;
        let (kept, rest) = state.split_at_checked(usize::from(kept))?;
        let sign = if kept.first()? & 0x80 == 0 { 0 } else { 0xff };
        let mut bytes = [sign; BYTES];
        bytes.get_mut(BYTES.checked_sub(kept.len())?..)?.copy_from_slice(kept);
        *state = rest;
        Some(Self { sum: i256::from_be_bytes(bytes), count: i64::from_be_bytes(take(state)?) })
    }

    fn result(&self, total: &Total) -> Result<Number, OutOfRange> {
        total.of_exact(self)
    }

    fn for_each(values: &ArrayRef, take: impl FnMut(usize, i128)) -> bool {
        match values.data_type() {
            DataType::Int32 => each(values.as_primitive::<Int32Type>(), take),
            DataType::Int64 => each(values.as_primitive::<Int64Type>(), take),
            DataType::Decimal128(..) => each(values.as_primitive::<Decimal128Type>(), take),
            _ => return false,
        }
        true
    }
}

fn each<T: ArrowPrimitiveType<Native: Into<i128>>>(values: &PrimitiveArray<T>, mut take: impl FnMut(usize, i128)) {
    for (row, value) in values.values().iter().enumerate() {
        if values.is_valid(row) {
            take(row, (*value).into());
        }
    }
}
