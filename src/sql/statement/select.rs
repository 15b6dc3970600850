//! `SELECT`, `WITH`, `VALUES`, `TABLE`.

use sqlparser::ast;

use super::Statement;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// `EMIT CHANGES` or `EMIT FINAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Emit {
    /// Every change.
    Changes,
    /// One row per window, when it closes.
    Final,
}

/// A query with what our dialect adds to it.
///
/// `ast` carries WINDOW, WITHIN and PARTITION BY in the slots that `lower.rs` documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// The query.
    pub ast: Box<ast::Query>,
    /// The EMIT clause, if one was written.
    pub emit: Option<Emit>,
    /// The query's own text, cut out of the statement.
    pub text: String,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    // WITH may stand before a statement that changes rows.
    cursor.select_or_change().map(Statement::Select)
}
