//! The sum of doubles, bounded in its error and never lost to a value that was taken back.

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Float64Type;

use super::Number;
use super::OutOfRange;
use super::Running;
use super::Total;
use super::moments::Pair;
use super::running::take;

/// What great values are multiplied with, a power of two: 2^63 of the greatest double do not reach infinity then.
const SHRINK: f64 = 1.0 / (1u128 << 100) as f64;

/// 2^960: so many values below it as a group can have do not reach infinity.
const GREAT: f64 = f64::from_bits((960 + 1023) << 52);

/// Neumaier's compensated sum: the error is that of one rounding, however many the values, as long as they do not cancel.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Compensated {
    sum: f64,
    low: f64,
}

impl Compensated {
    fn add(&mut self, value: f64) {
        let total = self.sum + value;
        self.low += if self.sum.abs() < value.abs() { (value - total) + self.sum } else { (self.sum - total) + value };
        self.sum = total;
    }

    fn value(&self) -> f64 {
        self.sum + self.low
    }
}

/// Sum and number of doubles. Great ones have a sum of their own, and what is no number is counted, since neither infinity
/// nor NaN could be taken back from a sum.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DoubleSum {
    usual: Compensated,
    great: Compensated,
    nan: i64,
    plus_infinite: i64,
    minus_infinite: i64,
    /// How many values, each by its weight.
    pub count: i64,
}

impl DoubleSum {
    /// The sum, divided by `divisor`; infinite where no double is near it.
    pub(super) fn over(&self, divisor: f64) -> f64 {
        match (self.nan, self.plus_infinite, self.minus_infinite) {
            (0, 0, 0) => {}
            (0, _, 0) => return f64::INFINITY,
            (0, 0, _) => return f64::NEG_INFINITY,
            _ => return f64::NAN,
        }
        if self.great == Compensated::default() {
            return self.usual.value() / divisor;
        }
        (self.great.value() + self.usual.value() * SHRINK) / divisor / SHRINK
    }

    /// The sum with the digits that one double does not hold; `None` with a value that is great or no number.
    pub(super) fn pair(&self) -> Option<Pair> {
        let is_usual = self.great == Compensated::default() && self.is_of_numbers();
        is_usual.then(|| Pair::sum(self.usual.sum, self.usual.low))
    }

    /// Whether all values were numbers: only then an infinite sum is one that was too great.
    pub(super) fn is_of_numbers(&self) -> bool {
        (self.nan, self.plus_infinite, self.minus_infinite) == (0, 0, 0)
    }

    fn parts(&self) -> [u64; 7] {
        [
            self.usual.sum.to_bits(),
            self.usual.low.to_bits(),
            self.great.sum.to_bits(),
            self.great.low.to_bits(),
            self.nan.cast_unsigned(),
            self.plus_infinite.cast_unsigned(),
            self.minus_infinite.cast_unsigned(),
        ]
    }
}

impl Running for DoubleSum {
    type Native = f64;

    fn add(&mut self, value: f64, weight: i64) {
        self.count += weight;
        if value.is_nan() {
            self.nan += weight;
        } else if value.is_infinite() {
            *(if 0.0 < value { &mut self.plus_infinite } else { &mut self.minus_infinite }) += weight;
        } else if GREAT <= value.abs() {
            self.great.add(value * SHRINK * weight as f64);
        } else {
            self.usual.add(value * weight as f64);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (own, other) in [(&mut self.usual, &other.usual), (&mut self.great, &other.great)] {
            own.add(other.sum);
            own.low += other.low;
        }
        self.nan += other.nan;
        self.plus_infinite += other.plus_infinite;
        self.minus_infinite += other.minus_infinite;
        self.count += other.count;
    }

    /// Which parts are not zero, then those.
    fn write(&self, state: &mut Vec<u8>) {
        let parts = self.parts();
        let there = parts.iter().enumerate().filter(|(_, part)| **part != 0);
        state.push(there.clone().fold(0, |bits, (index, _)| bits | 1 << index));
        there.for_each(|(_, part)| state.extend(part.to_be_bytes()));
        state.extend(self.count.to_be_bytes());
    }

    fn read(state: &mut &[u8]) -> Option<Self> {
        let [there] = take(state)?;
        let mut parts = [0; 7];
        for (index, part) in parts.iter_mut().enumerate() {
            if there & 1 << index != 0 {
                *part = u64::from_be_bytes(take(state)?);
            }
        }
        let [sum, low, great_sum, great_low, nan, plus, minus] = parts;
        let compensated = |sum, low| Compensated { sum: f64::from_bits(sum), low: f64::from_bits(low) };
        Some(Self {
            usual: compensated(sum, low),
            great: compensated(great_sum, great_low),
            nan: nan.cast_signed(),
            plus_infinite: plus.cast_signed(),
            minus_infinite: minus.cast_signed(),
            count: i64::from_be_bytes(take(state)?),
        })
    }

    fn result(&self, total: &Total) -> Result<Number, OutOfRange> {
        total.of_double(self)
    }

    fn for_each(values: &ArrayRef, mut take: impl FnMut(usize, f64)) -> bool {
        if values.data_type() != &DataType::Float64 {
            return false;
        }
        let values = values.as_primitive::<Float64Type>();
        for (row, value) in values.values().iter().enumerate() {
            if values.is_valid(row) {
                take(row, *value);
            }
        }
        true
    }
}
