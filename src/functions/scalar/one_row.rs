//! The value of a subquery that may have one row at most.

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;

/// `__one_row(STRUCT<rows, value>) -> value`; null gives null, 21000 if there were several rows. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct OneRow {
    signature: Signature,
}

impl OneRow {
    pub fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for OneRow {
    fn name(&self) -> &str {
        "__one_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match &arguments[0] {
            DataType::Struct(fields) if fields.len() == 2 => Ok(fields[1].data_type().clone()),
            other => Err(DataFusionError::Plan(format!("__one_row does not take {other}"))),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let counted = args.args[0].to_array(args.number_rows)?;
        let counted = counted.as_struct();
        let rows = counted.column(0).as_primitive::<Int64Type>();
        if (0..counted.len()).any(|row| counted.is_valid(row) && rows.is_valid(row) && 1 < rows.value(row)) {
            let message = "more than one row returned by a subquery used as an expression";
            let error = Error::new(SqlState::CARDINALITY_VIOLATION, message);
            return Err(DataFusionError::External(Box::new(error)));
        }
        let values =
            datafusion::arrow::compute::nullif(counted.column(1), &datafusion::arrow::compute::is_null(counted)?)?;
        Ok(ColumnarValue::Array(values))
    }
}
