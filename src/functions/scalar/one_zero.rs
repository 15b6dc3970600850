//! The one zero of the two that doubles have.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Float32Type;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::functions::columnwise::columnwise;

/// `__one_zero(double) -> double`, `__one_zero(real) -> real`: -0 is 0, every other value itself. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct OneZero {
    signature: Signature,
}

impl OneZero {
    /// Its name.
    pub const NAME: &'static str = "__one_zero";
}

impl Default for OneZero {
    fn default() -> Self {
        Self { signature: Signature::uniform(1, vec![DataType::Float64, DataType::Float32], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for OneZero {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        columnwise(&args, |rows| {
            let values = args.args[0].to_array(rows)?;
            // The sum of both zeros is the one without a sign.
            Ok(match values.data_type() {
                DataType::Float32 => {
                    Arc::new(values.as_primitive::<Float32Type>().unary::<_, Float32Type>(|value| value + 0.0))
                }
                _ => Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(|value| value + 0.0)),
            })
        })
    }
}
