//! BEGIN, COMMIT, ROLLBACK and savepoints.
//!
//! Isolation levels and access modes are accepted: each is at least kept, since a statement reads one commit.

use sqlparser::tokenizer::Token;

use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

pub(super) fn begin(cursor: &mut Cursor<'_>) -> Result<Statement> {
    skip_noise(cursor);
    modes(cursor)?;
    Ok(Statement::Begin("BEGIN"))
}

pub(super) fn start(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("TRANSACTION")?;
    modes(cursor)?;
    Ok(Statement::Begin("START TRANSACTION"))
}

pub(super) fn commit(cursor: &mut Cursor<'_>) -> Result<Statement> {
    refuse_prepared(cursor)?;
    skip_noise(cursor);
    chain(cursor)?;
    Ok(Statement::Commit)
}

pub(super) fn rollback(cursor: &mut Cursor<'_>) -> Result<Statement> {
    refuse_prepared(cursor)?;
    skip_noise(cursor);
    if cursor.word("TO") {
        cursor.word("SAVEPOINT");
        return Ok(Statement::RollbackToSavepoint(cursor.name()?));
    }
    chain(cursor)?;
    Ok(Statement::Rollback)
}

pub(super) fn savepoint(cursor: &mut Cursor<'_>) -> Result<Statement> {
    Ok(Statement::Savepoint(cursor.name()?))
}

pub(super) fn release(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("SAVEPOINT");
    Ok(Statement::ReleaseSavepoint(cursor.name()?))
}

fn skip_noise(cursor: &mut Cursor<'_>) {
    if !cursor.word("WORK") {
        cursor.word("TRANSACTION");
    }
}

fn modes(cursor: &mut Cursor<'_>) -> Result<()> {
    const MODES: &[&[&str]] = &[
        &["ISOLATION", "LEVEL", "SERIALIZABLE"],
        &["ISOLATION", "LEVEL", "REPEATABLE", "READ"],
        &["ISOLATION", "LEVEL", "READ", "COMMITTED"],
        &["ISOLATION", "LEVEL", "READ", "UNCOMMITTED"],
        &["READ", "ONLY"],
        &["READ", "WRITE"],
        &["NOT", "DEFERRABLE"],
        &["DEFERRABLE"],
    ];
    while !cursor.at_end() {
        if !MODES.iter().any(|mode| cursor.words(mode)) {
            return Err(cursor.unexpected("an isolation level or an access mode"));
        }
        cursor.symbol(&Token::Comma);
    }
    Ok(())
}

fn chain(cursor: &mut Cursor<'_>) -> Result<()> {
    let position = cursor.position();
    if cursor.words(&["AND", "CHAIN"]) {
        return Err(Error::unsupported("AND CHAIN is not supported").at(position));
    }
    cursor.words(&["AND", "NO", "CHAIN"]);
    Ok(())
}

fn refuse_prepared(cursor: &Cursor<'_>) -> Result<()> {
    if cursor.is_word_at(0, "PREPARED") {
        return Err(Error::unsupported("two-phase commit is not supported").at(cursor.position()));
    }
    Ok(())
}
