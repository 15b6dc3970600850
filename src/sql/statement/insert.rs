//! `INSERT INTO name [(columns)] VALUES ..`, `INSERT INTO name DEFAULT VALUES` and `INSERT INTO name [(columns)] [WITH (query_id = ..)]
//! SELECT ..`, with `ON CONFLICT` and `RETURNING`.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::Name;
use super::OnConflict;
use super::Returning;
use super::Select;
use super::Statement;
use super::conflict;
use super::create::WithOption;
use super::create::with_options;
use super::returning;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::cursor::Cursor;

/// `INSERT INTO name [(columns)] VALUES (..), ..`; `DEFAULT VALUES` is a row of no values.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertRows {
    /// The relation.
    pub target: Name,
    /// The named columns, empty if none were named.
    pub columns: Vec<Name>,
    /// The rows, each an expression per column; `is_default` tells those that are DEFAULT.
    pub rows: Vec<Vec<ast::Expr>>,
    /// What the statement calls the relation, what becomes of keys that are taken, and what is answered.
    pub clauses: InsertClauses,
}

/// What may stand around the rows of an INSERT.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InsertClauses {
    /// What the statement calls the relation.
    pub alias: Option<Name>,
    /// What becomes of a row whose key is taken; an error without it.
    pub conflict: Option<OnConflict>,
    /// What is answered of the rows that were written.
    pub returning: Option<Returning>,
}

/// `INSERT INTO name [(columns)] SELECT ..`: over streams a standing query, else read once and appended.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertSelect {
    /// The relation.
    pub target: Name,
    /// The named columns, empty if none were named.
    pub columns: Vec<Name>,
    /// What the query that stands is to be called.
    pub query_id: Option<Name>,
    /// The query.
    pub select: Select,
    /// What the statement calls the relation, what becomes of keys that are taken, and what is answered.
    pub clauses: InsertClauses,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("INTO")?;
    let target = cursor.relation_name()?;
    let alias = if cursor.word("AS") { Some(cursor.name()?) } else { None };
    let query_follows =
        cursor.is_word_at(1, "SELECT") || cursor.is_word_at(1, "WITH") || cursor.is_word_at(1, "VALUES");
    let columns = match cursor.peek().token {
        Token::LParen if !query_follows => cursor.names()?,
        _ => Vec::new(),
    };
    let query_id = query_id(cursor)?;
    if cursor.is_word_at(0, "OVERRIDING") {
        return Err(Error::unsupported("INSERT .. OVERRIDING is not supported").at(cursor.position()));
    }
    if query_id.is_none() && columns.is_empty() && cursor.words(&["DEFAULT", "VALUES"]) {
        let clauses = clauses(cursor, alias)?;
        return Ok(Statement::InsertRows(InsertRows { target, columns, rows: vec![Vec::new()], clauses }));
    }
    if query_id.is_none() && cursor.word("VALUES") {
        let rows = rows(cursor)?;
        let clauses = clauses(cursor, alias)?;
        return Ok(Statement::InsertRows(InsertRows { target, columns, rows, clauses }));
    }
    let select = cursor.select()?;
    let clauses = clauses(cursor, alias)?;
    Ok(Statement::InsertSelect(InsertSelect { target, columns, query_id, select, clauses }))
}

/// ksqlDB's `WITH (QUERY_ID = 'name')`.
fn query_id(cursor: &mut Cursor<'_>) -> Result<Option<Name>> {
    if !cursor.is_word_at(0, "WITH") || !cursor.is_symbol_at(1, &Token::LParen) {
        return Ok(None);
    }
    cursor.word("WITH");
    let mut told = None;
    for WithOption { name: Name { value: option, position, .. }, value } in with_options(cursor)? {
        if !option.eq_ignore_ascii_case("query_id") || told.is_some() {
            let message = format!("option \"{option}\" is not one of INSERT: QUERY_ID alone is, once");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(position));
        }
        told = Some(Name { value, quoted: true, position, schema: None });
    }
    Ok(told)
}

/// Whether a value of a row is the word DEFAULT.
pub fn is_default(value: &ast::Expr) -> bool {
    matches!(value, ast::Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("DEFAULT"))
}

fn clauses(cursor: &mut Cursor<'_>, alias: Option<Name>) -> Result<InsertClauses> {
    let conflict = conflict::parse(cursor)?;
    let returning = returning::parse(cursor)?;
    Ok(InsertClauses { alias, conflict, returning })
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
