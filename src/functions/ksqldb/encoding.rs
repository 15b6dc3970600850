//! Texts and bytes in the encodings hex, ascii, utf8 and base64: `ENCODE`, `TO_BYTES`, `FROM_BYTES`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// `encode(text, from, to) -> text`, `to_bytes(text, encoding) -> BYTES`, `from_bytes(BYTES, encoding) -> text`; null gives null.
///
/// A character that ASCII does not have is `?`, a byte that it does not have U+FFFD. 22023 for another encoding, 22P02 for a
/// text that is not in its encoding.
pub static DEFINITIONS: [Definition; 3] = [
    Definition {
        name: "__ksql_encode",
        about: "A text from one encoding into another: hex, ascii, utf8, base64.",
        overloads: &[Overload { arguments: &[Type::Text, Type::Text, Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let bytes = Encoding::named(cells[1].text())?.bytes(cells[0].text())?;
            Ok(Answer::Text(Encoding::named(cells[2].text())?.text(&bytes)))
        },
    },
    Definition {
        name: "to_bytes",
        about: "The bytes of a text that is written in an encoding: hex, ascii, utf8, base64.",
        overloads: &[Overload { arguments: &[Type::Text, Type::Text], result: Type::Bytes }],
        nulls: Nulls::GiveNull,
        compute: |cells: &[Cell<'_>]| Ok(Answer::Bytes(Encoding::named(cells[1].text())?.bytes(cells[0].text())?)),
    },
    Definition {
        name: "from_bytes",
        about: "Bytes written as a text in an encoding: hex, ascii, utf8, base64.",
        overloads: &[Overload { arguments: &[Type::Bytes, Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let encoding = Encoding::named(cells[1].text())?;
            let text = encoding.text(cells[0].bytes());
            // ENCODE writes small digits, this one capitals.
            Ok(Answer::Text(if encoding == Encoding::Hex { text.to_ascii_uppercase() } else { text }))
        },
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Hex,
    Ascii,
    Utf8,
    Base64,
}

impl Encoding {
    fn named(name: &str) -> Result<Self, Error> {
        match name.to_ascii_lowercase().as_str() {
            "hex" => Ok(Encoding::Hex),
            "ascii" => Ok(Encoding::Ascii),
            "utf8" => Ok(Encoding::Utf8),
            "base64" => Ok(Encoding::Base64),
            _ => Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("unknown encoding \"{name}\""))
                .hint("The encodings are hex, ascii, utf8 and base64.")),
        }
    }

    fn bytes(self, text: &str) -> Result<Vec<u8>, Error> {
        let wrong =
            |kind: &str| Error::new(SqlState::INVALID_TEXT_REPRESENTATION, format!("invalid {kind} text: \"{text}\""));
        match self {
            Encoding::Hex => hex_bytes(text).ok_or_else(|| wrong("hex")),
            Encoding::Ascii => {
                let byte = |character: char| u8::try_from(character).ok().filter(u8::is_ascii).unwrap_or(b'?');
                Ok(text.chars().map(byte).collect())
            }
            Encoding::Utf8 => Ok(text.as_bytes().to_vec()),
            Encoding::Base64 => STANDARD.decode(text).map_err(|_| wrong("base64")),
        }
    }

    fn text(self, bytes: &[u8]) -> String {
        match self {
            Encoding::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Encoding::Ascii => {
                let character =
                    |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER };
                bytes.iter().map(character).collect()
            }
            Encoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Encoding::Base64 => STANDARD.encode(bytes),
        }
    }
}

/// Digits as they are, behind `0x`, where a first 0 may be left out, or within `X'..'`.
fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let within = |text: &str| text.strip_prefix("X'").or(text.strip_prefix("x'")).map(str::to_owned);
    let digits = match (text.strip_prefix("0x"), within(text)) {
        (Some(digits), _) if digits.len() % 2 == 1 => format!("0{digits}"),
        (Some(digits), _) => digits.to_owned(),
        (None, Some(quoted)) => quoted.strip_suffix('\'')?.to_owned(),
        (None, None) => text.to_owned(),
    };
    if digits.len() % 2 == 1 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_texts_have_three_forms() {
        for (text, bytes) in [
            ("4B6b", Some(b"Kk".to_vec())),
            ("0x4B", Some(b"K".to_vec())),
            ("0xA", Some(vec![10])),
            ("0x", Some(vec![])),
            ("X'4B'", Some(b"K".to_vec())),
            ("x''", Some(vec![])),
            ("x'4'", None),
            ("x'4B", None),
            ("4", None),
            ("0x0x", None),
            ("é1", None),
        ] {
            assert_eq!(hex_bytes(text), bytes, "{text}");
        }
    }

    #[test]
    fn what_an_encoding_does_not_have_is_marked() {
        assert_eq!(Encoding::Ascii.bytes("aé€").expect("ascii takes all"), b"a??");
        assert_eq!(Encoding::Ascii.text(b"a\xC3\xA9"), "a\u{FFFD}\u{FFFD}");
        assert_eq!(Encoding::Utf8.text(b"a\xFF"), "a\u{FFFD}");
        assert!(Encoding::Base64.bytes("a").is_err());
        assert_eq!(Encoding::named("HEX").ok(), Some(Encoding::Hex));
        assert!(Encoding::named("latin1").is_err());
    }
}
