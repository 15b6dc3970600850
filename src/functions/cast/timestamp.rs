//! PostgreSQL's input of dates, timestamps and times of day: seconds, `T` and the offset's minutes may be there or not.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Date32Array;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::array::make_array;
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::plain;
use crate::format::text;
use crate::functions::columnwise::columnwise;
use crate::functions::context::Context;
use crate::model::SqlType;

/// The zone of a standing query, which has no session.
const STANDING_ZONE: &str = "UTC";

/// `__date_in(text) -> DATE`, `__timestamp_in(text) -> TIMESTAMP`, `__timestamptz_in(text) -> TIMESTAMP WITH TIME ZONE` and
/// `__time_in(text) -> TIME`; null gives null, other text 22007. Immutable.
///
/// An instant without offset is read on the session's clock.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TimestampIn {
    target: SqlType,
    signature: Signature,
}

impl TimestampIn {
    /// All of them.
    pub fn all() -> [Self; 4] {
        [SqlType::Date, SqlType::Timestamp, SqlType::TimestampTz, SqlType::Time]
            .map(|target| Self { target, signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for TimestampIn {
    fn name(&self) -> &str {
        match self.target {
            SqlType::Date => "__date_in",
            SqlType::TimestampTz => "__timestamptz_in",
            SqlType::Time => "__time_in",
            _ => "__timestamp_in",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.target.arrow())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // A standing query's constants are computed while it is planned, without a context.
        let zone = Context::of(&args.config_options).map_or(STANDING_ZONE, |context| &context.time_zone);
        let zone = zone.parse::<Tz>()?;
        columnwise(&args, |rows| {
            let texts = plain(args.args[0].to_array(rows)?)?;
            let target = self.target.arrow();
            let wrong =
                |value: &str| ArrowError::CastError(format!("Cannot cast string '{value}' to value of {target} type"));
            let texts = texts.as_string::<i32>().iter();
            Ok(if self.target == SqlType::Date {
                let read = |value: &str| text::parse_date(value).ok_or_else(|| wrong(value));
                let days = texts.map(|text| text.map(read).transpose());
                Arc::new(days.collect::<std::result::Result<Date32Array, ArrowError>>()?)
            } else {
                let read = |value: &str| {
                    let micros = match self.target {
                        SqlType::TimestampTz => text::parse_timestamp_tz(value, zone),
                        SqlType::Time => text::parse_time(value),
                        _ => text::parse_timestamp(value),
                    };
                    micros.ok_or_else(|| wrong(value))
                };
                let micros = texts.map(|text| text.map(read).transpose());
                let micros = micros.collect::<std::result::Result<Int64Array, ArrowError>>()?;
                make_array(micros.into_data().into_builder().data_type(target.clone()).build()?)
            })
        })
    }
}
