//! `REFRESH MATERIALIZED VIEW [CONCURRENTLY] name [WITH DATA]`.

use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("MATERIALIZED")?;
    cursor.expect_word("VIEW")?;
    cursor.word("CONCURRENTLY");
    let name = cursor.relation_name()?;
    let position = cursor.position();
    if cursor.words(&["WITH", "NO", "DATA"]) {
        return Err(Error::unsupported("a view without its data is not supported").at(position));
    }
    cursor.words(&["WITH", "DATA"]);
    Ok(Statement::Refresh(name))
}
