//! How long it is from one time to another, as PostgreSQL tells it: days of 24 hours, and what is left of them.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::IntervalMonthDayNanoArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;

const MICROS_PER_DAY: i64 = 86_400_000_000;
const NANOS_PER_MICRO: i64 = 1000;

/// `__time_between(later, earlier) -> interval` of two timestamps, both with a zone or both without; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TimeBetween {
    signature: Signature,
}

impl Default for TimeBetween {
    fn default() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

/// Days of 24 hours and what is left of them, both with the sign of the whole.
fn span(later: i64, earlier: i64) -> Option<IntervalMonthDayNano> {
    let micros = later.checked_sub(earlier)?;
    let days = i32::try_from(micros / MICROS_PER_DAY).ok()?;
    Some(IntervalMonthDayNano::new(0, days, micros % MICROS_PER_DAY * NANOS_PER_MICRO))
}

impl ScalarUDFImpl for TimeBetween {
    fn name(&self) -> &str {
        "__time_between"
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
        let micros = |times: &dyn Array| {
            let zone = match times.data_type() {
                DataType::Timestamp(_, zone) => zone.clone(),
                _ => None,
            };
            cast(times, &DataType::Timestamp(TimeUnit::Microsecond, zone))
        };
        let (later, earlier) = (micros(&arrays[0])?, micros(&arrays[1])?);
        let later = later.as_primitive::<TimestampMicrosecondType>();
        let earlier = earlier.as_primitive::<TimestampMicrosecondType>();
        let pairs = later.iter().zip(earlier).map(|(later, earlier)| later.zip(earlier));
        let found: IntervalMonthDayNanoArray = pairs
            .map(|pair| pair.map(|(later, earlier)| span(later, earlier).ok_or_else(out_of_range)).transpose())
            .collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

fn out_of_range() -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_have_the_sign_of_the_whole() {
        let hour = 3_600_000_000;
        let interval = |days, hours: i64| Some(IntervalMonthDayNano::new(0, days, hours * 3_600_000_000_000));
        assert_eq!(span(50 * hour, 0), interval(2, 2));
        assert_eq!(span(0, 50 * hour), interval(-2, -2));
        assert_eq!(span(hour, hour), interval(0, 0));
        assert_eq!(span(i64::MAX, -1), None);
    }
}
