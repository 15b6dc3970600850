//! ksqlDB's `LEN(text)`: how many UTF-16 units a text has, as Java counts.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::functions::described::described;

/// `len(text) -> INT`; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CharacterLength {
    signature: Signature,
}

impl CharacterLength {
    pub fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for CharacterLength {
    fn name(&self) -> &str {
        "len"
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<Documentation> =
            LazyLock::new(|| described("len(text) -> int", "How many UTF-16 units a text has."));
        Some(&TOLD)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = args.args[0].to_array(args.number_rows)?;
        let units = |text: &str| i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX);
        let lengths: Int32Array = texts.as_string::<i32>().iter().map(|text| text.map(units)).collect();
        Ok(ColumnarValue::Array(Arc::new(lengths)))
    }
}
