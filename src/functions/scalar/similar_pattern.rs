//! The pattern of `SIMILAR TO` as a regular expression.

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

/// `__similar_pattern(pattern, escape) -> text`; null gives null, 22025 for an escape of several characters. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct SimilarPattern {
    signature: Signature,
}

impl SimilarPattern {
    pub fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for SimilarPattern {
    fn name(&self) -> &str {
        "__similar_pattern"
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
            true => regular(patterns.value(row), escapes.value(row)).map(Some),
            false => Ok(None),
        };
        let read = (0..patterns.len()).map(read).collect::<std::result::Result<StringArray, Error>>();
        let read = read.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(ColumnarValue::Array(Arc::new(read)))
    }
}

/// `%` and `_` are any text and any character, what regular expressions have besides stands for itself; the whole text is meant.
fn regular(pattern: &str, escape: &str) -> std::result::Result<String, Error> {
    let mut letters = escape.chars();
    let (escape, None) = (letters.next(), letters.next()) else {
        let error = Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid escape string");
        return Err(error.hint("Escape string must be empty or one character."));
    };
    let mut written = String::from("(?s)^(?:");
    let mut in_brackets = false;
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            let Some(escaped) = letters.next() else { break };
            push_escaped(escaped, &mut written);
            continue;
        }
        match letter {
            '[' if !in_brackets => in_brackets = true,
            // A class of characters such as [:alpha:] has brackets of its own.
            '[' => {
                written.push('[');
                for inner in letters.by_ref() {
                    written.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
                continue;
            }
            ']' => in_brackets = false,
            _ => {}
        }
        match letter {
            '%' if !in_brackets => written.push_str(".*"),
            '_' if !in_brackets => written.push('.'),
            '.' | '^' | '$' | '\\' if !in_brackets => push_escaped(letter, &mut written),
            '\\' => written.push_str("\\\\"),
            '(' if !in_brackets => written.push_str("(?:"),
            other => written.push(other),
        }
    }
    written.push_str(")$");
    Ok(written)
}

fn push_escaped(letter: char, written: &mut String) {
    if letter.is_ascii_punctuation() {
        written.push('\\');
    }
    written.push(letter);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_regular_expressions_of_the_whole_text() {
        for (pattern, escape, expected) in [
            ("a%", "\\", "a.*"),
            ("%(b|c)_", "\\", ".*(?:b|c)."),
            ("a.b", "\\", "a\\.b"),
            ("50\\%", "\\", "50\\%"),
            ("50#%", "#", "50\\%"),
            ("[[:alpha:]_%]+", "\\", "[[:alpha:]_%]+"),
            ("[^a]x{3}", "\\", "[^a]x{3}"),
        ] {
            assert_eq!(regular(pattern, escape).expect("it is well formed"), format!("(?s)^(?:{expected})$"));
        }
        assert!(regular("a", "ab").is_err());
    }
}
