//! `tidemill.views`: names for queries. What a MATERIALIZED VIEW keeps is in `tidemill.tables`.

use std::sync::Arc;

use futures::FutureExt;

use super::Kind;
use super::Row;
use super::SystemTable;
use super::text;
use crate::catalog::PlainView;
use crate::engine::core::Engine;
use crate::error::Result;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "views",
    columns: &[("name", Kind::Text), ("owner", Kind::Text), ("statement", Kind::Text)],
    rows: |engine| async move { rows(&engine) }.boxed(),
};

fn rows(engine: &Arc<Engine>) -> Result<Vec<Row>> {
    let row = |view: &Arc<PlainView>| vec![text(&view.name), text(&view.owner), text(&view.statement)];
    Ok(engine.catalog()?.views().map(row).collect())
}
