//! `JOIN b WITHIN 1 HOUR ON ..`: read while lowering, carried as a table hint, taken out by `plan`.

use std::fmt;

use sqlparser::ast;
use sqlparser::tokenizer::Token;
use sqlparser::tokenizer::TokenWithSpan;

use super::duration::ClauseReader;
use super::error::unexpected;
use super::window::carried_text;
use super::window::tokens_of;
use crate::error::Error;
use crate::error::Result;

/// The function name that stands in the AST for the clause.
pub(super) const WITHIN_CARRIER: &str = "__within";

/// How far apart two joined rows may be. All spans are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WithinClause {
    /// How much earlier the right row may be.
    pub before_ms: i64,
    /// How much later the right row may be.
    pub after_ms: i64,
    /// `GRACE PERIOD`
    pub grace_ms: Option<i64>,
}

impl WithinClause {
    /// Reads the tokens between `WITHIN` and `ON`.
    pub(super) fn read(tokens: &[TokenWithSpan]) -> Result<Self> {
        let mut reader = ClauseReader::new(tokens);
        let (before_ms, after_ms) = if reader.symbol(&Token::LParen) {
            let before_ms = reader.duration_ms(0)?;
            reader.expect_symbol(&Token::Comma)?;
            let after_ms = reader.duration_ms(0)?;
            reader.expect_symbol(&Token::RParen)?;
            (before_ms, after_ms)
        } else {
            let both_ms = reader.duration_ms(0)?;
            (both_ms, both_ms)
        };
        let grace_ms = if reader.word("GRACE") {
            reader.expect_word("PERIOD")?;
            Some(reader.duration_ms(0)?)
        } else {
            None
        };
        match reader.left() {
            0 => Ok(Self { before_ms, after_ms, grace_ms }),
            _ => Err(unexpected(reader.peek(), "ON")),
        }
    }
}

impl fmt::Display for WithinClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} MILLISECONDS, {} MILLISECONDS)", self.before_ms, self.after_ms)?;
        match self.grace_ms {
            Some(grace_ms) => write!(f, " GRACE PERIOD {grace_ms} MILLISECONDS"),
            None => Ok(()),
        }
    }
}

/// Takes the WITHIN clause off a joined table, so that the rest is plain SQL.
pub fn take_within(table: &mut ast::TableFactor) -> Result<Option<WithinClause>> {
    let ast::TableFactor::Table { with_hints, .. } = table else { return Ok(None) };
    let Some(hint) = with_hints.pop() else { return Ok(None) };
    match carried_text(&hint, WITHIN_CARRIER) {
        Some(text) if with_hints.is_empty() => WithinClause::read(&tokens_of(&text)?).map(Some),
        _ => Err(Error::unsupported("table hints are not supported")),
    }
}
