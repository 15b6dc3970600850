//! `SHOW` and ksqlDB's `LIST`.

use sqlparser::tokenizer::Token;

use super::Statement;
use super::refused;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// What SHOW lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowObject {
    /// `SHOW STREAMS`
    Streams,
    /// `SHOW STREAMS EXTENDED`
    StreamsExtended,
    /// `SHOW TABLES`
    Tables,
    /// `SHOW TABLES EXTENDED`
    TablesExtended,
    /// `SHOW QUERIES`
    Queries,
    /// `SHOW QUERIES EXTENDED`
    QueriesExtended,
    /// `SHOW TOPICS`
    Topics,
    /// `SHOW TOPICS EXTENDED`
    TopicsExtended,
    /// `SHOW ALL TOPICS`, with the server's own
    AllTopics,
    /// `SHOW ALL TOPICS EXTENDED`
    AllTopicsExtended,
    /// `SHOW VARIABLES`
    Variables,
    /// `SHOW FUNCTIONS`
    Functions,
    /// `SHOW TYPES`
    Types,
    /// `SHOW VIEWS`
    Views,
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
    } else if cursor.words(&["ALL", "TOPICS"]) {
        ShowObject::AllTopics
    } else if cursor.word("VIEWS") {
        ShowObject::Views
    } else if cursor.word("VARIABLES") {
        ShowObject::Variables
    } else if cursor.word("PROPERTIES") || cursor.word("ALL") {
        ShowObject::AllSettings
    } else if cursor.words(&["TRANSACTION", "ISOLATION", "LEVEL"]) {
        ShowObject::Setting("transaction_isolation".to_string())
    } else if cursor.words(&["TIME", "ZONE"]) {
        ShowObject::Setting("timezone".to_string())
    } else if cursor.words(&["SESSION", "AUTHORIZATION"]) {
        ShowObject::Setting("session_authorization".to_string())
    } else {
        if refused::is_connector(cursor) {
            return Err(refused::connector("SHOW", position));
        }
        ShowObject::Setting(setting_name(cursor)?)
    };
    let is_list = !matches!(object, ShowObject::AllSettings | ShowObject::Setting(_));
    let object = match (object, is_list && cursor.word("EXTENDED")) {
        (ShowObject::Streams, true) => ShowObject::StreamsExtended,
        (ShowObject::Tables, true) => ShowObject::TablesExtended,
        (ShowObject::Queries, true) => ShowObject::QueriesExtended,
        (ShowObject::Topics, true) => ShowObject::TopicsExtended,
        (ShowObject::AllTopics, true) => ShowObject::AllTopicsExtended,
        // Of the others the system tables show more.
        (object, _) => object,
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
