//! Small and capital letters: PostgreSQL's `lower` and `upper`, which turn a letter into one other, and ksqlDB's `LCASE` and `UCASE`,
//! which turn `ß` into `SS`.

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

/// Their names.
const NAMES: [&str; 4] = ["lower", "upper", "lcase", "ucase"];

/// `lower(text)`, `upper(text)`, `lcase(text)`, `ucase(text) -> text`; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct LetterCase {
    name: &'static str,
    signature: Signature,
}

impl LetterCase {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let signature = || Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
        NAMES.into_iter().map(move |name| Self { name, signature: signature() })
    }
}

/// What a letter turns into, if that is one; else the letter.
fn one_of(letter: char, turned: impl ExactSizeIterator<Item = char>) -> char {
    let mut turned = turned;
    if turned.len() == 1 { turned.next().unwrap_or(letter) } else { letter }
}

impl ScalarUDFImpl for LetterCase {
    fn name(&self) -> &str {
        self.name
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 4]> = LazyLock::new(|| {
            [
                described("lower(text) -> text", "In small letters."),
                described("upper(text) -> text", "In capital letters."),
                described("lcase(text) -> text", "In small letters."),
                described("ucase(text) -> text", "In capital letters."),
            ]
        });
        NAMES.iter().position(|name| *name == self.name).map(|at| &TOLD[at])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = args.args[0].to_array(args.number_rows)?;
        let turned = |text: &str| match self.name {
            "lower" if text.is_ascii() => text.to_ascii_lowercase(),
            "upper" if text.is_ascii() => text.to_ascii_uppercase(),
            "lower" => text.chars().map(|letter| one_of(letter, letter.to_lowercase())).collect(),
            "upper" => text.chars().map(|letter| one_of(letter, letter.to_uppercase())).collect(),
            "lcase" => text.to_lowercase(),
            _ => text.to_uppercase(),
        };
        let turned: StringArray = texts.as_string::<i32>().iter().map(|text| text.map(turned)).collect();
        Ok(ColumnarValue::Array(Arc::new(turned)))
    }
}
