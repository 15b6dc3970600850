//! `tidemill.late_rows`: the newest rows that came too late for an operator of a query.

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
use crate::engine::queries::LATE_ROLE;
use crate::engine::read::TopicReader;
use crate::engine::read::Until;
use crate::engine::records;
use crate::error::Result;
use crate::model::Offset;
use crate::model::OperatorId;
use crate::model::TopicId;
use crate::model::TopicPartition;
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

/// Offsets of one operator's late rows that are looked at, the newest ones.
const NEWEST: i64 = 1000;

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
            let Ok(late) = late(Arc::clone(&client), &place, *topic).await else { continue };
            rows.extend(late);
        }
    }
    Ok(rows)
}

async fn late(client: Arc<dyn Client>, place: &Place, topic: TopicId) -> Result<Vec<Row>> {
    let partition = TopicPartition::new(topic, 0);
    let ends = client.ends(partition).await?;
    let end = ends.readable_end();
    let next = ends.log_start_offset.max(Offset(end.0 - NEWEST));
    let mut reader = TopicReader { client, partition, next, until: Until::Offset(end) };
    let mut rows = Vec::new();
    let each = |records: &[Record<'_>]| records.iter().map(|record| row(place, record)).collect::<Vec<_>>();
    while let Some(more) = reader.read(each).await? {
        rows.extend(more);
    }
    Ok(rows)
}

fn row(place: &Place, record: &Record<'_>) -> Row {
    let header = |name: &str| {
        let mut headers = record.headers;
        let value = headers.find_map(|(key, value)| (key == name.as_bytes()).then_some(value).flatten());
        value.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<i64>().ok())
    };
    vec![
        text(&place.query),
        text(place.operator.to_string()),
        text(&place.topic),
        Cell::BigInt(record.offset.0),
        optional(header("partition").and_then(|number| i32::try_from(number).ok()), Cell::Int),
        Cell::Millis(record.timestamp),
        optional(header("stream_time"), Cell::Millis),
        optional(record.value, |bytes| text(records::text(bytes))),
    ]
}
