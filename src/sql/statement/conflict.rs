//! `ON CONFLICT [(column, ..) | ON CONSTRAINT name] DO NOTHING | DO UPDATE SET .. [WHERE ..]`.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::Assignment;
use super::Name;
use super::update;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::cursor::Cursor;

/// What an INSERT does with a row whose key is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct OnConflict {
    /// Where it stands.
    pub position: Position,
    /// Which key is meant.
    pub target: ConflictTarget,
    /// What is done.
    pub action: ConflictAction,
}

/// Which key is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum ConflictTarget {
    /// Whichever there is.
    Any,
    /// The key of these columns.
    Columns(Vec<Name>),
    /// The key of this constraint.
    Constraint(Name),
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum ConflictAction {
    /// The row that is there stays.
    Nothing,
    /// The row that is there changes.
    Update {
        /// What changes; `excluded` is the row that was to be inserted.
        assignments: Vec<Assignment>,
        /// Rows for which it is not true stay as they are.
        filter: Option<Box<ast::Expr>>,
    },
}

/// The clause, if it is next.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Option<OnConflict>> {
    let position = cursor.position();
    if !cursor.words(&["ON", "CONFLICT"]) {
        return Ok(None);
    }
    let target = if cursor.words(&["ON", "CONSTRAINT"]) {
        ConflictTarget::Constraint(cursor.name()?)
    } else if cursor.peek().token == Token::LParen {
        ConflictTarget::Columns(cursor.names()?)
    } else {
        ConflictTarget::Any
    };
    if cursor.is_word_at(0, "WHERE") {
        return Err(Error::unsupported("ON CONFLICT .. WHERE is not supported")
            .at(cursor.position())
            .hint("A table has one key, and it is of all rows."));
    }
    cursor.expect_word("DO")?;
    if cursor.word("NOTHING") {
        return Ok(Some(OnConflict { position, target, action: ConflictAction::Nothing }));
    }
    if !cursor.word("UPDATE") {
        return Err(cursor.unexpected("NOTHING or UPDATE"));
    }
    if target == ConflictTarget::Any {
        let message = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
        let error = Error::new(SqlState::SYNTAX_ERROR, message).at(position);
        return Err(error.hint("For example, ON CONFLICT (column) DO UPDATE .."));
    }
    cursor.expect_word("SET")?;
    let assignments = update::assignments(cursor)?;
    let filter = update::filter(cursor)?.map(Box::new);
    Ok(Some(OnConflict { position, target, action: ConflictAction::Update { assignments, filter } }))
}
