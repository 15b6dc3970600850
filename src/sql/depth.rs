//! How deep a statement can become as a tree, told from its tokens: one that is too deep is refused before it is one.
//!
//! sqlparser counts brackets, but `a + b + c` is a tree as deep as it is long, and so are `UNION`s and joins. Whoever walks, copies
//! or drops such a tree does so by recursion, and a stack that overflows ends the whole server.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;
use sqlparser::tokenizer::TokenWithSpan;

use super::error::position_of;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;

/// The greatest depth. `env::STACK_BYTES` has room for it, in builds without optimisation too.
const DEPTH_MAX: usize = 500;

/// What is open between two brackets.
#[derive(Default)]
struct Level {
    /// UNION and its like: each query hangs on the one before.
    sets: usize,
    /// Joined relations of one FROM, with commas or JOIN.
    relations: usize,
    /// AND and OR since the last comma or clause.
    conditions: usize,
    /// Operators of the condition that has most, the last one left out.
    operators_max: usize,
    /// Operators of the last one.
    operators: usize,
    /// Whether commas stand between relations.
    in_from: bool,
}

impl Level {
    fn depth(&self) -> usize {
        1 + self.sets + self.relations + self.conditions + self.operators_max.max(self.operators)
    }

    /// A comma or a clause: what comes stands beside what was, not below it.
    fn beside(&mut self) {
        (self.conditions, self.operators_max, self.operators) = (0, 0, 0);
    }

    fn take(&mut self, token: &Token) {
        match token {
            Token::Comma if self.in_from => {
                self.relations += 1;
                self.beside();
            }
            Token::Comma => self.beside(),
            Token::Word(word) if word.quote_style.is_none() => self.word(word.keyword),
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Placeholder(_)
            | Token::Period
            | Token::SemiColon => {}
            _ => self.operators += 1,
        }
    }

    fn word(&mut self, keyword: Keyword) {
        match keyword {
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => {
                *self = Self { sets: self.sets + 1, ..Self::default() };
            }
            Keyword::SELECT | Keyword::VALUES => *self = Self { sets: self.sets, ..Self::default() },
            Keyword::FROM => {
                self.in_from = true;
                self.beside();
            }
            Keyword::JOIN => {
                self.relations += 1;
                self.beside();
            }
            Keyword::AND | Keyword::OR => {
                self.conditions += 1;
                self.operators_max = self.operators_max.max(self.operators);
                self.operators = 0;
            }
            Keyword::WHEN | Keyword::THEN | Keyword::ELSE => self.beside(),
            Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::ORDER | Keyword::LIMIT => {
                self.in_from = false;
                self.beside();
            }
            Keyword::NOT
            | Keyword::IS
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::SIMILAR
            | Keyword::BETWEEN
            | Keyword::AT
            | Keyword::COLLATE => self.operators += 1,
            _ => {}
        }
    }
}

/// Refuses a statement that is deeper than `DEPTH_MAX`.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut outside = 0;
    let mut open: Vec<Level> = Vec::new();
    let mut level = Level::default();
    for token in tokens {
        match bracket(&token.token) {
            Some(Bracket::Opens) => {
                outside += level.depth();
                open.push(std::mem::take(&mut level));
            }
            Some(Bracket::Closes) => {
                // One too many is the parser's to tell.
                level = open.pop().unwrap_or_default();
                outside = outside.saturating_sub(level.depth());
            }
            None => level.take(&token.token),
        }
        if DEPTH_MAX < outside + level.depth() {
            return Err(too_deep().at(position_of(token)));
        }
    }
    Ok(())
}

enum Bracket {
    Opens,
    Closes,
}

/// CASE and END are brackets too.
fn bracket(token: &Token) -> Option<Bracket> {
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => Some(Bracket::Opens),
        Token::RParen | Token::RBracket | Token::RBrace => Some(Bracket::Closes),
        Token::Word(word) if word.quote_style.is_none() => match word.keyword {
            Keyword::CASE => Some(Bracket::Opens),
            Keyword::END => Some(Bracket::Closes),
            _ => None,
        },
        _ => None,
    }
}

/// PostgreSQL's error for a statement that its stack has no room for.
pub(super) fn too_deep() -> Error {
    Error::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
        .hint("Break the statement up: its operators, joins or brackets are nested too deep.")
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn chain(first: &str, link: &str, count: usize) -> String {
        format!("{first}{}", link.repeat(count))
    }

    #[test]
    fn what_is_deep_is_refused_before_it_is_parsed() {
        for (first, link) in [
            ("SELECT 1", "+1"),
            ("SELECT 1", "::int"),
            ("SELECT a", " || a"),
            ("SELECT * FROM t WHERE a", " OR a"),
            ("SELECT 1", " UNION ALL SELECT 1"),
            ("SELECT * FROM t", ", t"),
            ("SELECT * FROM t", " JOIN t ON a = b"),
            ("SELECT a", " IS NULL"),
            ("INSERT INTO t VALUES (1", "*1"),
        ] {
            let error = parse(&chain(first, link, 100_000)).expect_err(link);
            assert_eq!(error.state().0, "54001", "{first}{link}: {error:?}");
            assert!(error.position().is_some(), "{link}");
        }
        for link in ["(", "- ", "NOT ", "CASE WHEN a THEN "] {
            let error = parse(&chain("SELECT ", link, 100_000)).expect_err(link);
            assert_eq!(error.state().0, "54001", "{link}: {error:?}");
        }
    }

    #[test]
    fn what_is_long_and_flat_is_not_deep() {
        let length = 2 * DEPTH_MAX;
        let values = format!("INSERT INTO t VALUES (1+1, -2){}", ", (1+1, -2)".repeat(length));
        let list = format!("SELECT a+1{} FROM t WHERE a IN (1{})", ", a+1".repeat(length), ", -2".repeat(length));
        let cases = format!("SELECT CASE{} END FROM t", " WHEN a = 1 THEN b + 1".repeat(length));
        let statements = "SELECT 1+1;".repeat(length);
        let conditions = chain("SELECT * FROM t WHERE a = 1", " OR a = 1", DEPTH_MAX - 5);
        for text in [values, list, cases, statements, conditions] {
            parse(&text).expect("it is flat");
        }
        parse(&chain("SELECT 1", "+1", DEPTH_MAX - 2)).expect("as deep as it may be");
    }
}
