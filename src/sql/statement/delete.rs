//! `DELETE FROM name [[AS] alias] [USING table, ..] [WHERE condition] [RETURNING ..]`.

use sqlparser::ast;

use super::Name;
use super::Returning;
use super::Statement;
use super::returning;
use super::update;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// Rows of a table go.
#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    /// The table.
    pub target: Name,
    /// What the statement calls it.
    pub alias: Option<Name>,
    /// Tables beside it, which tell which rows.
    pub using: Vec<ast::TableWithJoins>,
    /// Which rows; all without it.
    pub filter: Option<ast::Expr>,
    /// What is answered of the rows that went.
    pub returning: Option<Returning>,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("FROM")?;
    let target = update::target(cursor)?;
    let alias = update::alias(cursor, &["USING", "WHERE", "RETURNING"])?;
    let using = update::others(cursor, "USING")?;
    let filter = update::filter(cursor)?;
    let returning = returning::parse(cursor)?;
    Ok(Statement::Delete(Delete { target, alias, using, filter, returning }))
}
