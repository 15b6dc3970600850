//! `tidemill.types`: names that stand for types.

use std::sync::Arc;

use futures::FutureExt;

use super::Kind;
use super::Row;
use super::SystemTable;
use super::text;
use crate::catalog::TypeDefinition;
use crate::engine::core::Engine;
use crate::error::Result;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "types",
    columns: &[("name", Kind::Text), ("type", Kind::Text), ("owner", Kind::Text), ("statement", Kind::Text)],
    rows: |engine| async move { rows(&engine) }.boxed(),
};

fn rows(engine: &Arc<Engine>) -> Result<Vec<Row>> {
    let catalog = engine.catalog()?;
    let row = |definition: &TypeDefinition| {
        let sql_type = definition.sql_type.to_string();
        vec![text(&definition.name), text(sql_type), text(&definition.owner), text(&definition.statement)]
    };
    Ok(catalog.named_types().map(row).collect())
}
