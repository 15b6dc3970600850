//! `tidemill.memory`: the pools of memory.

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
    pools.map(|pool| vec![text(pool.name()), count(pool.used()), count(pool.limit())]).to_vec()
}
