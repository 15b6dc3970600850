//! SUM and AVG under both rules of values: which type comes out, and which number.
//!
//! | | PostgreSQL | ksqlDB |
//! |---|---|---|
//! | SUM(INT) | BIGINT | INT, wraps |
//! | SUM(BIGINT) | DECIMAL(38,0) | BIGINT, wraps |
//! | SUM(DECIMAL(p,s)) | DECIMAL(p+10,s), 38 digits at most | DECIMAL(p,s) |
//! | AVG(INT), AVG(BIGINT) | DOUBLE | DOUBLE |
//! | AVG(DECIMAL(p,s)) | DECIMAL(p+4,s+4), as far as 38 digits go | DOUBLE |
//! | of nothing | NULL | 0 |

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::i256;

use super::DoubleSum;
use super::ExactSum;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::SqlType;

/// The most digits that a DECIMAL has.
const DIGITS_MAX: u8 = 38;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TotalKind {
    /// `SUM`
    Sum,
    /// `AVG`
    Avg,
}

/// What totals of nothing are, and what overflow does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TotalStyle {
    /// Of nothing is null; a sum that does not fit is an error.
    Postgres,
    /// Of nothing is 0; integer sums wrap in the argument's type; a decimal sum that does not fit is an error.
    Ksqldb,
}

/// A function of one argument's type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Total {
    kind: TotalKind,
    style: TotalStyle,
    /// Digits after the point of the argument.
    scale: i8,
    output: SqlType,
}

/// A result: of a column of an exact type its value or a decimal's digits, else a double.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// NULL.
    Null,
    /// An integer, or a decimal's digits.
    Exact(i128),
    /// A double.
    Double(f64),
}

/// A result that its type does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfRange(SqlType, TotalStyle);

impl OutOfRange {
    /// Of a result of this type.
    pub(super) fn new(sql_type: SqlType, style: TotalStyle) -> Self {
        Self(sql_type, style)
    }
}

impl From<OutOfRange> for Error {
    fn from(OutOfRange(sql_type, style): OutOfRange) -> Self {
        let message = match (style, sql_type) {
            (TotalStyle::Ksqldb, SqlType::Decimal { .. }) => "Numeric field overflow",
            (_, SqlType::Decimal { .. }) => "value overflows numeric format",
            (_, SqlType::BigInt) => "bigint out of range",
            (_, SqlType::Int) => "integer out of range",
            _ => "value out of range: overflow",
        };
        Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)
    }
}

impl Total {
    /// The function over an argument of a type, `None` where SQL has no such function.
    pub fn new(kind: TotalKind, style: TotalStyle, argument: &SqlType) -> Option<Self> {
        let output = match (kind, argument, style) {
            (TotalKind::Sum, SqlType::Int, TotalStyle::Postgres) => SqlType::BigInt,
            (TotalKind::Sum, SqlType::BigInt, TotalStyle::Postgres) => {
                SqlType::Decimal { precision: DIGITS_MAX, scale: 0 }
            }
            (TotalKind::Sum, SqlType::Decimal { precision, scale }, TotalStyle::Postgres) => {
                SqlType::Decimal { precision: (precision + 10).min(DIGITS_MAX), scale: *scale }
            }
            (TotalKind::Sum, SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Decimal { .. }, _) => {
                argument.clone()
            }
            (TotalKind::Avg, SqlType::Decimal { precision, scale }, TotalStyle::Postgres) => {
                // Never at the cost of digits before the point: an average fits wherever its values do.
                let more = 4.min(DIGITS_MAX - precision);
                SqlType::Decimal { precision: precision + more, scale: scale + more.cast_signed() }
            }
            (TotalKind::Avg, SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Decimal { .. }, _) => {
                SqlType::Double
            }
            _ => return None,
        };
        let scale = if let SqlType::Decimal { scale, .. } = argument { *scale } else { 0 };
        Some(Self { kind, style, scale, output })
    }

