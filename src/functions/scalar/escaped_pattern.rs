//! Patterns with an escape: of `LIKE .. ESCAPE 'c'` in the one form that LIKE itself reads, of `SIMILAR TO` as a regular expression.

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

/// `__like_pattern(pattern, escape) -> text` and `__similar_pattern`; null gives null. Immutable.
///
/// As PostgreSQL: an empty escape means none, a longer one than a character is 22025.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct EscapedPattern {
    kind: Kind,
    signature: Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Like,
    Similar,
}

impl EscapedPattern {
    /// Both.
    pub fn all() -> [Self; 2] {
        let signature = || Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable);
        [Kind::Like, Kind::Similar].map(|kind| Self { kind, signature: signature() })
    }
}

impl ScalarUDFImpl for EscapedPattern {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Like => "__like_pattern",
            Kind::Similar => "__similar_pattern",
        }
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
        let read = match self.kind {
            Kind::Like => with_backslashes,
            Kind::Similar => regular,
        };
        let read = |row: usize| match patterns.is_valid(row) && escapes.is_valid(row) {
            true => read(patterns.value(row), escape_of(escapes.value(row))?).map(Some),
            false => Ok(None),
        };
        let read = (0..patterns.len()).map(read).collect::<std::result::Result<StringArray, Error>>();
        let read = read.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(ColumnarValue::Array(Arc::new(read)))
    }
}

fn escape_of(text: &str) -> std::result::Result<Option<char>, Error> {
    let mut letters = text.chars();
    let (escape, None) = (letters.next(), letters.next()) else {
        let error = Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid escape string");
        return Err(error.hint("Escape string must be empty or one character."));
    };
    Ok(escape)
}

/// The one form that LIKE itself reads: escaped by a backslash. An escape at the end is 22025.
fn with_backslashes(pattern: &str, escape: Option<char>) -> std::result::Result<String, Error> {
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

/// `%` and `_` are any text and any character, what regular expressions have besides stands for itself; the whole text is meant.
fn regular(pattern: &str, escape: Option<char>) -> std::result::Result<String, Error> {
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
            assert_eq!(with_backslashes(pattern, escape.chars().next()).expect("it is well formed"), expected);
        }
    }

    #[test]
    fn an_escape_is_one_character_and_not_the_last() {
        for (pattern, escape) in [("x", "ab"), ("x!", "!"), ("x!!!", "!")] {
            let error = escape_of(escape).and_then(|escape| with_backslashes(pattern, escape));
            let error = error.expect_err("it is not well formed");
            assert_eq!(error.state(), SqlState::INVALID_ESCAPE_SEQUENCE);
        }
    }

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
            assert_eq!(
                regular(pattern, escape.chars().next()).expect("it is well formed"),
                format!("(?s)^(?:{expected})$")
            );
        }
    }
}
