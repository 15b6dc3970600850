//! `tidemill.segments`: the files that hold each partition's records.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::optional;
use super::text;
use crate::broker::SegmentDamage;
use crate::broker::SegmentDescription;
use crate::engine::core::Engine;
use crate::error::Result;
use crate::model::PartitionId;
use crate::security::Principal;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "segments",
    columns: &[
        ("topic", Kind::Text),
        ("partition", Kind::Int),
        ("base_offset", Kind::BigInt),
        ("next_offset", Kind::BigInt),
        ("bytes", Kind::BigInt),
        ("max_timestamp", Kind::Timestamptz),
        ("appended_at", Kind::Timestamptz),
        ("sealed", Kind::Boolean),
        ("checked_at", Kind::Timestamptz),
        ("damage", Kind::Text),
    ],
    rows: |engine| rows(engine).boxed(),
};

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let client = engine.client(&Principal::server());
    let metadata = engine.metadata();
    let mut rows = Vec::new();
    for topic in metadata.topics() {
        for partition in topic.partition_ids() {
            // A topic that was dropped meanwhile has no row.
            let Ok(segments) = client.segments(partition).await else { continue };
            rows.extend(segments.iter().map(|segment| row(&topic.name, partition.partition, segment)));
        }
    }
    Ok(rows)
}

fn row(topic: &str, partition: PartitionId, segment: &SegmentDescription) -> Row {
    let appended_at = (!segment.is_empty()).then_some(segment.appended_at_ms);
    vec![
        text(topic),
        Cell::Int(partition.0),
        Cell::BigInt(segment.base_offset.0),
        Cell::BigInt(segment.next_offset.0),
        Cell::BigInt(i64::try_from(segment.size_in_bytes).unwrap_or(i64::MAX)),
        optional(segment.max_timestamp.map(|time| time.0), Cell::Millis),
        optional(appended_at, Cell::Millis),
        Cell::Boolean(segment.sealed),
        optional(segment.check.map(|check| check.checked_at_ms), Cell::Millis),
        optional(segment.check.and_then(|check| check.damage), |damage| text(told(damage))),
    ]
}

fn told(damage: SegmentDamage) -> String {
    match damage {
        SegmentDamage::Missing => "missing".to_string(),
        SegmentDamage::Bytes(offset) => format!("bytes from offset {offset}"),
        SegmentDamage::Hashes => "hashes".to_string(),
        SegmentDamage::Unreadable => "unreadable".to_string(),
    }
}
