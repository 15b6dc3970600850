//! PostgreSQL's input of BYTEA: `\x` and hexadecimal digits, or bytes with escapes.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BinaryArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;
use crate::format::text;
use crate::functions::columnwise::columnwise;

/// `__bytea_in(text) -> BYTEA`; null gives null, other text 22P02. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ByteaIn {
    signature: Signature,
}

impl ByteaIn {
    pub fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ByteaIn {
    fn name(&self) -> &str {
        "__bytea_in"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        columnwise(&args, |rows| {
            let texts = args.args[0].to_array(rows)?;
            let read = |value: &str| {
                text::parse_bytes(value).ok_or_else(|| {
                    let message = format!("invalid input syntax for type bytea: \"{value}\"");
                    DataFusionError::External(Box::new(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)))
                })
            };
            let bytes: Result<Vec<Option<Vec<u8>>>> =
                texts.as_string::<i32>().iter().map(|text| text.map(read).transpose()).collect();
            Ok(Arc::new(BinaryArray::from_iter(bytes?)))
        })
    }
}
