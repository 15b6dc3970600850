//! `tidemill.streams` and `tidemill.tables`: what was created over topics.

use std::sync::Arc;

use futures::FutureExt;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::optional;
use super::text;
use crate::catalog::Format;
use crate::catalog::Relation;
use crate::engine::core::Engine;
use crate::error::Result;

const COLUMNS: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("topic", Kind::Text),
    ("partitions", Kind::Int),
    ("key_format", Kind::Text),
    ("value_format", Kind::Text),
    ("windowed", Kind::Boolean),
    ("query", Kind::Text),
    ("dead_letter_topic", Kind::Text),
    ("owner", Kind::Text),
    ("statement", Kind::Text),
];

pub(super) const STREAMS: SystemTable =
    SystemTable { name: "streams", columns: COLUMNS, rows: |engine| async move { rows(&engine, false) }.boxed() };

pub(super) const TABLES: SystemTable =
    SystemTable { name: "tables", columns: COLUMNS, rows: |engine| async move { rows(&engine, true) }.boxed() };

fn rows(engine: &Arc<Engine>, tables: bool) -> Result<Vec<Row>> {
    let catalog = engine.catalog()?;
    let row = |relation: &Arc<Relation>| {
        let query = relation.query.and_then(|id| catalog.query(id));
        vec![
            text(relation.name_among_all()),
            text(&relation.topic),
            Cell::Int(relation.partitions),
            text(format(relation.formats.key)),
            text(format(relation.formats.value)),
            Cell::Boolean(relation.window.is_some()),
            optional(query, |query| text(&query.name)),
            optional(relation.dead_letter_topic.as_ref(), |(name, _)| text(name)),
            text(&relation.owner),
            text(&relation.statement),
        ]
    };
    Ok(catalog.relations().filter(|relation| relation.is_table() == tables).map(row).collect())
}

/// A format's name.
pub(in crate::engine) fn format(format: Format) -> &'static str {
    match format {
        Format::None => "NONE",
        Format::Kafka => "KAFKA",
        Format::Json => "JSON",
        Format::Delimited { .. } => "DELIMITED",
    }
}
