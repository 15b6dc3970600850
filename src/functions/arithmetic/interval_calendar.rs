//! What PostgreSQL makes of intervals: `justify_hours`, `make_interval`, `date_trunc`, their fields, the longest of them, and
//! intervals that texts tell.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::IntervalMonthDayNanoArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::interval_order::interval_micros;
use crate::error::Error;
use crate::error::SqlState;
use crate::format;
use crate::functions::described::described;

const SPAN: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const DAYS_PER_MONTH: i64 = 30;
const NANOS_PER_MICRO: i64 = 1000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;
const NANOS_PER_HOUR: i64 = 3600 * NANOS_PER_SECOND;
const NANOS_PER_MINUTE: i64 = 60 * NANOS_PER_SECOND;

/// What is asked of intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    JustifyHours,
    JustifyDays,
    JustifyInterval,
    Make,
    Truncate,
    Field,
    Greatest,
    Least,
    Read,
}

/// * `justify_hours(interval)`, `justify_days(interval)`, `justify_interval(interval)`.
/// * `make_interval(years, months, weeks, days, hours, mins, secs)`.
/// * `__interval_trunc(unit, interval)`: `date_trunc` of an interval; `__interval_field(unit, interval) -> INT`.
/// * `__interval_greatest(interval, ..)`, `__interval_least(interval, ..)`: by how long they are; NULLs do not count, the first of
///   those that are as long is taken.
/// * `__interval_in(text)`: 22007 for a text that tells none.
///
/// Of others null gives null. All are immutable. 22008 for a result that is no interval.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct IntervalFunction {
    kind: Kind,
    signature: Signature,
}

impl IntervalFunction {
    /// All of them.
    pub fn all() -> [Self; 9] {
        use Kind::Field;
        use Kind::Greatest;
        use Kind::JustifyDays;
        use Kind::JustifyHours;
        use Kind::JustifyInterval;
        use Kind::Least;
        use Kind::Make;
        use Kind::Read;
        use Kind::Truncate;
        [JustifyHours, JustifyDays, JustifyInterval, Make, Truncate, Field, Greatest, Least, Read].map(|kind| {
            let volatility = Volatility::Immutable;
            let signature = match kind {
                Make => {
                    let mut taken = vec![DataType::Int64; 6];
                    taken.push(DataType::Float64);
                    Signature::exact(taken, volatility)
                }
                Truncate | Field => Signature::exact(vec![DataType::Utf8, SPAN], volatility),
                Read => Signature::exact(vec![DataType::Utf8], volatility),
                JustifyHours | JustifyDays | JustifyInterval | Greatest | Least => Signature::user_defined(volatility),
            };
            Self { kind, signature }
        })
    }
}

/// The interval that a text tells; 22007 if it tells none.
pub fn interval_of_text(text: &str) -> std::result::Result<IntervalMonthDayNano, Error> {
    let span = format::text::Span::parse(text).ok_or_else(|| {
        let message = format!("invalid input syntax for type interval: \"{text}\"");
        Error::new(SqlState::INVALID_DATETIME_FORMAT, message)
    })?;
    let nanos = span.micros.checked_mul(NANOS_PER_MICRO).ok_or_else(|| {
        let message = format!("interval field value out of range: \"{text}\"");
        Error::new(SqlState("22015"), message)
    })?;
    Ok(IntervalMonthDayNano::new(span.months, span.days, nanos))
}

/// Units of an interval, with other names of each, and whether `date_trunc` and EXTRACT know them of intervals.
const UNITS: [(&str, &[&str]); 12] = [
    ("microsecond", &["microseconds", "us", "usec", "usecs"]),
    ("millisecond", &["milliseconds", "ms", "msec", "msecs"]),
    ("second", &["seconds", "s", "sec", "secs"]),
    ("minute", &["minutes", "m", "min", "mins"]),
    ("hour", &["hours", "h", "hr", "hrs"]),
    ("day", &["days", "d"]),
    ("month", &["months", "mon", "mons"]),
    ("quarter", &["qtr"]),
    ("year", &["years", "y", "yr", "yrs"]),
    ("decade", &["decades", "dec"]),
    ("century", &["centuries", "c", "cent"]),
    ("millennium", &["millennia", "mil", "mils"]),
];
/// Units that intervals do not have.
const OF_DATES: [&str; 11] = [
    "week",
    "weeks",
    "dow",
    "doy",
    "isodow",
    "isoyear",
    "julian",
    "timezone",
    "timezone_hour",
    "timezone_minute",
    "epoch",
];

