//! What CREATE says of a table that lasts no longer than its session.

use super::Name;
use super::NamedSchema;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SessionNumber;
use crate::sql::cursor::Cursor;

/// What becomes of a temporary table when a transaction ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnCommit {
    /// It stays as it is.
    #[default]
    PreserveRows,
    /// Its rows go.
    DeleteRows,
    /// It goes.
    Drop,
}

/// Takes `[GLOBAL | LOCAL] TEMP | TEMPORARY`, if that is next; only a TABLE can follow.
pub(super) fn words(cursor: &mut Cursor<'_>) -> Result<Option<OnCommit>> {
    let is_temporary = |ahead| cursor.is_word_at(ahead, "TEMP") || cursor.is_word_at(ahead, "TEMPORARY");
    // PostgreSQL takes either word and makes nothing of it.
    let is_local = cursor.is_word_at(0, "GLOBAL") || cursor.is_word_at(0, "LOCAL");
    if !is_temporary(usize::from(is_local)) {
        return Ok(None);
    }
    let position = cursor.position();
    (0..=usize::from(is_local)).for_each(|_| drop(cursor.step()));
    match cursor.is_word_at(0, "TABLE") {
        true => Ok(Some(OnCommit::default())),
        false => Err(only_a_table(position)),
    }
}

/// Whether the schema before a name says so.
pub(super) fn of_schema(name: &Name) -> Option<OnCommit> {
    matches!(name.schema, Some(NamedSchema::Temporary(_))).then(OnCommit::default)
}

/// The error of what cannot be temporary.
pub(super) fn only_a_table(position: Position) -> Error {
    Error::unsupported("only a TABLE can be temporary").at(position).hint("CREATE TEMP TABLE .. AS")
}

/// Takes `ON COMMIT ..`, if that is next.
pub(super) fn on_commit(cursor: &mut Cursor<'_>, temporary: Option<OnCommit>) -> Result<Option<OnCommit>> {
    let position = cursor.position();
    if !cursor.words(&["ON", "COMMIT"]) {
        return Ok(temporary);
    }
    let told = if cursor.words(&["PRESERVE", "ROWS"]) {
        OnCommit::PreserveRows
    } else if cursor.words(&["DELETE", "ROWS"]) {
        OnCommit::DeleteRows
    } else if cursor.word("DROP") {
        OnCommit::Drop
    } else {
        return Err(cursor.unexpected("PRESERVE ROWS, DELETE ROWS or DROP"));
    };
    match temporary {
        Some(_) => Ok(Some(told)),
        None => {
            let message = "ON COMMIT can only be used on temporary tables";
            Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message).at(position))
        }
    }
}

/// The schema of a folded name, if it is one of temporary tables.
pub fn temporary_schema(name: &str) -> Option<NamedSchema> {
    match name.strip_prefix("pg_temp")? {
        "" => Some(NamedSchema::Temporary(None)),
        number => {
            let number = number.strip_prefix('_')?.parse().ok()?;
            Some(NamedSchema::Temporary(Some(SessionNumber(number))))
        }
    }
}
