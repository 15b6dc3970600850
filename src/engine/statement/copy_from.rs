//! COPY name [(columns)] FROM STDIN.

use super::insert_rows::refuses_taken_keys;
use super::lookup::insert_target;
use super::lookup::written_targets;
use crate::engine::copy_in::CopyInSink;
use crate::engine::defaults::Defaults;
use crate::engine::outcome::Outcome;
use crate::engine::row_time::TargetColumn;
use crate::engine::session::Session;
use crate::error::Result;
use crate::sql::CopyFormat;
use crate::sql::InsertClauses;
use crate::sql::Name;

pub(super) async fn execute(
    session: &Session,
    target: &Name,
    columns: &[Name],
    format: &CopyFormat,
) -> Result<Outcome> {
    let relation = insert_target(session, target)?;
    let targets = written_targets(session, &relation, columns)?;
    let is_told = |index| targets.contains(&TargetColumn::Column(index));
    let defaults = Defaults::of(session, &relation, is_told).await?;
    let refuses_taken_keys = refuses_taken_keys(session, &relation, &InsertClauses::default());
    Ok(Outcome::CopyIn(Box::new(CopyInSink::new(
        session,
        relation,
        targets,
        defaults,
        format.clone(),
        refuses_taken_keys,
    ))))
}