/// The one name of a unit of intervals; 0A000 for one that they do not have, 22023 for one that there is not.
pub fn interval_unit(unit: &str) -> std::result::Result<&'static str, Error> {
    let lower = unit.to_lowercase();
    let found = UNITS.iter().find(|(name, others)| *name == lower || others.contains(&lower.as_str()));
    if let Some((name, _)) = found {
        return Ok(name);
    }
    Err(match OF_DATES.contains(&lower.as_str()) {
        true => Error::unsupported(format!("unit \"{lower}\" not supported for type interval")),
        false => {
            Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("unit \"{lower}\" not recognized for type interval"))
        }
    })
}

fn out_of_range() -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

fn told(months: i64, days: i64, nanos: i64) -> std::result::Result<IntervalMonthDayNano, Error> {
    let narrow = |value: i64| i32::try_from(value).map_err(|_| out_of_range());
    Ok(IntervalMonthDayNano::new(narrow(months)?, narrow(days)?, nanos))
}

/// Days of 24 hours, and months of 30 days, out of what is below them, and all with one sign.
fn justified(kind: Kind, interval: IntervalMonthDayNano) -> std::result::Result<IntervalMonthDayNano, Error> {
    let (mut months, mut days) = (i64::from(interval.months), i64::from(interval.days));
    let mut nanos = interval.nanoseconds;
    if kind != Kind::JustifyDays {
        days += nanos / NANOS_PER_DAY;
        nanos %= NANOS_PER_DAY;
    }
    if kind != Kind::JustifyHours {
        months += days / DAYS_PER_MONTH;
        days %= DAYS_PER_MONTH;
        // Time counts too where it is justified.
        let below = match (days, kind) {
            (0, Kind::JustifyInterval) => nanos.signum(),
            (days, _) => days.signum(),
        };
        if 0 < months && below < 0 {
            (months, days) = (months - 1, days + DAYS_PER_MONTH);
        } else if months < 0 && 0 < below {
            (months, days) = (months + 1, days - DAYS_PER_MONTH);
        }
    }
    if kind != Kind::JustifyDays {
        if 0 < days && nanos < 0 {
            (days, nanos) = (days - 1, nanos + NANOS_PER_DAY);
        } else if days < 0 && 0 < nanos {
            (days, nanos) = (days + 1, nanos - NANOS_PER_DAY);
        }
    }
    told(months, days, nanos)
}

/// `make_interval` of six whole numbers and seconds.
fn made(parts: [i64; 6], seconds: f64) -> std::result::Result<IntervalMonthDayNano, Error> {
    let [years, months, weeks, days, hours, minutes] = parts.map(i128::from);
    let micros = (seconds * 1e6).round_ties_even();
    if !micros.is_finite() || 9.2e15 < micros.abs() {
        return Err(out_of_range());
    }
    let nanos = hours * i128::from(NANOS_PER_HOUR)
        + minutes * i128::from(NANOS_PER_MINUTE)
        + micros as i128 * i128::from(NANOS_PER_MICRO);
    let narrow = |value: i128| i64::try_from(value).map_err(|_| out_of_range());
    told(narrow(years * 12 + months)?, narrow(weeks * 7 + days)?, narrow(nanos)?)
}

/// The interval without what is below a unit.
fn truncated(unit: &str, interval: IntervalMonthDayNano) -> std::result::Result<IntervalMonthDayNano, Error> {
    let IntervalMonthDayNano { months, days, nanoseconds: nanos } = interval;
    let of_months = |size: i32| IntervalMonthDayNano::new(months / size * size, 0, 0);
    let of_time = |size: i64| IntervalMonthDayNano::new(months, days, nanos / size * size);
    Ok(match interval_unit(unit)? {
        "millennium" => of_months(12_000),
        "century" => of_months(1200),
        "decade" => of_months(120),
        "year" => of_months(12),
        "quarter" => of_months(3),
        "month" => of_months(1),
        "day" => IntervalMonthDayNano::new(months, days, 0),
        "hour" => of_time(NANOS_PER_HOUR),
        "minute" => of_time(NANOS_PER_MINUTE),
        "second" => of_time(NANOS_PER_SECOND),
        "millisecond" => of_time(NANOS_PER_SECOND / 1000),
        _ => of_time(NANOS_PER_MICRO),
    })
}

