//! ALTER QUERY name REBUILD: what a query keeps is wiped and made again from the log.

use super::done;
use super::lookup::query_named;
use crate::engine::apart::run_apart;
use crate::engine::outcome::Outcome;
use crate::engine::session::Session;
use crate::error::Result;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::Name;

pub(super) async fn execute(session: &Session, name: &Name) -> Result<Outcome> {
    authorize(&session.principal, Operation::Create, Resource::Cluster)?;
    let query = query_named(session.engine.catalog()?.as_ref(), name)?.id;
    let engine = session.engine.clone();
    run_apart(async move {
        let _turn = engine.ddl().await;
        engine.rebuild_query(query).await
    })
    .await
    .map_err(|error| if error.position().is_none() { error.at(name.position) } else { error })?;
    Ok(done("ALTER QUERY"))
}
