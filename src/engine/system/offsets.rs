//! `tidemill.offsets`: where each group stands in each partition, and its lag.

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
    name: "offsets",
    columns: &[
        ("group", Kind::Text),
        ("topic", Kind::Text),
        ("partition", Kind::Int),
        ("committed_offset", Kind::BigInt),
        ("readable_end", Kind::BigInt),
        ("lag", Kind::BigInt),
    ],
    rows: |engine| rows(engine).boxed(),
};

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let metadata = engine.metadata();
    let groups = engine.client(&Principal::server()).groups().await?;
    let mut rows = Vec::new();
    for group in groups {
        for offset in group.offsets {
            let topic = metadata.topic_by_id(offset.partition.topic);
            rows.push(vec![
                text(&group.group),
                optional(topic, |topic| text(&topic.name)),
                Cell::Int(offset.partition.partition.0),
                Cell::BigInt(offset.committed.offset.0),
                optional(offset.readable_end, |end| Cell::BigInt(end.0)),
                optional(offset.lag, Cell::BigInt),
            ]);
        }
    }
    Ok(rows)
}
