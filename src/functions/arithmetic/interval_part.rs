//! What EXTRACT tells of an interval with a fraction: its seconds, its milliseconds, and all of it in seconds.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

const NANOS_PER_SECOND: f64 = 1e9;
const NANOS_PER_MINUTE: i64 = 60_000_000_000;
const SECONDS_PER_DAY: f64 = 86_400.0;
const DAYS_PER_YEAR: f64 = 365.25;
const DAYS_PER_MONTH: f64 = 30.0;

/// A part of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    /// All of it, in seconds: a year counts as 365.25 days, a month beside it as 30.
    Epoch,
    /// What is left of its minutes, in seconds.
    Seconds,
    /// The same in milliseconds.
    Milliseconds,
}

/// `__interval_epoch(interval) -> DOUBLE`, `__interval_seconds`, `__interval_milliseconds`; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct IntervalPart {
    part: Part,
    signature: Signature,
}

impl IntervalPart {
    /// All of them.
    pub fn all() -> [Self; 3] {
        [Part::Epoch, Part::Seconds, Part::Milliseconds]
            .map(|part| Self { part, signature: Signature::any(1, Volatility::Immutable) })
    }
}

fn told(part: Part, interval: IntervalMonthDayNano) -> f64 {
    let left = (interval.nanoseconds % NANOS_PER_MINUTE) as f64;
    match part {
        Part::Epoch => {
            let (years, months) = (f64::from(interval.months / 12), f64::from(interval.months % 12));
            let days = years * DAYS_PER_YEAR + months * DAYS_PER_MONTH + f64::from(interval.days);
            days * SECONDS_PER_DAY + interval.nanoseconds as f64 / NANOS_PER_SECOND
        }
        Part::Seconds => left / NANOS_PER_SECOND,
        Part::Milliseconds => left / 1e6,
    }
}

impl ScalarUDFImpl for IntervalPart {
    fn name(&self) -> &str {
        match self.part {
            Part::Epoch => "__interval_epoch",
            Part::Seconds => "__interval_seconds",
            Part::Milliseconds => "__interval_milliseconds",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let intervals = cast(&arrays[0], &DataType::Interval(IntervalUnit::MonthDayNano))?;
        let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>().iter();
        let found: Float64Array =
            intervals.map(|interval| interval.map(|interval| told(self.part, interval))).collect();
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_longer_than_their_months() {
        let interval = |months, days, nanos| IntervalMonthDayNano::new(months, days, nanos);
        assert_eq!(told(Part::Epoch, interval(14, 3, 14_706_789_000_000)), 37_015_506.789);
        assert_eq!(told(Part::Seconds, interval(1, 1, 66_789_000_000)), 6.789);
        assert_eq!(told(Part::Milliseconds, interval(0, 0, -66_789_000_000)), -6789.0);
    }
}
