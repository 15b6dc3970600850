//! `tidemill.groups`: every consumer group, those of standing queries too.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::text;
use crate::engine::core::Engine;
use crate::error::Result;
use crate::security::Principal;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "groups",
    columns: &[
        ("group", Kind::Text),
        ("protocol", Kind::Text),
        ("members", Kind::BigInt),
        ("partitions", Kind::BigInt),
        ("lag", Kind::BigInt),
    ],
    rows: |engine| rows(engine).boxed(),
};

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let groups = engine.client(&Principal::server()).groups().await?;
    let count = |length: usize| Cell::BigInt(i64::try_from(length).unwrap_or(i64::MAX));
    Ok(groups
        .into_iter()
        .map(|group| {
            let lag = group.offsets.iter().filter_map(|offset| offset.lag).sum();
            let (members, partitions) = (count(group.members.len()), count(group.offsets.len()));
            vec![text(group.group), text(group.kind.to_string()), members, partitions, Cell::BigInt(lag)]
        })
        .collect())
}
