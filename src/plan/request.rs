//! What a standing query is planned for.

use std::sync::Arc;

use crate::catalog::Format;
use crate::catalog::Relation;
use crate::catalog::Semantics;
use crate::sql::Name;
use crate::sql::ObjectKind;

/// Where the rows of a standing query go.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Into a relation that the statement makes.
    Create {
        /// What it is made as.
        kind: ObjectKind,
        /// Its name, folded.
        name: String,
    },
    /// Into a relation that is there.
    Insert {
        /// Which.
        relation: Arc<Relation>,
        /// The columns that the statement names, empty for all.
        columns: Vec<Name>,
    },
    /// To a client: a push query.
    Client,
}

/// What a standing query is planned for.
#[derive(Debug, Clone)]
pub struct StandingRequest {
    /// The rules of values and names.
    pub semantics: Semantics,
    /// Where its rows go.
    pub destination: Destination,
    /// `KEY_FORMAT` of the statement.
    pub key_format: Option<Format>,
    /// The key's format where the statement tells none and the first source has no key.
    pub default_key_format: Option<Format>,
    /// `VALUE_FORMAT` of the statement.
    pub value_format: Option<Format>,
    /// `KEY_DELIMITER` of a statement without a format of the key.
    pub key_delimiter: Option<char>,
    /// `VALUE_DELIMITER` of a statement without a format of the value.
    pub value_delimiter: Option<char>,
    /// `PARTITIONS` of the statement.
    pub partitions: Option<i32>,
    /// Milliseconds that a row of the result is kept after its event time; `None` for ever.
    pub ttl_ms: Option<i64>,
    /// The column, by its folded name, that `TIMESTAMP` of the statement says has the event time.
    pub timestamp: Option<String>,
    /// All options of the statement, as ksqlDB's errors show them.
    pub options: String,
}

impl StandingRequest {
    /// A request without options.
    pub fn new(semantics: Semantics, destination: Destination) -> Self {
        Self {
            semantics,
            destination,
            key_format: None,
            default_key_format: None,
            value_format: None,
            key_delimiter: None,
            value_delimiter: None,
            partitions: None,
            ttl_ms: None,
            timestamp: None,
            options: String::new(),
        }
    }
}
