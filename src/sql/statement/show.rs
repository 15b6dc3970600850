//! `SHOW` and ksqlDB's `LIST`.

use sqlparser::tokenizer::Token;

use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// What SHOW lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowObject {
    /// `SHOW STREAMS`
    Streams,
    /// `SHOW TABLES`
    Tables,
    /// `SHOW QUERIES`
    Queries,
    /// `SHOW TOPICS`
    Topics,
    /// `SHOW FUNCTIONS`
    Functions,
    /// `SHOW TYPES`
    Types,
    /// `SHOW ALL`
    AllSettings,
    /// `SHOW name`, a setting
    Setting(String),
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let position = cursor.position();
    let object = if cursor.word("STREAMS") {
        ShowObject::Streams
    } else if cursor.word("TABLES") {
        ShowObject::Tables
    } else if cursor.word("QUERIES") {
        ShowObject::Queries
    } else if cursor.word("TOPICS") {
        ShowObject::Topics
    } else if cursor.word("FUNCTIONS") {
        ShowObject::Functions
    } else if cursor.word("TYPES") {
        ShowObject::Types
    } else if cursor.word("PROPERTIES") || cursor.word("ALL") {
        ShowObject::AllSettings
    } else if cursor.words(&["TRANSACTION", "ISOLATION", "LEVEL"]) {
        ShowObject::Setting("transaction_isolation".to_string())
    } else if cursor.words(&["TIME", "ZONE"]) {
        ShowObject::Setting("timezone".to_string())
    } else if cursor.words(&["SESSION", "AUTHORIZATION"]) {
        ShowObject::Setting("session_authorization".to_string())
    } else {
        for word in ["CONNECTORS", "VARIABLES"] {
            if cursor.is_word_at(0, word) {
                return Err(Error::unsupported(format!("SHOW {word} is not supported")).at(position));
            }
        }
        ShowObject::Setting(setting_name(cursor)?)
    };
    Ok(Statement::Show(object))
}

/// The name of a setting, lower case: `a`, `a.b`, or ksqlDB's `'a.b'`.
pub(super) fn setting_name(cursor: &mut Cursor<'_>) -> Result<String> {
    let mut name = match cursor.string_if_there() {
        Some(name) => name,
        None => cursor.name()?.value,
    };
    while cursor.symbol(&Token::Period) {
        name.push('.');
        name.push_str(&cursor.name()?.value);
    }
    Ok(name.to_lowercase())
}
