//! The functions: PostgreSQL's templates, or, where a template has a `%`, those of strftime.

use std::sync::Arc;
use std::sync::LazyLock;

use chrono::DateTime;
use chrono::Datelike;
use chrono::NaiveDateTime;
use chrono::Timelike;
use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Date32Array;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::array::TimestampMicrosecondArray;
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::DurationMicrosecondType;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::arrow::datatypes::IntervalUnit;
use datafusion::arrow::datatypes::Time64MicrosecondType;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::config::ConfigOptions;
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
use datafusion::logical_expr::Volatility;

use super::number;
use super::number::Digits;
use super::parse;
use super::time;
use super::time::Parts;
use super::token::tokens;
use crate::error::Error;
use crate::error::SqlState;
use crate::format::NamedZone;
use crate::format::text;
use crate::functions::context::Context;
use crate::functions::described::described;
use crate::model::SqlType;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// `to_char`
    Written,
    /// `to_date`
    Date,
    /// `to_timestamp`
    Instant,
}

/// `to_char(value, text) -> text`, `to_date(text, text) -> DATE`, `to_timestamp(text, text) -> TIMESTAMP WITH TIME ZONE` and
/// `to_timestamp(DOUBLE)` of seconds since 1970; null gives null. Immutable.
///
/// Other arguments are DataFusion's to read.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TemplateFunction {
    kind: Kind,
    stock: Arc<ScalarUDF>,
    signature: Signature,
}

impl TemplateFunction {
    /// All of them.
    pub fn all() -> [Self; 3] {
        [
            (Kind::Written, datetime::to_char()),
            (Kind::Date, datetime::to_date()),
            (Kind::Instant, datetime::to_timestamp(&ConfigOptions::default())),
        ]
        .map(|(kind, stock)| Self { kind, stock, signature: Signature::user_defined(Volatility::Immutable) })
    }

    /// Whether these arguments, of the types that the function takes, are read here.
    fn is_ours(&self, arguments: &[DataType]) -> bool {
        match (self.kind, arguments) {
            (Kind::Written, _) | (Kind::Instant, [DataType::Float64]) => true,
            (_, [first, second]) => *first == DataType::Utf8 && *second == DataType::Utf8,
            _ => false,
        }
    }

    fn our_type(&self) -> DataType {
        match self.kind {
            Kind::Written => DataType::Utf8,
            Kind::Date => DataType::Date32,
            Kind::Instant => SqlType::TimestampTz.arrow(),
        }
    }
}

