//! ksqlDB's `TERMINATE name | ALL`.

use super::Statement;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.word("ALL") {
        return Ok(Statement::Terminate(None));
    }
    cursor.word("QUERY");
    Ok(Statement::Terminate(Some(cursor.name()?)))
}
