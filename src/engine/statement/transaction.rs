//! BEGIN, COMMIT, ROLLBACK and savepoints.
//!
//! Each statement takes effect at once: a block is only where errors stop further statements. A ROLLBACK says so.

use super::done;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::TransactionStatus;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;

const ACTIVE_SQL_TRANSACTION: SqlState = SqlState("25001");

pub(super) fn begin(session: &mut Session, tag: &str) -> Outcome {
    if session.status == TransactionStatus::Idle {
        session.status = TransactionStatus::Open;
    } else {
        session.notice(Notice::warning(ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress"));
    }
    done(tag)
}

pub(super) fn commit(session: &mut Session) -> Outcome {
    let tag = if session.status == TransactionStatus::Failed { "ROLLBACK" } else { "COMMIT" };
    end(session);
    done(tag)
}

pub(super) fn rollback(session: &mut Session) -> Outcome {
    end(session);
    done("ROLLBACK")
}

fn end(session: &mut Session) {
    if session.status == TransactionStatus::Idle {
        let state = SqlState::NO_ACTIVE_SQL_TRANSACTION;
        session.notice(Notice::warning(state, "there is no transaction in progress"));
    }
    session.status = TransactionStatus::Idle;
    session.cursors.retain(|_, cursor| cursor.hold);
}

pub(super) fn savepoint(session: &Session, tag: &str) -> Result<Outcome> {
    in_block(session, tag)?;
    Ok(done(tag))
}

pub(super) fn rollback_to(session: &mut Session) -> Result<Outcome> {
    in_block(session, "ROLLBACK TO SAVEPOINT")?;
    session.status = TransactionStatus::Open;
    Ok(done("ROLLBACK"))
}

fn in_block(session: &Session, what: &str) -> Result<()> {
    if session.status != TransactionStatus::Idle {
        return Ok(());
    }
    let message = format!("{what} can only be used in transaction blocks");
    Err(Error::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, message))
}
