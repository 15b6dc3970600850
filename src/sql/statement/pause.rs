//! ksqlDB's `PAUSE name | ALL` and `RESUME name | ALL`.

use super::Name;
use super::Statement;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn pause(cursor: &mut Cursor<'_>) -> Result<Statement> {
    Ok(Statement::Pause(queries(cursor)?))
}

pub(super) fn resume(cursor: &mut Cursor<'_>) -> Result<Statement> {
    Ok(Statement::Resume(queries(cursor)?))
}

/// A query, or all of them as `None`.
fn queries(cursor: &mut Cursor<'_>) -> Result<Option<Name>> {
    if cursor.word("ALL") {
        return Ok(None);
    }
    cursor.word("QUERY");
    Ok(Some(cursor.name()?))
}
