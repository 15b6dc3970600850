//! Statements of PostgreSQL and ksqlDB that are known and not there yet.

use crate::error::Error;
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
