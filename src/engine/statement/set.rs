//! SET, RESET, DISCARD ALL.

use super::done;
use crate::engine::outcome::Outcome;
use crate::engine::session::Session;
use crate::error::Result;

pub(super) fn execute(session: &mut Session, name: &str, value: Option<&str>) -> Result<Outcome> {
    let changed = session.settings.set(name, value)?;
    session.report(changed);
    Ok(done("SET"))
}

pub(super) fn reset(session: &mut Session, name: Option<&str>) -> Result<Outcome> {
    match name {
        Some(name) => {
            let changed = session.settings.reset(name)?;
            session.report(changed);
        }
        None => {
            let changed = session.settings.reset_all();
            session.report(changed);
        }
    }
    Ok(done("RESET"))
}

pub(super) fn discard_all(session: &mut Session) -> Result<Outcome> {
    session.cursors.clear();
    let changed = session.settings.reset_all();
    session.report(changed);
    Ok(done("DISCARD ALL"))
}
