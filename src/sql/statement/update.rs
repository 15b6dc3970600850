//! `UPDATE name [[AS] alias] SET column = value, .. [FROM table, ..] [WHERE condition] [RETURNING ..]`.

use sqlparser::ast;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::Name;
use super::Returning;
use super::Statement;
use super::returning;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::cursor::Cursor;
use crate::sql::well_formed;

/// Rows of a table change.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The table.
    pub target: Name,
    /// What the statement calls it.
    pub alias: Option<Name>,
    /// What changes.
    pub assignments: Vec<Assignment>,
    /// Tables beside it, which tell what and which.
    pub from: Vec<ast::TableWithJoins>,
    /// Which rows; all without it.
    pub filter: Option<ast::Expr>,
    /// What is answered of the new rows.
    pub returning: Option<Returning>,
}

/// `column = value`
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The column.
    pub column: Name,
    /// The value; `None` is DEFAULT.
    pub value: Option<ast::Expr>,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let target = target(cursor)?;
    let alias = alias(cursor, &["SET"])?;
    cursor.expect_word("SET")?;
    let assignments = assignments(cursor)?;
    let from = others(cursor, "FROM")?;
    let filter = filter(cursor)?;
    let returning = returning::parse(cursor)?;
    Ok(Statement::Update(Update { target, alias, assignments, from, filter, returning }))
}

/// The table's name; PostgreSQL's `ONLY` and `*` say what is so anyway.
pub(super) fn target(cursor: &mut Cursor<'_>) -> Result<Name> {
    if cursor.is_word_at(0, "ONLY") && cursor.more_follows() && !cursor.is_word_at(1, "SET") {
        cursor.step();
    }
    let target = cursor.relation_name()?;
    cursor.symbol(&Token::Mul);
    Ok(target)
}

/// `[AS] alias`, unless one of the words that may come after it is next.
pub(super) fn alias(cursor: &mut Cursor<'_>, next: &[&str]) -> Result<Option<Name>> {
    if cursor.word("AS") {
        return cursor.name().map(Some);
    }
    let is_name = matches!(cursor.peek().token, Token::Word(_)) && !next.iter().any(|word| cursor.is_word_at(0, word));
    if is_name { cursor.name().map(Some) } else { Ok(None) }
}

/// The tables behind FROM or USING, if that is next.
pub(super) fn others(cursor: &mut Cursor<'_>, word: &str) -> Result<Vec<ast::TableWithJoins>> {
    if !cursor.word(word) {
        return Ok(Vec::new());
    }
    let tables = cursor.sqlparser(|parser| parser.parse_comma_separated(Parser::parse_table_and_joins))?;
    well_formed::check_tables(&tables)?;
    Ok(tables)
}

/// `WHERE condition`, if it is next.
pub(super) fn filter(cursor: &mut Cursor<'_>) -> Result<Option<ast::Expr>> {
    if !cursor.word("WHERE") {
        return Ok(None);
    }
    if cursor.is_word_at(0, "CURRENT") && cursor.is_word_at(1, "OF") {
        return Err(Error::unsupported("WHERE CURRENT OF is not supported").at(cursor.position()));
    }
    cursor.expression().map(Some)
}

/// `column = value, (column, ..) = (value, ..), ..`
pub(super) fn assignments(cursor: &mut Cursor<'_>) -> Result<Vec<Assignment>> {
    let mut all = Vec::new();
    loop {
        if cursor.peek().token == Token::LParen {
            several(cursor, &mut all)?;
        } else {
            let column = cursor.name()?;
            if matches!(cursor.peek().token, Token::LBracket | Token::Period | Token::Arrow) {
                let error = Error::unsupported("a part of a column cannot be set").at(cursor.position());
                return Err(error.hint("Set the whole column."));
            }
            cursor.expect_symbol(&Token::Eq)?;
            let value = value(cursor)?;
            all.push(Assignment { column, value });
        }
        if !cursor.symbol(&Token::Comma) {
            return Ok(all);
        }
    }
}

fn several(cursor: &mut Cursor<'_>, all: &mut Vec<Assignment>) -> Result<()> {
    let columns = cursor.names()?;
    cursor.expect_symbol(&Token::Eq)?;
    let position = cursor.position();
    cursor.word("ROW");
    cursor.expect_symbol(&Token::LParen)?;
    if cursor.at_query() && cursor.peek().token != Token::LParen {
        return Err(Error::unsupported("SET (..) = (SELECT ..) is not supported")
            .at(position)
            .hint("Give each column a SELECT of its own."));
    }
    let mut values = vec![value(cursor)?];
    while cursor.symbol(&Token::Comma) {
        values.push(value(cursor)?);
    }
    cursor.expect_symbol(&Token::RParen)?;
    if columns.len() != values.len() {
        let message = "number of columns does not match number of values";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
    }
    all.extend(columns.into_iter().zip(values).map(|(column, value)| Assignment { column, value }));
    Ok(())
}

fn value(cursor: &mut Cursor<'_>) -> Result<Option<ast::Expr>> {
    if cursor.word("DEFAULT") { Ok(None) } else { cursor.expression().map(Some) }
}
