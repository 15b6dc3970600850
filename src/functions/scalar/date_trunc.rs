//! `date_trunc` and `date_bin` of every timestamp there is. DataFusion counts them in nanoseconds, of which 64 bits hold the years
//! 1678 to 2261, and knows no decades.

use std::sync::Arc;

use chrono::DateTime;
use chrono::Datelike;
use chrono::Days;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::TimestampMicrosecondArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::functions::datetime;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;

use crate::error::Error;
use crate::error::SqlState;
use crate::format::NamedZone;
use crate::format::Twice;
use crate::functions::coerced::coerced_types;

/// The microseconds that nanoseconds in 64 bits hold, less a year for what becomes less.
const NEAR_MICROS: std::ops::Range<i64> = (i64::MIN / 1000 + YEAR_MICROS)..(i64::MAX / 1000);
const YEAR_MICROS: i64 = 366 * DAY_MICROS;
const DAY_MICROS: i64 = 86_400_000_000;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Trunc,
    Bin,
}

/// `date_trunc(unit, timestamp) -> timestamp`, `date_bin(interval, timestamp [, origin]) -> timestamp`, with the zone that the
/// timestamp has: DataFusion's, but for what it has no room or no unit for. Null gives null; immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    kind: Kind,
    stock: Arc<ScalarUDF>,
    signature: Signature,
}

impl Cut {
    /// Both.
    pub fn all() -> [Self; 2] {
        [Kind::Trunc, Kind::Bin].map(|kind| {
            let stock = match kind {
                Kind::Trunc => datetime::date_trunc(),
                Kind::Bin => datetime::date_bin(),
            };
            let signature = Signature::user_defined(stock.signature().volatility);
            Self { kind, stock, signature }
        })
    }

    /// `date_trunc`.
    pub fn date_trunc() -> Self {
        let [trunc, _] = Self::all();
        trunc
    }

    /// DataFusion's answer, with all timestamps in nanoseconds.
    fn in_nanoseconds(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let nanos = |of: &DataType| match of {
            DataType::Timestamp(_, zone) => Some(DataType::Timestamp(TimeUnit::Nanosecond, zone.clone())),
            _ => None,
        };
        for (value, field) in args.args.iter_mut().zip(&mut args.arg_fields) {
            if let Some(nanos) = nanos(&value.data_type()) {
                *value = value.cast_to(&nanos, None)?;
                *field = Arc::new(field.as_ref().clone().with_data_type(nanos));
            }
        }
        let wanted = args.return_field.data_type().clone();
        if let Some(nanos) = nanos(&wanted) {
            args.return_field = Arc::new(args.return_field.as_ref().clone().with_data_type(nanos));
        }
        self.stock.invoke_with_args(args)?.cast_to(&wanted, None)
    }

    /// The answer, if DataFusion has none.
    fn answer(&self, args: &ScalarFunctionArgs) -> Result<Option<ColumnarValue>> {
        let is_micros =
            |value: &ColumnarValue| matches!(value.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _));
        if !args.args.iter().skip(1).all(is_micros) {
            return Ok(None);
        }
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let cut = match self.kind {
            Kind::Trunc => truncated(&args.args[0], &args.args[1].to_array(rows)?)?,
            Kind::Bin => binned(args, rows)?,
        };
        let Some(cut) = cut else { return Ok(None) };
        let cut: ArrayRef = Arc::new(cut.with_data_type(args.return_field.data_type().clone()));
        Ok(Some(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&cut, 0)?),
            false => ColumnarValue::Array(cut),
        }))
    }
}

