//! SELECT: a pull query, or a push query with EMIT.

use std::collections::BTreeSet;

use super::push;
use crate::catalog::Catalog;
use crate::engine::outcome::Description;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::Value;
use crate::engine::read::Planned;
use crate::engine::read::Planner;
use crate::engine::read::Reading;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::model::RelationId;
use crate::model::SqlType;
use crate::sql::Select;

pub(super) async fn execute(session: &mut Session, select: &Select, parameters: &[Value]) -> Result<Outcome> {
    if select.emit.is_some() {
        if !parameters.is_empty() {
            return Err(Error::unsupported("a push query cannot have parameters"));
        }
        return push::execute(session, select).await;
    }
    let reading = pin(session).await?;
    let planned = session.engine.planner().plan(session, select, &reading).await?.bind(parameters)?;
    let (fields, rows) = planned.run(&session.settings.zone_name()).await?;
    Ok(Outcome::Rows { fields, rows, push: false, tag: "SELECT" })
}

/// The plan of a pull query, as EXPLAIN wants it.
pub(super) async fn plan(session: &Session, select: &Select, parameters: &[Value]) -> Result<Planned> {
    let reading = Planner::pin(session)?;
    session.engine.planner().plan(session, select, &reading).await?.bind(parameters)
}

pub(super) async fn describe(session: &Session, select: &Select, known: &[Option<SqlType>]) -> Result<Description> {
    if select.emit.is_some() {
        let (plan, _) = push::plan(session, select)?;
        return Ok(Description { params: Vec::new(), fields: Some(push::fields(&plan)) });
    }
    let reading = Planner::pin(session)?;
    let planned = session.engine.planner().plan(session, select, &reading).await?;
    Ok(Description { params: planned.parameters(known)?, fields: Some(planned.fields()) })
}

/// Pins what is read; under `read_your_writes` not before the views over what the session wrote cover it.
async fn pin(session: &Session) -> Result<Reading> {
    if !session.settings.is("read_your_writes", "on") {
        return Planner::pin(session);
    }
    let catalog = session.engine.catalog()?;
    let mut waits = Vec::new();
    for (partition, end) in session.written.ends() {
        let views = views_over(&catalog, |relation| relation.topic_id == partition.topic);
        waits.extend(views.into_iter().map(|view| (view, partition, end)));
    }
    let mut published = session.engine.publisher().subscribe();
    let covered = published
        .wait_for(|published| {
            waits.iter().all(|(view, partition, end)| {
                // A view that is not published, because its query stopped, would never come.
                published.view(*view).is_none_or(|view| view.covers(*partition, *end))
            })
        })
        .await;
    if covered.is_err() {
        return Err(Error::internal("views are no longer published"));
    }
    drop(covered);
    Planner::pin(session)
}

/// The relations kept by queries that read one that `wanted` picks. A view's frontier knows what its own query reads and
/// nothing further up, so a view over a view is not waited for.
fn views_over(catalog: &Catalog, wanted: impl Fn(&crate::catalog::Relation) -> bool) -> BTreeSet<RelationId> {
    let read = catalog.relations().filter(|relation| wanted(relation));
    read.flat_map(|relation| catalog.readers(relation.id)).map(|query| query.sink).collect()
}
