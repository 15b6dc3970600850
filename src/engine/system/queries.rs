//! `tidemill.queries`: the standing queries.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::optional;
use super::text;
use crate::catalog::EmitMode;
use crate::catalog::QueryState;
use crate::engine::core::Engine;
use crate::error::Result;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "queries",
    columns: &[
        ("name", Kind::Text),
        ("query_id", Kind::BigInt),
        ("sink", Kind::Text),
        ("sources", Kind::Text),
        ("state", Kind::Text),
        ("reason", Kind::Text),
        ("emit", Kind::Text),
        ("statement", Kind::Text),
    ],
    rows: |engine| async move { rows(&engine) }.boxed(),
};

fn rows(engine: &Arc<Engine>) -> Result<Vec<Row>> {
    let catalog = engine.catalog()?;
    let name = |id| catalog.relation_by_id(id).map(|relation| relation.name.clone());
    Ok(catalog
        .queries()
        .map(|query| {
            let sources: Vec<String> = query.sources.iter().filter_map(|id| name(*id)).collect();
            let reason = engine.stopped_because(query.id);
            vec![
                text(&query.name),
                Cell::BigInt(i64::try_from(query.id.0).unwrap_or(i64::MAX)),
                optional(name(query.sink), text),
                text(sources.join(", ")),
                text(match query.state {
                    QueryState::Running if reason.is_some() => "FAILED",
                    QueryState::Running => "RUNNING",
                    QueryState::Paused => "PAUSED",
                }),
                optional(reason, text),
                text(match query.semantics.emit {
                    EmitMode::Net => "net",
                    EmitMode::All => "all",
                }),
                text(&query.statement),
            ]
        })
        .collect())
}
