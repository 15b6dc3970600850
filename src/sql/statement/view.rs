//! `CREATE [OR REPLACE] VIEW name [(columns)] AS select`, `DROP VIEW [IF EXISTS] name, .. [CASCADE | RESTRICT]`,
//! `ALTER VIEW [IF EXISTS] name RENAME TO name`.

use sqlparser::tokenizer::Token;

use super::Name;
use super::NamedSchema;
use super::ObjectKind;
use super::Select;
use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// A name for a query.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// `OR REPLACE`
    pub or_replace: bool,
    /// The name.
    pub name: Name,
    /// Names for its first columns.
    pub columns: Vec<Name>,
    /// The query.
    pub select: Select,
}

/// Names for queries go.
#[derive(Debug, Clone, PartialEq)]
pub struct DropView {
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The names.
    pub names: Vec<Name>,
    /// `CASCADE`: the views over them go too.
    pub cascade: bool,
}

/// A relation or a view is called otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Rename {
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The name.
    pub name: Name,
    /// What it is called from now on.
    pub to: Name,
    /// What the statement calls it, `None` for a view. PostgreSQL's ALTER TABLE renames all of them.
    pub kind: Option<ObjectKind>,
}

/// Behind `CREATE VIEW`.
pub(super) fn create(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Statement> {
    let name = cursor.relation_name()?;
    if let Some(NamedSchema::Temporary(_)) = name.schema {
        return Err(Error::unsupported("only a TABLE can be temporary").at(name.position));
    }
    let columns = match cursor.peek().token {
        Token::LParen => cursor.names()?,
        _ => Vec::new(),
    };
    if cursor.is_word_at(0, "WITH") {
        return Err(Error::unsupported("options of a view are not supported").at(cursor.position()));
    }
    cursor.expect_word("AS")?;
    let select = cursor.select()?;
    Ok(Statement::CreateView(CreateView { or_replace, name, columns, select }))
}

/// Behind `DROP VIEW`.
pub(super) fn drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let mut names = vec![cursor.relation_name()?];
    while cursor.symbol(&Token::Comma) {
        names.push(cursor.relation_name()?);
    }
    let cascade = cursor.word("CASCADE");
    if !cascade {
        cursor.word("RESTRICT");
    }
    Ok(Statement::DropView(DropView { if_exists, names, cascade }))
}

/// Behind `ALTER VIEW`.
pub(super) fn rename(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = cursor.relation_name()?;
    let position = cursor.position();
    if !cursor.words(&["RENAME", "TO"]) {
        return Err(Error::unsupported("ALTER VIEW is supported with RENAME TO only")
            .at(position)
            .hint("CREATE OR REPLACE VIEW gives it another query."));
    }
    let to = cursor.name()?;
    Ok(Statement::Rename(Rename { if_exists, name, to, kind: None }))
}
