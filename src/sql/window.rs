//! `WINDOW TUMBLING|HOPPING|SESSION (..)`: read while lowering, carried as a lateral view, taken out by `plan`.

use std::fmt;

use sqlparser::ast;
use sqlparser::tokenizer::Token;
use sqlparser::tokenizer::TokenWithSpan;
use sqlparser::tokenizer::Tokenizer;

use super::dialect::TidemillDialect;
use super::duration::ClauseReader;
use super::error::unexpected;
use crate::error::Error;
use crate::error::Result;

/// The function name that stands in the AST for the clause.
pub(super) const WINDOW_CARRIER: &str = "__window";

/// A window over event time. All spans are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowClause {
    /// Windows side by side.
    Tumbling {
        /// From start to end.
        size_ms: i64,
        /// `RETENTION`
        retention_ms: Option<i64>,
        /// `GRACE PERIOD`
        grace_ms: Option<i64>,
    },
    /// Windows that overlap.
    Hopping {
        /// From start to end.
        size_ms: i64,
        /// From start to the next start.
        advance_ms: i64,
        /// `RETENTION`
        retention_ms: Option<i64>,
        /// `GRACE PERIOD`
        grace_ms: Option<i64>,
    },
    /// Windows that end after a gap.
    Session {
        /// The gap that ends a session.
        gap_ms: i64,
        /// `RETENTION`
        retention_ms: Option<i64>,
        /// `GRACE PERIOD`
        grace_ms: Option<i64>,
    },
}

impl WindowClause {
    /// Reads the tokens after `WINDOW`, up to and with the closing parenthesis.
    pub(super) fn read(tokens: &[TokenWithSpan]) -> Result<Self> {
        let mut reader = ClauseReader::new(tokens);
        let clause = if reader.word("TUMBLING") {
            reader.expect_symbol(&Token::LParen)?;
            reader.expect_word("SIZE")?;
            let size_ms = reader.duration_ms(1)?;
            let (retention_ms, grace_ms) = read_limits(&mut reader)?;
            WindowClause::Tumbling { size_ms, retention_ms, grace_ms }
        } else if reader.word("HOPPING") {
            reader.expect_symbol(&Token::LParen)?;
            reader.expect_word("SIZE")?;
            let size_ms = reader.duration_ms(1)?;
            reader.expect_symbol(&Token::Comma)?;
            reader.expect_word("ADVANCE")?;
            reader.expect_word("BY")?;
            let advance_ms = reader.duration_ms(1)?;
            let (retention_ms, grace_ms) = read_limits(&mut reader)?;
            WindowClause::Hopping { size_ms, advance_ms, retention_ms, grace_ms }
        } else {
            reader.expect_word("SESSION")?;
            reader.expect_symbol(&Token::LParen)?;
            let gap_ms = reader.duration_ms(1)?;
            let (retention_ms, grace_ms) = read_limits(&mut reader)?;
            WindowClause::Session { gap_ms, retention_ms, grace_ms }
        };
        reader.expect_symbol(&Token::RParen)?;
        match reader.left() {
            0 => Ok(clause),
            _ => Err(unexpected(reader.peek(), "the end of the window clause")),
        }
    }
}

fn read_limits(reader: &mut ClauseReader<'_>) -> Result<(Option<i64>, Option<i64>)> {
    let (mut retention_ms, mut grace_ms) = (None, None);
    while reader.symbol(&Token::Comma) {
        if retention_ms.is_none() && reader.word("RETENTION") {
            retention_ms = Some(reader.duration_ms(0)?);
        } else if grace_ms.is_none() && reader.word("GRACE") {
            reader.expect_word("PERIOD")?;
            grace_ms = Some(reader.duration_ms(0)?);
        } else {
            return Err(unexpected(reader.peek(), "RETENTION or GRACE PERIOD, each once"));
        }
    }
    Ok((retention_ms, grace_ms))
}

impl fmt::Display for WindowClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (retention_ms, grace_ms) = match self {
            WindowClause::Tumbling { size_ms, retention_ms, grace_ms } => {
                write!(f, "TUMBLING (SIZE {size_ms} MILLISECONDS")?;
                (retention_ms, grace_ms)
            }
            WindowClause::Hopping { size_ms, advance_ms, retention_ms, grace_ms } => {
                write!(f, "HOPPING (SIZE {size_ms} MILLISECONDS, ADVANCE BY {advance_ms} MILLISECONDS")?;
                (retention_ms, grace_ms)
            }
            WindowClause::Session { gap_ms, retention_ms, grace_ms } => {
                write!(f, "SESSION ({gap_ms} MILLISECONDS")?;
                (retention_ms, grace_ms)
            }
        };
        if let Some(retention_ms) = retention_ms {
            write!(f, ", RETENTION {retention_ms} MILLISECONDS")?;
        }
        if let Some(grace_ms) = grace_ms {
            write!(f, ", GRACE PERIOD {grace_ms} MILLISECONDS")?;
        }
        f.write_str(")")
    }
}

/// Takes the window clause out of a SELECT, so that the rest is plain SQL.
pub fn take_window(select: &mut ast::Select) -> Result<Option<WindowClause>> {
    let Some(view) = select.lateral_views.pop() else { return Ok(None) };
    let text = carried_text(&view.lateral_view, WINDOW_CARRIER);
    let (Some(text), true) = (text, select.lateral_views.is_empty()) else {
        return Err(Error::unsupported("LATERAL VIEW is not supported"));
    };
    WindowClause::read(&tokens_of(&text)?).map(Some)
}

/// The text in `carrier('text')`.
pub(super) fn carried_text(expression: &ast::Expr, carrier: &str) -> Option<String> {
    let ast::Expr::Function(function) = expression else { return None };
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::Value(value)))] = list.args.as_slice() else {
        return None;
    };
    match &value.value {
        ast::Value::SingleQuotedString(text) if function.name.to_string() == carrier => Some(text.clone()),
        _ => None,
    }
}

/// The tokens of a carried text, without white space and end.
pub(super) fn tokens_of(text: &str) -> Result<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(&TidemillDialect, text)
        .tokenize_with_location()
        .map_err(|error| Error::internal(format!("carried clause \"{text}\": {error}")))?;
    Ok(tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)).collect())
}
