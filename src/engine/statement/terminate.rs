//! TERMINATE: a standing query ends for good; what it wrote stays.

use std::sync::Arc;

use super::done;
use super::lookup::query_named;
use crate::catalog::Catalog;
use crate::catalog::QueryDefinition;
use crate::cluster::MetadataRecord;
use crate::engine::apart::run_apart;
use crate::engine::core::Engine;
use crate::engine::outcome::Outcome;
use crate::engine::session::Session;
use crate::error::Result;
use crate::model::TopicId;
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
    match engine.catalog()?.relation_by_id(query.sink) {
        Some(sink) => engine.runtime().retire(query.id, sink).await,
        None => engine.runtime().stop(query.id).await,
    }
    engine
        .change(|_, catalog| match catalog.query(query.id) {
            // Somebody else was faster.
            None => Ok((Vec::new(), ())),
            Some(query) => Ok((ended_records(catalog, query), ())),
        })
        .await?;
    engine.forget_view(query.sink);
    engine.forget_query(query.id).await;
    engine.keep_without_query(query.sink).await
}

/// Drops a query with all that it keeps to itself. Its late rows stay where a stream stands over them: they are that one's now.
fn ended_records(catalog: &Catalog, query: &QueryDefinition) -> Vec<MetadataRecord> {
    let is_read = |topic: &TopicId| catalog.relations().any(|relation| relation.topic_id == *topic);
    let mut records = Engine::drop_query_records(query);
    records.retain(|record| !matches!(record, MetadataRecord::DropTopic(topic) if is_read(topic)));
    records
}
