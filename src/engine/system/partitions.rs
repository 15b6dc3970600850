//! `tidemill.partitions`: where each partition of each topic begins and ends.

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
use crate::security::Principal;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "partitions",
    columns: &[
        ("topic", Kind::Text),
        ("partition", Kind::Int),
        ("log_start_offset", Kind::BigInt),
        ("last_stable_offset", Kind::BigInt),
        ("high_watermark", Kind::BigInt),
        ("log_end_offset", Kind::BigInt),
        ("leader_epoch", Kind::Int),
        ("tombstones_from", Kind::BigInt),
        ("compacted_upto", Kind::BigInt),
        ("compaction_error", Kind::Text),
        ("damaged_from", Kind::BigInt),
        ("damaged_segments", Kind::BigInt),
    ],
    rows: |engine| rows(engine).boxed(),
};

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let client = engine.client(&Principal::server());
    let metadata = engine.metadata();
    let mut rows = Vec::new();
    for topic in metadata.topics() {
        for id in topic.partition_ids() {
            // A topic that was dropped meanwhile has no row.
            let Ok(ends) = client.ends(id).await else { continue };
            let Ok(health) = client.health(id).await else { continue };
            rows.push(vec![
                text(&topic.name),
                Cell::Int(id.partition.0),
                Cell::BigInt(ends.log_start_offset.0),
                Cell::BigInt(ends.last_stable_offset.0),
                Cell::BigInt(ends.high_watermark.0),
                Cell::BigInt(ends.log_end_offset.0),
                Cell::Int(ends.leader_epoch.0),
                Cell::BigInt(ends.tombstones_from.0),
                Cell::BigInt(health.compacted_upto.0),
                optional(client.compaction_error(id), Cell::Text),
                optional(health.corrupt_from.map(|offset| offset.0), Cell::BigInt),
                Cell::BigInt(i64::try_from(health.damaged_segments).unwrap_or(i64::MAX)),
            ]);
        }
    }
    Ok(rows)
}
