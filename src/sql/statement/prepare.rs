//! `PREPARE name [(type, ..)] AS statement` and `EXECUTE name [(value, ..)]`.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::Name;
use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::cursor::Cursor;

/// A statement under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepare {
    /// The name.
    pub name: Name,
    /// The types that parameters were told to have; others are found.
    pub types: Vec<ast::DataType>,
    /// A SELECT, INSERT, UPDATE or DELETE.
    pub statement: Box<Statement>,
    /// Its own text.
    pub text: String,
}

pub(super) fn prepare(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let name = cursor.name()?;
    let mut types = Vec::new();
    if cursor.symbol(&Token::LParen) {
        types.push(cursor.data_type()?);
        while cursor.symbol(&Token::Comma) {
            types.push(cursor.data_type()?);
        }
        cursor.expect_symbol(&Token::RParen)?;
    }
    cursor.expect_word("AS")?;
    let start = cursor.position();
    let statement = super::parse(cursor)?;
    let has_rows = matches!(statement, Statement::Select(_) | Statement::InsertRows(_) | Statement::InsertSelect(_));
    if !has_rows && !matches!(statement, Statement::Update(_) | Statement::Delete(_)) {
        let message = "only a SELECT, INSERT, UPDATE or DELETE can be prepared";
        let error = Error::new(SqlState::SYNTAX_ERROR, message);
        return Err(error.at(start));
    }
    let text = cursor.text_since(start).to_string();
    Ok(Statement::Prepare(Prepare { name, types, statement: Box::new(statement), text }))
}

pub(super) fn execute(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let name = cursor.name()?;
    let mut arguments = Vec::new();
    if cursor.symbol(&Token::LParen) {
        arguments.push(cursor.expression()?);
        while cursor.symbol(&Token::Comma) {
            arguments.push(cursor.expression()?);
        }
        cursor.expect_symbol(&Token::RParen)?;
    }
    Ok(Statement::Execute { name, arguments })
}
