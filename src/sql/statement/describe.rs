//! `DESCRIBE name [EXTENDED]`, `DESCRIBE FUNCTION name`.

use super::Statement;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    // A relation may be called so.
    if cursor.is_word_at(0, "FUNCTION") && cursor.more_follows() {
        cursor.word("FUNCTION");
        return Ok(Statement::DescribeFunction(cursor.name()?));
    }
    let name = cursor.relation_name()?;
    // ksqlDB's long form; the short one here shows as much.
    cursor.word("EXTENDED");
    Ok(Statement::Describe(name))
}
