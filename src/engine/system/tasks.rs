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

pub(super) const TABLE: SystemTable = SystemTable {
    name: "tasks",
    columns: &[
        ("query", Kind::Text),
        ("fragment", Kind::BigInt),
        ("partition", Kind::Int),
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
