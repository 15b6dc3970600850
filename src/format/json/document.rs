//! A look into a document: its parts are parts of its text, so that `json` keeps the blanks that it was written with.

use std::borrow::Cow;

use super::scan::Kind;
use super::scan::Scanner;

/// A document, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document<'a>(&'a str);

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// `null`
    Null,
    /// `true` and `false`
    Boolean,
    /// A number.
    Number,
    /// A text between quotes.
    String,
    /// `[..]`
    Array,
    /// `{..}`
    Object,
}

impl DocumentKind {
    /// The word that `json_typeof` has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl<'a> Document<'a> {
    /// The document of a text, which was found to be one when it came in.
    pub fn of(text: &'a str) -> Self {
        Self(text)
    }

    /// Its text.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// What it is.
    pub fn kind(self) -> DocumentKind {
        match self.scanner().and_then(|mut scanner| scanner.kind().ok()) {
            Some(Kind::True | Kind::False) => DocumentKind::Boolean,
            Some(Kind::Number) => DocumentKind::Number,
            Some(Kind::Text) => DocumentKind::String,
            Some(Kind::Array) => DocumentKind::Array,
            Some(Kind::Object) => DocumentKind::Object,
            Some(Kind::Null) | None => DocumentKind::Null,
        }
    }

    /// What `->>` shows: a string without its quotes, `None` for `null`, and the text of anything else.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self.kind() {
            DocumentKind::Null => None,
            DocumentKind::String => self.scanner()?.string().ok(),
            _ => Some(Cow::Borrowed(self.0)),
        }
    }

    /// The elements of an array, `None` for anything else.
    pub fn elements(self) -> Option<Vec<Document<'a>>> {
        if self.kind() != DocumentKind::Array {
            return None;
        }
        let mut scanner = self.scanner()?;
        let (mut elements, mut first) = (Vec::new(), true);
        scanner.expect(b'[').ok()?;
        while scanner.more(b']', &mut first).ok()? {
            elements.push(part(&mut scanner)?);
        }
        Some(elements)
    }

    /// The fields of an object as they stand there, `None` for anything else.
    pub fn fields(self) -> Option<Vec<(Cow<'a, str>, Document<'a>)>> {
        if self.kind() != DocumentKind::Object {
            return None;
        }
        let mut scanner = self.scanner()?;
        let (mut fields, mut first) = (Vec::new(), true);
        scanner.expect(b'{').ok()?;
        while scanner.more(b'}', &mut first).ok()? {
            let name = scanner.string().ok()?;
            scanner.expect(b':').ok()?;
            fields.push((name, part(&mut scanner)?));
        }
        Some(fields)
    }

    /// The element at a place of an array, from its end for one below 0.
    pub fn element(self, place: i64) -> Option<Document<'a>> {
        let elements = self.elements()?;
        let place = if place < 0 { place + i64::try_from(elements.len()).ok()? } else { place };
        elements.get(usize::try_from(place).ok()?).copied()
    }

    /// The field of an object; of those with one name the last.
    pub fn field(self, name: &str) -> Option<Document<'a>> {
        self.fields()?.into_iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// What a path of names and places leads to.
    pub fn at_path<'p>(self, mut path: impl Iterator<Item = &'p str>) -> Option<Document<'a>> {
        path.try_fold(self, |document, step| match document.kind() {
            DocumentKind::Array => document.element(step.trim().parse().ok()?),
            _ => document.field(step),
        })
    }

    fn scanner(self) -> Option<Scanner<'a>> {
        Scanner::new(self.0.as_bytes()).ok()
    }
}

/// The next value.
fn part<'a>(scanner: &mut Scanner<'a>) -> Option<Document<'a>> {
    scanner.skip_space()?;
    let start = scanner.at;
    scanner.skip(0, None).ok()?;
    Some(Document(&scanner.text[start..scanner.at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_parts_of_the_text() {
        let document = Document::of(r#" {"a": {"b" : [1, "x\n", null]}, "a": {"b" : [2]}, "c": true} "#);
        let at = |path: &[&str]| document.at_path(path.iter().copied()).map(Document::as_str);
        assert_eq!(at(&["a"]), Some(r#"{"b" : [2]}"#));
        assert_eq!(at(&["a", "b", "0"]), Some("2"));
        assert_eq!(at(&["a", "b", "-1"]), Some("2"));
        assert_eq!(at(&["a", "b", "1"]), None);
        assert_eq!(at(&["a", "b", "x"]), None);
        assert_eq!(at(&["c", "d"]), None);
        assert_eq!(at(&[]), Some(document.as_str()));
        assert_eq!(document.kind(), DocumentKind::Object);
    }

    #[test]
    fn strings_are_shown_without_quotes_and_null_not_at_all() {
        let text = |text| Document::of(text).text().map(Cow::into_owned);
        assert_eq!(text(r#""a\"b""#).as_deref(), Some("a\"b"));
        assert_eq!(text("null"), None);
        assert_eq!(text("[1, 2]").as_deref(), Some("[1, 2]"));
        assert_eq!(text("false").as_deref(), Some("false"));
    }
}
