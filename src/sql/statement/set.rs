//! `SET`, `RESET` and ksqlDB's `UNSET`.

use sqlparser::tokenizer::Token;

use super::Statement;
use super::show::setting_name;
use super::transaction;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::cursor::Cursor;

/// How long a SET holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetScope {
    /// For the session.
    Session,
    /// To the end of the transaction block.
    Block,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.words(&["SESSION", "CHARACTERISTICS"]) {
        cursor.expect_word("AS")?;
        cursor.expect_word("TRANSACTION")?;
        return Ok(Statement::SetModes(SetScope::Session, transaction::modes(cursor)?));
    }
    if cursor.word("TRANSACTION") {
        if cursor.word("SNAPSHOT") {
            cursor.string()?;
            return Ok(Statement::Ignored("SET"));
        }
        return Ok(Statement::SetModes(SetScope::Block, transaction::modes(cursor)?));
    }
    if cursor.words(&["SESSION", "AUTHORIZATION", "DEFAULT"]) {
        // Nobody becomes another user, so there is nothing to go back from.
        return Ok(Statement::Ignored("SET"));
    }
    let mut scope = SetScope::Session;
    if (cursor.is_word_at(0, "SESSION") || cursor.is_word_at(0, "LOCAL")) && !cursor.is_word_at(1, "TO") {
        if cursor.is_word_at(0, "LOCAL") {
            scope = SetScope::Block;
        }
        cursor.step();
    }
    if cursor.words(&["TIME", "ZONE"]) {
        let value = match cursor.word("LOCAL") {
            true => None,
            false if cursor.word("INTERVAL") => Some(east(cursor)?),
            false => value(cursor)?,
        };
        return Ok(Statement::Set { scope, name: "timezone".to_string(), value });
    }
    if cursor.word("NAMES") {
        return Ok(Statement::Set { scope, name: "client_encoding".to_string(), value: value(cursor)? });
    }
    let name = setting_name(cursor)?;
    if !cursor.symbol(&Token::Eq) {
        cursor.expect_word("TO")?;
    }
    Ok(Statement::Set { scope, name, value: value(cursor)? })
}

pub(super) fn reset(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.word("ALL") {
        return Ok(Statement::Reset(None));
    }
    if cursor.words(&["TIME", "ZONE"]) {
        return Ok(Statement::Reset(Some("timezone".to_string())));
    }
    Ok(Statement::Reset(Some(setting_name(cursor)?)))
}

/// `'+02:00' HOUR TO MINUTE` behind `INTERVAL`, as the number of hours that it is.
fn east(cursor: &mut Cursor<'_>) -> Result<String> {
    let position = cursor.position();
    let told = cursor.string()?;
    if cursor.word("HOUR") && cursor.word("TO") {
        cursor.expect_word("MINUTE")?;
    }
    let (sign, clock) = match told.trim().strip_prefix('-') {
        Some(clock) => (-1.0, clock),
        None => (1.0, told.trim().trim_start_matches('+')),
    };
    let (hours, minutes) = clock.split_once(':').unwrap_or((clock, "0"));
    match (hours.parse::<u8>(), minutes.parse::<u8>()) {
        (Ok(hours), Ok(minutes)) => Ok((sign * (f64::from(hours) + f64::from(minutes) / 60.0)).to_string()),
        _ => {
            let message = format!("invalid interval value for time zone: \"{told}\"");
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .at(position)
                .hint("Say '+02:00' HOUR TO MINUTE."))
        }
    }
}

/// One value, or several with commas between, as one text; `None` is DEFAULT.
fn value(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.word("DEFAULT") {
        return Ok(None);
    }
    let mut value = cursor.literal()?;
    while cursor.symbol(&Token::Comma) {
        value.push_str(", ");
        value.push_str(&cursor.literal()?);
    }
    Ok(Some(value))
}
