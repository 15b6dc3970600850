//! How long an interval is, for comparisons: a month counts as 30 days and a day as 24 hours, as in PostgreSQL.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::DurationMicrosecondType;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

const DAYS_PER_MONTH: i128 = 30;
const MICROS_PER_DAY: i128 = 86_400_000_000;
const NANOS_PER_MICRO: i64 = 1000;

/// `__interval_micros(interval) -> BIGINT`; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct IntervalMicros {
    signature: Signature,
}

impl Default for IntervalMicros {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl IntervalMicros {
    /// The name.
    pub const NAME: &'static str = "__interval_micros";
}

/// How long an interval is.
pub fn interval_micros(interval: IntervalMonthDayNano) -> i64 {
    let days = i128::from(interval.months) * DAYS_PER_MONTH + i128::from(interval.days);
    let micros = days * MICROS_PER_DAY + i128::from(interval.nanoseconds / NANOS_PER_MICRO);
    // All months and days that there are have room; the nanoseconds on top might not.
    i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX })
}

impl ScalarUDFImpl for IntervalMicros {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let found: Int64Array = match arrays[0].data_type() {
            DataType::Duration(_) => {
                let spans = cast(&arrays[0], &DataType::Duration(TimeUnit::Microsecond))?;
                spans.as_primitive::<DurationMicrosecondType>().iter().collect()
            }
            _ => {
                let intervals = cast(&arrays[0], &DataType::Interval(IntervalUnit::MonthDayNano))?;
                intervals
                    .as_primitive::<IntervalMonthDayNanoType>()
                    .iter()
                    .map(|value| value.map(interval_micros))
                    .collect()
            }
        };
        debug_assert_eq!(found.len(), arrays[0].len());
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

#[cfg(test)]
mod tests {
    use super::interval_micros as micros;
    use super::*;

    #[test]
    fn a_month_is_thirty_days_and_a_day_is_24_hours() {
        let hour = 3_600_000_000_000;
        let interval = IntervalMonthDayNano::new;
        assert_eq!(micros(interval(0, 1, 0)), micros(interval(0, 0, 24 * hour)));
        assert_eq!(micros(interval(1, 0, 0)), micros(interval(0, 30, 0)));
        assert!(micros(interval(0, 1, hour)) < micros(interval(0, 0, 36 * hour)));
        assert!(micros(interval(1, -31, 0)) < 0);
        assert!(0 < micros(interval(i32::MAX, i32::MAX, i64::MAX)));
    }
}
