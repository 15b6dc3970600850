//! A value that is assigned to a column, for as long as nobody has looked at its type.

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

/// `__assign(null of a type, any, column name) -> the type`. The planner has a cast or an error in its place. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Assign {
    signature: Signature,
}

impl Assign {
    pub fn new() -> Self {
        Self { signature: Signature::any(3, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Assign {
    fn name(&self) -> &str {
        "__assign"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal("an assignment without its cast".to_string()))
    }
}
