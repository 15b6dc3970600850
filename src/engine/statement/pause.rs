//! PAUSE and RESUME: a standing query stands still, and goes on where it stood. What it keeps stays, also over a restart. RESUME
//! of one that failed tries again.

use std::sync::Arc;

use super::done;
use super::lookup::query_named;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::QueryDefinition;
use crate::catalog::QueryState;
use crate::engine::apart::run_apart;
use crate::engine::core::Engine;
use crate::engine::outcome::Outcome;
use crate::engine::queries::record;
use crate::engine::session::Session;
use crate::error::Result;
use crate::model::QueryId;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::Name;

pub(super) async fn execute(session: &Session, name: Option<&Name>, wanted: QueryState) -> Result<Outcome> {
    authorize(&session.principal, Operation::Create, Resource::Cluster)?;
    for query in named(session.engine.catalog()?.as_ref(), name)? {
        run_apart(set(session.engine.clone(), query.id, wanted)).await?;
    }
    Ok(done(match wanted {
        QueryState::Paused => "PAUSE",
        QueryState::Running => "RESUME",
    }))
}

fn named(catalog: &Catalog, name: Option<&Name>) -> Result<Vec<Arc<QueryDefinition>>> {
    match name {
        None => Ok(catalog.queries().cloned().collect()),
        Some(name) => Ok(vec![Arc::clone(query_named(catalog, name)?)]),
    }
}

async fn set(engine: Arc<Engine>, id: QueryId, wanted: QueryState) -> Result<()> {
    let _turn = engine.ddl().await;
    let runs = engine.catalog()?.query(id).is_some_and(|query| query.state == QueryState::Running);
    if wanted == QueryState::Running && runs && engine.stopped_because(id).is_some() {
        engine.pause_query(id).await;
        return engine.resume_query(id).await;
    }
    let is_there = |catalog: &Catalog| catalog.query(id).is_some_and(|query| query.state != wanted);
    if !is_there(engine.catalog()?.as_ref()) {
        return Ok(());
    }
    engine
        .change(|_, catalog| match is_there(catalog) {
            // Somebody dropped it, or was faster.
            false => Ok((Vec::new(), ())),
            true => {
                let change = Change::SetQueryState { query: id, state: wanted };
                Ok((vec![record(change)], ()))
            }
        })
        .await?;
    match wanted {
        QueryState::Paused => {
            engine.pause_query(id).await;
            Ok(())
        }
        QueryState::Running => engine.resume_query(id).await,
    }
}
