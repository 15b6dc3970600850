//! `tidemill.queries`: the standing queries.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::optional;
use super::text;
use crate::broker::GroupDescription;
use crate::catalog::EmitMode;
use crate::catalog::QueryDefinition;
use crate::catalog::QueryState;
use crate::engine::core::Engine;
use crate::error::Result;
use crate::exec::Course;
use crate::exec::Stage;
use crate::exec::TaskStatus;
use crate::model::QueryId;
use crate::security::Principal;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "queries",
    columns: &[
        ("name", Kind::Text),
        ("query_id", Kind::BigInt),
        ("sink", Kind::Text),
        ("sources", Kind::Text),
        ("state", Kind::Text),
        ("reason", Kind::Text),
        ("done", Kind::BigInt),
        ("to_do", Kind::BigInt),
        ("lag", Kind::BigInt),
        ("emit", Kind::Text),
        ("statement", Kind::Text),
    ],
    rows: |engine| rows(engine).boxed(),
};

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let catalog = engine.catalog()?;
    let lags = lags(&engine.client(&Principal::server()).groups().await?);
    let name = |id| catalog.relation_by_id(id).map(|relation| relation.name.clone());
    Ok(catalog
        .queries()
        .map(|query| {
            let sources: Vec<String> = query.sources.iter().filter_map(|id| name(*id)).collect();
            let Standing { state, reason, course } = standing(&engine, query);
            vec![
                text(&query.name),
                Cell::BigInt(i64::try_from(query.id.0).unwrap_or(i64::MAX)),
                optional(name(query.sink), text),
                text(sources.join(", ")),
                text(state),
                optional(reason, text),
                optional(course, |course| count(course.done)),
                optional(course, |course| count(course.to_do)),
                optional(lags.get(&query.id), |lag| Cell::BigInt(*lag)),
                text(match query.semantics.emit {
                    EmitMode::Net => "net",
                    EmitMode::All => "all",
                }),
                text(&query.statement),
            ]
        })
        .collect())
}

/// Records that queries have still to read. Of one without positions it is not known.
pub fn lags(groups: &[GroupDescription]) -> HashMap<QueryId, i64> {
    let mut lags: HashMap<QueryId, i64> = HashMap::new();
    for group in groups.iter().filter(|group| !group.offsets.is_empty()) {
        if let Some(query) = QueryId::of_group(&group.group) {
            *lags.entry(query).or_default() += group.offsets.iter().filter_map(|offset| offset.lag).sum::<i64>();
        }
    }
    lags
}

/// How a query does, in words.
pub struct Standing {
    /// RUNNING, RESTORING, PAUSED, ERROR while it is tried again, or FAILED.
    pub state: &'static str,
    /// Why it failed, or does not get on.
    reason: Option<String>,
    course: Option<Course>,
}

/// How a query does.
pub fn standing(engine: &Engine, query: &QueryDefinition) -> Standing {
    let failed = engine.stopped_because(query.id);
    let status = engine.runtime().status(query.id);
    let waits = status.is_none() && engine.is_starting();
    let tasks = status.map(|status| status.tasks).unwrap_or_default();
    let course = course(&tasks);
    let is_restored = waits || course.is_some_and(|course| course.stage == Stage::Restoring);
    let setback = setback(&tasks);
    let state = match query.state {
        QueryState::Running if failed.is_some() => "FAILED",
        QueryState::Running if setback.is_some() => "ERROR",
        QueryState::Running if is_restored => "RESTORING",
        QueryState::Running => "RUNNING",
        QueryState::Paused => "PAUSED",
    };
    Standing { state, reason: failed.or(setback), course }
}

/// Why a query does not come further at the moment, and is tried again.
fn setback(tasks: &[TaskStatus]) -> Option<String> {
    tasks.iter().filter(|task| task.is_held_up).find_map(|task| task.last_error.clone())
}

/// What a query's tasks are at together, `None` if they have no more than what comes in.
fn course(tasks: &[TaskStatus]) -> Option<Course> {
    let courses = || tasks.iter().map(|task| task.course);
    let mut stages = [Stage::Restoring, Stage::CatchingUp].into_iter();
    let stage = stages.find(|stage| courses().any(|course| course.stage == *stage))?;
    // Tasks that have caught up have read their part.
    let counted = courses().filter(|course| stage == Stage::CatchingUp || course.stage == stage);
    let (done, to_do) = counted.fold((0, 0), |(done, to_do), course| (done + course.done, to_do + course.to_do));
    Some(Course { stage, done, to_do })
}

fn count(records: u64) -> Cell {
    Cell::BigInt(i64::try_from(records).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_tried_again_tells_why_until_it_comes_further() {
        let task = |is_held_up, last_error: Option<&str>| TaskStatus {
            fragment: 0,
            partition: 0,
            course: Course { stage: Stage::Restoring, done: 0, to_do: 0 },
            positions: Vec::new(),
            counts: Default::default(),
            state_bytes: Vec::new(),
            attempts: 1,
            last_error: last_error.map(str::to_string),
            is_held_up,
        };
        let fails = task(true, Some("division by zero"));
        assert_eq!(setback(&[task(false, None), fails]).as_deref(), Some("division by zero"));
        assert_eq!(setback(&[task(false, Some("division by zero"))]), None, "it has committed since");
    }
}
