//! ksqlDB's CAST: Java's texts of numbers, numbers cut off as Java does, decimals rounded half up.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::Decimal128Array;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Decimal128Type;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::CastTarget;
use super::java_text;
use super::plain;
use crate::error::Error;
use crate::error::SqlState;
use crate::format;
use crate::functions::columnwise::columnwise;

/// `__ksql_cast_<type>(any) -> type`, `__ksql_cast_decimal(any, INT precision, INT scale)`; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct KsqlCast {
    target: CastTarget,
    signature: Signature,
}

impl KsqlCast {
    pub fn new(target: CastTarget) -> Self {
        let arguments = if target == CastTarget::Decimal { 3 } else { 1 };
        Self { target, signature: Signature::any(arguments, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for KsqlCast {
    fn name(&self) -> &str {
        match self.target {
            CastTarget::Text => "__ksql_cast_text",
            CastTarget::Boolean => "__ksql_cast_boolean",
            CastTarget::Int => "__ksql_cast_int",
            CastTarget::BigInt => "__ksql_cast_bigint",
            CastTarget::Double => "__ksql_cast_double",
            CastTarget::Decimal => "__ksql_cast_decimal",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.target.arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = match self.target {
            CastTarget::Decimal => {
                let literal = |place: usize| match args.scalar_arguments.get(place) {
                    Some(Some(ScalarValue::Int32(Some(value)))) => Some(i64::from(*value)),
                    Some(Some(ScalarValue::Int64(Some(value)))) => Some(*value),
                    _ => None,
                };
                match (literal(1), literal(2)) {
                    (Some(precision @ 1..=38), Some(scale)) if (0..=precision).contains(&scale) => {
                        DataType::Decimal128(precision as u8, scale as i8)
                    }
                    _ => return Err(DataFusionError::Plan("a decimal's precision and scale are literals".to_owned())),
                }
            }
            other => other.arrow(),
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        columnwise(&args, |rows| {
            let values = plain(args.args[0].to_array(rows)?)?;
            Ok(match self.target {
                CastTarget::Text => Arc::new(texts(&values)?),
                CastTarget::Boolean => Arc::new(booleans(&values)?),
                CastTarget::Int => Arc::new(ints(&values)?),
                CastTarget::BigInt => Arc::new(bigints(&values)?),
                CastTarget::Double => Arc::new(doubles(&values)?),
                CastTarget::Decimal => decimals(&values, args.return_field.data_type())?,
            })
        })
    }
}

fn invalid(value: &str, target: &str) -> DataFusionError {
    let message = format!("cannot cast \"{value}\" to {target}");
    DataFusionError::External(Box::new(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)))
}

fn out_of_range(target: &str) -> DataFusionError {
    let message = format!("{target} out of range");
    DataFusionError::External(Box::new(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)))
}

pub(super) fn texts(values: &ArrayRef) -> Result<StringArray> {
    match values.data_type() {
        DataType::Float64 => {
            Ok(values.as_primitive::<Float64Type>().iter().map(|value| value.map(format::java_double)).collect())
        }
        DataType::Timestamp(..) | DataType::Time64(_) => java_text::times(values),
        DataType::List(_) | DataType::Map(..) | DataType::Struct(_) => java_text::nested(values),
        _ => Ok(cast(values, &DataType::Utf8)?.as_string::<i32>().clone()),
    }
}

fn booleans(values: &ArrayRef) -> Result<BooleanArray> {
    match values.data_type() {
        DataType::Utf8 => {
            let truth = |text: &str| text.trim().eq_ignore_ascii_case("true");
            Ok(values.as_string::<i32>().iter().map(|text| text.map(truth)).collect())
        }
        _ => Ok(cast(values, &DataType::Boolean)?.as_boolean().clone()),
    }
}

fn ints(values: &ArrayRef) -> Result<Int32Array> {
    match values.data_type() {
        DataType::Utf8 => {
            let parse = |text: &str| text.trim().parse().map_err(|_| invalid(text, "INT"));
            values.as_string::<i32>().iter().map(|text| text.map(parse).transpose()).collect()
        }
        // Java's casts: doubles saturate, longs lose their upper half.
        DataType::Float64 => {
            Ok(values.as_primitive::<Float64Type>().iter().map(|value| value.map(|value| value as i32)).collect())
        }
        _ => Ok(bigints(values)?.iter().map(|value| value.map(|value| value as i32)).collect()),
    }
}

fn bigints(values: &ArrayRef) -> Result<Int64Array> {
    match values.data_type() {
        DataType::Utf8 => {
            let parse = |text: &str| text.trim().parse().map_err(|_| invalid(text, "BIGINT"));
            values.as_string::<i32>().iter().map(|text| text.map(parse).transpose()).collect()
        }
        DataType::Float64 => {
            Ok(values.as_primitive::<Float64Type>().iter().map(|value| value.map(|value| value as i64)).collect())
        }
        DataType::Decimal128(_, scale) => {
            let unit = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
            let whole = |value: i128| (value / unit) as i64;
            Ok(values.as_primitive::<Decimal128Type>().iter().map(|value| value.map(whole)).collect())
        }
        _ => Ok(cast(values, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
    }
}

fn doubles(values: &ArrayRef) -> Result<Float64Array> {
    match values.data_type() {
        DataType::Utf8 => {
            let parse = |text: &str| text.trim().parse().map_err(|_| invalid(text, "DOUBLE"));
            values.as_string::<i32>().iter().map(|text| text.map(parse).transpose()).collect()
        }
        _ => Ok(cast(values, &DataType::Float64)?.as_primitive::<Float64Type>().clone()),
    }
}

fn decimals(values: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *target else {
        return Err(out_of_range("DECIMAL"));
    };
    // Through the text of the number: it has all digits, and there is one rounding.
    let texts = texts(values)?;
    let parse = |text: &str| {
        format::decimal_of_text(text.trim(), precision, scale).map_err(|found| match found {
            format::DecimalFault::Syntax => invalid(text, "DECIMAL"),
            format::DecimalFault::Range => out_of_range("DECIMAL"),
        })
    };
    let decimals: Decimal128Array = texts.iter().map(|text| text.map(parse).transpose()).collect::<Result<_>>()?;
    Ok(Arc::new(decimals.with_precision_and_scale(precision, scale)?))
}
