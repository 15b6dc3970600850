//! A pull scanner of RFC 8259: no tree, no copies but of escaped strings.
//!
//! Invariants:
//!   * the whole document is looked at; what follows it is an error
//!   * nesting is bounded by `DEPTH_MAX`, so that no document ends the process

use std::borrow::Cow;

use crate::format::FormatError;

/// How deep arrays and objects may nest.
const DEPTH_MAX: usize = 128;

/// A place in a document.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// What a value is, as told by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Number,
    Text,
    Array,
    Object,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
        Ok(Self { text, at: 0 })
    }

    fn fail(&self, reason: &str) -> FormatError {
        malformed(format!("{reason} at byte {}", self.at))
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    pub(super) fn skip_space(&mut self) -> Option<u8> {
        let bytes = self.bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// What the next value is; nothing is consumed but blanks.
    pub(super) fn kind(&mut self) -> Result<Kind, FormatError> {
        match self.skip_space() {
            Some(b'n') => Ok(Kind::Null),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'"') => Ok(Kind::Text),
            Some(b'[') => Ok(Kind::Array),
            Some(b'{') => Ok(Kind::Object),
            Some(_) => Err(self.fail("a value is expected")),
            None => Err(self.fail("the document ends where a value is expected")),
        }
    }

    /// Consumes `null`, `true` or `false`.
    pub(super) fn literal(&mut self, word: &str) -> Result<(), FormatError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.fail("a value is expected"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Consumes the punctuation `byte`, or tells that it is not there.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let there = self.skip_space() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Whether another element of an array or object follows: past the comma before all but the first, or past `close`.
    pub(super) fn more(&mut self, close: u8, first: &mut bool) -> Result<bool, FormatError> {
        if self.take(close) {
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.expect(b',')?;
        }
        Ok(true)
    }

    /// Consumes the punctuation `byte`.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), FormatError> {
        if self.take(byte) { Ok(()) } else { Err(self.fail(&format!("'{}' is expected", char::from(byte)))) }
    }

    /// Consumes a number and gives its text.
    pub(super) fn number(&mut self) -> Result<&'a str, FormatError> {
        let bytes = self.bytes();
        let start = self.at;
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let whole = start + usize::from(bytes.get(start) == Some(&b'-'));
        let mut end = digits(whole);
        let leading_zero = bytes.get(whole) == Some(&b'0') && 1 < end - whole;
        let mut complete = whole < end && !leading_zero;
        if bytes.get(end) == Some(&b'.') {
            let fraction = end + 1;
            end = digits(fraction);
            complete &= fraction < end;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let exponent = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            end = digits(exponent);
            complete &= exponent < end;
        }
        if !complete {
            return Err(self.fail("not a number"));
        }
        self.at = end;
        Ok(&self.text[start..end])
    }

    /// Consumes a string and gives its characters.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, FormatError> {
        self.expect(b'"')?;
        let start = self.at;
        let end = self.string_run()?;
        if self.bytes()[end] == b'"' {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        let mut unescaped = String::with_capacity(end - start + 16);
        self.at = start;
        loop {
            let from = self.at;
            let end = self.string_run()?;
            unescaped.push_str(&self.text[from..end]);
            self.at = end + 1;
            if self.bytes()[end] == b'"' {
                return Ok(Cow::Owned(unescaped));
            }
            unescaped.push(self.escape()?);
        }
    }

    /// The next quote or backslash.
    fn string_run(&mut self) -> Result<usize, FormatError> {
        let rest = &self.bytes()[self.at..];
        let length = memchr::memchr2(b'"', b'\\', rest).ok_or_else(|| self.fail("a string without its end"))?;
        if rest[..length].iter().any(|byte| *byte < 0x20) {
            return Err(self.fail("a control character in a string"));
        }
        Ok(self.at + length)
    }

    fn escape(&mut self) -> Result<char, FormatError> {
        let escaped = self.bytes().get(self.at).copied();
        self.at += 1;
        Ok(match escaped {
            Some(character @ (b'"' | b'\\' | b'/')) => char::from(character),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.hexadecimal()?;
                let code = match first {
                    0xD800..0xDC00 => {
                        if !self.bytes()[self.at..].starts_with(b"\\u") {
                            return Err(self.fail("half of a surrogate pair"));
                        }
                        self.at += 2;
                        let second = self.hexadecimal()?;
                        if !(0xDC00..0xE000).contains(&second) {
                            return Err(self.fail("half of a surrogate pair"));
                        }
                        0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
                    }
                    code => code,
                };
                char::from_u32(code).ok_or_else(|| self.fail("half of a surrogate pair"))?
            }
            _ => return Err(self.fail("an unknown escape")),
        })
    }

    fn hexadecimal(&mut self) -> Result<u32, FormatError> {
        let digits = self.bytes().get(self.at..self.at + 4).ok_or_else(|| self.fail("a string without its end"))?;
        let mut code = 0;
        for digit in digits {
            code = code * 16 + char::from(*digit).to_digit(16).ok_or_else(|| self.fail("an unknown escape"))?;
        }
        self.at += 4;
        Ok(code)
    }

    /// Consumes a value of any kind; `depth` is how deep it stands. Its text, when `compact` is given, goes there
    /// without blanks.
    pub(super) fn skip(&mut self, depth: usize, mut compact: Option<&mut String>) -> Result<(), FormatError> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::Null => self.literal("null")?,
            Kind::True => self.literal("true")?,
            Kind::False => self.literal("false")?,
            Kind::Number => {
                self.number()?;
            }
            Kind::Text => {
                self.string()?;
            }
            Kind::Array | Kind::Object => return self.skip_nested(kind, depth, compact),
        }
        if let Some(compact) = &mut compact {
            compact.push_str(&self.text[start..self.at]);
        }
        Ok(())
    }

    fn skip_nested(&mut self, kind: Kind, depth: usize, mut out: Option<&mut String>) -> Result<(), FormatError> {
        if DEPTH_MAX <= depth {
            return Err(self.fail("it nests too deep"));
        }
        let (open, close) = if kind == Kind::Array { (b'[', b']') } else { (b'{', b'}') };
        let push = |out: &mut Option<&mut String>, byte: u8| {
            if let Some(out) = out {
                out.push(char::from(byte));
            }
        };
        self.expect(open)?;
        push(&mut out, open);
        let mut first = true;
        while !self.take(close) {
            if !first {
                self.expect(b',')?;
                push(&mut out, b',');
            }
            first = false;
            if kind == Kind::Object {
                if self.kind()? != Kind::Text {
                    return Err(self.fail("a field name is expected"));
                }
                self.skip(depth + 1, out.as_deref_mut())?;
                self.expect(b':')?;
                push(&mut out, b':');
            }
            self.skip(depth + 1, out.as_deref_mut())?;
        }
        push(&mut out, close);
        Ok(())
    }

    /// Fails if anything but blanks follows.
    pub(super) fn end(&mut self) -> Result<(), FormatError> {
        match self.skip_space() {
            None => Ok(()),
            Some(_) => Err(self.fail("text after the document")),
        }
    }
}

