//! `AT TIME ZONE`: what clocks of a zone show at an instant, and the instant at which they show a time.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::TimestampMicrosecondArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
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
use crate::format::NamedZone;
use crate::format::Twice;
use crate::functions::described::described;
use crate::functions::rowwise::not_accepted;
use crate::model::SqlType;

/// How offsets that stand for a zone are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Signs {
    /// `+02` is east of UTC: a session's zone.
    East,
    /// `+02` is west of UTC: a zone that a query names.
    West,
}

/// `timezone(text, TIMESTAMP WITH TIME ZONE) -> TIMESTAMP` and `timezone(text, TIMESTAMP) -> TIMESTAMP WITH TIME ZONE`; null gives
/// null, 22023 for a zone that nobody knows. Immutable. `__timezone` is the same for the zones of sessions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Timezone {
    signs: Signs,
    signature: Signature,
}

impl Timezone {
    /// Both.
    pub fn all() -> impl Iterator<Item = Self> {
        [Signs::East, Signs::West]
            .into_iter()
            .map(|signs| Self { signs, signature: Signature::user_defined(Volatility::Immutable) })
    }
}

impl Timezone {
    fn zone(&self, name: &str) -> std::result::Result<NamedZone, Error> {
        let named = match self.signs {
            Signs::East => NamedZone::named(name),
            Signs::West => NamedZone::posix(name),
        };
        let unknown = || Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("time zone \"{name}\" not recognized"));
        named.ok_or_else(unknown)
    }
}

impl ScalarUDFImpl for Timezone {
    fn name(&self) -> &str {
        match self.signs {
            Signs::East => "__timezone",
            Signs::West => "timezone",
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<Documentation> = LazyLock::new(|| {
            described(
                "timezone(text, timestamp with time zone) -> timestamp\ntimezone(text, timestamp) -> timestamp with time zone",
                "What clocks of the zone show at an instant, or the instant at which they show a time: `AT TIME ZONE`. A NULL argument gives NULL.",
            )
        });
        Some(&TOLD)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let (timestamp, instant) = (SqlType::Timestamp.arrow(), SqlType::TimestampTz.arrow());
        match arguments {
            [zone, time] if zone.is_string() || zone.is_null() => Ok(vec![
                DataType::Utf8,
                match time {
                    DataType::Timestamp(_, None) | DataType::Date32 => timestamp,
                    DataType::Timestamp(_, Some(_)) | DataType::Null => instant,
                    text if text.is_string() => instant,
                    _ => return Err(not_accepted("timezone", arguments)),
                },
            ]),
            _ => Err(not_accepted("timezone", arguments)),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match &arguments[1] {
            DataType::Timestamp(_, None) => SqlType::TimestampTz.arrow(),
            _ => SqlType::Timestamp.arrow(),
        })
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (zones, times) = (arrays[0].as_string::<i32>(), arrays[1].as_primitive::<TimestampMicrosecondType>());
        let from_local = matches!(times.data_type(), DataType::Timestamp(_, None));
        let converted = |row: usize| {
            if zones.is_null(row) || times.is_null(row) {
                return Ok(None);
            }
            convert(self.zone(zones.value(row))?, times.value(row), from_local).map(Some)
        };
        let answer = (0..times.len()).map(converted).collect::<std::result::Result<TimestampMicrosecondArray, Error>>();
        let answer = answer.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(ColumnarValue::Array(Arc::new(answer.with_data_type(args.return_field.data_type().clone()))))
    }
}

fn convert(zone: NamedZone, micros: i64, from_local: bool) -> std::result::Result<i64, Error> {
    let shown = match from_local {
        true => zone.converted(micros, NamedZone::UTC, Twice::Second),
        false => NamedZone::UTC.converted(micros, zone, Twice::Second),
    };
    shown.ok_or_else(|| Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range"))
}
