//! Our clauses, moved in the token stream into AST slots that sqlparser already has.
//!
//! | typed | carried as | slot |
//! |---|---|---|
//! | `WINDOW TUMBLING (..)` | `LATERAL VIEW __window('..') __w AS __c` | `Select::lateral_views` |
//! | `JOIN b WITHIN 1 HOUR ON` | `JOIN b WITH (__within('..')) ON` | `TableFactor::Table::with_hints` |
//! | `PARTITION BY e` of the SELECT | `DISTRIBUTE BY e` | `Select::distribute_by` |
//! | `TABLE t` as a query | `SELECT * FROM t` | itself |
//! | `EMIT CHANGES`, `EMIT FINAL` | nothing | out of band, `Lowered::emit` |
//!
//! Each clause is known by two or three tokens, so none of its words is reserved: `SELECT emit, within FROM t` works.
//! The carriers themselves are refused when typed.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;
use sqlparser::tokenizer::TokenWithSpan;

use super::duration::is_word;
use super::error::position_of;
use super::error::unexpected;
use super::statement::Emit;
use super::window::WINDOW_CARRIER;
use super::window::WindowClause;
use super::within::WITHIN_CARRIER;
use super::within::WithinClause;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;

/// Whose text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A user's: carriers are refused.
    User,
    /// Printed from an AST by `plan`: carriers may stand in it.
    Bound,
}

/// An EMIT clause and where it stood.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoweredEmit {
    /// The clause.
    pub(super) emit: Emit,
    /// How many parentheses were open around it.
    pub(super) depth: usize,
    /// Where it stood.
    pub(super) position: Position,
}

/// One statement's tokens, ready for sqlparser.
#[derive(Debug)]
pub(super) struct Lowered {
    /// The tokens, without white space.
    pub(super) tokens: Vec<TokenWithSpan>,
    /// The EMIT clause.
    pub(super) emit: Option<LoweredEmit>,
}

/// Lowers one statement's tokens, which hold no white space.
pub(super) fn lower(source: &[TokenWithSpan], origin: Origin) -> Result<Lowered> {
    let mut lowering =
        Lowering { source, next: 0, tokens: Vec::with_capacity(source.len()), emit: None, open: Vec::new(), angles: 0 };
    while lowering.next < source.len() {
        lowering.step(origin)?;
    }
    names_behind_periods(&mut lowering.tokens);
    Ok(Lowered { tokens: lowering.tokens, emit: lowering.emit })
}

/// A word behind a period is a name, also one that is a function without parentheses elsewhere: `i.user`, `i.current_date`.
fn names_behind_periods(tokens: &mut [TokenWithSpan]) {
    let mut behind = false;
    for token in tokens {
        if let Token::Word(word) = &mut token.token
            && behind
            && CALLED_WITHOUT_PARENTHESES.contains(&word.keyword)
        {
            word.keyword = Keyword::NoKeyword;
        }
        behind = token.token == Token::Period;
    }
}

const CALLED_WITHOUT_PARENTHESES: [Keyword; 9] = [
    Keyword::CURRENT_CATALOG,
    Keyword::CURRENT_DATE,
    Keyword::CURRENT_TIME,
    Keyword::CURRENT_TIMESTAMP,
    Keyword::CURRENT_USER,
    Keyword::LOCALTIME,
    Keyword::LOCALTIMESTAMP,
    Keyword::SESSION_USER,
    Keyword::USER,
];

struct Lowering<'a> {
    source: &'a [TokenWithSpan],
    next: usize,
    tokens: Vec<TokenWithSpan>,
    emit: Option<LoweredEmit>,
    /// The open parentheses: whether each is an OVER's or a named window's, where PARTITION BY is standard SQL.
    open: Vec<bool>,
    /// The open `<` of `ARRAY<`, `MAP<` and `STRUCT<`.
    angles: usize,
}

