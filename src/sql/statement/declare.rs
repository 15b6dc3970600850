//! `DECLARE name [NO SCROLL] CURSOR [WITH HOLD] FOR select`.

use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let name = cursor.name()?;
    loop {
        let position = cursor.position();
        if cursor.word("BINARY") {
            return Err(Error::unsupported("binary cursors are not supported").at(position));
        }
        if cursor.words(&["NO", "SCROLL"]) || cursor.word("INSENSITIVE") || cursor.word("ASENSITIVE") {
            continue;
        }
        if cursor.word("SCROLL") {
            return Err(Error::unsupported("cursors that scroll back are not supported").at(position));
        }
        break;
    }
    cursor.expect_word("CURSOR")?;
    let hold = cursor.words(&["WITH", "HOLD"]);
    if !hold {
        cursor.words(&["WITHOUT", "HOLD"]);
    }
    cursor.expect_word("FOR")?;
    Ok(Statement::Declare { name, hold, select: cursor.select()? })
}