    /// `new` for the type of an array.
    pub fn of_array(kind: TotalKind, style: TotalStyle, argument: &DataType) -> Option<Self> {
        Self::new(kind, style, &SqlType::from_arrow(argument)?)
    }

    /// Whose rules.
    pub fn style(&self) -> TotalStyle {
        self.style
    }

    /// The result's type.
    pub fn output(&self) -> &SqlType {
        &self.output
    }

    /// The result for a group without values.
    fn of_nothing(&self) -> Number {
        match (self.style, &self.output) {
            (TotalStyle::Postgres, _) => Number::Null,
            (TotalStyle::Ksqldb, SqlType::Double) => Number::Double(0.0),
            (TotalStyle::Ksqldb, _) => Number::Exact(0),
        }
    }

    /// The result of an exact sum.
    pub fn of_exact(&self, running: &ExactSum) -> Result<Number, OutOfRange> {
        let ExactSum { sum, count } = *running;
        let exact = match (self.kind, &self.output, count) {
            (_, _, 0) => return Ok(self.of_nothing()),
            (TotalKind::Avg, SqlType::Decimal { scale, .. }, _) => {
                rescaled(sum, self.scale, *scale).and_then(|sum| divided_half_away(sum, i256::from(count)))
            }
            (TotalKind::Avg, ..) => {
                return Ok(Number::Double(as_double(sum) / 10f64.powi(i32::from(self.scale)) / count as f64));
            }
            (TotalKind::Sum, ..) => Some(sum),
        };
        let fitting = exact.and_then(i256::to_i128).filter(|value| fits(*value, &self.output));
        match (self.style, &self.output, fitting) {
            (_, _, Some(value)) => Ok(Number::Exact(value)),
            (TotalStyle::Ksqldb, SqlType::Int, None) => Ok(Number::Exact(i128::from(sum.as_i128() as i32))),
            (TotalStyle::Ksqldb, SqlType::BigInt, None) => Ok(Number::Exact(i128::from(sum.as_i128() as i64))),
            (_, _, None) => Err(self.out_of_range()),
        }
    }

    /// The result of a sum of doubles.
    pub fn of_double(&self, running: &DoubleSum) -> Result<Number, OutOfRange> {
        let value = match (self.kind, running.count) {
            (_, 0) => return Ok(self.of_nothing()),
            (TotalKind::Sum, _) => running.over(1.0),
            (TotalKind::Avg, count) => running.over(count as f64),
        };
        let overflows = value.is_infinite() && running.is_of_numbers();
        match (overflows, self.style) {
            (true, TotalStyle::Postgres) => Err(self.out_of_range()),
            _ => Ok(Number::Double(value)),
        }
    }

    fn out_of_range(&self) -> OutOfRange {
        OutOfRange(self.output.clone(), self.style)
    }
}

/// The nearest double, but for the rounding of both halves.
pub(super) fn as_double(value: i256) -> f64 {
    match value.to_i128() {
        Some(value) => value as f64,
        None => {
            let (low, high) = value.to_parts();
            high as f64 * 2f64.powi(128) + low as f64
        }
    }
}

fn rescaled(value: i256, from: i8, to: i8) -> Option<i256> {
    value.checked_mul(i256::from_i128(10).checked_pow(u32::try_from(to - from).ok()?)?)
}

fn divided_half_away(value: i256, count: i256) -> Option<i256> {
    let (quotient, rest) = (value.checked_div(count)?, value.checked_rem(count)?.wrapping_abs());
    let away = if value.is_negative() == count.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    let up = count.wrapping_abs() <= rest.checked_add(rest)?;
    if up { quotient.checked_add(away) } else { Some(quotient) }
}

fn fits(value: i128, output: &SqlType) -> bool {
    match output {
        SqlType::Int => i32::try_from(value).is_ok(),
        SqlType::BigInt => i64::try_from(value).is_ok(),
        SqlType::Decimal { precision, .. } => value.unsigned_abs() < 10u128.pow(u32::from(*precision)),
        _ => true,
    }
}
