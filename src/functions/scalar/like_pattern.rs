//! The pattern of `LIKE .. ESCAPE 'c'` in the one form that LIKE itself reads: escaped by a backslash.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
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

/// `__like_pattern(pattern, escape) -> text`; null gives null. Immutable.
///
/// As PostgreSQL: an empty escape means none, a longer one than a character is 22025, and so is a pattern that ends with it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct LikePattern {
    signature: Signature,
}

impl LikePattern {
    pub fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for LikePattern {
    fn name(&self) -> &str {
        "__like_pattern"
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
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [patterns, escapes] = [&arrays[0], &arrays[1]].map(|array| array.as_string::<i32>());
        let read = |row: usize| match patterns.is_valid(row) && escapes.is_valid(row) {
            true => with_backslashes(patterns.value(row), escapes.value(row)).map(Some),
            false => Ok(None),
        };
        let read = (0..patterns.len()).map(read).collect::<std::result::Result<StringArray, Error>>();
        let read = read.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(ColumnarValue::Array(Arc::new(read)))
    }
}

fn with_backslashes(pattern: &str, escape: &str) -> std::result::Result<String, Error> {
    let mut letters = escape.chars();
    let (escape, None) = (letters.next(), letters.next()) else {
        let error = Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid escape string");
        return Err(error.hint("Escape string must be empty or one character."));
    };
    let mut written = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        let (letter, escaped) = match Some(letter) == escape {
            true => {
                let message = "LIKE pattern must not end with escape character";
                (letters.next().ok_or_else(|| Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, message))?, true)
            }
            false => (letter, false),
        };
        if letter == '\\' || (escaped && matches!(letter, '%' | '_')) {
            written.push('\\');
        }
        written.push(letter);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_escape_becomes_a_backslash() {
        for (pattern, escape, expected) in [
            ("50!%%", "!", "50\\%%"),
            ("a!_b_", "!", "a\\_b_"),
            ("!!x!y", "!", "!xy"),
            ("a\\b", "!", "a\\\\b"),
            ("a!\\b", "!", "a\\\\b"),
            ("a\\%b", "\\", "a\\%b"),
            ("a\\%", "", "a\\\\%"),
            ("é%%", "é", "\\%%"),
        ] {
            assert_eq!(with_backslashes(pattern, escape).expect("it is well formed"), expected);
        }
    }

    #[test]
    fn an_escape_is_one_character_and_not_the_last() {
        for (pattern, escape) in [("x", "ab"), ("x!", "!"), ("x!!!", "!")] {
            let error = with_backslashes(pattern, escape).expect_err("it is not well formed");
            assert_eq!(error.state(), SqlState::INVALID_ESCAPE_SEQUENCE);
        }
    }
}
