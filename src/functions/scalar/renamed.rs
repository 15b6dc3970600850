//! DataFusion's functions under the names by which PostgreSQL knows what they do, and nothing told of the order of their answers.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::error::Result;
use datafusion::functions::math;
use datafusion::functions_nested::replace::array_replace_all_udf;
use datafusion::functions_nested::replace::array_replace_udf;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;

/// A function that does what another of DataFusion's does.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Renamed {
    /// Whose names it has.
    named: Arc<ScalarUDF>,
    does: Arc<ScalarUDF>,
}

impl Renamed {
    /// All of them: PostgreSQL's `array_replace` means every such element; and `abs`, which DataFusion 55 cannot
    /// sort by where it does not know the bounds of what it is of.
    pub fn all() -> [Self; 2] {
        [
            Self { named: math::abs(), does: math::abs() },
            Self { named: array_replace_udf(), does: array_replace_all_udf() },
        ]
    }
}

impl ScalarUDFImpl for Renamed {
    fn name(&self) -> &str {
        self.named.name()
    }

    fn aliases(&self) -> &[String] {
        self.named.aliases()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.does.documentation()
    }

    fn signature(&self) -> &Signature {
        self.does.signature()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.does.coerce_types(arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.does.return_type(arguments)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.does.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.does.is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.does.invoke_with_args(args)
    }
}
