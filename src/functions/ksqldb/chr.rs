//! `CHR(code)`: the character of a code point, told as a number or as Java's escapes.

use crate::error::Error;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// `chr(INT) -> text`; `chr(text) -> text` of `\uXXXX`, perhaps twice. Null for null and for what is no character.
pub static DEFINITIONS: [Definition; 1] = [Definition {
    name: "__ksql_chr",
    about: "The character of a code point, or of Java's escapes such as '\\u004b'.",
    overloads: &[
        Overload { arguments: &[Type::Int], result: Type::Text },
        Overload { arguments: &[Type::Text], result: Type::Text },
    ],
    nulls: Nulls::GiveNull,
    compute: chr,
}];

fn chr(cells: &[Cell<'_>]) -> Result<Answer, Error> {
    let found = match cells[0] {
        Cell::Text(text) => unescaped(text),
        code => u32::try_from(code.int()).ok().and_then(char::from_u32).map(String::from),
    };
    Ok(Answer::text(found))
}

/// The text of one or more `\uXXXX`, UTF-16 units.
fn unescaped(text: &str) -> Option<String> {
    let mut units = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits =
            rest.strip_prefix("\\u")?.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        units.push(u16::from_str_radix(digits, 16).ok()?);
        rest = &rest[6..];
    }
    String::from_utf16(&units).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbers_or_escapes() {
        for (code, wanted) in [
            (Cell::Int(75), Some("K")),
            (Cell::Int(99_000), Some("\u{182b8}")),
            (Cell::Int(-1), None),
            (Cell::Int(0xD800), None),
            (Cell::Text("\\u004b"), Some("K")),
            (Cell::Text("\\ud820\\udeb8"), Some("\u{182b8}")),
            (Cell::Text("75"), None),
            (Cell::Text("\\u00"), None),
            (Cell::Text(""), None),
        ] {
            assert_eq!(chr(&[code]).expect("no error"), Answer::text(wanted), "{code:?}");
        }
    }
}
