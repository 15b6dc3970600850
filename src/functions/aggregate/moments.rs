//! Variance, standard deviation and correlation of values that may be taken back.
//!
//! Of integers and decimals the sums of values and of their squares are exact. Of doubles both are sums of about 32 digits, and
//! so is what is made of them, since the variance is the small difference of great sums: a spread of less than 2^-40 of
//! the values counts as none.

use datafusion::arrow::datatypes::i256;

use super::DoubleSum;
use super::ExactSum;
use super::Number;
use super::OutOfRange;
use super::Running;
use super::TotalStyle;
use super::running::take;
use super::total::as_double;
use crate::model::SqlType;

/// What is asked of the spread of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dispersion {
    /// The mean square distance of a sample from its mean.
    VarianceSample,
    /// That of all there are.
    VariancePopulation,
    /// The root of the sample's.
    DeviationSample,
    /// The root of that of all there are.
    DeviationPopulation,
}

impl Dispersion {
    /// The name in SQL, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Dispersion::VarianceSample => "var_samp",
            Dispersion::VariancePopulation => "var_pop",
            Dispersion::DeviationSample => "stddev_samp",
            Dispersion::DeviationPopulation => "stddev_pop",
        }
    }

    fn is_sample(self) -> bool {
        matches!(self, Dispersion::VarianceSample | Dispersion::DeviationSample)
    }

    /// The result of `count` values, of which `numerator` is `count` times the sum of squares less the square of the sum.
    fn of(self, numerator: f64, count: i64, style: TotalStyle) -> Number {
        let others = if self.is_sample() { count - 1 } else { count };
        if count < 1 || others < 1 {
            return match style {
                TotalStyle::Postgres => Number::Null,
                TotalStyle::Ksqldb => Number::Double(0.0),
            };
        }
        let variance = numerator.max(0.0) / count as f64 / others as f64;
        Number::Double(match self {
            Dispersion::VarianceSample | Dispersion::VariancePopulation => variance,
            Dispersion::DeviationSample | Dispersion::DeviationPopulation => variance.sqrt(),
        })
    }
}

/// Values of an exact type, whose squares need 128 bits: integers, and decimals of up to 18 digits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ExactMoments {
    values: ExactSum,
    squares: i256,
}

impl ExactMoments {
    /// Takes a value; `weight` -1 takes it back.
    pub fn add(&mut self, value: i128, weight: i64) {
        self.values.add(value, weight);
        let square = i256::from_i128(value).wrapping_mul(i256::from_i128(value));
        self.squares = self.squares.wrapping_add(square.wrapping_mul(i256::from(weight)));
    }

    /// Takes all values of another.
    pub fn merge(&mut self, other: &Self) {
        self.values.merge(&other.values);
        self.squares = self.squares.wrapping_add(other.squares);
    }

    /// Adds its bytes to `state`.
    pub fn write(&self, state: &mut Vec<u8>) {
        self.values.write(state);
        state.extend(self.squares.to_be_bytes());
    }

    /// What `write` wrote; `state` moves behind it. `None` for other bytes.
    pub fn read(state: &mut &[u8]) -> Option<Self> {
        let values = ExactSum::read(state)?;
        Some(Self { values, squares: i256::from_be_bytes(take(state)?) })
    }

    /// The result; the values are of a decimal with `scale` digits after its point.
    pub fn result(&self, asked: Dispersion, scale: i8, style: TotalStyle) -> Number {
        let ExactSum { sum, count } = self.values;
        let numerator = self.squares.wrapping_mul(i256::from(count)).wrapping_sub(sum.wrapping_mul(sum));
        asked.of(as_double(numerator) / 10f64.powi(2 * i32::from(scale)), count, style)
    }
}

/// Doubles.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DoubleMoments {
    values: DoubleSum,
    squares: DoubleSum,
}

impl DoubleMoments {
    /// Takes a value; `weight` -1 takes it back.
    pub fn add(&mut self, value: f64, weight: i64) {
        self.values.add(value, weight);
        add_product(&mut self.squares, value, value, weight);
    }

    /// Takes all values of another.
    pub fn merge(&mut self, other: &Self) {
        self.values.merge(&other.values);
        self.squares.merge(&other.squares);
    }

    /// Adds its bytes to `state`.
    pub fn write(&self, state: &mut Vec<u8>) {
        self.values.write(state);
        self.squares.write(state);
    }

