//! `DISCARD ALL`, and its parts, of most of which there is nothing here.

use super::Statement;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.word("ALL") {
        return Ok(Statement::DiscardAll);
    }
    if cursor.word("TEMP") || cursor.word("TEMPORARY") {
        return Ok(Statement::DiscardTemporary);
    }
    for (part, tag) in [("PLANS", "DISCARD PLANS"), ("SEQUENCES", "DISCARD SEQUENCES")] {
        if cursor.word(part) {
            return Ok(Statement::Ignored(tag));
        }
    }
    Err(cursor.unexpected("ALL, PLANS, SEQUENCES or TEMP"))
}
