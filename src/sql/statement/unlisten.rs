//! `UNLISTEN * | name`: nothing can be listened to, so nothing is to be done; drivers send it when they reset.

use sqlparser::tokenizer::Token;

use super::Statement;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if !cursor.symbol(&Token::Mul) {
        cursor.name()?;
    }
    Ok(Statement::Ignored("UNLISTEN"))
}
