//! `1 HOUR`, `30 SECONDS`: the spans of time in window and join clauses.

use sqlparser::tokenizer::Token;
use sqlparser::tokenizer::TokenWithSpan;

use super::error::position_of;
use super::error::unexpected;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;

const UNITS: &[(&str, i64)] =
    &[("MILLISECOND", 1), ("SECOND", 1_000), ("MINUTE", 60_000), ("HOUR", 3_600_000), ("DAY", 86_400_000)];

/// Reads a clause's own tokens from front to back.
pub(super) struct ClauseReader<'a> {
    tokens: &'a [TokenWithSpan],
    end: TokenWithSpan,
}

impl<'a> ClauseReader<'a> {
    /// A reader of `tokens`, which must not be empty; errors at the end point at the last one.
    pub(super) fn new(tokens: &'a [TokenWithSpan]) -> Self {
        let span = tokens.last().map_or_else(sqlparser::tokenizer::Span::empty, |token| token.span);
        Self { tokens, end: TokenWithSpan { token: Token::EOF, span } }
    }

    /// The next token.
    pub(super) fn peek(&self) -> &TokenWithSpan {
        self.tokens.first().unwrap_or(&self.end)
    }

    /// How many tokens are left.
    pub(super) fn left(&self) -> usize {
        self.tokens.len()
    }

    fn step(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    /// Takes an unquoted word.
    pub(super) fn word(&mut self, wanted: &str) -> bool {
        let taken = is_word(&self.peek().token, wanted);
        if taken {
            self.step();
        }
        taken
    }

    /// Takes an unquoted word or says that it is missing.
    pub(super) fn expect_word(&mut self, wanted: &str) -> Result<()> {
        if self.word(wanted) { Ok(()) } else { Err(unexpected(self.peek(), wanted)) }
    }

    /// Takes a symbol.
    pub(super) fn symbol(&mut self, wanted: &Token) -> bool {
        let taken = self.peek().token == *wanted;
        if taken {
            self.step();
        }
        taken
    }

    /// Takes a symbol or says that it is missing.
    pub(super) fn expect_symbol(&mut self, wanted: &Token) -> Result<()> {
        if self.symbol(wanted) { Ok(()) } else { Err(unexpected(self.peek(), &format!("\"{wanted}\""))) }
    }

    /// Takes `<number> <unit>` and gives milliseconds, at least `least`.
    pub(super) fn duration_ms(&mut self, least: i64) -> Result<i64> {
        let number = self.peek().clone();
        let Token::Number(digits, _) = &number.token else {
            return Err(unexpected(&number, "a number of DAYS, HOURS, MINUTES, SECONDS or MILLISECONDS"));
        };
        self.step();
        let unit = self.peek().clone();
        let factor = UNITS.iter().find(|(name, _)| is_word(&unit.token, name) || is_word(&unit.token, &plural(name)));
        let Some((_, factor)) = factor else {
            return Err(unexpected(&unit, "DAYS, HOURS, MINUTES, SECONDS or MILLISECONDS"));
        };
        self.step();
        let out_of_range = || {
            Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("duration \"{digits}\" is out of range"))
                .at(position_of(&number))
        };
        let count: i64 = digits.parse().map_err(|_| out_of_range())?;
        let milliseconds = count.checked_mul(*factor).ok_or_else(out_of_range)?;
        if milliseconds < least {
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, "a window needs a size greater than zero")
                .at(position_of(&number)));
        }
        Ok(milliseconds)
    }
}

/// The milliseconds of a unit, in any case, with or without its S.
pub(super) fn unit_ms(unit: &str) -> Option<u64> {
    let is_it = |name: &str| unit.eq_ignore_ascii_case(name) || unit.eq_ignore_ascii_case(&plural(name));
    UNITS.iter().find(|(name, _)| is_it(name)).and_then(|(_, factor)| u64::try_from(*factor).ok())
}

/// Whether `token` is the unquoted word `wanted`, in any case.
pub(super) fn is_word(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
}

fn plural(unit: &str) -> String {
    format!("{unit}S")
}
