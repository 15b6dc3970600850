//! PostgreSQL's DOUBLE PRECISION and REAL: a number that they have no room for is 22003, never an infinity.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Float32Type;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::plain;
use crate::error::Error;
use crate::error::SqlState;
use crate::format::text;
use crate::functions::columnwise::columnwise;

/// `__float8_in(text or number)` and `__float4_in(text or number)`; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct FloatIn {
    target: DataType,
    signature: Signature,
}

impl FloatIn {
    /// Both.
    pub fn all() -> [Self; 2] {
        [DataType::Float64, DataType::Float32]
            .map(|target| Self { target, signature: Signature::any(1, Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for FloatIn {
    fn name(&self) -> &str {
        match self.target {
            DataType::Float32 => "__float4_in",
            _ => "__float8_in",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        columnwise(&args, |rows| {
            let values = args.args[0].to_array(rows)?;
            let doubles = doubles(&values)?;
            Ok(match self.target {
                DataType::Float32 => reals(&doubles)?,
                _ => Arc::new(doubles),
            })
        })
    }
}

fn doubles(values: &ArrayRef) -> Result<Float64Array> {
    let values = plain(Arc::clone(values))?;
    if values.data_type() != &DataType::Utf8 {
        return Ok(cast(&values, &DataType::Float64)?.as_primitive::<Float64Type>().clone());
    }
    let read = |value: &str| text::read_double(value).map_err(|error| external(Error::from(error)));
    values.as_string::<i32>().iter().map(|value| value.map(read).transpose()).collect()
}

fn reals(doubles: &Float64Array) -> Result<ArrayRef> {
    let reals = cast(doubles, &DataType::Float32)?;
    let narrow = reals.as_primitive::<Float32Type>();
    for (row, wide) in doubles.iter().enumerate() {
        let Some(wide) = wide else { continue };
        let what = match narrow.value(row) {
            narrow if narrow.is_infinite() && wide.is_finite() => "overflow",
            narrow if narrow == 0.0 && wide != 0.0 => "underflow",
            _ => continue,
        };
        let message = format!("value out of range: {what}");
        return Err(external(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)));
    }
    Ok(reals)
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
