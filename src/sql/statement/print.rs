//! ksqlDB's `PRINT topic [FROM BEGINNING] [INTERVAL | SAMPLE n] [LIMIT n]`.

use super::Statement;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::cursor::Cursor;

/// What is printed of which topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Print {
    /// The topic, as it was written.
    pub topic: String,
    /// Where its name stands.
    pub position: Position,
    /// What is there already, too.
    pub from_beginning: bool,
    /// Only each so many-th record; at least 1.
    pub every: u64,
    /// How many records at most.
    pub limit: Option<u64>,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let position = cursor.position();
    let topic = match cursor.string_if_there() {
        Some(topic) => topic,
        None => cursor.name()?.value,
    };
    let from_beginning = cursor.words(&["FROM", "BEGINNING"]);
    let every = match cursor.word("INTERVAL") || cursor.word("SAMPLE") {
        false => 1,
        true => {
            let position = cursor.position();
            match cursor.count()? {
                0 => {
                    let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, "the interval must be at least 1");
                    return Err(error.at(position));
                }
                every => every,
            }
        }
    };
    let limit = if cursor.word("LIMIT") { Some(cursor.count()?) } else { None };
    Ok(Statement::Print(Print { topic, position, from_beginning, every, limit }))
}
