//! ksqlDB's names of `lower` and `upper`: `LCASE` and `UCASE`.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::functions::described::described;

/// `lcase(text) -> text`, `ucase(text) -> text`; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct LetterCase {
    name: &'static str,
    signature: Signature,
}

impl LetterCase {
    pub fn lower() -> Self {
        Self { name: "lcase", signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable) }
    }

    pub fn upper() -> Self {
        Self { name: "ucase", signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for LetterCase {
    fn name(&self) -> &str {
        self.name
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 2]> = LazyLock::new(|| {
            [
                described("lcase(text) -> text", "In small letters."),
                described("ucase(text) -> text", "In capital letters."),
            ]
        });
        Some(&TOLD[usize::from(self.name == "ucase")])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = args.args[0].to_array(args.number_rows)?;
        let turned = |text: &str| if self.name == "lcase" { text.to_lowercase() } else { text.to_uppercase() };
        let turned: StringArray = texts.as_string::<i32>().iter().map(|text| text.map(turned)).collect();
        Ok(ColumnarValue::Array(Arc::new(turned)))
    }
}