/// A part of an interval that is a whole number.
fn field(unit: &str, interval: IntervalMonthDayNano) -> std::result::Result<i32, Error> {
    let IntervalMonthDayNano { months, days, nanoseconds: nanos } = interval;
    let narrow = |value: i64| i32::try_from(value).map_err(|_| out_of_range());
    Ok(match interval_unit(unit)? {
        "millennium" => months / 12_000,
        "century" => months / 1200,
        "decade" => months / 120,
        "year" => months / 12,
        "quarter" => months % 12 / 3 + 1,
        "month" => months % 12,
        "day" => days,
        "hour" => narrow(nanos / NANOS_PER_HOUR)?,
        "minute" => narrow(nanos % NANOS_PER_HOUR / NANOS_PER_MINUTE)?,
        "second" => narrow(nanos % NANOS_PER_MINUTE / NANOS_PER_SECOND)?,
        "millisecond" => narrow(nanos % NANOS_PER_MINUTE / (NANOS_PER_SECOND / 1000))?,
        _ => narrow(nanos % NANOS_PER_MINUTE / NANOS_PER_MICRO)?,
    })
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn spans(array: &ArrayRef) -> Result<IntervalMonthDayNanoArray> {
    Ok(cast(array, &SPAN)?.as_primitive::<IntervalMonthDayNanoType>().clone())
}

/// The first of the longest, or of the shortest, in each row.
fn extreme(kind: Kind, arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let columns = arrays.iter().map(spans).collect::<Result<Vec<_>>>()?;
    let best = |row: usize| {
        let there = columns.iter().filter(|column| column.is_valid(row)).map(|column| column.value(row));
        there.reduce(|best, next| {
            let (length, of_next) = (interval_micros(best), interval_micros(next));
            let is_better = if kind == Kind::Greatest { length < of_next } else { of_next < length };
            if is_better { next } else { best }
        })
    };
    Ok(Arc::new((0..rows).map(best).collect::<IntervalMonthDayNanoArray>()))
}

fn of_units(kind: Kind, arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let units = cast(&arrays[0], &DataType::Utf8)?;
    let rows = units.as_string::<i32>().iter().zip(spans(&arrays[1])?.iter().collect::<Vec<_>>());
    let rows = rows.map(|(unit, interval)| Some((unit?, interval?)));
    if kind == Kind::Field {
        let found: Int32Array = rows
            .map(|row| row.map(|(unit, interval)| field(unit, interval)).transpose().map_err(external))
            .collect::<Result<_>>()?;
        return Ok(Arc::new(found));
    }
    let found: IntervalMonthDayNanoArray = rows
        .map(|row| row.map(|(unit, interval)| truncated(unit, interval)).transpose().map_err(external))
        .collect::<Result<_>>()?;
    Ok(Arc::new(found))
}

fn of_parts(arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let made = |row: usize| -> Result<Option<IntervalMonthDayNano>> {
        if arrays.iter().any(|array| array.is_null(row)) {
            return Ok(None);
        }
        let parts = std::array::from_fn(|at| arrays[at].as_primitive::<Int64Type>().value(row));
        made(parts, arrays[6].as_primitive::<Float64Type>().value(row)).map(Some).map_err(external)
    };
    Ok(Arc::new((0..rows).map(made).collect::<Result<IntervalMonthDayNanoArray>>()?))
}

impl ScalarUDFImpl for IntervalFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::JustifyHours => "justify_hours",
            Kind::JustifyDays => "justify_days",
            Kind::JustifyInterval => "justify_interval",
            Kind::Make => "make_interval",
            Kind::Truncate => "__interval_trunc",
            Kind::Field => "__interval_field",
            Kind::Greatest => "__interval_greatest",
            Kind::Least => "__interval_least",
            Kind::Read => "__interval_in",
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 4]> = LazyLock::new(|| {
            [
                described("justify_hours(interval) -> interval", "The interval with days in place of 24 hours."),
                described("justify_days(interval) -> interval", "The interval with months in place of 30 days."),
                described(
                    "justify_interval(interval) -> interval",
                    "The interval with days in place of 24 hours, months in place of 30 days, and one sign.",
                ),
                described(
                    "make_interval(years, months, weeks, days, hours, mins, secs) -> interval",
                    "The interval of these parts, which may be given by name; those that are left out are 0.",
                ),
            ]
        });
        let place = match self.kind {
            Kind::JustifyHours => 0,
            Kind::JustifyDays => 1,
            Kind::JustifyInterval => 2,
            Kind::Make => 3,
            Kind::Truncate | Kind::Field | Kind::Greatest | Kind::Least | Kind::Read => return None,
        };
        Some(&TOLD[place])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        // A text is one that is written out: who makes the rules explicit refuses others.
        let is_taken = |argument: &DataType| {
            argument.is_null()
                || matches!(argument, DataType::Interval(_) | DataType::Duration(_))
                || matches!(argument, DataType::Utf8 | DataType::Utf8View)
        };
        let count = if matches!(self.kind, Kind::Greatest | Kind::Least) { 1..=usize::MAX } else { 1..=1 };
        match count.contains(&arguments.len()) && arguments.iter().all(is_taken) {
            true => Ok(vec![SPAN; arguments.len()]),
            false => Err(DataFusionError::Plan("it takes intervals".to_string())),
        }
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(if self.kind == Kind::Field { DataType::Int32 } else { SPAN })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays = args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let found: ArrayRef = match self.kind {
            Kind::Greatest | Kind::Least => extreme(self.kind, &arrays, rows)?,
            Kind::Truncate | Kind::Field => of_units(self.kind, &arrays)?,
            Kind::Make => of_parts(&arrays, rows)?,
            Kind::Read => {
                let texts = arrays[0].as_string::<i32>().iter();
                let read = texts.map(|text| text.map(interval_of_text).transpose().map_err(external));
                Arc::new(read.collect::<Result<IntervalMonthDayNanoArray>>()?)
            }
            Kind::JustifyHours | Kind::JustifyDays | Kind::JustifyInterval => {
                let intervals = spans(&arrays[0])?;
                let changed = intervals.iter().map(|interval| {
                    interval.map(|interval| justified(self.kind, interval)).transpose().map_err(external)
                });
                Arc::new(changed.collect::<Result<IntervalMonthDayNanoArray>>()?)
            }
        };
        Ok(ColumnarValue::Array(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_justified_has_one_sign() {
        let interval = IntervalMonthDayNano::new;
        for (kind, from, to) in [
            (Kind::JustifyHours, interval(0, 0, 27 * NANOS_PER_HOUR), interval(0, 1, 3 * NANOS_PER_HOUR)),
            (Kind::JustifyHours, interval(0, -1, 25 * NANOS_PER_HOUR), interval(0, 0, NANOS_PER_HOUR)),
            (Kind::JustifyDays, interval(0, 35, 0), interval(1, 5, 0)),
            (Kind::JustifyDays, interval(1, -1, 0), interval(0, 29, 0)),
            (Kind::JustifyInterval, interval(1, 0, -NANOS_PER_HOUR), interval(0, 29, 23 * NANOS_PER_HOUR)),
            (Kind::JustifyInterval, interval(0, -35, 30 * NANOS_PER_HOUR), interval(-1, -3, -18 * NANOS_PER_HOUR)),
        ] {
            assert_eq!(justified(kind, from).expect("it fits"), to, "{kind:?} {from:?}");
        }
        assert!(justified(Kind::JustifyDays, interval(i32::MAX, 60, 0)).is_err());
    }

    #[test]
    fn intervals_have_no_weeks() {
        assert_eq!(interval_unit("Mins").expect("a unit"), "minute");
        assert_eq!(interval_unit("week").expect_err("no unit").state(), SqlState::FEATURE_NOT_SUPPORTED);
        assert_eq!(interval_unit("x").expect_err("no unit").state(), SqlState::INVALID_PARAMETER_VALUE);
    }
}
