//! `age`: the difference of two times in years, months, days and time, as people tell an age.

use std::sync::Arc;
use std::sync::LazyLock;

use chrono::DateTime;
use chrono::Datelike;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::Timelike;
use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::IntervalMonthDayNanoArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::functions::described::described;
use crate::functions::rowwise::not_accepted;
use crate::model::SqlType;

/// `age(TIMESTAMP, TIMESTAMP) -> INTERVAL`; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Age {
    signature: Signature,
}

impl Age {
    pub fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Age {
    fn name(&self) -> &str {
        "age"
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<Documentation> = LazyLock::new(|| {
            described(
                "age(timestamp, timestamp) -> interval\nage(timestamp) -> interval",
                "How much later the first time is, in years, months, days and time; with one argument, how long ago it was at today's midnight. A NULL argument gives NULL.",
            )
        });
        Some(&TOLD)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let is_time = |argument: &DataType| {
            matches!(argument, DataType::Timestamp(..) | DataType::Date32 | DataType::Null) || argument.is_string()
        };
        match arguments {
            [later, earlier] if is_time(later) && is_time(earlier) => Ok(vec![SqlType::Timestamp.arrow(); 2]),
            _ => Err(not_accepted(self.name(), arguments)),
        }
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [later, earlier] = [&arrays[0], &arrays[1]].map(|array| array.as_primitive::<TimestampMicrosecondType>());
        let ages: IntervalMonthDayNanoArray = (0..later.len())
            .map(|row| {
                (later.is_valid(row) && earlier.is_valid(row)).then(|| age(later.value(row), earlier.value(row)))
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(ages)))
    }
}

fn age(later: i64, earlier: i64) -> IntervalMonthDayNano {
    let time = |micros| DateTime::from_timestamp_micros(micros).unwrap_or_default().naive_utc();
    let sign = if later < earlier { -1 } else { 1 };
    let (from, to) = (time(later.min(earlier)), time(later.max(earlier)));
    let nanos_of_day = |time: NaiveDateTime| {
        i64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(time.nanosecond())
    };
    let months_of = |time: NaiveDateTime| time.year() * 12 + time.month0() as i32;
    let mut nanos = nanos_of_day(to) - nanos_of_day(from);
    let mut days = to.day() as i32 - from.day() as i32;
    let mut months = months_of(to) - months_of(from);
    if nanos < 0 {
        nanos += 86_400_000_000_000;
        days -= 1;
    }
    while days < 0 {
        // A month that is not whole has as many days as the earlier time's.
        days += days_of_month(from);
        months -= 1;
    }
    IntervalMonthDayNano::new(sign * months, sign * days, i64::from(sign) * nanos)
}

fn days_of_month(time: NaiveDateTime) -> i32 {
    let first = NaiveDate::from_ymd_opt(time.year(), time.month(), 1);
    first.map_or(30, |first| i32::from(first.num_days_in_month()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_as_postgresql_tells_them() {
        let at = |text: &str| text.parse::<NaiveDateTime>().expect("a time").and_utc().timestamp_micros();
        for (later, earlier, months, days, hours) in [
            ("2024-03-31T00:00:00", "2024-02-29T00:00:00", 1, 2, 0),
            ("2001-04-10T00:00:00", "1957-06-13T00:00:00", 43 * 12 + 9, 27, 0),
            ("2024-01-01T10:00:00", "2024-01-02T09:00:00", 0, 0, -23),
            ("2024-03-01T00:00:00", "2024-02-28T12:00:00", 0, 1, 12),
        ] {
            let expected = IntervalMonthDayNano::new(months, days, hours * 3_600_000_000_000);
            assert_eq!(age(at(later), at(earlier)), expected, "{later} {earlier}");
        }
    }
}