    /// What `write` wrote; `state` moves behind it. `None` for other bytes.
    pub fn read(state: &mut &[u8]) -> Option<Self> {
        Some(Self { values: DoubleSum::read(state)?, squares: DoubleSum::read(state)? })
    }

    /// The result; one that no double holds is out of range in PostgreSQL's rules.
    pub fn result(&self, asked: Dispersion, style: TotalStyle) -> Result<Number, OutOfRange> {
        let count = self.values.count;
        let numerator = difference(count, &self.squares, &self.values, &self.values);
        match asked.of(numerator, count, style) {
            Number::Double(_) if !numerator.is_finite() => match (self.values.is_of_numbers(), style) {
                (true, TotalStyle::Postgres) => Err(OutOfRange::new(SqlType::Double, style)),
                _ => Ok(Number::Double(numerator)),
            },
            result => Ok(result),
        }
    }
}

/// Pairs of doubles, and how they go together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Correlation {
    left: DoubleMoments,
    right: DoubleMoments,
    products: DoubleSum,
}

impl Correlation {
    /// Takes a pair; `weight` -1 takes it back.
    pub fn add(&mut self, left: f64, right: f64, weight: i64) {
        self.left.add(left, weight);
        self.right.add(right, weight);
        add_product(&mut self.products, left, right, weight);
    }

    /// Takes all pairs of another.
    pub fn merge(&mut self, other: &Self) {
        self.left.merge(&other.left);
        self.right.merge(&other.right);
        self.products.merge(&other.products);
    }

    /// Adds its bytes to `state`.
    pub fn write(&self, state: &mut Vec<u8>) {
        self.left.write(state);
        self.right.write(state);
        self.products.write(state);
    }

    /// What `write` wrote; `state` moves behind it. `None` for other bytes.
    pub fn read(state: &mut &[u8]) -> Option<Self> {
        let (left, right) = (DoubleMoments::read(state)?, DoubleMoments::read(state)?);
        Some(Self { left, right, products: DoubleSum::read(state)? })
    }

    /// Pearson's coefficient, from -1 to 1. Where one side has no spread there is none: null, or NaN in ksqlDB's rules.
    pub fn result(&self, style: TotalStyle) -> Number {
        let Self { left, right, products } = self;
        let count = left.values.count;
        let spread = |side: &DoubleMoments| difference(count, &side.squares, &side.values, &side.values);
        let (one, other) = (spread(left), spread(right));
        if one.is_finite() && other.is_finite() && (one <= 0.0 || other <= 0.0) {
            return match style {
                TotalStyle::Postgres => Number::Null,
                TotalStyle::Ksqldb => Number::Double(f64::NAN),
            };
        }
        let together = difference(count, products, &left.values, &right.values);
        Number::Double((together / one.sqrt() / other.sqrt()).clamp(-1.0, 1.0))
    }
}

/// Adds a product and what its rounding left.
fn add_product(sum: &mut DoubleSum, left: f64, right: f64, weight: i64) {
    let product = left * right;
    sum.add(product, weight);
    let rest = left.mul_add(right, -product);
    if rest.is_finite() {
        sum.add(rest, weight);
    }
}

/// So many times the sum of products, less the product of the sums; NaN or infinite where values were no numbers or too great.
fn difference(count: i64, products: &DoubleSum, left: &DoubleSum, right: &DoubleSum) -> f64 {
    let (Some(products), Some(one), Some(other)) = (products.pair(), left.pair(), right.pair()) else {
        return if left.is_of_numbers() && right.is_of_numbers() { f64::INFINITY } else { f64::NAN };
    };
    let all = Pair::of(count as f64).times(products);
    let found = all.less(one.times(other)).value();
    // What lies within the error of the sums is nothing.
    let error = NOTHING.max(count as f64 * count as f64 * ERROR_OF_SUMS);
    if found.abs() <= all.value().abs() * error { 0.0 } else { found }
}

/// 2^-80, beside the sum of products: the error of a hundred thousand values, and of more that were taken back.
const NOTHING: f64 = 1.0 / (1u128 << 80) as f64;

/// 2^-108: the error grows with the square of the number of values; it was measured as 2^-113 of that.
const ERROR_OF_SUMS: f64 = 1.0 / (1u128 << 108) as f64;

/// A number of about 32 digits, as the sum of two doubles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    high: f64,
    low: f64,
}

impl Pair {
    pub(super) fn sum(one: f64, other: f64) -> Self {
        let high = one + other;
        let part = high - one;
        Self { high, low: (one - (high - part)) + (other - part) }
    }

    fn of(value: f64) -> Self {
        Self { high: value, low: 0.0 }
    }

