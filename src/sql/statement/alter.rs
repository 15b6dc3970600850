//! `ALTER STREAM|TABLE [IF EXISTS] name SET (option = value, ..)`, `.. RESET (option, ..)` `.. ADD COLUMN name type, ..` and
//! `.. ALTER COLUMN name SET DEFAULT expression | DROP DEFAULT`;
//! `ALTER QUERY name REBUILD`.

use sqlparser::tokenizer::Token;

use super::Name;
use super::ObjectKind;
use super::Rename;
use super::Statement;
use super::WithOption;
use super::create::ColumnDefault;
use super::create::ColumnDefinition;
use super::create::column;
use super::create::default_value;
use super::create::object_kind;
use super::create::refuse_constraint;
use super::create::with_options;
use super::view;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// `ALTER STREAM|TABLE [IF EXISTS] name SET (..)|RESET (..)`: how the relation's topic is kept; `.. ADD COLUMN ..`: its columns;
/// `.. ALTER COLUMN ..`: what a statement writes that does not tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterRelation {
    /// What it must be.
    pub kind: ObjectKind,
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The relation.
    pub name: Name,
    /// What is changed.
    pub action: AlterAction,
}

/// What ALTER changes.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterAction {
    /// These options get values.
    Set(Vec<WithOption>),
    /// These options get their defaults.
    Reset(Vec<Name>),
    /// These columns come after the others.
    AddColumns(Vec<AddedColumn>),
    /// A column gets a default, or none.
    Default(Name, Option<Box<ColumnDefault>>),
}

/// A column that is added.
#[derive(Debug, Clone, PartialEq)]
pub struct AddedColumn {
    /// The column.
    pub definition: ColumnDefinition,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.word("QUERY") {
        return parse_query(cursor);
    }
    if cursor.word("VIEW") {
        return view::rename(cursor);
    }
    const INSTEAD: &str = "DROP it (with DELETE TOPIC, if a query keeps it) and CREATE it again.";
    let position = cursor.position();
    let Some(kind) = object_kind(cursor) else {
        return Err(
            Error::unsupported("only STREAM, TABLE, VIEW, MATERIALIZED VIEW and QUERY can be altered").at(position)
        );
    };
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = cursor.relation_name()?;
    let position = cursor.position();
    if cursor.words(&["RENAME", "TO"]) {
        return Ok(Statement::Rename(Rename { if_exists, name, to: cursor.name()?, kind: Some(kind) }));
    }
    let action = if cursor.word("SET") {
        AlterAction::Set(with_options(cursor)?)
    } else if cursor.word("RESET") {
        AlterAction::Reset(names(cursor)?)
    } else if cursor.word("ADD") {
        AlterAction::AddColumns(added_columns(cursor)?)
    } else if cursor.word("ALTER") {
        column_default(cursor)?
    } else {
        let all = "SET (..), RESET (..), ADD COLUMN, ALTER COLUMN .. DEFAULT and RENAME TO";
        return Err(Error::unsupported(format!("ALTER is supported with {all} only")).at(position).hint(INSTEAD));
    };
    Ok(Statement::Alter(AlterRelation { kind, if_exists, name, action }))
}

/// `[COLUMN] [IF NOT EXISTS] name type [, ADD ..]`
fn added_columns(cursor: &mut Cursor<'_>) -> Result<Vec<AddedColumn>> {
    let mut added = Vec::new();
    loop {
        cursor.word("COLUMN");
        let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
        refuse_constraint(cursor)?;
        added.push(AddedColumn { definition: column(cursor)?, if_not_exists });
        if !cursor.symbol(&Token::Comma) {
            return Ok(added);
        }
        if !cursor.word("ADD") {
            return Err(cursor.unexpected("ADD"));
        }
    }
}

/// `[COLUMN] name SET DEFAULT expression` or `[COLUMN] name DROP DEFAULT`
fn column_default(cursor: &mut Cursor<'_>) -> Result<AlterAction> {
    cursor.word("COLUMN");
    let column = cursor.name()?;
    let position = cursor.position();
    if cursor.words(&["SET", "DEFAULT"]) {
        return Ok(AlterAction::Default(column, Some(Box::new(default_value(cursor)?))));
    }
    match cursor.words(&["DROP", "DEFAULT"]) {
        true => Ok(AlterAction::Default(column, None)),
        false => Err(Error::unsupported("ALTER COLUMN is supported with SET DEFAULT and DROP DEFAULT only")
            .at(position)
            .hint("CREATE OR REPLACE declares a table anew.")),
    }
}

/// `ALTER QUERY name REBUILD`
fn parse_query(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let name = cursor.name()?;
    let position = cursor.position();
    match cursor.word("REBUILD") {
        true => Ok(Statement::RebuildQuery(name)),
        false => Err(Error::unsupported("ALTER QUERY is supported with REBUILD only").at(position)),
    }
}

fn names(cursor: &mut Cursor<'_>) -> Result<Vec<Name>> {
    cursor.expect_symbol(&Token::LParen)?;
    let mut names = vec![cursor.name()?];
    while cursor.symbol(&Token::Comma) {
        names.push(cursor.name()?);
    }
    cursor.expect_symbol(&Token::RParen)?;
    Ok(names)
}
