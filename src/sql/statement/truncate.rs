//! `TRUNCATE TOPIC name [PARTITION n] [BEFORE OFFSET n]`: Kafka's DeleteRecords.

use super::Statement;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// Which records of which topic go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruncateTopic {
    /// The topic, as it was written.
    pub topic: String,
    /// Where its name stands.
    pub position: Position,
    /// One partition, or all; and where it stands.
    pub partition: Option<(u64, Position)>,
    /// The first offset that stays, and where it stands; `None` keeps nothing of what can be read.
    pub before: Option<(u64, Position)>,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let position = cursor.position();
    if !cursor.word("TOPIC") {
        return Err(Error::unsupported("TRUNCATE is supported for a TOPIC only").at(position).hint(
            "DELETE FROM name takes all rows of a table; TRUNCATE TOPIC name drops the records of a stream's topic.",
        ));
    }
    let position = cursor.position();
    let topic = match cursor.string_if_there() {
        Some(topic) => topic,
        None => cursor.name()?.value,
    };
    let mut number = |words: &[&str]| match cursor.words(words) {
        true => {
            let position = cursor.position();
            cursor.count().map(|number| Some((number, position)))
        }
        false => Ok(None),
    };
    let partition = number(&["PARTITION"])?;
    let before = number(&["BEFORE", "OFFSET"])?;
    Ok(Statement::Truncate(TruncateTopic { topic, position, partition, before }))
}