    fn times(self, other: Self) -> Self {
        let product = self.high * other.high;
        let rest = self.high.mul_add(other.high, -product);
        Self::sum(product, rest + (self.high * other.low + self.low * other.high))
    }

    fn less(self, other: Self) -> Self {
        let high = Self::sum(self.high, -other.high);
        let low = Self::sum(self.low, -other.low);
        let first = Self::sum(high.high, high.low + low.high);
        Self::sum(first.high, first.low + low.low)
    }

    fn value(self) -> f64 {
        self.high + self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(number: Number) -> f64 {
        match number {
            Number::Double(value) => value,
            other => panic!("{other:?} is no double"),
        }
    }

    #[test]
    fn the_spread_of_great_values_is_that_of_their_differences() {
        for offset in [0.0, 1e9, 1e12] {
            let mut moments = DoubleMoments::default();
            [4.0, 7.0, 13.0, 16.0].into_iter().for_each(|value| moments.add(offset + value, 1));
            let of = |asked| double(moments.result(asked, TotalStyle::Postgres).expect("in range"));
            for (asked, wanted) in [
                (Dispersion::VarianceSample, 30.0),
                (Dispersion::VariancePopulation, 22.5),
                (Dispersion::DeviationPopulation, 22.5f64.sqrt()),
            ] {
                assert!((of(asked) - wanted).abs() < 1e-9, "{asked:?} at {offset}");
            }
        }
        let mut exact = ExactMoments::default();
        [4, 7, 13, 16].into_iter().for_each(|value| exact.add(i128::from(i64::MAX) - value, 1));
        assert_eq!(double(exact.result(Dispersion::VarianceSample, 0, TotalStyle::Postgres)), 30.0);
        assert_eq!(double(exact.result(Dispersion::VarianceSample, 1, TotalStyle::Postgres)), 0.3);
    }

    #[test]
    fn values_that_are_taken_back_leave_nothing() {
        let mut moments = DoubleMoments::default();
        for value in [1e300, f64::NAN, f64::INFINITY, 0.1, 0.3] {
            moments.add(value, 1);
        }
        assert!(
            !double(moments.result(Dispersion::VarianceSample, TotalStyle::Ksqldb).expect("ksqlDB has any"))
                .is_finite()
        );
        for value in [f64::INFINITY, 1e300, f64::NAN] {
            moments.add(value, -1);
        }
        let variance = double(moments.result(Dispersion::VarianceSample, TotalStyle::Postgres).expect("in range"));
        assert!((variance - 0.02).abs() < 1e-15, "{variance}");
        moments.add(0.3, -1);
        assert_eq!(moments.result(Dispersion::VarianceSample, TotalStyle::Postgres), Ok(Number::Null));
        assert_eq!(moments.result(Dispersion::VariancePopulation, TotalStyle::Postgres), Ok(Number::Double(0.0)));
    }

    #[test]
    fn equal_values_have_no_spread_and_no_correlation() {
        let mut pairs = Correlation::default();
        for number in 0..1000 {
            pairs.add(0.1, f64::from(number), 1);
        }
        assert_eq!(pairs.result(TotalStyle::Postgres), Number::Null);
        assert!(double(pairs.result(TotalStyle::Ksqldb)).is_nan());
        for number in 0..1000 {
            pairs.add(0.1, f64::from(number), -1);
            pairs.add(f64::from(-number) / 3.0, f64::from(number), 1);
        }
        let found = double(pairs.result(TotalStyle::Postgres));
        assert!((found + 1.0).abs() < 1e-15, "{found}");
    }

    #[test]
    fn what_is_kept_is_read_as_it_was_written_and_parts_are_the_whole() {
        let (mut whole, mut part) = (Correlation::default(), Correlation::default());
        for (number, value) in [0.1, 1e300, -0.3, 7.0].into_iter().enumerate() {
            whole.add(value, number as f64, 1);
            if number == 1 {
                part = std::mem::take(&mut whole);
            }
        }
        whole.merge(&part);
        let mut state = Vec::new();
        whole.write(&mut state);
        assert_eq!(Correlation::read(&mut state.as_slice()), Some(whole));
        assert_eq!(Correlation::read(&mut &state[..state.len() - 1]), None);
        let mut exact = ExactMoments::default();
        exact.add(-7, 1);
        let mut state = Vec::new();
        exact.write(&mut state);
        assert_eq!(ExactMoments::read(&mut state.as_slice()), Some(exact));
    }
}
