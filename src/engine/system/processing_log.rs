//! `tidemill.processing_log`: what tasks of standing queries could not do with single rows and records.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::text;
use crate::engine::core::Engine;
use crate::error::Result;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "processing_log",
    columns: &[("query", Kind::Text), ("fragment", Kind::BigInt), ("partition", Kind::Int), ("entry", Kind::Text)],
    rows: |engine| async move { rows(&engine) }.boxed(),
};

fn rows(engine: &Arc<Engine>) -> Result<Vec<Row>> {
    let catalog = engine.catalog()?;
    let mut rows = Vec::new();
    for query in catalog.queries() {
        let Some(status) = engine.runtime().status(query.id) else { continue };
        for task in status.tasks {
            let fragment = i64::try_from(task.fragment).unwrap_or(i64::MAX);
            let place = || [text(&query.name), Cell::BigInt(fragment), Cell::Int(task.partition)];
            rows.extend(task.counts.log.iter().map(|entry| place().into_iter().chain([text(entry)]).collect::<Row>()));
        }
    }
    Ok(rows)
}
