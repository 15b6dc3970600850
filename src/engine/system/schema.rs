//! System tables as DataFusion sees them.

use std::fmt;
use std::sync::Arc;
use std::sync::Weak;

use arrow::array::ArrayRef;
use arrow::array::BooleanArray;
use arrow::array::Int32Array;
use arrow::array::Int64Array;
use arrow::array::StringArray;
use arrow::array::TimestampMicrosecondArray;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::record_batch::RecordBatchOptions;
use async_trait::async_trait;
use datafusion::catalog::SchemaProvider;
use datafusion::catalog::Session;
use datafusion::catalog::TableProvider;
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use super::Cell;
use super::Kind;
use super::Row;
use super::SystemTable;
use super::TABLES;
use crate::engine::core::Engine;
use crate::error::Error;
use crate::error::Result;

/// All system tables.
pub(super) struct SystemSchema {
    engine: Weak<Engine>,
}

impl SystemSchema {
    pub(super) fn new(engine: Weak<Engine>) -> Self {
        Self { engine }
    }
}

impl fmt::Debug for SystemSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("system tables")
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        TABLES.iter().map(|table| table.name.to_string()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let table = TABLES.iter().find(|table| table.name == name);
        Ok(table.map(|table| {
            let fields: Vec<Field> =
                table.columns.iter().map(|(name, kind)| Field::new(*name, kind.arrow(), true)).collect();
            let schema = Arc::new(Schema::new(fields));
            Arc::new(Provider { table, schema, engine: self.engine.clone() }) as Arc<dyn TableProvider>
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.iter().any(|table| table.name == name)
    }
}

struct Provider {
    table: &'static SystemTable,
    schema: SchemaRef,
    engine: Weak<Engine>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table.name)
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    // psql's \dt lists tables of all schemas; as views they stay out of it.
    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let external = |error: Error| DataFusionError::External(Box::new(error));
        let engine = self.engine.upgrade().ok_or_else(|| external(Error::internal("the engine is closed")))?;
        let rows = (self.table.rows)(engine).await.map_err(external)?;
        let batch = super::batch(self.table, &self.schema, &rows).map_err(external)?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], Arc::clone(&self.schema), projection.cloned())?)
    }
}

/// Rows as a batch; a cell of another type than its column's is our bug.
pub(super) fn batch(table: &SystemTable, schema: &SchemaRef, rows: &[Row]) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(table.columns.len());
    for (index, (name, kind)) in table.columns.iter().enumerate() {
        columns.push(
            column(*kind, rows.iter().map(|row| row.get(index))).ok_or_else(|| {
                Error::internal(format!("a cell of tidemill.{}.{name} has the wrong type", table.name))
            })?,
        );
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::internal("a system table's columns do not fit").caused_by(error))
}

fn column<'a>(kind: Kind, cells: impl Iterator<Item = Option<&'a Cell>>) -> Option<ArrayRef> {
    fn all<'a, T>(
        cells: impl Iterator<Item = Option<&'a Cell>>,
        take: impl Fn(&Cell) -> Option<T>,
    ) -> Option<Vec<Option<T>>> {
        cells
            .map(|cell| match cell? {
                Cell::Null => Some(None),
                cell => take(cell).map(Some),
            })
            .collect()
    }
    Some(match kind {
        Kind::Text => Arc::new(StringArray::from(all(cells, |cell| match cell {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        })?)),
        Kind::BigInt => Arc::new(Int64Array::from(all(cells, |cell| match cell {
            Cell::BigInt(number) => Some(*number),
            _ => None,
        })?)),
        Kind::Int => Arc::new(Int32Array::from(all(cells, |cell| match cell {
            Cell::Int(number) => Some(*number),
            _ => None,
        })?)),
        Kind::Timestamptz => {
            // A time that microseconds cannot hold is past the end of all calendars.
            let micros = |millis: i64| millis.saturating_mul(1000);
            let times = all(cells, |cell| match cell {
                Cell::Millis(millis) => Some(micros(*millis)),
                _ => None,
            })?;
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
        }
        Kind::Boolean => Arc::new(BooleanArray::from(all(cells, |cell| match cell {
            Cell::Boolean(truth) => Some(*truth),
            _ => None,
        })?)),
    })
}
