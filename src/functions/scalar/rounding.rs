//! PostgreSQL's `round`, `trunc`, `ceil` and `floor`: decimals stay decimals, doubles round halves to even.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Decimal128Array;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Decimal128Type;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::described::described;
use crate::model::SqlType;

const DIGITS_MAX: u8 = 38;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `ROUND`: halves of decimals go away from zero, those of doubles to the even number.
    Nearest,
    /// `TRUNC`
    Zero,
    /// `CEIL`
    Up,
    /// `FLOOR`
    Down,
}

/// `round(number [, INT]) -> number` and its kin; null gives null. Immutable.
///
/// Without places `DECIMAL(p,s)` gives a whole DECIMAL, other numbers DOUBLE PRECISION. With places a decimal keeps its digits here;
/// the rules of values cast it to those that are written out.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Rounded {
    direction: Direction,
    signature: Signature,
    aliases: Vec<String>,
}

impl Rounded {
    /// All of them.
    pub fn all() -> [Self; 4] {
        [Direction::Nearest, Direction::Zero, Direction::Up, Direction::Down].map(|direction| {
            let aliases = if direction == Direction::Up { vec!["ceiling".to_string()] } else { Vec::new() };
            Self { direction, signature: Signature::user_defined(Volatility::Immutable), aliases }
        })
    }
}

/// The type of a decimal that is rounded to so many places.
pub fn with_places(precision: u8, scale: i8, places: i32) -> DataType {
    let whole = (i32::from(precision) - i32::from(scale) + 1).clamp(1, i32::from(DIGITS_MAX));
    let places = places.clamp(0, i32::from(DIGITS_MAX) - whole);
    DataType::Decimal128((whole + places) as u8, places as i8)
}

impl ScalarUDFImpl for Rounded {
    fn name(&self) -> &str {
        match self.direction {
            Direction::Nearest => "round",
            Direction::Zero => "trunc",
            Direction::Up => "ceil",
            Direction::Down => "floor",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 4]> = LazyLock::new(|| {
            [
                described(
                    "round(number [, int]) -> number",
                    "Rounded to so many places, halves of decimals away from zero. A NULL argument gives NULL.",
                ),
                described("trunc(number [, int]) -> number", "Cut to so many places. A NULL argument gives NULL."),
                described("ceil(number) -> number", "The least whole number that is not less."),
                described("floor(number) -> number", "The greatest whole number that is not greater."),
            ]
        });
        Some(&TOLD[self.direction as usize])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let takes_places = matches!(self.direction, Direction::Nearest | Direction::Zero);
        let taken = match arguments {
            [number] => number_type(number, false).map(|number| vec![number]),
            [number, places] if takes_places && (places.is_integer() || places.is_null()) => {
                number_type(number, true).map(|number| vec![number, DataType::Int32])
            }
            _ => None,
        };
        taken.ok_or_else(|| {
            let names: Vec<String> = arguments.iter().map(SqlType::postgres_name_of).collect();
            let message = format!("function {}({}) does not exist", self.name(), names.join(", "));
            let error = Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(
                "No function matches the given name and argument types. You might need to add explicit type casts.",
            );
            DataFusionError::External(Box::new(error))
        })
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match (&arguments[0], arguments.len()) {
            (DataType::Decimal128(precision, scale), 1) => with_places(*precision, *scale, 0),
            (DataType::Decimal128(precision, scale), _) => {
                DataType::Decimal128(precision.saturating_add(1).min(DIGITS_MAX), *scale)
            }
            _ => DataType::Float64,
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
        let answer: ArrayRef = match (arrays[0].data_type(), args.return_field.data_type()) {
            (DataType::Decimal128(_, from), DataType::Decimal128(precision, scale)) => {
                let values = arrays[0].as_primitive::<Decimal128Type>();
                let rounded = (0..values.len()).map(|row| {
                    let place = place(row).filter(|_| values.is_valid(row))?;
                    let dropped = i32::from(*from) - place;
                    let rounded = self.direction.digits(values.value(row), dropped);
                    Some(rescaled(rounded, *from, *scale))
                });
                let rounded: Decimal128Array = rounded.collect();
                let rounded = rounded.with_precision_and_scale(*precision, *scale)?;
                rounded.validate_decimal_precision(*precision).map_err(|_| out_of_range())?;
                Arc::new(rounded)
            }
            _ => {
                let values = arrays[0].as_primitive::<Float64Type>();
                let rounded = (0..values.len()).map(|row| {
                    let place = place(row).filter(|_| values.is_valid(row))?;
                    Some(self.direction.double(values.value(row), place))
                });
                Arc::new(rounded.collect::<Float64Array>())
            }
        };
        Ok(ColumnarValue::Array(answer))
    }
}

fn number_type(argument: &DataType, has_places: bool) -> Option<DataType> {
    Some(match argument {
        DataType::Decimal128(..) => argument.clone(),
        integer if integer.is_integer() && has_places => DataType::Decimal128(20, 0),
        other if other.is_numeric() || other.is_null() => DataType::Float64,
        _ => return None,
    })
}

fn out_of_range() -> DataFusionError {
    let error = Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow");
    DataFusionError::External(Box::new(error))
}

/// What was rounded already, with as many digits after the point as the answer has.
fn rescaled(value: i128, from: i8, to: i8) -> i128 {
    let unit = |digits: i8| 10_i128.pow(u32::from(digits.unsigned_abs()));
    match to.saturating_sub(from) {
        0 => value,
        more @ 1.. => value.saturating_mul(unit(more)),
        less => value / unit(less),
    }
}

impl Direction {
    fn double(self, value: f64, places: i32) -> f64 {
        let whole = |value: f64| match self {
            Direction::Nearest if places == 0 => value.round_ties_even(),
            Direction::Nearest => value.round(),
            Direction::Zero => value.trunc(),
            Direction::Up => value.ceil(),
            Direction::Down => value.floor(),
        };
        let factor = 10_f64.powi(places);
        let scaled = value * factor;
        // A double with so many digits has none behind them.
        if places == 0 || !scaled.is_finite() || factor == 0.0 { whole(value) } else { whole(scaled) / factor }
    }

