//! `TRUNCATE TOPIC name [PARTITION n] [BEFORE OFFSET n]`: Kafka's DeleteRecords; `TRUNCATE [TABLE] name, ..`: all rows go.

use sqlparser::tokenizer::Token;

use super::Name;
use super::Statement;
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
    if !cursor.word("TOPIC") {
        return tables(cursor);
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

/// `[TABLE] name [*], .. [RESTART IDENTITY | CONTINUE IDENTITY] [CASCADE | RESTRICT]`: there are no foreign keys.
fn tables(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("TABLE");
    let mut names: Vec<Name> = Vec::new();
    loop {
        names.push(cursor.relation_name()?);
        cursor.symbol(&Token::Mul);
        if !cursor.symbol(&Token::Comma) {
            break;
        }
    }
    let restart = cursor.words(&["RESTART", "IDENTITY"]);
    let _ = !restart && cursor.words(&["CONTINUE", "IDENTITY"]);
    let _ = cursor.word("CASCADE") || cursor.word("RESTRICT");
    Ok(Statement::TruncateTables { names, restart })
}
