//! `tidemill.topics`: every topic, internal ones too.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::optional;
use super::text;
use crate::cluster::CleanupPolicy;
use crate::cluster::FlushPolicy;
use crate::cluster::TopicRecord;
use crate::engine::core::Engine;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "topics",
    columns: &[
        ("name", Kind::Text),
        ("topic_id", Kind::Text),
        ("partitions", Kind::Int),
        ("cleanup_policy", Kind::Text),
        ("flush", Kind::Text),
        ("retention_ms", Kind::BigInt),
        ("internal", Kind::Boolean),
    ],
    rows: |engine| async move { Ok(rows(&engine)) }.boxed(),
};

fn rows(engine: &Arc<Engine>) -> Vec<Row> {
    engine.metadata().topics().map(row).collect()
}

fn row(topic: &TopicRecord) -> Row {
    let cleanup = match topic.config.cleanup_policy {
        CleanupPolicy::Delete => "delete",
        CleanupPolicy::Compact => "compact",
        CleanupPolicy::CompactDelete => "compact,delete",
    };
    let flush = match topic.config.flush {
        FlushPolicy::Ack => "ack",
        FlushPolicy::Interval(_) => "interval",
        FlushPolicy::Os => "os",
    };
    vec![
        text(&topic.name),
        text(topic.id.to_string()),
        Cell::Int(topic.partitions),
        text(cleanup),
        text(flush),
        optional(topic.config.retention_ms, Cell::BigInt),
        Cell::Boolean(topic.config.internal),
    ]
}