impl Lowering<'_> {
    fn is(&self, ahead: usize, wanted: &str) -> bool {
        self.token(ahead).is_some_and(|token| is_word(token, wanted))
    }

    fn token(&self, ahead: usize) -> Option<&Token> {
        self.source.get(self.next + ahead).map(|token| &token.token)
    }

    /// A token of the lowered stream at the place of the source's next token.
    fn push(&mut self, token: Token) {
        let span = self.source[self.next].span;
        self.tokens.push(TokenWithSpan { token, span });
    }

    /// Whether a query may start here, and a name follows the next token.
    fn at_query(&self) -> bool {
        let before = ["UNION", "EXCEPT", "INTERSECT", "ALL", "DISTINCT", "AS", "FOR", "EXPLAIN", "ANALYZE", "VERBOSE"];
        let starts = self
            .tokens
            .last()
            .is_none_or(|last| last.token == Token::LParen || before.iter().any(|word| is_word(&last.token, word)));
        starts && matches!(self.token(1), Some(Token::Word(_)))
    }

    fn step(&mut self, origin: Origin) -> Result<()> {
        if self.is(0, "EMIT") && (self.is(1, "CHANGES") || self.is(1, "FINAL")) {
            return self.emit();
        }
        // ksqlDB lets a window have a name, to which nothing can refer.
        for place in [1, 2].into_iter().filter(|_| self.is(0, "WINDOW")) {
            let window = ["TUMBLING", "HOPPING", "SESSION"].iter().any(|kind| self.is(place, kind));
            if window && self.token(place + 1) == Some(&Token::LParen) {
                return self.window(place);
            }
            if window && self.is(place + 1, "SIZE") {
                return Err(unexpected(&self.source[self.next + place + 1], "( before it"));
            }
        }
        if self.is(0, "WITHIN") && matches!(self.token(1), Some(Token::Number(..) | Token::LParen)) {
            return self.within();
        }
        if self.is(0, "TABLE") && self.at_query() {
            for token in [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")] {
                self.push(token);
            }
            self.next += 1;
            return Ok(());
        }
        if self.is(0, "PARTITION") && self.is(1, "BY") && !self.open.last().copied().unwrap_or(false) {
            self.push(Token::make_word("DISTRIBUTE", None));
            self.next += 1;
            return Ok(());
        }
        if self.is(0, "STRUCT") && self.token(1) == Some(&Token::LParen) && self.token(2) == Some(&Token::RParen) {
            return Err(Error::unsupported("an empty STRUCT is not supported").at(position_of(&self.source[self.next])));
        }
        if self.is(0, "TRIM")
            && self.token(1) == Some(&Token::LParen)
            && ["LEADING", "TRAILING", "BOTH"].iter().any(|side| self.is(2, side))
            && self.is(3, "FROM")
        {
            return self.trim_of_blanks();
        }
        if origin == Origin::User {
            self.refuse_carriers()?;
        }
        if let Some(closed) = self.closing_angles() {
            self.angles -= closed;
            for _ in 0..closed {
                self.push(Token::Gt);
            }
            self.next += 1;
            return Ok(());
        }
        match self.token(0) {
            Some(Token::Lt) if self.after_nested_type() => self.angles += 1,
            Some(Token::LParen) => {
                let before = self.next.checked_sub(1).and_then(|before| self.source.get(before));
                let window = before.is_some_and(|token| is_word(&token.token, "OVER") || is_word(&token.token, "AS"));
                self.open.push(window);
            }
            Some(Token::RParen) => {
                self.open.pop();
            }
            _ => {}
        }
        self.tokens.push(self.source[self.next].clone());
        self.next += 1;
        Ok(())
    }

    fn after_nested_type(&self) -> bool {
        let before = self.next.checked_sub(1).and_then(|before| self.source.get(before));
        ["ARRAY", "MAP", "STRUCT"].iter().any(|word| before.is_some_and(|token| is_word(&token.token, word)))
    }

    /// How many nested types a run of `>` closes: `>>` and `>>>` are operators elsewhere.
    fn closing_angles(&self) -> Option<usize> {
        let text = self.token(0)?.to_string();
        let closed = text.len();
        (0 < closed && closed <= self.angles && text.bytes().all(|byte| byte == b'>')).then_some(closed)
    }

    /// `TRIM(LEADING FROM s)`: what is trimmed need not be told.
    fn trim_of_blanks(&mut self) -> Result<()> {
        for token in &self.source[self.next..self.next + 3] {
            self.tokens.push(token.clone());
        }
        self.open.push(false);
        self.push(Token::SingleQuotedString(" ".to_string()));
        self.next += 3;
        Ok(())
    }

    fn emit(&mut self) -> Result<()> {
        let token = &self.source[self.next];
        if self.emit.is_some() {
            return Err(unexpected(token, "one EMIT clause"));
        }
        let emit = if self.is(1, "FINAL") { Emit::Final } else { Emit::Changes };
        self.emit = Some(LoweredEmit { emit, depth: self.open.len(), position: position_of(token) });
        self.next += 2;
        Ok(())
    }

    /// The clause of which the kind of window stands so many tokens on.
    fn window(&mut self, kind: usize) -> Result<()> {
        self.refuse_late_window()?;
        let (mut end, mut depth) = (self.next + kind + 1, 0_usize);
        while end < self.source.len() {
            match self.source[end].token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            end += 1;
            if depth == 0 {
                break;
            }
        }
        let clause = WindowClause::read(&self.source[self.next + kind..end])?;
        for word in ["LATERAL", "VIEW", WINDOW_CARRIER] {
            self.push(Token::make_word(word, None));
        }
        self.push(Token::LParen);
        self.push(Token::SingleQuotedString(clause.to_string()));
        self.push(Token::RParen);
        // With a column alias, what follows is not taken for one.
        for word in ["__w", "AS", "__c"] {
            self.push(Token::make_word(word, None));
        }
        self.next = end;
        Ok(())
    }

    /// Refuses WINDOW behind a clause that comes after it: what it is lowered to would be told otherwise.
    fn refuse_late_window(&self) -> Result<()> {
        let mut depth = 0_usize;
        for token in self.source[..self.next].iter().rev() {
            match &token.token {
                Token::RParen => depth += 1,
                Token::LParen if depth == 0 => return Ok(()),
                Token::LParen => depth -= 1,
                Token::SemiColon => return Ok(()),
                word if depth == 0 && (is_word(word, "FROM") || is_word(word, "SELECT")) => return Ok(()),
                word if depth == 0 && ["WHERE", "GROUP", "HAVING"].iter().any(|later| is_word(word, later)) => {
                    return Err(unexpected(&self.source[self.next], "another clause")
                        .hint("WINDOW stands behind FROM, before WHERE and GROUP BY."));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn within(&mut self) -> Result<()> {
        let end = (self.next..self.source.len()).find(|index| is_word(&self.source[*index].token, "ON"));
        let Some(end) = end else {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "WITHIN needs an ON clause after it")
                .at(position_of(&self.source[self.next])));
        };
        let clause = WithinClause::read(&self.source[self.next + 1..end])?;
        self.push(Token::make_word("WITH", None));
        self.push(Token::LParen);
        self.push(Token::make_word(WITHIN_CARRIER, None));
        self.push(Token::LParen);
        self.push(Token::SingleQuotedString(clause.to_string()));
        self.push(Token::RParen);
        self.push(Token::RParen);
        self.next = end;
        Ok(())
    }

    fn refuse_carriers(&self) -> Result<()> {
        let typed = self.is(0, "LATERAL") && self.is(1, "VIEW")
            || (self.is(0, "DISTRIBUTE") || self.is(0, "CLUSTER") || self.is(0, "SORT")) && self.is(1, "BY")
            || self.is(0, WINDOW_CARRIER)
            || self.is(0, WITHIN_CARRIER);
        let hints = self.is(0, "WITH")
            && self.token(1) == Some(&Token::LParen)
            && (self.is(2, "NOLOCK") || self.is(2, "INDEX") || self.is(2, "FORCESEEK"));
        if typed || hints {
            return Err(unexpected(&self.source[self.next], "another clause"));
        }
        Ok(())
    }
}
