//! TERMINATE: a standing query ends for good; what it wrote stays.

use std::sync::Arc;

use super::done;
use super::lookup::query_named;
use crate::catalog::QueryDefinition;
use crate::engine::apart::run_apart;
use crate::engine::core::Engine;
use crate::engine::outcome::Outcome;
use crate::engine::queries::refuse_read_topics;
use crate::engine::session::Session;
use crate::error::Result;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::Name;

pub(super) async fn execute(session: &Session, name: Option<&Name>) -> Result<Outcome> {
    authorize(&session.principal, Operation::Drop, Resource::Cluster)?;
    let catalog = session.engine.catalog()?;
    let queries: Vec<Arc<QueryDefinition>> = match name {
        None => catalog.queries().cloned().collect(),
        Some(name) => vec![Arc::clone(query_named(&catalog, name)?)],
    };
    for query in queries {
        run_apart(terminate(session.engine.clone(), query)).await?;
    }
    Ok(done("TERMINATE"))
}

/// Ends one query.
pub(super) async fn terminate(engine: Arc<Engine>, query: Arc<QueryDefinition>) -> Result<()> {
    let _turn = engine.ddl().await;
    refuse_read_topics(engine.catalog()?.as_ref(), &query, "drop")?;
    match engine.catalog()?.relation_by_id(query.sink) {
        Some(sink) => engine.runtime().retire(query.id, sink).await,
        None => engine.runtime().stop(query.id).await,
    }
    engine
        .change(|_, catalog| match catalog.query(query.id) {
            // Somebody else was faster.
            None => Ok((Vec::new(), ())),
            Some(query) => {
                refuse_read_topics(catalog, query, "drop")?;
                Ok((Engine::drop_query_records(query), ()))
            }
        })
        .await?;
    engine.forget_view(query.sink);
    engine.forget_query(query.id).await;
    Ok(())
}
