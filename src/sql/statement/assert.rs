//! ksqlDB's `ASSERT [NOT EXISTS] TOPIC name [WITH (partitions = n, replicas = n)] [TIMEOUT n unit]`.

use super::Statement;
use super::create::WithOption;
use super::create::with_options;
use super::name::Name;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::duration::unit_ms;

/// What a topic must be, at some moment before the time is up.
#[derive(Debug, Clone, PartialEq)]
pub struct AssertTopic {
    /// The topic, as it was written.
    pub topic: Name,
    /// Whether there must be one, or none.
    pub exists: bool,
    /// How many partitions and replicas it must have.
    pub options: Vec<WithOption>,
    /// How long it may take, milliseconds.
    pub timeout_ms: Option<u64>,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let exists = !cursor.words(&["NOT", "EXISTS"]);
    if cursor.is_word_at(0, "SCHEMA") {
        return Err(Error::unsupported("ASSERT SCHEMA is not supported").at(cursor.position()));
    }
    cursor.expect_word("TOPIC")?;
    let position = cursor.position();
    let topic = match cursor.string_if_there() {
        Some(value) => Name { value, quoted: true, position, schema: None },
        None => cursor.name()?,
    };
    let options = if cursor.word("WITH") { with_options(cursor)? } else { Vec::new() };
    let timeout_ms = if cursor.word("TIMEOUT") { Some(milliseconds(cursor)?) } else { None };
    Ok(Statement::AssertTopic(AssertTopic { topic, exists, options, timeout_ms }))
}

fn milliseconds(cursor: &mut Cursor<'_>) -> Result<u64> {
    let count = cursor.count()?;
    let unexpected = cursor.unexpected("DAYS, HOURS, MINUTES, SECONDS or MILLISECONDS");
    let unit = cursor.name()?;
    let unit_ms = unit_ms(&unit.value).ok_or(unexpected)?;
    Ok(count.saturating_mul(unit_ms))
}
