//! SET, RESET, DISCARD ALL.

use super::done;
use super::temporary;
use crate::engine::advisory::Level;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::TransactionStatus;
use crate::engine::session::Session;
use crate::engine::settings;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::SetScope;
use crate::sql::TransactionMode;

pub(super) fn execute(session: &mut Session, scope: SetScope, name: &str, value: Option<&str>) -> Result<Outcome> {
    if scope == SetScope::Block && session.status == TransactionStatus::Idle {
        return Ok(of_no_block(session, "SET LOCAL"));
    }
    apply(session, scope, name, value)?;
    Ok(done("SET"))
}

/// The modes of a transaction block, or of those that the session begins from now on.
pub(super) fn modes(session: &mut Session, scope: SetScope, modes: &[TransactionMode]) -> Result<Outcome> {
    if scope == SetScope::Block && session.status == TransactionStatus::Idle {
        return Ok(of_no_block(session, "SET TRANSACTION"));
    }
    for (name, value) in modes {
        match scope {
            SetScope::Block => apply(session, scope, name, Some(value))?,
            SetScope::Session => apply(session, scope, &format!("default_{name}"), Some(value))?,
        }
    }
    Ok(done("SET"))
}

fn of_no_block(session: &mut Session, what: &str) -> Outcome {
    let message = format!("{what} can only be used in transaction blocks");
    session.notice(Notice::warning(SqlState::NO_ACTIVE_SQL_TRANSACTION, message));
    done("SET")
}

fn apply(session: &mut Session, scope: SetScope, name: &str, value: Option<&str>) -> Result<()> {
    let before = session.settings.told(name);
    let changed = session.settings.set(name, value)?;
    let name = settings::canonical(name);
    if scope == SetScope::Block {
        session.block.settings.entry(name).or_insert(before);
    } else {
        // It outlives the block, whatever a SET LOCAL before it replaced.
        session.block.settings.remove(&name);
    }
    session.report(changed);
    Ok(())
}

pub(super) fn reset(session: &mut Session, name: Option<&str>) -> Result<Outcome> {
    match name {
        Some(name) => {
            let changed = session.settings.reset(name)?;
            session.block.settings.remove(&settings::canonical(name));
            session.report(changed);
        }
        None => reset_all(session),
    }
    Ok(done("RESET"))
}

pub(super) async fn discard_all(session: &mut Session) -> Result<Outcome> {
    temporary::discard(session).await?;
    session.cursors.clear();
    session.prepared.clear();
    session.recent.clear();
    session.locks.release(Level::Session);
    reset_all(session);
    Ok(done("DISCARD ALL"))
}

fn reset_all(session: &mut Session) {
    let changed = session.settings.reset_all();
    session.block.settings.clear();
    session.report(changed);
}
