//! INSERT INTO .. SELECT .. EMIT CHANGES: a standing query into a relation that is there.

use std::sync::Arc;

use super::done;
use super::lookup::standing_target;
use crate::catalog::Change;
use crate::catalog::Compatibility;
use crate::catalog::QueryDefinition;
use crate::engine::apart::run_apart;
use crate::engine::core::Engine;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::queries::NewQuery;
use crate::engine::queries::define;
use crate::engine::queries::record;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::TopicId;
use crate::plan::Destination;
use crate::plan::StandingRequest;
use crate::plan::plan_standing;
use crate::security::Operation;
use crate::security::Principal;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::InsertSelect;

pub(super) async fn execute(session: &mut Session, insert: &InsertSelect, text: &str) -> Result<Outcome> {
    let relation = standing_target(session, &insert.target)?;
    let semantics = session.settings.semantics();
    let destination = Destination::Insert { relation, columns: insert.columns.clone() };
    let request = StandingRequest::new(semantics, destination);
    let (engine, principal) = (session.engine.clone(), session.principal.clone());
    let made = run_apart(make(engine, principal, insert.clone(), request, text.to_string())).await?;
    let target = &insert.target.value;
    session.notice(Notice::new(format!("query \"{}\" writes \"{target}\" from now on", made.name)));
    if let Some(twin) = made.twin {
        let message = format!("query \"{twin}\" writes the same rows to \"{target}\": each comes twice");
        session.notice(Notice::warning(SqlState::WARNING, message));
    }
    Ok(done("INSERT 0 0"))
}

/// A query that was made, and another one of the same words that was there.
struct Made {
    name: String,
    twin: Option<String>,
}

async fn make(
    engine: Arc<Engine>,
    principal: Principal,
    insert: InsertSelect,
    request: StandingRequest,
    text: String,
) -> Result<Made> {
    let _turn = engine.ddl().await;
    let Destination::Insert { relation, .. } = &request.destination else {
        return Err(Error::internal("an INSERT without a target"));
    };
    let random = engine.env().random.clone();
    let query = engine
        .change(|_, catalog| {
            let Some(sink) = catalog.relation_by_id(relation.id) else {
                let message = format!("relation \"{}\" does not exist", relation.name);
                return Err(Error::new(SqlState::UNDEFINED_TABLE, message).at(insert.target.position));
            };
            let plan = plan_standing(&insert.select, catalog, engine.functions(), &request)?;
            for source in plan.sources.iter().filter_map(|id| catalog.relation_by_id(*id)) {
                authorize(&principal, Operation::Read, Resource::Relation(&source.name))?;
            }
            let id = catalog.next_query_id();
            let name = format!("insertquery_{}", id.0);
            let name = match request.semantics.compatibility {
                Compatibility::Postgres => name,
                Compatibility::Ksqldb => name.to_uppercase(),
            };
            let new_id = || TopicId::from_random(random.uuid_bytes());
            let (definition, mut records) = define(id, name, sink.id, &text, &plan, new_id);
            records.push(record(Change::CreateQuery(Box::new(definition.clone()))));
            Ok((records, NewQuery { definition, plan: Arc::new(plan), sink: Arc::clone(sink) }))
        })
        .await?;
    let definition = query.definition.clone();
    let is_twin = |other: &&Arc<QueryDefinition>| {
        other.id != definition.id && other.sink == definition.sink && other.bound_text == definition.bound_text
    };
    let twin = engine.catalog()?.queries().find(is_twin).map(|twin| twin.name.clone());
    if let Err(cause) = engine.start_query(query).await {
        engine.change(|_, _| Ok((Engine::drop_query_records(&definition), ()))).await?;
        return Err(cause);
    }
    Ok(Made { name: definition.name, twin })
}
