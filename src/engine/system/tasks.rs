//! `tidemill.tasks`: the tasks of standing queries, with what they counted.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::optional;
use super::text;
use crate::engine::core::Engine;
use crate::error::Result;
use crate::exec::Course;
use crate::exec::QueryState;
use crate::exec::Stage;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "tasks",
    columns: &[
        ("query", Kind::Text),
        ("fragment", Kind::BigInt),
        ("partition", Kind::Int),
        ("state", Kind::Text),
        ("done", Kind::BigInt),
        ("to_do", Kind::BigInt),
        ("rows", Kind::BigInt),
        ("late", Kind::BigInt),
        ("bad", Kind::BigInt),
        ("errors", Kind::BigInt),
        ("cuts", Kind::BigInt),
        ("attempts", Kind::BigInt),
        ("last_error", Kind::Text),
    ],
    rows: |engine| async move { rows(&engine) }.boxed(),
};

fn state(query: &QueryState, stage: Stage) -> &'static str {
    match (query, stage) {
        (QueryState::Failed(_), _) => "FAILED",
        (_, Stage::Restoring) => "RESTORING",
        (_, Stage::CatchingUp) => "CATCHING_UP",
        (_, Stage::Running) => "RUNNING",
    }
}

/// A count of what is under way, null when nothing is.
fn under_way(course: Course, records: u64) -> Cell {
    match course.stage {
        Stage::Running => Cell::Null,
        Stage::Restoring | Stage::CatchingUp => Cell::BigInt(i64::try_from(records).unwrap_or(i64::MAX)),
    }
}

fn rows(engine: &Arc<Engine>) -> Result<Vec<Row>> {
    let catalog = engine.catalog()?;
    let count = |count: u64| Cell::BigInt(i64::try_from(count).unwrap_or(i64::MAX));
    let mut rows = Vec::new();
    for query in catalog.queries() {
        let Some(status) = engine.runtime().status(query.id) else { continue };
        for task in status.tasks {
            rows.push(vec![
                text(&query.name),
                count(task.fragment as u64),
                Cell::Int(task.partition),
                text(state(&status.state, task.course.stage)),
                under_way(task.course, task.course.done),
                under_way(task.course, task.course.to_do),
                count(task.counts.rows),
                count(task.counts.late),
                count(task.counts.bad),
                count(task.counts.errors),
                count(task.counts.cuts),
                count(u64::from(task.attempts)),
                optional(task.last_error, text),
            ]);
        }
    }
    Ok(rows)
}
