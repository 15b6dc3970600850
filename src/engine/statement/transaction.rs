//! BEGIN, COMMIT, ROLLBACK and savepoints.
//!
//! Each statement takes effect at once: a block is only where errors stop further statements. A ROLLBACK says so.

use super::done;
use super::set;
use super::temporary;
use crate::engine::advisory::Level;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::TransactionStatus;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::SetScope;
use crate::sql::TransactionMode;

const ACTIVE_SQL_TRANSACTION: SqlState = SqlState("25001");
const INVALID_SAVEPOINT: SqlState = SqlState("3B001");

pub(super) fn begin(session: &mut Session, tag: &str, modes: &[TransactionMode]) -> Result<Outcome> {
    if session.status == TransactionStatus::Idle {
        session.status = TransactionStatus::Open;
    } else {
        session.notice(Notice::warning(ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress"));
    }
    if session.settings.is("default_transaction_read_only", "on") {
        set::modes(session, SetScope::Block, &[("transaction_read_only", "on")])?;
    }
    set::modes(session, SetScope::Block, modes)?;
    Ok(done(tag))
}

pub(super) async fn commit(session: &mut Session) -> Result<Outcome> {
    if session.status == TransactionStatus::Failed {
        return rollback(session).await;
    }
    end(session).await?;
    Ok(done("COMMIT"))
}

pub(super) async fn rollback(session: &mut Session) -> Result<Outcome> {
    if session.block.wrote {
        let notice = Notice::warning(SqlState::WARNING, "statements of this block have taken effect and stay");
        session.notice(notice.hint("Each statement is its own transaction."));
    }
    end(session).await?;
    Ok(done("ROLLBACK"))
}

async fn end(session: &mut Session) -> Result<()> {
    if session.status == TransactionStatus::Idle {
        let state = SqlState::NO_ACTIVE_SQL_TRANSACTION;
        session.notice(Notice::warning(state, "there is no transaction in progress"));
    }
    session.status = TransactionStatus::Idle;
    session.locks.release(Level::Transaction);
    session.cursors.retain(|_, cursor| cursor.hold);
    for (name, before) in std::mem::take(&mut session.block).settings {
        // The value was valid when it was replaced.
        if let Ok(changed) = session.settings.set(&name, before.as_deref()) {
            session.report(changed);
        }
    }
    temporary::end_transaction(session).await
}

pub(super) fn savepoint(session: &mut Session, name: &str) -> Result<Outcome> {
    in_block(session, "SAVEPOINT")?;
    session.block.savepoints.push(name.to_string());
    Ok(done("SAVEPOINT"))
}

pub(super) fn release(session: &mut Session, name: &str) -> Result<Outcome> {
    in_block(session, "RELEASE SAVEPOINT")?;
    let at = find(session, name)?;
    session.block.savepoints.truncate(at);
    Ok(done("RELEASE"))
}

pub(super) fn rollback_to(session: &mut Session, name: &str) -> Result<Outcome> {
    in_block(session, "ROLLBACK TO SAVEPOINT")?;
    let at = find(session, name)?;
    session.block.savepoints.truncate(at + 1);
    session.status = TransactionStatus::Open;
    Ok(done("ROLLBACK"))
}

/// Where the newest savepoint of a name stands.
fn find(session: &Session, name: &str) -> Result<usize> {
    let found = session.block.savepoints.iter().rposition(|savepoint| savepoint == name);
    found.ok_or_else(|| Error::new(INVALID_SAVEPOINT, format!("savepoint \"{name}\" does not exist")))
}

fn in_block(session: &Session, what: &str) -> Result<()> {
    if session.status != TransactionStatus::Idle {
        return Ok(());
    }
    let message = format!("{what} can only be used in transaction blocks");
    Err(Error::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, message))
}
