//! Words of a statement that are one slip away from the keyword that was meant: `SELECT 1 FORM t`.

use sqlparser::tokenizer::Token;
use sqlparser::tokenizer::TokenWithSpan;

use super::error::position_of;
use super::nearest;
use crate::error::Error;
use crate::error::SqlState;

/// Words that clauses begin or end with.
const KEYWORDS: &[&str] = &[
    "ADVANCE",
    "CHANGES",
    "COLUMN",
    "CREATE",
    "CROSS",
    "DISTINCT",
    "EMIT",
    "EXISTS",
    "FINAL",
    "FROM",
    "FULL",
    "GRACE",
    "GROUP",
    "HAVING",
    "HOPPING",
    "INNER",
    "INSERT",
    "INTERVAL",
    "INTO",
    "JOIN",
    "LEFT",
    "LIMIT",
    "MATERIALIZED",
    "OFFSET",
    "ORDER",
    "PARTITION",
    "PERIOD",
    "PRIMARY",
    "REPLACE",
    "RIGHT",
    "SELECT",
    "SESSION",
    "STREAM",
    "TABLE",
    "TUMBLING",
    "UNION",
    "VALUES",
    "VIEW",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHIN",
];

/// A syntax error with the keyword that was meant, if it stands at a word that is nearly one, or beside it.
pub(super) fn hinted(error: Error, tokens: &[TokenWithSpan]) -> Error {
    let (true, None, Some(position)) = (error.state() == SqlState::SYNTAX_ERROR, error.hint_text(), error.position())
    else {
        return error;
    };
    let found = tokens.iter().position(|token| position_of(token) == position).unwrap_or(tokens.len());
    // What was meant as a keyword is taken for a name at first: then the error stands behind it, or before it.
    let places = [found.checked_sub(1), Some(found), found.checked_add(1)];
    let meant = places.into_iter().flatten().filter_map(|place| tokens.get(place)).find_map(keyword);
    match meant {
        Some(keyword) => error.hint(format!("Did you mean {keyword}?")),
        None => error,
    }
}

fn keyword(token: &TokenWithSpan) -> Option<&'static str> {
    let Token::Word(word) = &token.token else { return None };
    // In short words one slip makes any other.
    let is_name = word.quote_style.is_some() || word.value.chars().count() < 4;
    if is_name || KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(&word.value)) {
        return None;
    }
    nearest(&word.value, KEYWORDS.iter().copied())
}
