//! `CREATE [UNIQUE] INDEX [CONCURRENTLY] [IF NOT EXISTS] [name] ON table [USING method] (column, ..) ..`,
//! `DROP INDEX [CONCURRENTLY] [IF EXISTS] name, .. [CASCADE | RESTRICT]`.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::Name;
use super::Statement;
use super::create::with_options;
use crate::error::Position;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// An index that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateIndex {
    /// Where `UNIQUE` stands, if it does.
    pub unique: Option<Position>,
    /// The table.
    pub table: Name,
    /// Its columns; an expression is none of them.
    pub columns: Vec<Name>,
    /// Whether it is over columns alone, and over all rows.
    pub plain: bool,
}

/// Indexes go.
#[derive(Debug, Clone, PartialEq)]
pub struct DropIndex {
    /// `IF EXISTS`
    pub if_exists: bool,
    /// Their names.
    pub names: Vec<Name>,
}

/// Behind `CREATE`, if an index is what is to be created.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<Option<Statement>> {
    let position = cursor.position();
    let unique = cursor.words(&["UNIQUE", "INDEX"]).then_some(position);
    if unique.is_none() && !cursor.word("INDEX") {
        return Ok(None);
    }
    cursor.word("CONCURRENTLY");
    cursor.words(&["IF", "NOT", "EXISTS"]);
    if !cursor.is_word_at(0, "ON") {
        cursor.name()?;
    }
    cursor.expect_word("ON")?;
    cursor.word("ONLY");
    let table = cursor.relation_name()?;
    if cursor.word("USING") {
        cursor.name()?;
    }
    let mut index = CreateIndex { unique, table, columns: Vec::new(), plain: true };
    cursor.expect_symbol(&Token::LParen)?;
    loop {
        key(cursor, &mut index)?;
        if !cursor.symbol(&Token::Comma) {
            break;
        }
    }
    cursor.expect_symbol(&Token::RParen)?;
    if cursor.word("INCLUDE") {
        index.columns.extend(cursor.names()?);
        index.plain = false;
    }
    if !cursor.words(&["NULLS", "NOT", "DISTINCT"]) {
        cursor.words(&["NULLS", "DISTINCT"]);
    }
    if cursor.word("WITH") {
        with_options(cursor)?;
    }
    if cursor.word("TABLESPACE") {
        cursor.name()?;
    }
    if cursor.word("WHERE") {
        cursor.expression()?;
        index.plain = false;
    }
    Ok(Some(Statement::CreateIndex(index)))
}

/// A column or an expression, and how it is ordered.
fn key(cursor: &mut Cursor<'_>, index: &mut CreateIndex) -> Result<()> {
    let position = cursor.position();
    match cursor.expression()? {
        ast::Expr::Identifier(ident) => {
            let (quoted, schema) = (ident.quote_style.is_some(), None);
            index.columns.push(Name { value: ident.value, quoted, position, schema });
        }
        _ => index.plain = false,
    }
    let is_operator_class = |cursor: &Cursor<'_>| {
        matches!(cursor.peek().token, Token::Word(_))
            && !["ASC", "DESC", "NULLS"].iter().any(|word| cursor.is_word_at(0, word))
    };
    while is_operator_class(cursor) {
        cursor.name()?;
    }
    if !cursor.word("ASC") {
        cursor.word("DESC");
    }
    if !cursor.words(&["NULLS", "FIRST"]) {
        cursor.words(&["NULLS", "LAST"]);
    }
    Ok(())
}

/// Behind `DROP INDEX`.
pub(super) fn drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("CONCURRENTLY");
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let mut names = vec![cursor.relation_name()?];
    while cursor.symbol(&Token::Comma) {
        names.push(cursor.relation_name()?);
    }
    if !cursor.word("CASCADE") {
        cursor.word("RESTRICT");
    }
    Ok(Statement::DropIndex(DropIndex { if_exists, names }))
}
