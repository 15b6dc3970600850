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
use crate::catalog::EmitMode;
use crate::catalog::QueryState;
use crate::engine::core::Engine;
use crate::error::Result;
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
        ("lag", Kind::BigInt),
        ("emit", Kind::Text),
        ("statement", Kind::Text),
    ],
    rows: |engine| rows(engine).boxed(),
};

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let catalog = engine.catalog()?;
    let groups = engine.client(&Principal::server()).groups().await?;
    let lags: HashMap<String, i64> = groups
        .into_iter()
        // A group without offsets has not committed yet: what is left to read is not known.
        .filter(|group| !group.offsets.is_empty())
        .map(|group| (group.group, group.offsets.iter().filter_map(|offset| offset.lag).sum()))
        .collect();
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
                optional(lags.get(&query.id.group()), |lag| Cell::BigInt(*lag)),
                text(match query.semantics.emit {
                    EmitMode::Net => "net",
                    EmitMode::All => "all",
                }),
                text(&query.statement),
            ]
        })
        .collect())
}
