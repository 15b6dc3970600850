//! PostgreSQL's `pg_typeof(any)`: the name of a type.

use std::sync::LazyLock;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::functions::described::described;
use crate::model::SqlType;

/// `pg_typeof(any) -> text`, never null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TypeName {
    signature: Signature,
}

impl TypeName {
    pub fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TypeName {
    fn name(&self) -> &str {
        "pg_typeof"
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<Documentation> =
            LazyLock::new(|| described("pg_typeof(any) -> text", "The name of its argument's type."));
        Some(&TOLD)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let name = match args.args[0].data_type() {
            DataType::Null => "unknown".to_owned(),
            // Precision and scale are no part of the type's name.
            DataType::Decimal128(..) => "numeric".to_owned(),
            other => SqlType::postgres_name_of(&other),
        };
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(name))))
    }
}
