//! An interval times or by a number, as PostgreSQL has it: what is left of a month are days, what is left of a day is time.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::IntervalMonthDayNanoArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;

const DAYS_PER_MONTH: f64 = 30.0;
const NANOS_PER_DAY: f64 = 86_400e9;
/// A result is told in microseconds.
const NANOS_PER_MICRO: f64 = 1000.0;

/// `__interval_times(interval, DOUBLE) -> interval` and `__interval_by(interval, DOUBLE) -> interval`; null gives null. Immutable.
///
/// 22012 for a division by zero, 22008 for a result that is no interval.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct IntervalScale {
    name: &'static str,
    signature: Signature,
}

impl IntervalScale {
    /// Both.
    pub fn all() -> [Self; 2] {
        let taken = vec![DataType::Interval(IntervalUnit::MonthDayNano), DataType::Float64];
        [Self::TIMES, Self::BY]
            .map(|name| Self { name, signature: Signature::exact(taken.clone(), Volatility::Immutable) })
    }

    /// The name of the product.
    pub const TIMES: &'static str = "__interval_times";
    /// The name of the quotient.
    pub const BY: &'static str = "__interval_by";

    fn scaled(&self, interval: IntervalMonthDayNano, number: f64) -> std::result::Result<IntervalMonthDayNano, Error> {
        if self.name == Self::BY && number == 0.0 {
            return Err(Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"));
        }
        let scale = |value: f64| if self.name == Self::BY { value / number } else { value * number };
        let months = scale(f64::from(interval.months));
        let days = scale(f64::from(interval.days)) + in_millionths(months.fract() * DAYS_PER_MONTH);
        let nanos = scale(interval.nanoseconds as f64) + days.fract() * NANOS_PER_DAY;
        let nanos = (nanos / NANOS_PER_MICRO).round() * NANOS_PER_MICRO;
        let fits = |value: f64, max: f64| value.is_finite() && value.abs() <= max;
        let (months, days) = (months.trunc(), days.trunc());
        if !fits(months, f64::from(i32::MAX)) || !fits(days, f64::from(i32::MAX)) || !fits(nanos, 9.2e18) {
            return Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range"));
        }
        Ok(IntervalMonthDayNano::new(months as i32, days as i32, nanos as i64))
    }
}

/// A part of an interval.
pub fn interval_by(interval: IntervalMonthDayNano, number: f64) -> std::result::Result<IntervalMonthDayNano, Error> {
    let [_, by] = IntervalScale::all();
    by.scaled(interval, number)
}

/// Of the days of a part of a month as many digits count as PostgreSQL counts.
fn in_millionths(days: f64) -> f64 {
    (days * 1e6).round() / 1e6
}

impl ScalarUDFImpl for IntervalScale {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let intervals = arrays[0].as_primitive::<IntervalMonthDayNanoType>();
        let numbers = arrays[1].as_primitive::<Float64Type>();
        let scaled = |row: usize| -> Result<Option<IntervalMonthDayNano>> {
            if intervals.is_null(row) || numbers.is_null(row) {
                return Ok(None);
            }
            let scaled = self.scaled(intervals.value(row), numbers.value(row));
            scaled.map(Some).map_err(|error| DataFusionError::External(Box::new(error)))
        };
        let found: IntervalMonthDayNanoArray = (0..intervals.len()).map(scaled).collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_down_to_the_next_unit() {
        let [times, by] = IntervalScale::all();
        let interval = IntervalMonthDayNano::new;
        let hour = 3_600_000_000_000;
        for (scale, from, number, to) in [
            (&times, interval(0, 0, hour), 2.0, interval(0, 0, 2 * hour)),
            (&times, interval(1, 0, 0), 1.5, interval(1, 15, 0)),
            (&times, interval(0, 1, 0), 0.5, interval(0, 0, 12 * hour)),
            (&times, interval(1, 2, hour), -1.0, interval(-1, -2, -hour)),
            (&by, interval(0, 0, hour), 4.0, interval(0, 0, hour / 4)),
            (&by, interval(1, 0, 0), 30.0, interval(0, 1, 0)),
            (&times, interval(0, 3, 0), 0.1, interval(0, 0, 7 * hour + hour / 5)),
        ] {
            assert_eq!(scale.scaled(from, number).expect("it fits"), to, "{from:?} {number}");
        }
        assert!(by.scaled(interval(0, 0, hour), 0.0).is_err());
        for number in [f64::NAN, f64::INFINITY, 1e300] {
            assert!(times.scaled(interval(1, 1, hour), number).is_err(), "{number}");
        }
    }
}
