//! PostgreSQL's CAST from doubles and decimals: to whole numbers by rounding; and to text without Arrow's `.0` and `T`.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::compute::CastOptions;
use datafusion::arrow::compute::cast_with_options;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Decimal128Type;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::CastTarget;
use super::plain;
use crate::error::Error;
use crate::error::SqlState;
use crate::format;
use crate::functions::columnwise::columnwise;
use crate::functions::context::Context;

/// `__checked_cast_<int|bigint|text>(any) -> type`; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CheckedCast {
    target: CastTarget,
    signature: Signature,
}

impl CheckedCast {
    pub fn new(target: CastTarget) -> Self {
        Self { target, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for CheckedCast {
    fn name(&self) -> &str {
        match self.target {
            CastTarget::Int => "__checked_cast_int",
            CastTarget::BigInt => "__checked_cast_bigint",
            _ => "__checked_cast_text",
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
        columnwise(&args, |rows| {
            let values = args.args[0].to_array(rows)?;
            Ok(match self.target {
                CastTarget::Int | CastTarget::BigInt => self.target.whole(&plain(values)?)?,
                _ => Arc::new(texts(&values, zone(&args)?, Booleans::InWords)?),
            })
        })
    }
}

impl CastTarget {
    fn out_of_range(self) -> DataFusionError {
        let name = if self == CastTarget::Int { "integer" } else { "bigint" };
        let error = Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{name} out of range"));
        DataFusionError::External(Box::new(error))
    }

    /// The values as whole numbers of this type, rounded as PostgreSQL's casts and assignments do: 22003 if one does not fit.
    pub fn whole(self, values: &ArrayRef) -> Result<ArrayRef> {
        let rounded: ArrayRef = match values.data_type() {
            // Doubles round halves to even, decimals away from zero, as in PostgreSQL.
            DataType::Float64 => {
                let round = |value: f64| {
                    let value = value.round_ties_even();
                    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
                    if fits { Ok(value as i64) } else { Err(self.out_of_range()) }
                };
                let whole: Result<Int64Array> =
                    values.as_primitive::<Float64Type>().iter().map(|value| value.map(round).transpose()).collect();
                Arc::new(whole?)
            }
            DataType::Decimal128(_, scale) => {
                let unit = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
                let round = |value: i128| {
                    let away = i128::from(unit <= (value % unit).abs() * 2 && unit != 1) * value.signum();
                    i64::try_from(value / unit + away).map_err(|_| self.out_of_range())
                };
                let whole: Result<Int64Array> =
                    values.as_primitive::<Decimal128Type>().iter().map(|value| value.map(round).transpose()).collect();
                Arc::new(whole?)
            }
            _ => Arc::clone(values),
        };
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let text = rounded.data_type() == &DataType::Utf8;
        cast_with_options(&rounded, &self.arrow(), &options).map_err(|error| match text {
            true => {
                let error = Error::new(SqlState::INVALID_TEXT_REPRESENTATION, error.to_string());
                DataFusionError::External(Box::new(error))
            }
            false => self.out_of_range(),
        })
    }
}

/// How a cast and how an output function of PostgreSQL tell a truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Booleans {
    /// `true` and `false`.
    InWords,
    /// `t` and `f`.
    AsLetters,
}

/// The session's time zone; a standing query has none, nor have the constants that are computed while it is planned.
pub(super) fn zone(args: &ScalarFunctionArgs) -> Result<Tz> {
    let zone = Context::of(&args.config_options).map_or("UTC", |context| &context.time_zone);
    Ok(zone.parse::<Tz>()?)
}

pub(super) fn texts(values: &ArrayRef, zone: Tz, booleans: Booleans) -> Result<StringArray> {
    let mut texts = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        if values.is_null(row) {
            texts.push(None);
            continue;
        }
        let mut text = Vec::new();
        match values.data_type() {
            DataType::Boolean if booleans == Booleans::InWords => {
                text.extend_from_slice(values.as_boolean().value(row).to_string().as_bytes());
            }
            _ => format::text::write(values.as_ref(), row, zone, &mut text)
                .map_err(|error| DataFusionError::External(Box::new(Error::from(error))))?,
        }
        texts.push(Some(String::from_utf8_lossy(&text).into_owned()));
    }
    Ok(StringArray::from(texts))
}
