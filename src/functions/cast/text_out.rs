//! A value as its type's output function writes it, as CONCAT wants it.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::checked::Booleans;
use super::checked::texts;
use super::checked::zone;
use crate::functions::columnwise::columnwise;

/// `__text_out(any) -> text`; null gives null. Immutable. Unlike a cast it writes `t` for true.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TextOut {
    signature: Signature,
}

impl TextOut {
    pub fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TextOut {
    fn name(&self) -> &str {
        "__text_out"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        columnwise(&args, |rows| {
            let values = args.args[0].to_array(rows)?;
            Ok(Arc::new(texts(&values, zone(&args)?, Booleans::AsLetters)?))
        })
    }
}
