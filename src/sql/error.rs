//! What sqlparser says, in PostgreSQL's words.

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::Token;
use sqlparser::tokenizer::TokenWithSpan;
use sqlparser::tokenizer::TokenizerError;

use super::depth::too_deep;
use super::parse::line_and_column;
use crate::error::Error;
use crate::error::Position;
use crate::error::SqlState;

/// Where a token starts; spans hold character places once `lex` has renumbered them.
pub(super) fn position_of(token: &TokenWithSpan) -> Position {
    Position(u32::try_from(token.span.start.column).unwrap_or(u32::MAX))
}

/// `syntax error at or near "x"`, with what would have fitted.
pub(super) fn unexpected(token: &TokenWithSpan, expected: &str) -> Error {
    let error = match token.token {
        Token::EOF => Error::new(SqlState::SYNTAX_ERROR, "syntax error at end of input"),
        _ => Error::new(SqlState::SYNTAX_ERROR, format!("syntax error at or near \"{}\"", shown(&token.token))),
    };
    error.at(position_of(token)).detail(format!("Expected {expected}."))
}

/// A text that is not even tokens. `position` turns sqlparser's line and column into a character's place.
pub(super) fn from_tokenizer(error: &TokenizerError, position: impl Fn(u64, u64) -> Position) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, lower_first(&error.message))
        .at(position(error.location.line, error.location.column))
}

/// An expression or query that sqlparser refuses. `end` is where the text ends, for errors without a place.
pub(super) fn from_parser(error: ParserError, end: Position) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => return too_deep().at(end),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let (message, position) = match message.rsplit_once(" at Line: ") {
        Some((message, place)) => {
            let column = place.rsplit_once("Column: ").and_then(|(_, column)| column.trim().parse::<u32>().ok());
            (message.to_string(), column.filter(|column| 0 < *column).map_or(end, Position))
        }
        None => (message, end),
    };
    if let Some(word) = message.strip_prefix("No infix parser for token ") {
        let word = word.split_once("value: \"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or(word);
        return Error::new(SqlState::SYNTAX_ERROR, format!("syntax error at or near \"{word}\"")).at(position);
    }
    let Some((expected, found)) = message.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: "))
    else {
        return Error::new(SqlState::SYNTAX_ERROR, lower_first(&message)).at(position);
    };
    let error = match found {
        "EOF" => Error::new(SqlState::SYNTAX_ERROR, "syntax error at end of input"),
        _ => Error::new(SqlState::SYNTAX_ERROR, format!("syntax error at or near \"{}\"", found.trim_matches('"'))),
    };
    error.at(position).detail(format!("Expected {expected}."))
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => word.value.clone(),
        other => other.to_string(),
    }
}

fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => "syntax error".to_string(),
    }
}

/// ksqlDB's words for a text at the start of which no statement's first word stands; other errors as they are.
pub fn unknown_statement(error: Error, text: &str) -> Error {
    let Some(position) = error.position().filter(|_| error.message().starts_with("syntax error at or near")) else {
        return error;
    };
    let start = usize::try_from(position.0.saturating_sub(1)).unwrap_or(usize::MAX);
    let is_first =
        text.chars().take(start).collect::<String>().rsplit(';').next().is_none_or(|before| before.trim().is_empty());
    let word: String =
        text.chars().skip(start).take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    if !is_first || word.is_empty() {
        return error;
    }
    let (line, column) = line_and_column(text, position);
    error.reworded(format!("line {line}:{column}: Syntax Error\nUnknown statement '{word}'"))
}
