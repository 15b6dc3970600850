//! ksqlDB's `ROUND` and `TRUNC`: halves go up, towards the greater number; decimals keep their type where places are told.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Decimal128Array;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Decimal128Type;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;
use crate::format;
use crate::functions::described::described;
use crate::functions::rowwise::not_accepted;

/// What becomes of the digits that go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// `ROUND`
    Nearest,
    /// `TRUNC`
    Cut,
}

/// `__ksql_round(number [, INT]) -> number`, and `__ksql_trunc`; null gives null. Immutable.
///
/// Without places INT, BIGINT and DOUBLE give BIGINT, `DECIMAL(p,s)` gives `DECIMAL(p-s,0)`; with places the type stays. 22003
/// for a decimal that grows out of its type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Round {
    rounding: Rounding,
    signature: Signature,
}

impl Round {
    pub fn new(rounding: Rounding) -> Self {
        Self { rounding, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Round {
    fn name(&self) -> &str {
        match self.rounding {
            Rounding::Nearest => "__ksql_round",
            Rounding::Cut => "__ksql_trunc",
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 2]> = LazyLock::new(|| {
            [
                described(
                    "round(number [, int]) -> number",
                    "Rounded to so many places, halves up. A NULL argument gives NULL.",
                ),
                described("trunc(number [, int]) -> number", "Cut to so many places. A NULL argument gives NULL."),
            ]
        });
        Some(&TOLD[usize::from(matches!(self.rounding, Rounding::Cut))])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let refused = || not_accepted(self.name(), arguments);
        let places = match arguments.get(1) {
            None => Vec::new(),
            Some(DataType::Int32 | DataType::Null) => vec![DataType::Int32],
            Some(_) => return Err(refused()),
        };
        let number = match arguments.first() {
            Some(decimal @ DataType::Decimal128(..)) => decimal.clone(),
            Some(DataType::Int32 | DataType::Int64) if places.is_empty() => DataType::Int64,
            Some(DataType::Int32 | DataType::Int64 | DataType::Float64 | DataType::Null) => DataType::Float64,
            _ => return Err(refused()),
        };
        if 2 < arguments.len() { Err(refused()) } else { Ok(std::iter::once(number).chain(places).collect()) }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match (&arguments[0], arguments.len()) {
            (DataType::Decimal128(precision, scale), 1) => whole_decimal(*precision, *scale),
            (DataType::Float64, 1) => DataType::Int64,
            (other, _) => other.clone(),
        })
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let places = arrays.get(1).map(|places| places.as_primitive::<Int32Type>());
        let place = |row: usize| match places {
            None => Some(0),
            Some(places) => places.is_valid(row).then(|| places.value(row)),
        };
        let rows = 0..arrays[0].len();
        let answer: ArrayRef = match arrays[0].data_type() {
            DataType::Int64 => Arc::clone(&arrays[0]),
            DataType::Decimal128(_, scale) => {
                let values = arrays[0].as_primitive::<Decimal128Type>();
                let round = |row: usize| {
                    let place = place(row).filter(|_| values.is_valid(row))?;
                    Some(self.rounding.digits(values.value(row), i32::from(*scale) - place))
                };
                // Still in the argument's scale; a cast to the answer's drops zeros only.
                let rounded: Decimal128Array = rows.map(round).collect();
                let rounded: ArrayRef = Arc::new(rounded.with_precision_and_scale(38, *scale)?);
                fitted(&rounded, args.return_field.data_type())?
            }
            _ => {
                let values = arrays[0].as_primitive::<Float64Type>();
                let valid = |row: usize| place(row).filter(|_| values.is_valid(row));
                match places {
                    // Java's casts: NaN is 0, what is too great the greatest.
                    None => Arc::new(Int64Array::from_iter(rows.map(|row| {
                        valid(row)?;
                        Some(self.rounding.whole(values.value(row)) as i64)
                    }))),
                    Some(_) => Arc::new(Float64Array::from_iter(
                        rows.map(|row| Some(self.rounding.double(values.value(row), valid(row)?))),
                    )),
                }
            }
        };
        Ok(ColumnarValue::Array(answer))
    }
}

fn whole_decimal(precision: u8, scale: i8) -> DataType {
    let digits = i16::from(precision) - i16::from(scale);
    DataType::Decimal128(u8::try_from(digits.max(1)).unwrap_or(precision), 0)
}

fn fitted(values: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    let fitted = cast(values, wanted)?;
    if fitted.null_count() == values.null_count() {
        return Ok(fitted);
    }
    let error = Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric out of range");
    Err(DataFusionError::External(Box::new(error)))
}

impl Rounding {
    fn whole(self, value: f64) -> f64 {
        match self {
            Rounding::Nearest => {
                let floor = value.floor();
                if value - floor < 0.5 { floor } else { floor + 1.0 }
            }
            Rounding::Cut => value.trunc(),
        }
    }

    /// A double by the digits that it is written with, as Java's `BigDecimal.valueOf` sees it.
    fn double(self, value: f64, places: i32) -> f64 {
        if !value.is_finite() {
            return value;
        }
        let text = format::java_double(value);
        let (mantissa, exponent) = text.split_once('E').unwrap_or((text.as_str(), "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}").parse::<i128>();
        let exponent = exponent.parse::<i32>().unwrap_or(0) - fraction.len() as i32;
        let Ok(digits) = digits else { return value };
        let rounded = self.digits(digits, -exponent - places);
        format!("{rounded}e{exponent}").parse().unwrap_or(value)
    }

    /// Digits of which the last `dropped` become zeros.
    fn digits(self, value: i128, dropped: i32) -> i128 {
        let Ok(dropped @ 1..) = u32::try_from(dropped) else { return value };
        // More digits than an i128 has: nothing is left.
        let Some(unit) = 10_i128.checked_pow(dropped) else { return 0 };
        let rest = value.rem_euclid(unit);
        let floor = value - rest;
        match self {
            Rounding::Cut => value - value % unit,
            Rounding::Nearest if unit <= rest * 2 => floor.saturating_add(unit),
            Rounding::Nearest => floor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_up_and_cut_digits_go_away() {
        for (value, places, nearest, cut) in [
            (1.5, 0, 2.0, 1.0),
            (-1.5, 0, -1.0, -1.0),
            (-1.7, 0, -2.0, -1.0),
            (12345.678, 2, 12345.68, 12345.67),
            (12345.678, -1, 12350.0, 12340.0),
            (-12345.678, -2, -12300.0, -12300.0),
            (1.005, 2, 1.01, 1.0),
            (1.0e20, 2, 1.0e20, 1.0e20),
            (1.0e-7, 3, 0.0, 0.0),
            (0.3, 40, 0.3, 0.3),
        ] {
            assert_eq!(Rounding::Nearest.double(value, places), nearest, "{value} {places}");
            assert_eq!(Rounding::Cut.double(value, places), cut, "{value} {places}");
        }
        assert_eq!(Rounding::Nearest.whole(-1.5), -1.0);
        assert_eq!(Rounding::Nearest.whole(0.49999999999999994), 0.0);
        assert_eq!(Rounding::Nearest.digits(-25, 1), -20);
        assert_eq!(Rounding::Nearest.digits(25, 60), 0);
        assert_eq!(whole_decimal(33, 16), DataType::Decimal128(17, 0));
        assert_eq!(whole_decimal(2, 2), DataType::Decimal128(1, 0));
    }
}
