//! `INSERT INTO name [(columns)] VALUES ..` and `INSERT INTO name [(columns)] SELECT ..`.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::Name;
use super::Select;
use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// `INSERT INTO name [(columns)] VALUES (..), ..`.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertRows {
    /// The relation.
    pub target: Name,
    /// The named columns, empty if none were named.
    pub columns: Vec<Name>,
    /// The rows, each an expression per column.
    pub rows: Vec<Vec<ast::Expr>>,
}

/// `INSERT INTO name [(columns)] SELECT ..`: over streams a standing query, else read once and appended.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertSelect {
    /// The relation.
    pub target: Name,
    /// The named columns, empty if none were named.
    pub columns: Vec<Name>,
    /// The query.
    pub select: Select,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("INTO")?;
    let target = cursor.relation_name()?;
    let query_follows =
        cursor.is_word_at(1, "SELECT") || cursor.is_word_at(1, "WITH") || cursor.is_word_at(1, "VALUES");
    let columns = match cursor.peek().token {
        Token::LParen if !query_follows => cursor.names()?,
        _ => Vec::new(),
    };
    if cursor.word("WITH") && cursor.peek().token == Token::LParen {
        return Err(Error::unsupported("INSERT INTO .. WITH (..) is not supported").at(cursor.position()));
    }
    for word in ["DEFAULT", "OVERRIDING"] {
        if cursor.is_word_at(0, word) {
            return Err(Error::unsupported(format!("INSERT .. {word} is not supported")).at(cursor.position()));
        }
    }
    let statement = if cursor.word("VALUES") {
        Statement::InsertRows(InsertRows { target, columns, rows: rows(cursor)? })
    } else {
        Statement::InsertSelect(InsertSelect { target, columns, select: cursor.select()? })
    };
    for words in [&["ON", "CONFLICT"][..], &["RETURNING"][..]] {
        let position = cursor.position();
        if cursor.words(words) {
            return Err(Error::unsupported(format!("INSERT .. {} is not supported", words.join(" "))).at(position));
        }
    }
    Ok(statement)
}

fn rows(cursor: &mut Cursor<'_>) -> Result<Vec<Vec<ast::Expr>>> {
    let mut rows = Vec::new();
    loop {
        cursor.expect_symbol(&Token::LParen)?;
        let mut row = vec![cursor.expression()?];
        while cursor.symbol(&Token::Comma) {
            row.push(cursor.expression()?);
        }
        cursor.expect_symbol(&Token::RParen)?;
        rows.push(row);
        if !cursor.symbol(&Token::Comma) {
            return Ok(rows);
        }
    }
}
