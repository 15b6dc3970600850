//! PostgreSQL's text of an array: `{1,NULL,"a b",{2,3}}`.

use crate::format::FormatError;
use crate::format::error::shorten;
use crate::format::value::Row;
use crate::format::value::Slot;
use crate::model::SqlType;

/// How deep braces may nest, as in PostgreSQL.
const DEPTH_MAX: usize = 6;

/// Where the text is read.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// An element as it stands in the text.
enum Element {
    Null,
    Text(String),
    /// Braces and all.
    Nested(String),
}

/// Reads the text as elements of type `item`; `element` reads each.
pub(super) fn parse(
    item: &SqlType,
    text: &str,
    row: &mut Row,
    element: &mut dyn FnMut(&SqlType, &str, &mut Row) -> Result<Slot, FormatError>,
) -> Result<Slot, FormatError> {
    let malformed = || FormatError::MalformedArray { found: shorten(text) };
    let elements = Cursor { text, at: 0 }.elements(0).ok_or_else(malformed)?;
    let mut slots = Vec::with_capacity(elements.len());
    for found in elements {
        slots.push(match (found, item) {
            (Element::Null, _) => Slot::Null,
            (Element::Text(text), SqlType::Array(_)) if !text.starts_with('{') => return Err(malformed()),
            (Element::Nested(text), SqlType::Array(_)) | (Element::Text(text), _) => element(item, &text, row)?,
            (Element::Nested(_), _) => return Err(malformed()),
        });
    }
    Ok(row.nested(&slots))
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|character| character.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// The elements of the whole text, `None` if it is no array.
    fn elements(mut self, depth: usize) -> Option<Vec<Element>> {
        self.skip_space();
        if self.next()? != '{' || DEPTH_MAX <= depth {
            return None;
        }
        let mut elements = Vec::new();
        self.skip_space();
        if self.peek()? == '}' {
            self.next();
        } else {
            loop {
                elements.push(self.element()?);
                self.skip_space();
                match self.next()? {
                    ',' => {}
                    '}' => break,
                    _ => return None,
                }
            }
        }
        self.skip_space();
        (self.at == self.text.len()).then_some(elements)
    }

    fn element(&mut self) -> Option<Element> {
        self.skip_space();
        match self.peek()? {
            '"' => self.quoted().map(Element::Text),
            '{' => self.nested().map(Element::Nested),
            _ => {
                let mut text = String::new();
                // Blanks that were escaped are kept at the end.
                let mut kept = 0;
                while !matches!(self.peek()?, ',' | '}') {
                    match self.next()? {
                        '\\' => {
                            text.push(self.next()?);
                            kept = text.len();
                        }
                        '"' | '{' => return None,
                        character => text.push(character),
                    }
                }
                let length = text.trim_ascii_end().len().max(kept);
                text.truncate(length);
                match text.as_str() {
                    "" => None,
                    null if kept == 0 && null.eq_ignore_ascii_case("null") => Some(Element::Null),
                    _ => Some(Element::Text(text)),
                }
            }
        }
    }

    fn quoted(&mut self) -> Option<String> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.next()?),
                character => text.push(character),
            }
        }
    }

    /// A text from its opening to its closing brace.
    fn nested(&mut self) -> Option<String> {
        let start = self.at;
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                '"' => {
                    self.quoted()?;
                    continue;
                }
                '\\' => {
                    self.next();
                }
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            self.next()?;
            if open == 0 {
                return Some(self.text[start..self.at].to_owned());
            }
            if DEPTH_MAX < open {
                return None;
            }
        }
    }
}
