//! `CLOSE name | ALL`.

use super::Statement;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.word("ALL") {
        return Ok(Statement::Close(None));
    }
    Ok(Statement::Close(Some(cursor.name()?)))
}
