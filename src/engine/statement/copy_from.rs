//! COPY name [(columns)] FROM STDIN.

use super::lookup::insert_target;
use super::lookup::target_columns;
use crate::engine::copy_in::CopyInSink;
use crate::engine::outcome::Outcome;
use crate::engine::session::Session;
use crate::error::Result;
use crate::sql::CopyFormat;
use crate::sql::Name;

pub(super) fn execute(session: &Session, target: &Name, columns: &[Name], format: &CopyFormat) -> Result<Outcome> {
    let relation = insert_target(session, target)?;
    let targets = target_columns(session, &relation, columns)?;
    Ok(Outcome::CopyIn(Box::new(CopyInSink::new(
        session.engine.clone(),
        session.client.clone(),
        relation,
        targets,
        format.clone(),
        session.settings.zone(),
        session.written.clone(),
    ))))
}
