//! `DESCRIBE name [EXTENDED]`.

use super::Statement;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let name = cursor.relation_name()?;
    // ksqlDB's long form; the short one here shows as much.
    cursor.word("EXTENDED");
    Ok(Statement::Describe(name))
}
