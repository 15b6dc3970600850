//! `tidemill.frontiers`: up to where each view reflects the topics that it stands on.

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
    name: "frontiers",
    columns: &[
        ("view", Kind::Text),
        ("topic", Kind::Text),
        ("partition", Kind::Int),
        ("reflected_offset", Kind::BigInt),
        ("readable_end", Kind::BigInt),
        ("lag", Kind::BigInt),
    ],
    rows: |engine| rows(engine).boxed(),
};

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let (catalog, metadata, published) = (engine.catalog()?, engine.metadata(), engine.published());
    let client = engine.client(&Principal::server());
    let mut rows = Vec::new();
    for relation in catalog.relations() {
        let Some(view) = published.view(relation.id) else { continue };
        for (partition, reflected) in view.frontier() {
            let topic = metadata.topic_by_id(partition.topic);
            let lag = client.lag(partition, reflected).await.ok();
            rows.push(vec![
                text(&relation.name),
                optional(topic, |topic| text(&topic.name)),
                Cell::Int(partition.partition.0),
                Cell::BigInt(reflected.0),
                optional(lag, |lag| Cell::BigInt(lag.readable_end.0)),
                optional(lag, |lag| Cell::BigInt(lag.records)),
            ]);
        }
    }
    Ok(rows)
}
