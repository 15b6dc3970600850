//! `tidemill.dead_letters`: the newest records that could not be read as their relation says, and why.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::newest::header;
use super::newest::newest;
use super::newest::number;
use super::optional;
use super::text;
use crate::engine::core::Engine;
use crate::engine::records;
use crate::error::Result;
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

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let catalog = engine.catalog()?;
    let client = engine.client(&Principal::server());
    let mut rows = Vec::new();
    for relation in catalog.relations() {
        let Some((_, topic)) = &relation.dead_letter_topic else { continue };
        // A relation that was dropped meanwhile has no rows.
        let Ok(letters) = newest(Arc::clone(&client), *topic, |record| row(&relation.name, record)).await else {
            continue;
        };
        rows.extend(letters);
    }
    Ok(rows)
}

fn row(relation: &str, record: &Record<'_>) -> Row {
    let shown = |bytes: &[u8]| text(records::text(bytes));
    vec![
        text(relation),
        optional(header(record, "topic"), shown),
        optional(number(record, "partition").and_then(|number| i32::try_from(number).ok()), Cell::Int),
        optional(number(record, "offset"), Cell::BigInt),
        Cell::Millis(record.timestamp),
        optional(record.key, shown),
        optional(record.value, shown),
        optional(header(record, "reason"), shown),
    ]
}
