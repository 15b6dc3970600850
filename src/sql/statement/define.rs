//! ksqlDB's `DEFINE name = 'value'` and `UNDEFINE name`: texts that stand for `${name}` in what follows.

use sqlparser::tokenizer::Token;

use super::Statement;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn define(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let name = cursor.name()?;
    cursor.expect_symbol(&Token::Eq)?;
    Ok(Statement::Define { name, value: Some(cursor.string()?) })
}

pub(super) fn undefine(cursor: &mut Cursor<'_>) -> Result<Statement> {
    Ok(Statement::Define { name: cursor.name()?, value: None })
}
