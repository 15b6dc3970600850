//! BEGIN, COMMIT, ROLLBACK and savepoints.
//!
//! Isolation levels and access modes are settings: a statement reads one commit whatever they say.

use sqlparser::tokenizer::Token;

use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// A setting of a transaction, and its value.
pub type TransactionMode = (&'static str, &'static str);

pub(super) fn begin(cursor: &mut Cursor<'_>) -> Result<Statement> {
    skip_noise(cursor);
    Ok(Statement::Begin("BEGIN", modes(cursor)?))
}

pub(super) fn start(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("TRANSACTION")?;
    Ok(Statement::Begin("START TRANSACTION", modes(cursor)?))
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

pub(super) fn modes(cursor: &mut Cursor<'_>) -> Result<Vec<TransactionMode>> {
    const ISOLATION: &str = "transaction_isolation";
    const READ_ONLY: &str = "transaction_read_only";
    const MODES: &[(&[&str], Option<TransactionMode>)] = &[
        (&["ISOLATION", "LEVEL", "SERIALIZABLE"], Some((ISOLATION, "serializable"))),
        (&["ISOLATION", "LEVEL", "REPEATABLE", "READ"], Some((ISOLATION, "repeatable read"))),
        (&["ISOLATION", "LEVEL", "READ", "COMMITTED"], Some((ISOLATION, "read committed"))),
        (&["ISOLATION", "LEVEL", "READ", "UNCOMMITTED"], Some((ISOLATION, "read uncommitted"))),
        (&["READ", "ONLY"], Some((READ_ONLY, "on"))),
        (&["READ", "WRITE"], Some((READ_ONLY, "off"))),
        (&["NOT", "DEFERRABLE"], None),
        (&["DEFERRABLE"], None),
    ];
    let mut told = Vec::new();
    while !cursor.at_end() {
        let Some((_, mode)) = MODES.iter().find(|(words, _)| cursor.words(words)) else {
            return Err(cursor.unexpected("an isolation level or an access mode"));
        };
        told.extend(*mode);
        cursor.symbol(&Token::Comma);
    }
    Ok(told)
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
