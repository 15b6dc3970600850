//! `FETCH [NEXT | FORWARD [n | ALL] | n | ALL] [FROM | IN] name`.

use sqlparser::tokenizer::Token;

use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// How many rows FETCH wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchDirection {
    /// `FETCH [FORWARD] n`
    Forward(u64),
    /// `FETCH ALL`
    All,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let position = cursor.position();
    for word in ["PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE", "BACKWARD"] {
        // `FETCH first` could be a cursor's name; with something after it, it is a direction.
        let direction = cursor.is_word_at(0, word) && cursor.more_follows();
        if direction {
            return Err(Error::unsupported(format!("FETCH {word} is not supported"))
                .at(position)
                .hint("Cursors go forward only."));
        }
    }
    let next = cursor.is_word_at(0, "NEXT") && cursor.more_follows();
    let direction = if next {
        cursor.step();
        FetchDirection::Forward(1)
    } else if cursor.is_word_at(0, "FORWARD") && cursor.more_follows() {
        cursor.step();
        amount(cursor)?
    } else {
        amount(cursor)?
    };
    if !cursor.word("FROM") {
        cursor.word("IN");
    }
    Ok(Statement::Fetch { name: cursor.name()?, direction })
}

fn amount(cursor: &mut Cursor<'_>) -> Result<FetchDirection> {
    if cursor.is_word_at(0, "ALL") && cursor.more_follows() {
        cursor.step();
        return Ok(FetchDirection::All);
    }
    match cursor.peek().token {
        Token::Number(..) => Ok(FetchDirection::Forward(cursor.count()?)),
        Token::Minus => Err(Error::unsupported("FETCH backwards is not supported").at(cursor.position())),
        _ => Ok(FetchDirection::Forward(1)),
    }
}