fn malformed(reason: String) -> FormatError {
    FormatError::Malformed { format: "JSON", reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Random;
    use crate::env::SeededRandom;

    fn compact(text: &str) -> Result<String, FormatError> {
        let mut scanner = Scanner::new(text.as_bytes())?;
        let mut out = String::new();
        scanner.skip(0, Some(&mut out))?;
        scanner.end()?;
        Ok(out)
    }

    #[test]
    fn accepts_exactly_what_serde_json_accepts() {
        let random = SeededRandom::new(3);
        let pieces = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"\\u00e9\"",
            "\"\\ud83d\\ude00\"",
            "\"\\q\"",
            "\"",
            "0",
            "-1",
            "01",
            "1.5",
            "1.",
            "2e3",
            "1e",
            "-",
            "true",
            "false",
            "null",
            "nul",
            " ",
            "\n",
            "\"\t\"",
            "\"\\ud83d\"",
        ];
        let mut accepted = 0;
        for _ in 0..200_000 {
            let length = 1 + random.next_u64() % 7;
            let text: String =
                (0..length).map(|_| pieces[random.next_u64() as usize % pieces.len()]).collect::<Vec<_>>().concat();
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            let ours = compact(&text);
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}: {ours:?} {theirs:?}");
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                accepted += 1;
                let again: serde_json::Value = serde_json::from_str(&ours).expect("compact text is JSON");
                assert_eq!(again, theirs, "{text}");
            }
        }
        assert!(1000 < accepted, "the generator makes documents, {accepted}");
    }

    #[test]
    fn strings_come_out_unescaped() {
        for text in [r#""plain""#, r#""a\"b\\c\/\b\f\n\r\t""#, r#""\u00e9\ud83d\ude00 x""#] {
            let mut scanner = Scanner::new(text.as_bytes()).expect("UTF-8");
            let theirs: String = serde_json::from_str(text).expect("a string");
            assert_eq!(scanner.string().expect("a string"), theirs);
        }
    }

    #[test]
    fn deep_nesting_is_an_error() {
        assert!(compact(&"[".repeat(1_000_000)).is_err());
        assert!(compact(&format!("{}{}", "[".repeat(100), "]".repeat(100))).is_ok());
    }
}
