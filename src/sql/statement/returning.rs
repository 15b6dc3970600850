//! `RETURNING item, ..`: what a statement answers of the rows that it changed.

use sqlparser::ast;
use sqlparser::parser::Parser;

use crate::error::Position;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// A RETURNING clause.
#[derive(Debug, Clone, PartialEq)]
pub struct Returning {
    /// Where it stands.
    pub position: Position,
    /// Its items, as in a SELECT list.
    pub items: Vec<ast::SelectItem>,
}

/// The clause, if it is next.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Option<Returning>> {
    let position = cursor.position();
    if !cursor.word("RETURNING") {
        return Ok(None);
    }
    let items = cursor.sqlparser(|parser| parser.parse_comma_separated(Parser::parse_select_item))?;
    Ok(Some(Returning { position, items }))
}
