//! `tidemill.memory`: the pools of memory, and the process beside them.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::text;
use crate::engine::core::Engine;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "memory",
    columns: &[("pool", Kind::Text), ("bytes", Kind::BigInt), ("limit_bytes", Kind::BigInt)],
    rows: |engine| async move { Ok(rows(&engine)) }.boxed(),
};

fn rows(engine: &Arc<Engine>) -> Vec<Row> {
    let count = |bytes: usize| Cell::BigInt(i64::try_from(bytes).unwrap_or(i64::MAX));
    let pools = engine.memory().pools();
    let row = |name: &str, used, limit| vec![text(name), count(used), count(limit)];
    let mut rows = pools.map(|pool| row(pool.name(), pool.used(), pool.limit())).to_vec();
    let publisher = engine.publisher();
    rows.push(row("pins", publisher.pins().bytes, publisher.memory().pinned_max()));
    let limit = engine.memory().limit();
    if let Some(figures) = (engine.env().allocator_figures)() {
        rows.push(row("allocated", figures.allocated, limit));
        rows.push(row("resident", figures.resident, limit));
    }
    if let Some(resident) = (engine.env().resident_bytes)() {
        rows.push(row("process", resident, limit));
    }
    rows
}
