//! `DESCRIBE [EXTENDED] name [EXTENDED]`, `DESCRIBE FUNCTION name`, `DESCRIBE STREAMS|TABLES`.

use super::Statement;
use super::refused;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    // A relation may be called so.
    if cursor.is_word_at(0, "FUNCTION") && cursor.more_follows() {
        cursor.word("FUNCTION");
        return Ok(Statement::DescribeFunction(cursor.name()?));
    }
    if refused::is_connector(cursor) && cursor.more_follows() {
        return Err(refused::connector("DESCRIBE", cursor.position()));
    }
    let extended = cursor.is_word_at(0, "EXTENDED") && cursor.more_follows();
    if extended {
        cursor.word("EXTENDED");
    }
    let is_list =
        |word: &str| cursor.is_word_at(0, word) && (!cursor.more_follows() || cursor.is_word_at(1, "EXTENDED"));
    if is_list("STREAMS") || is_list("TABLES") {
        return super::show::parse(cursor);
    }
    let name = cursor.relation_name()?;
    let extended = cursor.word("EXTENDED") || extended;
    Ok(if extended { Statement::DescribeExtended(name) } else { Statement::Describe(name) })
}