impl ScalarUDFImpl for TemplateFunction {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 3]> = LazyLock::new(|| {
            [
                described(
                    "to_char(number, text) -> text\nto_char(timestamp, text) -> text\nto_char(interval, text) -> text",
                    "Written by a template of PostgreSQL's, such as 'YYYY-MM-DD HH24:MI' or 'FM9,990.00'; times also by one of strftime's, which has a %. A NULL argument gives NULL.",
                ),
                described(
                    "to_date(text, text) -> date",
                    "The date that a text tells, by a template of PostgreSQL's, or of strftime's with a %. A NULL argument gives NULL.",
                ),
                described(
                    "to_timestamp(text, text) -> timestamp with time zone\nto_timestamp(double precision) -> timestamp with time zone",
                    "The instant that a text tells, by a template as in to_date, or that is so many seconds after 1970-01-01 UTC. A NULL argument gives NULL.",
                ),
            ]
        });
        Some(&TOLD[self.kind as usize])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let refused = || {
            let names: Vec<String> = arguments.iter().map(SqlType::postgres_name_of).collect();
            let message = format!("function {}({}) does not exist", self.name(), names.join(", "));
            let error = Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(
                "No function matches the given name and argument types. You might need to add explicit type casts.",
            );
            DataFusionError::External(Box::new(error))
        };
        let is_text = |data_type: &DataType| data_type.is_string() || data_type.is_null();
        match (self.kind, arguments) {
            (Kind::Written, [value, template]) if is_text(template) => {
                Ok(vec![written_type(value).ok_or_else(refused)?, DataType::Utf8])
            }
            (Kind::Written, _) | (_, []) => Err(refused()),
            (Kind::Instant, [number]) if number.is_numeric() => Ok(vec![DataType::Float64]),
            (_, [text, template]) if is_text(text) && is_text(template) => Ok(vec![DataType::Utf8, DataType::Utf8]),
            (_, all) => Ok(all.to_vec()),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        if self.is_ours(arguments) { Ok(self.our_type()) } else { self.stock.return_type(arguments) }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        match self.is_ours(&types) {
            true => Ok(Arc::new(datafusion::arrow::datatypes::Field::new(self.name(), self.our_type(), true))),
            false => self.stock.return_field_from_args(args),
        }
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        if !self.is_ours(&types) {
            return self.stock.invoke_with_args(args);
        }
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        if let [values] = arrays.as_slice() {
            return Ok(ColumnarValue::Array(Arc::new(instants(values)?)));
        }
        let templates = arrays[1].as_string::<i32>();
        if templates.iter().flatten().any(|template| template.contains('%')) && !is_number(&types[0]) {
            let rows = args.number_rows;
            let answer = self.stock.invoke_with_args(args)?.into_array(rows)?;
            return Ok(ColumnarValue::Array(cast(&answer, &self.our_type())?));
        }
        let zone = Context::of(&args.config_options).map_or("UTC", |context| context.time_zone.as_str());
        let clock = zone.parse::<Tz>()?;
        let rows = 0..templates.len();
        let valid = |row: &usize| arrays[0].is_valid(*row) && templates.is_valid(*row);
        let failed = |error: Error| DataFusionError::External(Box::new(error));
        let told = |row: usize| {
            let told = parse::read(arrays[0].as_string::<i32>().value(row), &tokens(templates.value(row)));
            told.map_err(failed)
        };
        Ok(ColumnarValue::Array(match self.kind {
            Kind::Written => {
                let one = |row: usize| {
                    // A template without anything gives null, as in PostgreSQL.
                    let is_valid = valid(&row) && !templates.value(row).is_empty();
                    is_valid.then(|| written(&arrays[0], row, templates.value(row), zone)).transpose().map_err(failed)
                };
                Arc::new(rows.map(one).collect::<Result<StringArray>>()?)
            }
            Kind::Date => {
                let days = |(time, _): (NaiveDateTime, _)| (time.date() - DateTime::UNIX_EPOCH.date_naive()).num_days();
                let one = |row: usize| {
                    valid(&row).then(|| told(row)).transpose().map(|told| told.map(|told| days(told) as i32))
                };
                Arc::new(rows.map(one).collect::<Result<Date32Array>>()?)
            }
            Kind::Instant => {
                let one = |row: usize| valid(&row).then(|| told(row).map(|told| instant(told, clock))).transpose();
                let micros = rows.map(one).collect::<Result<TimestampMicrosecondArray>>()?;
                Arc::new(micros.with_data_type(self.our_type()))
            }
        }))
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// The type as which a value is written, `None` for one that has no template.
fn written_type(value: &DataType) -> Option<DataType> {
    Some(match value {
        DataType::Decimal128(..) | DataType::Int64 | DataType::Float64 => value.clone(),
        integer if integer.is_integer() => DataType::Int64,
        float if float.is_floating() => DataType::Float64,
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Date32 | DataType::Date64 | DataType::Null => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        _ => return None,
    })
}

fn written(values: &ArrayRef, row: usize, template: &str, zone: &str) -> std::result::Result<String, Error> {
    let parts = match values.data_type() {
        DataType::Timestamp(_, of_zone) => {
            let micros = values.as_primitive::<TimestampMicrosecondType>().value(row);
            of_instant(micros, of_zone.is_some().then_some(zone))
        }
        DataType::Time64(_) => of_span(0, 0, values.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Duration(_) => {
            let micros = values.as_primitive::<DurationMicrosecondType>().value(row);
            of_span(0, micros / MICROS_PER_DAY, micros % MICROS_PER_DAY)
        }
        DataType::Interval(_) => {
            let value = values.as_primitive::<IntervalMonthDayNanoType>().value(row);
            of_span(i64::from(value.months), i64::from(value.days), value.nanoseconds / 1000)
        }
        DataType::Float64 => {
            let value = values.as_primitive::<Float64Type>().value(row);
            // Halves go to the even digit, as PostgreSQL has it for doubles, and never into the form with an exponent.
            return number::write(template, &Digits::parse(&format!("{value:.*}", number::places(template))));
        }
        _ => return number::write(template, &digits(values, row)?),
    };
    time::write(&tokens(template), &parts)
}

fn digits(values: &ArrayRef, row: usize) -> std::result::Result<Digits, Error> {
    let utc: Tz = "+00:00".parse().map_err(|error| Error::internal("UTC is no zone").caused_by(error))?;
    let mut text = Vec::new();
    text::write(values.as_ref(), row, utc, &mut text).map_err(Error::from)?;
    Ok(Digits::parse(&String::from_utf8_lossy(&text)))
}

fn of_instant(micros: i64, zone: Option<&str>) -> Parts {
    let told = zone.and_then(NamedZone::named).and_then(|zone| zone.local(micros));
    let (local, zone) = match told {
        Some((local, seconds, name)) => (local, Some((name, seconds))),
        None => (DateTime::from_timestamp_micros(micros).unwrap_or_default().naive_utc(), None),
    };
    Parts {
        year: i64::from(local.year()),
        month: i64::from(local.month()),
        day: i64::from(local.day()),
        hour: i64::from(local.hour()),
        minute: i64::from(local.minute()),
        second: i64::from(local.second()),
        micros: i64::from(local.nanosecond() / 1000),
        date: Some(local.date()),
        zone,
    }
}

fn of_span(months: i64, days: i64, micros: i64) -> Parts {
    let seconds = micros / MICROS_PER_SECOND;
    Parts {
        year: months / 12,
        month: months % 12,
        day: days,
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        micros: micros % MICROS_PER_SECOND,
        date: None,
        zone: None,
    }
}

fn instant((time, offset): (NaiveDateTime, Option<i32>), zone: Tz) -> i64 {
    let micros = time.and_utc().timestamp_micros();
    match offset {
        Some(seconds) => micros - i64::from(seconds) * MICROS_PER_SECOND,
        None => text::instant_of_local(micros, zone).unwrap_or(micros),
    }
}

/// Seconds since 1970-01-01 as instants.
fn instants(values: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    let micros = |seconds: f64| {
        let micros = (seconds * MICROS_PER_SECOND as f64).round();
        let fits = DateTime::from_timestamp_micros(micros as i64).is_some() && micros.is_finite();
        fits.then_some(micros as i64).ok_or_else(|| {
            let message = format!("timestamp out of range: \"{seconds}\"");
            DataFusionError::External(Box::new(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, message)))
        })
    };
    let found = values.as_primitive::<Float64Type>().iter().map(|seconds| seconds.map(micros).transpose());
    Ok(found.collect::<Result<TimestampMicrosecondArray>>()?.with_data_type(SqlType::TimestampTz.arrow()))
}