impl ScalarUDFImpl for Cut {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    // As they are, where they need not become nanoseconds.
    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        // A text or a NULL for the origin is of the timestamp's type.
        let told = match arguments.get(1) {
            Some(DataType::Timestamp(_, zone)) => Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone())),
            _ => None,
        };
        let micros = |argument: &DataType| match argument {
            DataType::Timestamp(_, zone) => Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone())),
            DataType::Date32 => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            other if other.is_string() || other.is_null() => told.clone(),
            _ => None,
        };
        let first = match (self.kind, arguments.first()) {
            (Kind::Trunc, Some(unit)) if unit.is_string() => Some(DataType::Utf8),
            (Kind::Bin, Some(step))
                if step.is_string() || matches!(step, DataType::Interval(_) | DataType::Duration(_)) =>
            {
                Some(DataType::Interval(IntervalUnit::MonthDayNano))
            }
            _ => None,
        };
        let times = arguments.iter().skip(1).map(micros).collect::<Option<Vec<_>>>();
        if let (Some(first), Some(times)) = (first, times)
            && (1..=if self.kind == Kind::Trunc { 1 } else { 2 }).contains(&times.len())
        {
            return Ok(std::iter::once(first).chain(times).collect());
        }
        coerced_types(&self.stock, arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.stock.return_type(arguments)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields.get(1).map(|field| field.data_type()) {
            Some(time @ DataType::Timestamp(TimeUnit::Microsecond, _)) => {
                let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
                Ok(Arc::new(Field::new(self.name(), time.clone(), is_nullable)))
            }
            _ => self.stock.return_field_from_args(args),
        }
    }

    fn is_strict(&self) -> bool {
        self.stock.is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match (self.answer(&args)?, self.kind) {
            (Some(answer), _) => Ok(answer),
            (None, Kind::Trunc) => self.stock.invoke_with_args(args),
            (None, Kind::Bin) => self.in_nanoseconds(args),
        }
    }
}

/// Whether DataFusion has room for all of these.
fn are_near(times: &TimestampMicrosecondArray) -> bool {
    times.iter().flatten().all(|micros| NEAR_MICROS.contains(&micros))
}

fn truncated(unit: &ColumnarValue, times: &ArrayRef) -> Result<Option<TimestampMicrosecondArray>> {
    let ColumnarValue::Scalar(ScalarValue::Utf8(Some(unit))) = unit else { return Ok(None) };
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let unit = unit.to_lowercase();
    let Some(start) = start_of(&unit) else { return Ok(None) };
    if are_near(times) && !matches!(unit.as_str(), "decade" | "century" | "millennium") {
        return Ok(None);
    }
    let zone = zone_of(times)?;
    let cut = |micros: i64| {
        let local = match zone {
            Some(zone) => zone.local(micros)?.0,
            None => DateTime::from_timestamp_micros(micros)?.naive_utc(),
        };
        let local = start(local)?.and_utc().timestamp_micros();
        zone.map_or(Some(local), |zone| zone.instant_of_local(local, Twice::Second))
    };
    let cut = times.iter().map(|micros| micros.map(|micros| cut(micros).ok_or_else(out_of_range)).transpose());
    cut.collect::<Result<TimestampMicrosecondArray>>().map(Some)
}

fn zone_of(times: &TimestampMicrosecondArray) -> Result<Option<NamedZone>> {
    let Some(name) = times.timezone() else { return Ok(None) };
    match NamedZone::named(name) {
        Some(zone) => Ok(Some(zone)),
        None => {
            let message = format!("time zone \"{name}\" not recognized");
            Err(failed(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)))
        }
    }
}

/// The start of the unit that a time is in; `None` for a unit that nobody knows.
fn start_of(unit: &str) -> Option<fn(NaiveDateTime) -> Option<NaiveDateTime>> {
    let start: fn(NaiveDateTime) -> Option<NaiveDateTime> = match unit {
        "microsecond" => Some,
        "millisecond" => |time| to_multiple(time, 1_000),
        "second" => |time| to_multiple(time, 1_000_000),
        "minute" => |time| to_multiple(time, 60_000_000),
        "hour" => |time| to_multiple(time, 3_600_000_000),
        "day" => |time| midnight(time.date()),
        "week" => |time| {
            let since_monday = u64::from(time.weekday().num_days_from_monday());
            midnight(time.date().checked_sub_days(Days::new(since_monday))?)
        },
        "month" => |time| midnight(time.date().with_day(1)?),
        "quarter" => |time| midnight(NaiveDate::from_ymd_opt(time.year(), time.month0() / 3 * 3 + 1, 1)?),
        "year" => |time| of_years(time.year()),
        "decade" => |time| of_years(time.year().div_euclid(10) * 10),
        // The first year of both is the year 1.
        "century" => |time| of_years((time.year() - 1).div_euclid(100) * 100 + 1),
        "millennium" => |time| of_years((time.year() - 1).div_euclid(1000) * 1000 + 1),
        _ => return None,
    };
    Some(start)
}

