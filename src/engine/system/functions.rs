//! `tidemill.functions`: what can be called, a row each way.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::optional;
use super::text;
use crate::catalog::Compatibility;
use crate::engine::core::Engine;
use crate::plan::FunctionUsage;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "functions",
    columns: &[
        ("name", Kind::Text),
        ("kind", Kind::Text),
        ("arguments", Kind::Text),
        ("result", Kind::Text),
        ("volatility", Kind::Text),
        ("mode", Kind::Text),
        ("standing", Kind::Boolean),
        ("description", Kind::Text),
    ],
    rows: |engine| async move { Ok(rows(&engine)) }.boxed(),
};

fn rows(engine: &Arc<Engine>) -> Vec<Row> {
    let mode = |mode| match mode {
        Compatibility::Postgres => text("postgres"),
        Compatibility::Ksqldb => text("ksqldb"),
    };
    let row = |usage: FunctionUsage| {
        vec![
            text(usage.name),
            text(usage.kind.as_str()),
            text(usage.arguments),
            optional(usage.result, text),
            text(usage.volatility),
            optional(usage.mode, mode),
            Cell::Boolean(usage.standing),
            text(usage.about),
        ]
    };
    engine.functions().reference().into_iter().map(row).collect()
}
