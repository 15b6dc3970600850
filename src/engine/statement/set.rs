//! SET, RESET, DISCARD ALL.

use super::done;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::TransactionStatus;
use crate::engine::session::Session;
use crate::engine::settings;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::SetScope;

pub(super) fn execute(session: &mut Session, scope: SetScope, name: &str, value: Option<&str>) -> Result<Outcome> {
    if scope == SetScope::Block && session.status == TransactionStatus::Idle {
        let state = SqlState::NO_ACTIVE_SQL_TRANSACTION;
        session.notice(Notice::warning(state, "SET LOCAL can only be used in transaction blocks"));
        return Ok(done("SET"));
    }
    let before = session.settings.get(name);
    let changed = session.settings.set(name, value)?;
    let name = settings::canonical(name);
    if scope == SetScope::Block {
        session.block.settings.entry(name).or_insert(before);
    } else {
        // It outlives the block, whatever a SET LOCAL before it replaced.
        session.block.settings.remove(&name);
    }
    session.report(changed);
    Ok(done("SET"))
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

pub(super) fn discard_all(session: &mut Session) -> Result<Outcome> {
    session.cursors.clear();
    session.prepared.clear();
    session.recent.clear();
    reset_all(session);
    Ok(done("DISCARD ALL"))
}

fn reset_all(session: &mut Session) {
    let changed = session.settings.reset_all();
    session.block.settings.clear();
    session.report(changed);
}
