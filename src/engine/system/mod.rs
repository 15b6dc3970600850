//! The schema `tidemill`: what the server is made of, as tables. One file a table, one line in `TABLES`.
//!
//! Rows are made when a statement reads them, from what there is at that moment.

mod dead_letters;
mod frontiers;
mod functions;
mod group_members;
mod groups;
mod late_rows;
mod memory;
mod newest;
mod offsets;
mod partitions;
mod processing_log;
mod queries;
mod relations;
mod schema;
mod segments;
mod settings;
mod tasks;
mod topics;
mod transactions;
mod types;
mod views;

use std::sync::Arc;
use std::sync::Weak;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::SchemaProvider;
use futures::future::BoxFuture;

pub(super) use self::queries::lags;
pub(super) use self::queries::standing;
pub(super) use self::relations::format;
use self::schema::SystemSchema;
use super::core::Engine;
use crate::error::Result;
use crate::model::SqlType;

/// One system table.
pub(super) struct SystemTable {
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    rows: fn(Arc<Engine>) -> BoxFuture<'static, Result<Vec<Row>>>,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    BigInt,
    Int,
    Boolean,
    Timestamptz,
}

/// A value, of its column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    Text(String),
    BigInt(i64),
    Int(i32),
    Boolean(bool),
    /// Milliseconds since 1970, of a `Timestamptz`.
    Millis(i64),
    Null,
}

type Row = Vec<Cell>;

const TABLES: &[&SystemTable] = &[
    &dead_letters::TABLE,
    &frontiers::TABLE,
    &functions::TABLE,
    &group_members::TABLE,
    &groups::TABLE,
    &late_rows::TABLE,
    &memory::TABLE,
    &offsets::TABLE,
    &partitions::TABLE,
    &processing_log::TABLE,
    &queries::TABLE,
    &relations::STREAMS,
    &relations::TABLES,
    &segments::TABLE,
    &settings::TABLE,
    &tasks::TABLE,
    &topics::TABLE,
    &transactions::TABLE,
    &types::TABLE,
    &views::TABLE,
];

/// The schema, for all sessions.
pub(super) fn schema(engine: Weak<Engine>) -> Arc<dyn SchemaProvider> {
    Arc::new(SystemSchema::new(engine))
}

impl Kind {
    fn arrow(self) -> DataType {
        match self {
            Kind::Text => DataType::Utf8,
            Kind::BigInt => DataType::Int64,
            Kind::Int => DataType::Int32,
            Kind::Boolean => DataType::Boolean,
            Kind::Timestamptz => SqlType::TimestampTz.arrow(),
        }
    }
}

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(value.into())
}

fn optional<T>(value: Option<T>, cell: impl Fn(T) -> Cell) -> Cell {
    value.map_or(Cell::Null, cell)
}

/// Rows as a batch of the table's columns.
fn batch(table: &SystemTable, schema: &arrow::datatypes::SchemaRef, rows: &[Row]) -> Result<RecordBatch> {
    schema::batch(table, schema, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_exactly_these_tables_and_columns() {
        let page = include_str!("../../../docs/sql/system-tables.md");
        let sections: Vec<&str> = page.split("\n## tidemill.").skip(1).collect();
        let names: Vec<&str> = sections.iter().filter_map(|section| section.lines().next()).collect();
        assert_eq!(names, TABLES.iter().map(|table| table.name).collect::<Vec<_>>());
        for (table, section) in TABLES.iter().zip(sections) {
            let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
            assert_eq!(rows.len(), table.columns.len(), "tidemill.{}", table.name);
            for ((name, kind), row) in table.columns.iter().zip(rows) {
                let start = format!("| `{name}` | {} | ", format!("{kind:?}").to_uppercase());
                assert!(row.starts_with(&start), "tidemill.{}: {row} is not {start}", table.name);
            }
        }
    }
}
