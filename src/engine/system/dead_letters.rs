//! `tidemill.dead_letters`: the newest records that could not be read as their relation says, and why.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::optional;
use super::text;
use crate::broker::Client;
use crate::engine::core::Engine;
use crate::engine::read::TopicReader;
use crate::engine::read::Until;
use crate::engine::records;
use crate::error::Result;
use crate::model::Offset;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::Record;
use crate::security::Principal;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "dead_letters",
    columns: &[
        ("relation", Kind::Text),
        ("topic", Kind::Text),
        ("partition", Kind::Int),
        ("record_offset", Kind::BigInt),
        ("recorded_at", Kind::Timestamptz),
        ("key", Kind::Text),
        ("value", Kind::Text),
        ("reason", Kind::Text),
    ],
    rows: |engine| rows(engine).boxed(),
};

/// Offsets of one relation's dead letters that are looked at, the newest ones.
const NEWEST: i64 = 1000;

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let catalog = engine.catalog()?;
    let client = engine.client(&Principal::server());
    let mut rows = Vec::new();
    for relation in catalog.relations() {
        let Some((_, topic)) = &relation.dead_letter_topic else { continue };
        // A relation that was dropped meanwhile has no rows.
        let Ok(letters) = letters(Arc::clone(&client), &relation.name, *topic).await else { continue };
        rows.extend(letters);
    }
    Ok(rows)
}

async fn letters(client: Arc<dyn Client>, relation: &str, topic: TopicId) -> Result<Vec<Row>> {
    let partition = TopicPartition::new(topic, 0);
    let ends = client.ends(partition).await?;
    let end = ends.readable_end();
    let next = ends.log_start_offset.max(Offset(end.0 - NEWEST));
    let mut reader = TopicReader { client, partition, next, until: Until::Offset(end) };
    let mut rows = Vec::new();
    let each = |records: &[Record<'_>]| records.iter().map(|record| row(relation, record)).collect::<Vec<_>>();
    while let Some(more) = reader.read(each).await? {
        rows.extend(more);
    }
    Ok(rows)
}

fn row(relation: &str, record: &Record<'_>) -> Row {
    let shown = |bytes: &[u8]| text(records::text(bytes));
    let header = |name: &str| {
        let mut headers = record.headers;
        headers.find_map(|(key, value)| (key == name.as_bytes()).then_some(value).flatten())
    };
    let number = |name: &str| header(name).and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<i64>().ok());
    vec![
        text(relation),
        optional(header("topic"), shown),
        optional(number("partition").and_then(|number| i32::try_from(number).ok()), Cell::Int),
        optional(number("offset"), Cell::BigInt),
        Cell::Millis(record.timestamp),
        optional(record.key, shown),
        optional(record.value, shown),
        optional(header("reason"), shown),
    ]
}
