//! INSERT INTO .. SELECT .. EMIT CHANGES: a standing query into a relation that is there.

use std::sync::Arc;

use super::circle::circle;
use super::done;
use super::lookup::standing_target;
use crate::catalog::Catalog;
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
use crate::model::QueryId;
use crate::model::TopicId;
use crate::plan::Destination;
use crate::plan::StandingRequest;
use crate::plan::plan_standing;
use crate::security::Operation;
use crate::security::Principal;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::InsertSelect;
use crate::sql::Name;

pub(super) async fn execute(session: &mut Session, insert: &InsertSelect, text: &str) -> Result<Outcome> {
    let relation = standing_target(session, &insert.target)?;
    let semantics = session.settings.semantics();
    let destination = Destination::Insert { relation, columns: insert.columns.clone() };
    let request = StandingRequest::new(semantics, destination);
    let (engine, principal) = (session.engine.clone(), session.principal.clone());
    let made = run_apart(make(engine, principal, insert.clone(), request, text.to_string())).await?;
    let target = &insert.target.value;
    if let Some(circle) = made.circle {
        let message = format!("rows of \"{target}\" come back to it: {}", circle.join(" -> "));
        let hint = "A condition that rows fail in the end stops them; TERMINATE stops the query.";
        session.notice(Notice::warning(SqlState::WARNING, message).hint(hint));
    }
    session.notice(Notice::new(format!("query \"{}\" writes \"{target}\" from now on", made.name)));
    if let Some(twin) = made.twin {
        let message = format!("query \"{twin}\" writes the same rows to \"{target}\": each comes twice");
        session.notice(Notice::warning(SqlState::WARNING, message));
    }
    Ok(done("INSERT 0 0"))
}

/// A query that was made, another one of the same words that was there, and the way of what it writes back to what it reads.
struct Made {
    name: String,
    twin: Option<String>,
    circle: Option<Vec<String>>,
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
            let name = query_name(catalog, insert.query_id.as_ref(), id, request.semantics.compatibility)?;
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
    let catalog = engine.catalog()?;
    let circle = circle(&catalog, relation, &definition.sources);
    let twin = catalog.queries().find(is_twin).map(|twin| twin.name.clone());
    if let Err(cause) = engine.start_query(query).await {
        engine.change(|_, _| Ok((Engine::drop_query_records(&definition), ()))).await?;
        return Err(cause);
    }
    Ok(Made { name: definition.name, twin, circle })
}

/// The name that was told, or one of the query's number; ksqlDB has them in upper case.
fn query_name(catalog: &Catalog, told: Option<&Name>, id: QueryId, rules: Compatibility) -> Result<String> {
    let folded = |name: &str| match rules {
        Compatibility::Postgres => name.to_string(),
        Compatibility::Ksqldb => name.to_uppercase(),
    };
    let Some(told) = told else { return Ok(folded(&format!("insertquery_{}", id.0))) };
    let refused = |state, message: String| Error::new(state, message).at(told.position);
    let name = folded(&told.value);
    let is_made = ["csas_", "ctas_", "insertquery_"].iter().any(|made| name.to_lowercase().starts_with(made));
    if is_made || name.is_empty() || !name.chars().all(|character| character.is_alphanumeric() || character == '_') {
        let message = format!("\"{name}\" cannot be the name of a query");
        let detail = "It is made of letters, digits and _, and begins otherwise than names that are given: CSAS_, CTAS_, INSERTQUERY_.";
        return Err(refused(SqlState::INVALID_PARAMETER_VALUE, message).detail(detail));
    }
    match catalog.queries().find(|query| query.name.eq_ignore_ascii_case(&name)) {
        Some(query) => Err(refused(SqlState::DUPLICATE_OBJECT, format!("query \"{}\" already exists", query.name))),
        None => Ok(name),
    }
}