fn to_multiple(time: NaiveDateTime, micros: i64) -> Option<NaiveDateTime> {
    let all = time.and_utc().timestamp_micros();
    Some(DateTime::from_timestamp_micros(all.div_euclid(micros) * micros)?.naive_utc())
}

fn midnight(date: NaiveDate) -> Option<NaiveDateTime> {
    date.and_hms_opt(0, 0, 0)
}

fn of_years(year: i32) -> Option<NaiveDateTime> {
    midnight(NaiveDate::from_ymd_opt(year, 1, 1)?)
}

/// Steps of days and microseconds from an origin; `None` for steps of months, which DataFusion knows.
fn binned(args: &ScalarFunctionArgs, rows: usize) -> Result<Option<TimestampMicrosecondArray>> {
    let arrays = args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
    let times: Vec<&TimestampMicrosecondArray> =
        arrays.iter().skip(1).map(|times| times.as_primitive::<TimestampMicrosecondType>()).collect();
    let steps = arrays[0].as_primitive::<IntervalMonthDayNanoType>();
    if steps.iter().flatten().any(|step| step.months != 0 || step.nanoseconds % 1000 != 0) {
        return Ok(None);
    }
    let cut = (0..rows).map(|row| {
        let nulls = [steps.is_valid(row), times.iter().all(|times| times.is_valid(row))];
        if nulls.contains(&false) {
            return Ok(None);
        }
        let (_, days, nanos) = IntervalMonthDayNanoType::to_parts(steps.value(row));
        let step = i64::from(days) * DAY_MICROS + nanos / 1000;
        if step <= 0 {
            let message = "stride must be greater than zero";
            return Err(failed(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, message)));
        }
        let (time, origin) = (times[0].value(row), times.get(1).map_or(0, |origins| origins.value(row)));
        let since = time.checked_sub(origin).ok_or_else(out_of_range)?;
        Ok(Some(time - since.rem_euclid(step)))
    });
    cut.collect::<Result<TimestampMicrosecondArray>>().map(Some)
}

fn out_of_range() -> DataFusionError {
    failed(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range"))
}

fn failed(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_start_where_they_do_in_postgresql() {
        let time = NaiveDate::from_ymd_opt(2345, 8, 17).and_then(|date| date.and_hms_micro_opt(13, 14, 15, 161_718));
        for (unit, start) in [
            ("microsecond", "2345-08-17 13:14:15.161718"),
            ("millisecond", "2345-08-17 13:14:15.161"),
            ("second", "2345-08-17 13:14:15"),
            ("minute", "2345-08-17 13:14:00"),
            ("hour", "2345-08-17 13:00:00"),
            ("day", "2345-08-17 00:00:00"),
            ("week", "2345-08-13 00:00:00"),
            ("month", "2345-08-01 00:00:00"),
            ("quarter", "2345-07-01 00:00:00"),
            ("year", "2345-01-01 00:00:00"),
            ("decade", "2340-01-01 00:00:00"),
            ("century", "2301-01-01 00:00:00"),
            ("millennium", "2001-01-01 00:00:00"),
        ] {
            let found = time.and_then(|time| start_of(unit)?(time)).map(|found| found.to_string());
            assert_eq!(found.as_deref(), Some(start), "{unit}");
        }
        assert!(start_of("fortnight").is_none());
    }
}
