//! Kinds of texts that columns are declared as and the log knows as texts: `VARCHAR(n)`, `CHAR(n)`, `UUID`.
//!
//! SQL statements keep what a kind asks for, as they keep NOT NULL; what other writers append is shown as it is.

use std::borrow::Cow;

use serde::Deserialize;
use serde::Serialize;
use sqlparser::ast::CharacterLength;
use sqlparser::ast::DataType;

use super::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::format::canonical_uuid;

/// PostgreSQL's bound of a length.
const LENGTH_MAX: u64 = 10_485_760;

/// What a text column was declared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextKind {
    /// `VARCHAR(n)`: at most so many characters.
    Varying(u32),
    /// `CHAR(n)`: blanks at the end mean nothing.
    Blank(u32),
    /// `UUID`, kept in lower case with hyphens.
    Uuid,
}

impl TextKind {
    /// The kind that a declaration names, `None` for other types and for plain texts. ksqlDB takes a length and keeps texts of any.
    pub fn declared(data_type: &DataType, rules: Compatibility) -> Result<Option<Self>> {
        if rules == Compatibility::Ksqldb {
            return Ok(None);
        }
        let (length, name, kind): (_, _, fn(u32) -> Self) = match data_type {
            DataType::Uuid => return Ok(Some(Self::Uuid)),
            DataType::Varchar(Some(length))
            | DataType::CharacterVarying(Some(length))
            | DataType::CharVarying(Some(length)) => (Some(length), "varchar", Self::Varying),
            DataType::Char(length) | DataType::Character(length) => (length.as_ref(), "char", Self::Blank),
            _ => return Ok(None),
        };
        let characters = match length {
            None => 1,
            Some(CharacterLength::IntegerLength { length, .. }) => *length,
            Some(CharacterLength::Max) => {
                return Err(Error::new(SqlState::SYNTAX_ERROR, format!("type {data_type} needs a number")));
            }
        };
        let bound = match u32::try_from(characters) {
            Ok(0) => "must be at least 1",
            Ok(characters) if u64::from(characters) <= LENGTH_MAX => return Ok(Some(kind(characters))),
            Ok(_) | Err(_) => "cannot exceed 10485760",
        };
        let message = format!("length for type {name} {bound}");
        Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
    }

    /// The text as the column keeps it: without blanks for which there is no room, a UUID in its one form.
    pub fn fit<'a>(&self, text: &'a str) -> Result<Cow<'a, str>> {
        let characters = match self {
            Self::Varying(characters) | Self::Blank(characters) => usize::try_from(*characters).unwrap_or(usize::MAX),
            Self::Uuid => {
                return canonical_uuid(text).ok_or_else(|| {
                    let message = format!("invalid input syntax for type uuid: \"{text}\"");
                    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
                });
            }
        };
        let end = text.char_indices().nth(characters).map_or(text.len(), |(end, _)| end);
        let (kept, beyond) = text.split_at(end);
        if !beyond.trim_end_matches(' ').is_empty() {
            let message = format!("value too long for type {}", self.type_name());
            return Err(Error::new(SqlState::STRING_DATA_RIGHT_TRUNCATION, message));
        }
        Ok(Cow::Borrowed(match self {
            Self::Blank(_) => kept.trim_end_matches(' '),
            _ => kept,
        }))
    }

    /// The type as PostgreSQL names it.
    pub fn type_name(&self) -> String {
        match self {
            Self::Varying(characters) => format!("character varying({characters})"),
            Self::Blank(characters) => format!("character({characters})"),
            Self::Uuid => "uuid".to_string(),
        }
    }

    /// `pg_type.oid`.
    pub fn type_oid(&self) -> u32 {
        match self {
            Self::Varying(_) => 1043,
            Self::Blank(_) => 1042,
            Self::Uuid => 2950,
        }
    }

    /// `pg_attribute.atttypmod`: a length counts four bytes that stand before it.
    pub fn type_modifier(&self) -> i32 {
        match self {
            Self::Varying(characters) | Self::Blank(characters) => {
                i32::try_from(*characters).unwrap_or(i32::MAX - 4) + 4
            }
            Self::Uuid => -1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_beyond_the_length_are_no_characters() {
        let fit = |kind: TextKind, text: &str| kind.fit(text).ok().map(Cow::into_owned);
        for (text, varying, blank) in [
            ("", Some(""), Some("")),
            ("éé", Some("éé"), Some("éé")),
            ("a ", Some("a "), Some("a")),
            ("ab  ", Some("ab"), Some("ab")),
            ("a   ", Some("a "), Some("a")),
            ("ab c", None, None),
        ] {
            assert_eq!(fit(TextKind::Varying(2), text).as_deref(), varying, "{text}");
            assert_eq!(fit(TextKind::Blank(2), text).as_deref(), blank, "{text}");
        }
    }
}
