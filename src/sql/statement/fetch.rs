//! `FETCH [NEXT | FORWARD [n | ALL] | n | ALL] [FROM | IN] name`, and MOVE.

use sqlparser::tokenizer::Token;

use super::Name;
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
    let (name, direction) = from_cursor(cursor, "FETCH")?;
    Ok(Statement::Fetch { name, direction })
}

/// Behind `MOVE`, which takes what FETCH takes.
pub(super) fn parse_move(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let (name, direction) = from_cursor(cursor, "MOVE")?;
    Ok(Statement::Move { name, direction })
}

fn from_cursor(cursor: &mut Cursor<'_>, verb: &str) -> Result<(Name, FetchDirection)> {
    let position = cursor.position();
    for word in ["PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE", "BACKWARD"] {
        // `FETCH first` could be a cursor's name; with something after it, it is a direction.
        let direction = cursor.is_word_at(0, word) && cursor.more_follows();
        if direction {
            return Err(Error::unsupported(format!("{verb} {word} is not supported"))
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
        amount(cursor, verb)?
    } else {
        amount(cursor, verb)?
    };
    if !cursor.word("FROM") {
        cursor.word("IN");
    }
    Ok((cursor.name()?, direction))
}

fn amount(cursor: &mut Cursor<'_>, verb: &str) -> Result<FetchDirection> {
    if cursor.is_word_at(0, "ALL") && cursor.more_follows() {
        cursor.step();
        return Ok(FetchDirection::All);
    }
    match cursor.peek().token {
        Token::Number(..) => Ok(FetchDirection::Forward(cursor.count()?)),
        Token::Minus => Err(Error::unsupported(format!("{verb} backwards is not supported")).at(cursor.position())),
        _ => Ok(FetchDirection::Forward(1)),
    }
}
