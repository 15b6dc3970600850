//! Statements of PostgreSQL and ksqlDB that are known and not there yet.

use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// The first word, and what to type instead, if there is something.
const REFUSED: &[(&str, Option<&str>)] = &[
    ("ANALYZE", None),
    ("CALL", None),
    ("CHECKPOINT", None),
    ("CLUSTER", None),
    ("COMMENT", None),
    ("DO", None),
    ("GRANT", None),
    ("IMPORT", None),
    ("LISTEN", Some("SELECT .. EMIT CHANGES gives rows as they come.")),
    ("LOAD", None),
    ("LOCK", None),
    ("MERGE", None),
    ("NOTIFY", None),
    ("REASSIGN", None),
    ("REINDEX", None),
    ("REVOKE", None),
    ("SPOOL", None),
    ("VACUUM", None),
];

/// The error if the next word starts a statement that is not there yet.
pub(super) fn refuse(cursor: &Cursor<'_>) -> Result<()> {
    let Some((word, instead)) = REFUSED.iter().find(|(word, _)| cursor.is_word_at(0, word)) else { return Ok(()) };
    let error = Error::unsupported(format!("{word} is not supported")).at(cursor.position());
    Err(match instead {
        Some(instead) => error.hint(*instead),
        None => error,
    })
}

/// Whether the next words name connectors of Kafka Connect: `[SOURCE | SINK] CONNECTOR[S]`.
pub(super) fn is_connector(cursor: &Cursor<'_>) -> bool {
    let is_named_at = |ahead| cursor.is_word_at(ahead, "CONNECTOR") || cursor.is_word_at(ahead, "CONNECTORS");
    let is_kind = cursor.is_word_at(0, "SOURCE") || cursor.is_word_at(0, "SINK");
    is_named_at(0) || is_kind && is_named_at(1)
}

/// The error for a statement about connectors.
pub(super) fn connector(verb: &str, position: Position) -> Error {
    let message = match verb {
        "SHOW" => "SHOW CONNECTORS is not supported".to_owned(),
        verb => format!("{verb} CONNECTOR is not supported"),
    };
    Error::unsupported(message)
        .at(position)
        .hint("Kafka Connect's own REST door looks after them; its workers read and write topics here.")
}
