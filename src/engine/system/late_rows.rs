//! `tidemill.late_rows`: the newest rows that came too late for an operator of a query.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::newest::newest;
use super::newest::number;
use super::optional;
use super::text;
use crate::engine::core::Engine;
use crate::engine::queries::LATE_ROLE;
use crate::engine::records;
use crate::error::Result;
use crate::model::OperatorId;
use crate::protocol::Record;
use crate::security::Principal;

pub(super) const TABLE: SystemTable = SystemTable {
    name: "late_rows",
    columns: &[
        ("query", Kind::Text),
        ("operator", Kind::Text),
        ("topic", Kind::Text),
        ("record_offset", Kind::BigInt),
        ("partition", Kind::Int),
        ("event_time", Kind::Timestamptz),
        ("stream_time", Kind::Timestamptz),
        ("value", Kind::Text),
    ],
    rows: |engine| rows(engine).boxed(),
};

/// Whose late rows they are.
struct Place {
    query: String,
    operator: OperatorId,
    topic: String,
}

async fn rows(engine: Arc<Engine>) -> Result<Vec<Row>> {
    let (catalog, metadata) = (engine.catalog()?, engine.metadata());
    let client = engine.client(&Principal::server());
    let mut rows = Vec::new();
    for query in catalog.queries() {
        for (operator, _, topic) in query.internal_topics.iter().filter(|(_, role, _)| role == LATE_ROLE) {
            let Some(record) = metadata.topic_by_id(*topic) else { continue };
            let place = Place { query: query.name.clone(), operator: operator.clone(), topic: record.name.clone() };
            // A query that was dropped meanwhile has no rows.
            let Ok(late) = newest(Arc::clone(&client), *topic, |record| row(&place, record)).await else { continue };
            rows.extend(late);
        }
    }
    Ok(rows)
}

fn row(place: &Place, record: &Record<'_>) -> Row {
    vec![
        text(&place.query),
        text(place.operator.to_string()),
        text(&place.topic),
        Cell::BigInt(record.offset.0),
        optional(number(record, "partition").and_then(|number| i32::try_from(number).ok()), Cell::Int),
        Cell::Millis(record.timestamp),
        optional(number(record, "stream_time"), Cell::Millis),
        optional(record.value, |bytes| text(records::text(bytes))),
    ]
}