    /// Digits of which the last `dropped` become zeros.
    fn digits(self, value: i128, dropped: i32) -> i128 {
        let Ok(dropped @ 1..) = u32::try_from(dropped) else { return value };
        // More digits than there are: nothing is left.
        let Some(unit) = 10_i128.checked_pow(dropped) else { return 0 };
        let rest = value % unit;
        let cut = value - rest;
        let away = |goes: bool| if goes { cut.saturating_add(unit.saturating_mul(rest.signum())) } else { cut };
        match self {
            Direction::Zero => cut,
            Direction::Nearest => away(unit - rest.abs() <= rest.abs()),
            Direction::Up => away(0 < rest),
            Direction::Down => away(rest < 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_round_away_from_zero_and_doubles_to_even() {
        for (value, dropped, nearest, zero, up, down) in [
            (25, 1, 30, 20, 30, 20),
            (-25, 1, -30, -20, -20, -30),
            (24, 1, 20, 20, 30, 20),
            (-5, 1, -10, 0, 0, -10),
            (20, 1, 20, 20, 20, 20),
            (7, 60, 0, 0, 0, 0),
            (7, -2, 7, 7, 7, 7),
        ] {
            let all = [Direction::Nearest, Direction::Zero, Direction::Up, Direction::Down];
            assert_eq!(all.map(|way| way.digits(value, dropped)), [nearest, zero, up, down], "{value} {dropped}");
        }
        assert_eq!([0.5, 1.5, 2.5, -2.5].map(|value| Direction::Nearest.double(value, 0)), [0.0, 2.0, 2.0, -2.0]);
        assert_eq!(Direction::Nearest.double(1234.567, 2), 1234.57);
        assert_eq!(Direction::Zero.double(-1.99, 1), -1.9);
        assert!(Direction::Up.double(f64::NAN, 0).is_nan());
        assert_eq!(Direction::Nearest.double(1e308, 300), 1e308);
        assert_eq!(with_places(3, 2, 5), DataType::Decimal128(7, 5));
        assert_eq!(with_places(38, 0, 2), DataType::Decimal128(38, 0));
    }
}
